//! The queue that timers are armed in.

use crate::Instant;
use crate::wheel::Wheel;
use std::fmt;
use std::rc::Rc;

/// An ordered queue of [`Timer`](crate::Timer)s.
///
/// It is told the time by [`advance`](Self::advance) and hands out values by [`pop_due`](Self::pop_due); it reads no
/// clock and calls nobody. Timers become due in the order of their deadlines, and those with equal deadlines in the
/// order in which they were armed. The resolution is one nanosecond.
///
/// Arming and disarming take constant time, however many timers are armed. A timer is moved at most eleven times
/// between being armed and being due. The queue allocates when it is made (about 13 KiB) and never again.
///
/// Timers may outlive the queue: when it is dropped, their values are dropped and they are idle. The destructor of a
/// value may arm, disarm and drop timers, of this queue too: it runs only when the queue is in order.
///
/// # Examples
///
/// ```
/// use asyncio_timers::{Instant, Timer, TimerQueue};
/// use std::pin::pin;
///
/// let queue = TimerQueue::new();
/// let (late, early) = (pin!(Timer::new()), pin!(Timer::new()));
/// queue.arm(late.as_ref(), Instant::from_nanos(700), "late");
/// queue.arm(early.as_ref(), Instant::from_nanos(300), "early");
/// assert_eq!(queue.next_wakeup(), Some(Instant::from_nanos(300)));
///
/// queue.advance(Instant::from_nanos(1_000));
/// let due: Vec<_> = std::iter::from_fn(|| queue.pop_due()).collect();
/// assert_eq!(due, ["early", "late"]);
/// ```
///
/// In Python: the heap `BaseEventLoop._scheduled` (`asyncio/base_events.py`), where the order of equal deadlines is
/// not defined.
pub struct TimerQueue<T> {
    wheel: Rc<Wheel<T>>,
}

impl<T> TimerQueue<T> {
    /// An empty queue, at [`Instant::ZERO`].
    pub fn new() -> Self {
        Self { wheel: Rc::new(Wheel::new()) }
    }

    pub(crate) fn wheel(&self) -> &Rc<Wheel<T>> {
        &self.wheel
    }

    /// Makes due every timer whose deadline is `now` or earlier.
    ///
    /// They go behind those that are due from earlier calls, sorted by deadline, and in the order of arming where
    /// deadlines are equal. A `now` that is earlier than that of a previous call counts as that one. A timer that is
    /// armed afterwards waits for the next call, even if its deadline is past.
    ///
    /// Takes time in proportion to the timers that it moves: those that become due, and those whose turn has come to
    /// be sorted more finely.
    pub fn advance(&self, now: Instant) {
        self.wheel.advance(now.as_nanos());
    }

    /// The value of the next due timer, which is idle from now on.
    pub fn pop_due(&self) -> Option<T> {
        self.wheel.pop_due()
    }

    /// Whether a timer is due and has not been popped.
    pub fn has_due(&self) -> bool {
        self.wheel.has_due()
    }

    /// When to call [`advance`](Self::advance) next; `None` if all armed timers, if any, are due already.
    ///
    /// It is never later than [`next_deadline`](Self::next_deadline), and never earlier than the last advance unless the
    /// deadline itself is. It *is* the next deadline, unless more than 32 timers, whose deadlines may differ, shared the
    /// slot of the earliest when the answer was worked out. Then it is the start of that slot, a lower bound that is
    /// kept until an advance passes it, an earlier timer is armed, or the slot runs empty. An advance to the bound
    /// spreads the slot over finer ones; after ten of them at most the answer is exact.
    ///
    /// The answer is remembered. Otherwise this looks at 32 timers at most, or sorts those that were armed with a
    /// deadline already past, if they were not armed in order.
    pub fn next_wakeup(&self) -> Option<Instant> {
        self.wheel.next_wakeup().map(Instant::from_nanos)
    }

    /// The earliest deadline of a timer that is not due; `None` if there is none.
    ///
    /// The answer is remembered until that timer is disarmed or becomes due. Otherwise all timers in the slot of the
    /// earliest are looked at, which can be nearly all that are armed. To know how long to sleep, use
    /// [`next_wakeup`](Self::next_wakeup).
    pub fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline().map(Instant::from_nanos)
    }

    /// How many timers are armed: those whose deadline is yet to come, and those that are due and not popped.
    pub fn len(&self) -> usize {
        self.wheel.len()
    }

    /// Whether no timer is armed.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops the values of all timers, due or not; the timers become idle, one after the other.
    ///
    /// The order is not defined. A timer that the destructor of a value arms meanwhile stays armed. The time of the
    /// queue stays as it is. If a destructor panics, the remaining values are dropped before the panic goes on.
    pub fn clear(&self) {
        self.wheel.clear();
    }
}

impl<T> Default for TimerQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Drops the values of all timers, which become idle.
impl<T> Drop for TimerQueue<T> {
    fn drop(&mut self) {
        self.wheel.clear();
    }
}

impl<T> fmt::Debug for TimerQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerQueue")
            .field("advanced_to", &Instant::from_nanos(self.wheel.elapsed()))
            .field("len", &self.len())
            .field("next_wakeup", &self.next_wakeup())
            .finish()
    }
}
