//! What must hold of the event loop. Traces that are compared with literal lists are those of CPython 3.13 on an equivalent
//! program, unless the test says otherwise.
#![cfg(not(asyncio_loom))]

mod callbacks;
mod cancel;
mod close;
mod context;
mod debug;
mod exception;
mod guest;
mod leak;
mod log;
mod order;
mod pace;
mod remote;
mod run;
mod socket;
mod thread;
mod virtual_time;

#[cfg(unix)]
mod child;
#[cfg(unix)]
mod interrupt;
#[cfg(unix)]
mod signal;
#[cfg(unix)]
mod watch;
