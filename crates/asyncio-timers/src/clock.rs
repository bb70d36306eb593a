//! Where instants come from: the machine's monotonic clock, or a number that the caller sets.

use crate::Instant;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Tells the time.
///
/// A clock never goes back: each call returns the same instant as the one before, or a later one. Nothing in this crate
/// calls it: a queue is told the time by [`TimerQueue::advance`](crate::TimerQueue::advance). It is here for those who
/// drive queues.
///
/// In Python: `loop.time` (`asyncio/events.py`, `AbstractEventLoop.time`), which a loop with virtual time overrides.
pub trait Clock {
    /// The present instant.
    fn now(&self) -> Instant;
}

impl<C: Clock + ?Sized> Clock for &C {
    fn now(&self) -> Instant {
        (**self).now()
    }
}

impl<C: Clock + ?Sized> Clock for Rc<C> {
    fn now(&self) -> Instant {
        (**self).now()
    }
}

/// The monotonic clock of the machine, counted from the moment this value was made.
///
/// Its resolution is that of [`std::time::Instant`], one nanosecond on the common systems. Whether it counts while the
/// machine is suspended is up to the system.
///
/// # Examples
///
/// ```
/// use asyncio_timers::{Clock, RealClock};
///
/// let clock = RealClock::new();
/// let first = clock.now();
/// assert!(clock.now() >= first);
/// ```
///
/// In Python: `time.monotonic`, which `loop.time` calls (`asyncio/base_events.py`, `BaseEventLoop.time`).
#[derive(Clone, Copy, Debug)]
pub struct RealClock {
    epoch: std::time::Instant,
}

impl RealClock {
    /// A clock whose epoch is now.
    pub fn new() -> Self {
        Self { epoch: std::time::Instant::now() }
    }
}

impl Default for RealClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for RealClock {
    #[inline]
    fn now(&self) -> Instant {
        Instant::ZERO + self.epoch.elapsed()
    }
}

/// A clock that stands still until it is moved, for tests and simulations.
///
/// It starts at [`Instant::ZERO`] and only goes forward.
///
/// # Examples
///
/// ```
/// use asyncio_timers::{Clock, Instant, VirtualClock};
/// use std::time::Duration;
///
/// let clock = VirtualClock::new();
/// clock.advance(Duration::from_secs(3600));
/// assert_eq!(clock.now().as_secs_f64(), 3600.0);
///
/// clock.advance_to(Instant::ZERO); // Not back.
/// assert_eq!(clock.now().as_secs_f64(), 3600.0);
/// ```
#[derive(Debug, Default)]
pub struct VirtualClock {
    now: Cell<Instant>,
}

impl VirtualClock {
    /// A clock that shows [`Instant::ZERO`].
    pub const fn new() -> Self {
        Self { now: Cell::new(Instant::ZERO) }
    }

    /// Moves the clock to `instant`, or leaves it where it is if it is past that.
    pub fn advance_to(&self, instant: Instant) {
        self.now.set(self.now.get().max(instant));
    }

    /// Moves the clock forward by `duration`, at most to [`Instant::FAR_FUTURE`].
    pub fn advance(&self, duration: Duration) {
        self.now.set(self.now.get() + duration);
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Instant {
        self.now.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_clock_never_goes_back() {
        let clock = RealClock::new();
        let mut last = Instant::ZERO;
        for _ in 0..1000 {
            let now = clock.now();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn the_virtual_clock_moves_only_forward_and_saturates() {
        let clock = VirtualClock::new();
        assert_eq!(clock.now(), Instant::ZERO);
        clock.advance_to(Instant::from_nanos(10));
        clock.advance_to(Instant::from_nanos(9));
        assert_eq!(clock.now(), Instant::from_nanos(10));
        clock.advance(Duration::MAX);
        assert_eq!(clock.now(), Instant::FAR_FUTURE);
    }

    #[test]
    fn a_reference_or_a_shared_clock_is_a_clock() {
        fn read(clock: impl Clock) -> Instant {
            clock.now()
        }
        let clock = Rc::new(VirtualClock::new());
        clock.advance(Duration::from_nanos(7));
        assert_eq!(read(&*clock), Instant::from_nanos(7));
        assert_eq!(read(clock as Rc<dyn Clock>), Instant::from_nanos(7));
    }
}
