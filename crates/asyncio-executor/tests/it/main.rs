//! What must hold of the executor, stepped by hand.

mod cancel;
mod clones;
mod close;
mod context;
mod foreign;
mod futures;
mod handles;
mod order;
mod panics;
mod product;
mod reentry;
mod refusal;
mod scale;
mod scopes;
mod sole;
mod trace;
mod wakers;
