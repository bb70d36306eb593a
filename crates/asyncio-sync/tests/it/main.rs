//! The tests of the crate from outside, on an executor of their own.

mod barrier;
mod condition;
mod executor;
mod exploration;
mod foreign;
mod lock;
mod queue;
mod semaphore;
mod traces;
