//! An ordered queue of timers, and clocks, real and virtual.
//!
//! [`TimerQueue`] knows what is to happen when. A [`Timer`] belongs to whoever waits, carries any value, a
//! [`Waker`](std::task::Waker) for example, and is linked into the queue in place. The queue is told the time with
//! [`TimerQueue::advance`] and gives back the values of the timers that are due, in the exact order of their deadlines
//! and, where those are equal, of their arming.
//!
//! [`Instant`] is the time: nanoseconds since the epoch of a [`Clock`], which is the machine's ([`RealClock`]) or one
//! that the caller moves ([`VirtualClock`]). The queue reads no clock, so the same code runs on both.
//!
//! A loop that drives a queue repeats three steps: sleep until [`TimerQueue::next_wakeup`], advance to the present, and
//! pop until nothing is due. Here it is with virtual time, where sleeping means to move the clock:
//!
//! ```
//! use asyncio_timers::{Clock, Timer, TimerQueue, VirtualClock};
//! use std::pin::pin;
//! use std::time::Duration;
//!
//! let clock = VirtualClock::new();
//! let queue = TimerQueue::new();
//! let (first, second) = (pin!(Timer::new()), pin!(Timer::new()));
//! queue.arm(second.as_ref(), clock.now() + Duration::from_secs(2), "second");
//! queue.arm(first.as_ref(), clock.now() + Duration::from_secs(1), "first");
//!
//! let mut log = Vec::new();
//! while let Some(wakeup) = queue.next_wakeup() {
//!     clock.advance_to(wakeup);
//!     queue.advance(clock.now());
//!     while let Some(name) = queue.pop_due() {
//!         log.push((clock.now().as_secs_f64(), name));
//!     }
//! }
//! assert_eq!(log, [(1.0, "first"), (2.0, "second")]);
//! ```
//!
//! All of it belongs to one thread: queues and timers are neither `Send` nor `Sync`.

mod clock;
mod instant;
mod list;
mod queue;
mod sort;
mod timer;
mod wheel;

pub use clock::{Clock, RealClock, VirtualClock};
pub use instant::Instant;
pub use queue::TimerQueue;
pub use timer::Timer;

/// Compiles and runs the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// A queue must not forget how long the values in it live:
///
/// ```compile_fail,E0597
/// use asyncio_timers::{Instant, Timer, TimerQueue};
/// use std::pin::pin;
///
/// fn arm<'a>(queue: &TimerQueue<&'a str>, timer: std::pin::Pin<&Timer<&'a str>>, value: &'a str) {
///     queue.arm(timer, Instant::ZERO, value);
/// }
///
/// let queue = TimerQueue::<&'static str>::new();
/// let timer = pin!(Timer::new());
/// let value = String::from("short-lived");
/// arm(&queue, timer.as_ref(), &value);
/// ```
///
/// A queue or a timer must not cross threads, and a timer must not be moved once it is armed:
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// send(asyncio_timers::TimerQueue::<u8>::new());
/// ```
///
/// ```compile_fail,E0277
/// fn send<T: Send>(_: T) {}
/// send(asyncio_timers::Timer::<u8>::new());
/// ```
///
/// ```compile_fail,E0277
/// fn unpin<T: Unpin>(_: T) {}
/// unpin(asyncio_timers::Timer::<u8>::new());
/// ```
#[cfg(doctest)]
struct MustNotCompile;
