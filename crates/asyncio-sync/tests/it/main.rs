//! The tests of the crate from outside, on an executor of their own.

mod executor;
mod exploration;
mod traces;
