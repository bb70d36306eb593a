//! Readiness of descriptors, registered once and remembered.
//!
//! A [`Reactor`] knows which descriptors can be read from and written to without waiting. It is what an event loop
//! sleeps in: [`Reactor::poll`] waits until something became ready, a timeout passed or a [`Notifier`] rang, and *notes*
//! what became ready; [`Reactor::pop_ready`] then hands the notes out, one by one, in the order reported.
//!
//! There are two ways to be told of a descriptor:
//!
//! * [`Reactor::register`] gives a [`Source`]: both directions, edge-triggered, registered once. The source remembers
//!   that a direction is ready until an operation finds that it is not, so that an operation is tried first and waited
//!   for after, and a waker is woken when waiting was needed. This is what sockets and pipes of a runtime want.
//! * [`Reactor::watch`] gives a [`Watch`]: level-triggered and persistent; each poll reports it for as long as it is
//!   ready. This is what callbacks on a foreign descriptor want (`add_reader` and `add_writer` of Python's asyncio).
//!
//! What is not here: tasks, timers, buffers, protocols. **The reactor runs no code of its user** while it waits or notes:
//! wakers are handed out, not woken, and are dropped only while nothing of the reactor is borrowed. A reactor stays on
//! its thread; only a [`Notifier`] goes to others.
//!
//! # Platforms
//!
//! On Linux the wait is one `epoll_pwait2` and nothing else, to the nanosecond; where the kernel lacks that call it is
//! one `epoll_wait`, rounded up to the millisecond. Elsewhere the wait is that of `polling` (kqueue, event ports, IOCP),
//! which also runs on Linux under `--cfg asyncio_portable_reactor`. A wait may end late, but not early, unless there is
//! something to tell or a signal arrived.

mod descriptor;
mod notifier;
mod parking;
mod reactor;
mod readiness;
mod registry;
mod source;
mod sys;
mod timer_slack;
mod watch;

pub use descriptor::{AsDescriptor, AsSource, BorrowedDescriptor, OwnedDescriptor, RawSource};
pub use notifier::Notifier;
pub use reactor::{Reactor, Ready};
pub use source::Source;
pub use timer_slack::set_precise_timer_slack;
pub use watch::{Interest, Watch};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
