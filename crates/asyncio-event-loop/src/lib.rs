//! The event loop: timers, reactor and executor joined, with asyncio's order of a turn.
//!
//! [`run`] runs a program; a [`Runner`] runs several on one loop, on the machine's clock or on a virtual one. Inside,
//! [`get_running_loop`] gives the [`EventLoop`], and [`sleep`], [`to_thread`] and [`signal`] wait.

mod callbacks;
mod clock;
mod current;
mod deadlock;
mod debug;
mod event_loop;
mod exception;
#[cfg(unix)]
mod io_handler;
mod pace;
mod remote;
mod run_error;
mod runner;
#[cfg(unix)]
mod signal;
mod sleep;
mod thread;
mod timer;
mod turn;
#[cfg(unix)]
mod watch;

pub use asyncio_timers::Instant;
pub use callbacks::TimerHandle;
pub use deadlock::Deadlock;
pub use event_loop::EventLoop;
pub use exception::ExceptionHandler;
#[cfg(unix)]
pub use io_handler::{IoHandler, IoRegistration};
pub use remote::{ConcurrentFuture, LoopClosed, LoopRemote, RemoteError, run_coroutine_threadsafe};
pub use run_error::RunError;
pub use runner::{Runner, RunnerBuilder, run};
#[cfg(unix)]
pub use signal::{Signal, signal};
pub use sleep::{Sleep, sleep, sleep_until};
pub use thread::{Job, Pool, ThreadFuture, ThreadPool, to_thread};
pub use timer::Timer;

pub use current::{get_running_loop, try_get_running_loop};
