//! The semaphore that refuses to have more permits than it began with.

use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use super::{OwnedSemaphorePermit, Permit, Semaphore, SemaphoreAcquire, SemaphorePermit};

/// A [`Semaphore`] whose value never goes above what it was made with, so that a release too many shows.
///
/// A permit that is dropped while the semaphore is full adds nothing. That happens only after a
/// [`release`](Self::release) that no acquire stands for.
///
/// # Examples
///
/// ```
/// # futures_executor::block_on(async {
/// use asyncio_sync::BoundedSemaphore;
///
/// let slots = BoundedSemaphore::new(1);
/// slots.acquire().await.forget();
/// assert!(slots.release().is_ok());
/// let error = slots.release().unwrap_err();
/// assert_eq!(error.to_string(), "cannot release a bounded semaphore whose value is 1 and bound is 1");
/// # });
/// ```
///
/// In Python: `asyncio.BoundedSemaphore` (`asyncio/locks.py`).
pub struct BoundedSemaphore(pub(super) Semaphore);

impl BoundedSemaphore {
    /// A semaphore with that many permits, and never more.
    #[must_use]
    pub const fn new(value: usize) -> Self {
        Self(Semaphore::bounded(value, value))
    }

    /// Acquires a permit, waiting for its turn if need be. See [`Semaphore::acquire`].
    ///
    /// # Cancel safety
    ///
    /// As [`Semaphore::acquire`].
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> SemaphoreAcquire<&Semaphore> {
        SemaphoreAcquire::new(&self.0, Location::caller())
    }

    /// Like [`acquire`](Self::acquire), with a permit that keeps the semaphore alive instead of borrowing it.
    ///
    /// # Cancel safety
    ///
    /// As [`Semaphore::acquire`].
    #[inline]
    #[track_caller]
    pub fn acquire_owned(self: Rc<Self>) -> SemaphoreAcquire<Rc<Self>> {
        SemaphoreAcquire::new(self, Location::caller())
    }

    /// Acquires a permit if that is possible without waiting.
    #[inline]
    #[must_use = "the permit is released when it is dropped"]
    pub fn try_acquire(&self) -> Option<SemaphorePermit<'_>> {
        Permit::take(&self.0)
    }

    /// Like [`try_acquire`](Self::try_acquire), with a permit that keeps the semaphore alive.
    #[inline]
    #[must_use = "the permit is released when it is dropped"]
    pub fn try_acquire_owned(self: Rc<Self>) -> Option<OwnedSemaphorePermit<Self>> {
        Permit::take(self)
    }

    /// Adds a permit and wakes the first live waiter to take it.
    ///
    /// # Errors
    ///
    /// If the value is what the semaphore was made with. Nothing is released then.
    ///
    /// In Python: `BoundedSemaphore.release`, which raises `ValueError`.
    #[inline]
    pub fn release(&self) -> Result<(), ReleaseError> {
        if self.0.value() >= self.0.bound {
            return Err(ReleaseError { value: self.0.value(), bound: self.0.bound });
        }
        self.0.release();
        Ok(())
    }

    /// Whether [`acquire`](Self::acquire) would wait. See [`Semaphore::locked`].
    #[inline]
    #[must_use]
    pub fn locked(&self) -> bool {
        self.0.locked()
    }

    /// The permits that neither are held nor have been given to a waiter.
    #[inline]
    #[must_use]
    pub fn value(&self) -> usize {
        self.0.value()
    }

    /// The value that the semaphore was made with.
    #[inline]
    #[must_use]
    pub fn bound(&self) -> usize {
        self.0.bound
    }
}

/// One permit, as in Python.
impl Default for BoundedSemaphore {
    fn default() -> Self {
        Self::new(1)
    }
}

impl fmt::Debug for BoundedSemaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_as("BoundedSemaphore", f)
    }
}

/// A [`BoundedSemaphore`] was released more often than it was acquired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseError {
    value: usize,
    bound: usize,
}

impl ReleaseError {
    /// The value of the semaphore when it was released.
    #[must_use]
    pub fn value(&self) -> usize {
        self.value
    }

    /// The value that the semaphore was made with.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.bound
    }
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot release a bounded semaphore whose value is {} and bound is {}", self.value, self.bound)
    }
}

impl Error for ReleaseError {}
