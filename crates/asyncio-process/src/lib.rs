//! Subprocesses for asyncio: with streams, or with transports and protocols.
//!
//! [`create_subprocess_exec`] and [`create_subprocess_shell`] start a program and give a [`Process`], whose standard streams
//! are streams of `asyncio-net`. [`subprocess_exec`] and [`subprocess_shell`] call a [`SubprocessProtocol`] back.
//!
//! # What becomes of a child
//!
//! A child is waited for by the event loop from its start to its end, whoever holds a handle of it: so none becomes a
//! zombie, and dropping a handle stops no child. Nobody else's children are waited for. When the loop is closed, children
//! that still run are killed and waited for.
//!
//! On Linux a child is watched through a descriptor of it. Where the system has none, or refuses it, a thread waits for
//! each child. No signal handler is installed for this, so it works on any thread, beside anybody's handling of SIGCHLD.
#![cfg(unix)]

mod child;
mod communicate;
mod create;
mod options;
mod process;
mod protocol;
mod spawn;
mod stdio;
mod transport;

pub use create::{
    Callbacks, CreateSubprocess, LoopSubprocess, Streams, create_subprocess_exec, create_subprocess_shell,
    subprocess_exec, subprocess_shell,
};
pub use options::Args;
pub use process::Process;
pub use protocol::SubprocessProtocol;
pub use stdio::{DEVNULL, INHERIT, PIPE, STDOUT, Stdio};
pub use transport::SubprocessTransport;

#[doc(hidden)]
pub use child::watch_with_threads;

/// Compiles and runs the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
