//! The few things that the layers of asyncio share without knowing one another.
//!
//! Two questions cross the layers, and each is answered through a thread-local hook of one word:
//!
//! * A primitive that has a queue of waiters asks, "has a cancellation been delivered to the place where this waiter is
//!   suspended?" It keeps a [`Probe`] with the waiter and asks it before it wakes the waiter.
//! * A future that is about to suspend says what it waits for, with [`report_wait`], so that a task can be looked into
//!   from outside.
//!
//! An executor answers the first by holding a [`ProbeCell`] per place and installing a [`ProbeSource`]; it reads the
//! second with [`take_wait`]. Under an executor that does neither, a probe never says "cancelled" and a report is
//! overwritten by the next: the primitives work all the same.
#![forbid(unsafe_code)]

mod probe;
mod wait;

pub use probe::{Probe, ProbeCell, ProbeSource, set_probe_source};
pub use wait::{Wait, WaitCell, WaitKind, report_wait, take_wait};
