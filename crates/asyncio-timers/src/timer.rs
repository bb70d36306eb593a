//! One timer: the node that lives where its user wants it.
//!
//! The only `unsafe` here is a pin projection; see its comment.
#![expect(unsafe_code, reason = "a pinned timer has a pinned node; the standard library has no safe projection")]

use crate::wheel::TimerNode;
use crate::{Instant, TimerQueue};
use std::fmt;
use std::pin::Pin;

/// A timer: a place in a [`TimerQueue`], and room for the value that comes out of the queue when it is due.
///
/// It is part of what waits, a future for example, and is linked into the queue in place: arming it allocates nothing.
/// Therefore it has to be pinned, and is not `Unpin`. It is *idle* at first; [`TimerQueue::arm`] makes it *armed*, and it
/// is idle again once its value has been popped, once it is disarmed, or once the queue is cleared or dropped. An armed
/// timer that is dropped leaves the queue and drops its value. It may be armed again, in the same queue or in another,
/// at any time.
///
/// # Examples
///
/// ```
/// use asyncio_timers::{Instant, Timer, TimerQueue};
/// use std::pin::pin;
///
/// let queue = TimerQueue::new();
/// let timer = pin!(Timer::new());
/// queue.arm(timer.as_ref(), Instant::from_nanos(10), "tea is ready");
/// assert_eq!(timer.deadline(), Some(Instant::from_nanos(10)));
///
/// queue.advance(Instant::from_nanos(10));
/// assert_eq!(queue.pop_due(), Some("tea is ready"));
/// assert!(!timer.is_armed());
/// ```
///
/// In Python: `asyncio.TimerHandle` (`asyncio/events.py`), which belongs to the loop; this one belongs to who waits.
pub struct Timer<T> {
    node: TimerNode<T>,
}

impl<T> Timer<T> {
    /// An idle timer.
    #[inline]
    pub const fn new() -> Self {
        Self { node: TimerNode::new() }
    }

    /// Takes the timer out of its queue and gives back its value; `None` if it was idle.
    ///
    /// A timer that is due, but not popped yet, can be disarmed too: it is not popped then. Takes constant time.
    ///
    /// In Python: `TimerHandle.cancel` (`asyncio/events.py`); there the handle stays in the heap until its time comes.
    #[inline]
    pub fn disarm(self: Pin<&Self>) -> Option<T> {
        self.release()
    }

    /// Whether the timer is in a queue: its deadline is yet to come, or it is due and has not been popped.
    #[inline]
    pub fn is_armed(&self) -> bool {
        self.node.is_linked()
    }

    /// The deadline that the timer is armed for; `None` if it is idle.
    ///
    /// In Python: `TimerHandle.when` (`asyncio/events.py`).
    pub fn deadline(&self) -> Option<Instant> {
        self.is_armed().then(|| Instant::from_nanos(self.node.key()))
    }

    /// Replaces the value of an armed timer and gives back the old one; the timer keeps its place in the order.
    ///
    /// If the timer is idle, `value` is dropped and the answer is `None`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use asyncio_timers::{Instant, Timer, TimerQueue};
    /// # use std::pin::pin;
    /// let queue = TimerQueue::new();
    /// let timer = pin!(Timer::new());
    /// assert_eq!(timer.as_ref().replace_value('a'), None);
    ///
    /// queue.arm(timer.as_ref(), Instant::ZERO, 'b');
    /// assert_eq!(timer.as_ref().replace_value('c'), Some('b'));
    /// assert_eq!(timer.as_ref().disarm(), Some('c'));
    /// ```
    pub fn replace_value(self: Pin<&Self>, value: T) -> Option<T> {
        if self.is_armed() { self.node.value.replace(Some(value)) } else { None }
    }

    /// Calls `f` with the value of an armed timer, to look at it or to change it; `None` if the timer is idle.
    ///
    /// The value is taken out of the timer while `f` runs, so `f` may do anything with the timer and its queue. If it
    /// disarms the timer or pops it, that yields no value, and the value is dropped when `f` returns; so it is if `f`
    /// arms the timer anew or replaces its value. Within `f`, `with_value` of the same timer answers `None`. If `f`
    /// panics, the value goes back to the timer all the same.
    ///
    /// # Examples
    ///
    /// A future that is polled again changes the waker only if it has to:
    ///
    /// ```
    /// # use asyncio_timers::{Instant, Timer, TimerQueue};
    /// # use std::{pin::pin, task::Waker};
    /// # let queue = TimerQueue::new();
    /// # let timer = pin!(Timer::new());
    /// # let new = Waker::noop();
    /// # queue.arm(timer.as_ref(), Instant::ZERO, new.clone());
    /// timer.as_ref().with_value(|waker| waker.clone_from(new));
    /// ```
    pub fn with_value<R>(self: Pin<&Self>, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut loan = Loan { value: Some(self.node.value.take()?), timer: self.get_ref() };
        loan.value.as_mut().map(f)
    }

    /// The node, pinned as the timer is.
    pub(crate) fn node(self: Pin<&Self>) -> Pin<&TimerNode<T>> {
        // SAFETY: the node is pinned exactly if its timer is. `Timer` is not packed; it is not `Unpin`, as the node is
        // not; its destructor does not move the node; and nothing hands out a `&mut` to the node.
        unsafe { self.map_unchecked(|timer| &timer.node) }
    }

    /// `disarm`, for the destructor too.
    #[inline]
    pub(crate) fn release(&self) -> Option<T> {
        let unlinked = self.node.unlink()?;
        if let Some(wheel) = self.node.owner.take() {
            wheel.forget(unlinked);
        }
        self.node.value.take()
    }
}

/// A value that is out of its timer for a while.
struct Loan<'a, T> {
    timer: &'a Timer<T>,
    value: Option<T>,
}

impl<T> Drop for Loan<'_, T> {
    fn drop(&mut self) {
        let value = &self.timer.node.value;
        // A value that is there by now is newer, and a timer that is idle by now has none.
        if let Some(newer) = value.take() {
            value.set(Some(newer));
        } else if self.timer.is_armed() {
            value.set(self.value.take());
        }
    }
}

impl<T> Default for Timer<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Disarms the timer and drops its value.
impl<T> Drop for Timer<T> {
    fn drop(&mut self) {
        drop(self.release());
    }
}

impl<T> fmt::Debug for Timer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("deadline", &self.deadline()).finish()
    }
}

impl<T> TimerQueue<T> {
    /// Arms `timer`: its value comes out of [`pop_due`](Self::pop_due) once the queue has been advanced to `deadline`.
    ///
    /// If the timer was armed already, in this queue or another, it is taken from there first and its old value is
    /// given back; it goes behind all others with the same deadline. A deadline that is past is not an error: the
    /// timer is due at the next [`advance`](Self::advance), not before, and in the order of deadlines with the others
    /// that this advance makes due. Takes constant time and allocates nothing.
    ///
    /// In Python: `loop.call_at` (`asyncio/base_events.py`, `BaseEventLoop.call_at`).
    #[inline]
    pub fn arm(&self, timer: Pin<&Timer<T>>, deadline: Instant, value: T) -> Option<T> {
        let old = timer.release();
        self.wheel().insert(timer.node(), deadline.as_nanos(), value);
        old
    }
}
