//! What must hold of the executor, stepped by hand.

mod cancel;
