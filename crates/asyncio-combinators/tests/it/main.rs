//! What must hold of the combinators.

mod programs;
mod trace;
