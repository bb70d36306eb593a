//! The event loop: timers, reactor and executor joined, with asyncio's order of a turn.
//!
//! [`run`] runs a program; a [`Runner`] runs several on one loop, on the machine's clock or on a virtual one. Inside,
//! [`get_running_loop`] gives the [`EventLoop`], and [`sleep`], [`to_thread`] and [`signal`] wait.
//!
//! # A turn
//!
//! 1. If nothing is ready, wait: for descriptors, signals, other threads, and no longer than until the earliest timer.
//! 2. Run what was ready when the turn began, first in first out: steps of tasks, and callbacks.
//! 3. Call what waited for descriptors and signals, in the order reported.
//! 4. Do what timers are due for, in the order of their deadlines, then of arming.
//!
//! What any of that makes ready is for the next turn. While there is something to do, descriptors are looked at in at least
//! every 64th turn.
//!
//! # What is promised of the user's code
//!
//! While it runs, nothing of the loop is borrowed: callbacks, handlers and destructors may call anything back. Its panics go no
//! further than to the exception handler, save that of the main task, which goes on out of the run. No run is started inside
//! another on one thread.

mod callbacks;
mod clock;
mod current;
mod deadlock;
mod debug;
mod event_loop;
mod exception;
mod io_handler;
mod pace;
mod remote;
mod run_error;
mod runner;
mod signal;
mod sleep;
mod thread;
mod timer;
mod turn;
mod watch;

pub use asyncio_timers::Instant;
pub use callbacks::TimerHandle;
pub use deadlock::Deadlock;
pub use event_loop::EventLoop;
pub use exception::ExceptionHandler;
pub use io_handler::{IoHandler, IoRegistration};
pub use remote::{ConcurrentFuture, LoopClosed, LoopRemote, RemoteError, run_coroutine_threadsafe};
pub use run_error::RunError;
pub use runner::{Runner, RunnerBuilder, run};
pub use signal::{Signal, signal};
pub use sleep::{Sleep, sleep, sleep_until};
pub use thread::{Job, Pool, ThreadFuture, ThreadPool, spawn_thread, to_thread};
pub use timer::Timer;

pub use current::{get_running_loop, try_get_running_loop, with_running};

/// Compiles and runs the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
