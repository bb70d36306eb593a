//! A lock that tasks wait for: first come, first served, around the value it protects.

mod guard;

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};
use pin_project_lite::pin_project;

use crate::waiter::{Standing, Ticket, WaitQueue, Waiter};
use guard::Protected;
pub use guard::{Guard, LockGuard, OwnedLockGuard};

static ACQUIRE: WaitKind = WaitKind::new("Lock.acquire");

/// A mutual exclusion lock around a value of type `T`.
///
/// A task that finds the lock held waits in a queue and gets the lock in the order of arrival. A newcomer does not
/// overtake a waiter that was woken and has not run yet: between the release and that waiter's turn the lock is free by
/// [`locked`](Self::locked), and still a newcomer queues. Cancelled waiters do not count: if all who queue are
/// cancelled, a newcomer goes through. The lock is not re-entrant: a task that acquires it twice waits for itself.
///
/// Unlike `std::sync::Mutex`, the lock is for the tasks of one thread, and a panic of the holder does not poison it.
///
/// # Examples
///
/// ```
/// # futures_executor::block_on(async {
/// use asyncio_sync::Lock;
///
/// let total = Lock::new(0);
/// {
///     let mut guard = total.acquire().await;
///     *guard += 1;
///     assert!(total.locked());
/// }
/// assert_eq!(total.into_inner(), 1);
/// # });
/// ```
///
/// In Python: `asyncio.Lock` (`asyncio/locks.py`), which protects no value; `Lock::new(())` is nearest to it.
pub struct Lock<T: ?Sized> {
    waiters: WaitQueue,
    value: Protected<T>,
}

impl<T> Lock<T> {
    /// A free lock around `value`.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self { waiters: WaitQueue::new(), value: Protected::new(value) }
    }

    /// The value, out of the lock.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Lock<T> {
    /// Acquires the lock, waiting for its turn if need be. It is released when the guard is dropped.
    ///
    /// If the lock is free and nobody waits for it, this does not suspend.
    ///
    /// # Cancel safety
    ///
    /// A wait that is dropped leaves the queue. If it had been woken already, the next waiter is woken instead. The
    /// place in the queue is lost: who waits again waits at the end.
    ///
    /// In Python: `Lock.acquire`, or `async with lock`.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> LockAcquire<&Self> {
        LockAcquire::new(self, Location::caller())
    }

    /// Like [`acquire`](Self::acquire), with a guard that keeps the lock alive instead of borrowing it.
    ///
    /// # Cancel safety
    ///
    /// As [`acquire`](Self::acquire).
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_executor::block_on(async {
    /// use asyncio_sync::{Lock, OwnedLockGuard};
    /// use std::rc::Rc;
    ///
    /// let lock = Rc::new(Lock::new("free"));
    /// let guard: OwnedLockGuard<&str> = lock.clone().acquire_owned().await;
    /// assert!(lock.try_acquire().is_none());
    /// drop(guard);
    /// # });
    /// ```
    #[inline]
    #[track_caller]
    pub fn acquire_owned(self: Rc<Self>) -> LockAcquire<Rc<Self>> {
        LockAcquire::new(self, Location::caller())
    }

    /// Acquires the lock if that is possible without waiting: it is free, and no live waiter was here before.
    #[inline]
    #[must_use = "the lock is released when the guard is dropped"]
    pub fn try_acquire(&self) -> Option<LockGuard<'_, T>> {
        if self.open() { Guard::take(self) } else { None }
    }

    /// Like [`try_acquire`](Self::try_acquire), with a guard that keeps the lock alive.
    #[inline]
    #[must_use = "the lock is released when the guard is dropped"]
    pub fn try_acquire_owned(self: Rc<Self>) -> Option<OwnedLockGuard<T>> {
        if self.open() { Guard::take(self) } else { None }
    }

    /// Whether there is a guard. A lock that was released and not yet taken by the waiter woken for it is not locked.
    ///
    /// In Python: `Lock.locked`.
    #[inline]
    #[must_use]
    pub fn locked(&self) -> bool {
        self.value.taken()
    }

    /// The value, through the only reference to the lock.
    ///
    /// # Panics
    ///
    /// If a guard was leaked, as by `std::mem::forget`.
    #[inline]
    #[track_caller]
    pub fn get_mut(&mut self) -> &mut T {
        assert!(
            !self.locked(),
            "Lock::get_mut: a guard of this lock was leaked; drop guards instead of forgetting them"
        );
        self.value.get_mut()
    }

    /// Whether a newcomer may take the lock: nobody holds it and no live waiter was here before.
    #[inline]
    fn open(&self) -> bool {
        !self.locked() && (self.waiters.is_empty() || self.waiters.no_live())
    }

    /// Sees to it that the first waiter runs. If it is cancelled, nobody is woken: it will pass the turn on when it is
    /// dropped, which is its next step.
    #[inline]
    fn wake_first(&self) {
        if !self.waiters.is_empty()
            && let Some(waker) = self.waiters.wake_first()
        {
            waker.wake();
        }
    }
}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Lock<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Lock [{}]>", State { locked: self.locked(), waiters: self.waiters.len() })
    }
}

/// What stands in brackets in the `Debug` of a lock and of a condition.
pub(crate) struct State {
    pub(crate) locked: bool,
    pub(crate) waiters: usize,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.locked { "locked" } else { "unlocked" })?;
        match self.waiters {
            0 => Ok(()),
            waiters => write!(f, ", waiters:{waiters}"),
        }
    }
}

mod sealed {
    pub trait Sealed {}
}

/// How a guard holds on to its lock: `&Lock<T>` or `Rc<Lock<T>>`. Nothing else can implement it.
pub trait LockHandle: Clone + Deref<Target = Lock<Self::Value>> + sealed::Sealed {
    /// What the lock protects.
    type Value: ?Sized;
}

impl<T: ?Sized> sealed::Sealed for &Lock<T> {}
impl<T: ?Sized> LockHandle for &Lock<T> {
    type Value = T;
}

impl<T: ?Sized> sealed::Sealed for Rc<Lock<T>> {}
impl<T: ?Sized> LockHandle for Rc<Lock<T>> {
    type Value = T;
}

pin_project! {
    /// The future of [`Lock::acquire`] and [`Lock::acquire_owned`].
    #[must_use = "a lock is acquired only by awaiting the future"]
    pub struct LockAcquire<H: LockHandle> {
        // `None` once the lock was acquired.
        handle: Option<H>,
        #[pin]
        waiter: Waiter,
        location: &'static Location<'static>,
    }

    impl<H: LockHandle> PinnedDrop for LockAcquire<H> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            if !this.waiter.is_new() {
                this.leave();
            }
        }
    }
}

impl<H: LockHandle> LockAcquire<H> {
    #[inline]
    pub(crate) fn new(handle: H, location: &'static Location<'static>) -> Self {
        Self { handle: Some(handle), waiter: Waiter::new(), location }
    }

    /// Takes the lock, which is known to be free.
    #[inline]
    fn take(handle: &mut Option<H>) -> Poll<Guard<H>> {
        let guard = handle.take().and_then(Guard::take);
        Poll::Ready(guard.expect("whoever may take a lock finds it free"))
    }

    /// All that is done after the first look has found the lock taken, or others waiting for it.
    fn poll_queued(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Guard<H>> {
        let this = self.project();
        let waiter = this.waiter.as_ref();
        let lock: &Lock<H::Value> = this.handle.as_ref().expect("LockAcquire was polled after it had completed");
        match waiter.poll(cx) {
            Standing::New => {
                let ticket = Ticket::new(cx);
                if lock.open() {
                    return Self::take(this.handle);
                }
                lock.waiters.push(waiter, ticket);
            }
            // A release found this waiter cancelled and woke nobody, relying on its end; but here it is.
            Standing::Waiting if !lock.locked() && lock.waiters.is_first(&waiter) => {
                let waker = lock.waiters.remove(waiter);
                let guard = Self::take(this.handle);
                drop(waker);
                return guard;
            }
            Standing::Waiting => {}
            Standing::Woken => {
                lock.waiters.remove(waiter);
                return Self::take(this.handle);
            }
        }
        report_wait(&ACQUIRE, Some(this.location));
        Poll::Pending
    }

    /// Gives up the place in the queue, and passes on the turn if it has come.
    #[cold]
    fn leave(self: Pin<&mut Self>) {
        let this = self.project();
        if let Some(handle) = this.handle.as_ref() {
            let waker = handle.waiters.remove(this.waiter.as_ref());
            if !handle.locked() {
                handle.wake_first();
            }
            drop(waker);
        }
    }
}

impl<H: LockHandle> Future for LockAcquire<H> {
    type Output = Guard<H>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Guard<H>> {
        let this = self.as_mut().project();
        // What is open although somebody queues is found below.
        if this.waiter.is_new() && this.handle.as_ref().is_some_and(|lock| !lock.locked() && lock.waiters.is_empty()) {
            return Self::take(this.handle);
        }
        self.poll_queued(cx)
    }
}

impl<H: LockHandle> fmt::Debug for LockAcquire<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Lock.acquire at {}>", self.location)
    }
}
