//! The tests of the crate from outside, on an executor of their own.

mod condition;
mod executor;
mod exploration;
mod lock;
mod semaphore;
mod traces;
