//! Semaphores: a number of permits that tasks wait for.

mod bounded;
mod permit;

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::waiter::WaitQueue;
pub use bounded::{BoundedSemaphore, ReleaseError};
pub use permit::{OwnedSemaphorePermit, Permit, SemaphoreAcquire, SemaphoreHandle, SemaphorePermit};

/// A counter that [`acquire`](Self::acquire) takes down and [`release`](Self::release) takes up, and that never goes
/// below zero: at zero, `acquire` waits.
///
/// Permits go to waiters in the order of their arrival. A release hands its permit to the first live waiter at once, so
/// a newcomer cannot take it, and as long as a live waiter queues, a newcomer queues behind it even if the counter is
/// above zero.
///
/// # Examples
///
/// ```
/// # futures_executor::block_on(async {
/// use asyncio_sync::Semaphore;
///
/// let connections = Semaphore::new(2);
/// let one = connections.acquire().await;
/// let two = connections.acquire().await;
/// assert!(connections.locked());
/// drop(one);
/// assert!(!connections.locked());
/// // A permit that is forgotten is used up.
/// two.forget();
/// assert_eq!(connections.value(), 1);
/// // Anybody may add one.
/// connections.release();
/// assert_eq!(connections.value(), 2);
/// # });
/// ```
///
/// In Python: `asyncio.Semaphore` (`asyncio/locks.py`). A negative initial value, an error there, has no type here.
pub struct Semaphore {
    value: Cell<usize>,
    /// What the value does not go above.
    bound: usize,
    /// Waiters that were given a permit and have not run yet. In CPython these are still in the queue.
    woken: Cell<usize>,
    waiters: WaitQueue,
}

impl Semaphore {
    /// A semaphore with that many permits; zero is allowed.
    #[must_use]
    pub const fn new(value: usize) -> Self {
        Self::bounded(value, usize::MAX)
    }

    const fn bounded(value: usize, bound: usize) -> Self {
        Self { value: Cell::new(value), bound, woken: Cell::new(0), waiters: WaitQueue::new() }
    }

    /// Acquires a permit, waiting for its turn if need be. Dropping the permit releases it.
    ///
    /// If there is a permit and nobody waits for it, this does not suspend.
    ///
    /// # Cancel safety
    ///
    /// A wait that is dropped leaves the queue. If it had been given a permit already, the next waiter gets it. The place
    /// in the queue is lost.
    ///
    /// In Python: `Semaphore.acquire`, or `async with semaphore`.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> SemaphoreAcquire<&Self> {
        SemaphoreAcquire::new(self, Location::caller())
    }

    /// Like [`acquire`](Self::acquire), with a permit that keeps the semaphore alive instead of borrowing it.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    #[inline]
    #[track_caller]
    pub fn acquire_owned(self: Rc<Self>) -> SemaphoreAcquire<Rc<Self>> {
        SemaphoreAcquire::new(self, Location::caller())
    }

    /// Acquires a permit if that is possible without waiting.
    #[inline]
    #[must_use = "the permit is released when it is dropped"]
    pub fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        Permit::take(self)
    }

    /// Like [`try_acquire`](Self::try_acquire), with a permit that keeps the semaphore alive.
    #[inline]
    #[must_use = "the permit is released when it is dropped"]
    pub fn try_acquire_owned(self: Rc<Self>) -> Option<OwnedSemaphorePermit> {
        Permit::take(self)
    }

    /// Adds a permit and wakes the first live waiter to take it. Any task may call this, whether or not it acquired.
    ///
    /// # Panics
    ///
    /// If there are `usize::MAX` permits.
    ///
    /// In Python: `Semaphore.release`.
    #[inline]
    #[track_caller]
    pub fn release(&self) {
        let value = self.value.get().checked_add(1);
        self.value.set(value.expect("Semaphore::release: the value would overflow; release only what was acquired"));
        self.wake_next();
    }

    /// Whether [`acquire`](Self::acquire) would wait: there is no permit, or there are live waiters.
    ///
    /// In Python: `Semaphore.locked`.
    #[inline]
    #[must_use]
    pub fn locked(&self) -> bool {
        self.value.get() == 0 || self.woken.get() > 0 || !(self.waiters.is_empty() || self.waiters.no_live())
    }

    /// The permits that neither are held nor have been given to a waiter.
    #[inline]
    #[must_use]
    pub fn value(&self) -> usize {
        self.value.get()
    }

    /// What the drop of a permit does.
    #[inline]
    fn give_back(&self) {
        if self.value.get() < self.bound {
            self.release();
        }
    }

    /// Gives a permit to the first live waiter; false if there is none. Only with a permit there to give.
    #[inline]
    fn wake_next(&self) -> bool {
        if self.waiters.is_empty() {
            return false;
        }
        let Some(waker) = self.waiters.pop_live(self.waiters.end()) else { return false };
        self.value.set(self.value.get() - 1);
        self.woken.set(self.woken.get() + 1);
        waker.wake();
        true
    }

    /// Gives out what there is: done at the end of every wait, as waiters may have come that had to queue behind it.
    #[inline]
    fn wake_all_possible(&self) {
        while self.value.get() > 0 && self.wake_next() {}
    }

    fn fmt_as(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{name} [")?;
        if self.locked() {
            f.write_str("locked")?;
        } else {
            write!(f, "unlocked, value:{}", self.value.get())?;
        }
        match self.waiters.len() + self.woken.get() {
            0 => f.write_str("]>"),
            waiters => write!(f, ", waiters:{waiters}]>"),
        }
    }
}

/// One permit, as in Python.
impl Default for Semaphore {
    fn default() -> Self {
        Self::new(1)
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("Semaphore", f)
    }
}
