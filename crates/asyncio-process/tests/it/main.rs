//! What must hold of children, with programs that every Unix has. All of it is run twice: see `fallback`.
#![cfg(unix)]

mod communicating;
mod dropping;
mod fallback;
mod faults;
mod options;
mod order;
mod process;
mod support;
mod transport;
