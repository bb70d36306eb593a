//! A condition variable: tasks that hold a lock give it up until another task says that something has changed.

mod wait;

use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::lock::{Guard, Lock, LockAcquire, LockGuard, LockHandle, State};
use crate::waiter::WaitQueue;
pub use wait::{ConditionWait, ConditionWaitFor};

/// A condition variable together with the [`Lock`] around the value that the condition is about.
///
/// [`wait`](Self::wait) takes the guard, releases the lock, waits for a [`notify`](Self::notify), acquires the lock again
/// and gives the guard back. [`wait_for`](Self::wait_for) does so until a predicate of the value holds. Waiters are
/// notified in the order of their arrival, and they get the lock one after the other.
///
/// A wait that is cancelled does not acquire the lock again: the guard was handed in and is gone. In Python, the task
/// holds the lock again while it handles the cancellation.
///
/// # Examples
///
/// ```
/// # futures_executor::block_on(async {
/// use asyncio_sync::Condition;
/// use futures_util::future::join;
/// use std::collections::VecDeque;
///
/// let jobs = Condition::new(VecDeque::new());
/// let consumer = async {
///     let mut queue = jobs.acquire().await;
///     while queue.is_empty() {
///         queue = jobs.wait(queue).await;
///     }
///     queue.pop_front()
/// };
/// let producer = async {
///     let mut queue = jobs.acquire().await;
///     queue.push_back("job");
///     jobs.notify(&queue, 1);
/// };
/// assert_eq!(join(consumer, producer).await.0, Some("job"));
/// # });
/// ```
///
/// In Python: `asyncio.Condition` (`asyncio/locks.py`).
pub struct Condition<T> {
    lock: Owner<T>,
    waiters: WaitQueue,
}

enum Owner<T> {
    This(Lock<T>),
    Shared(Rc<Lock<T>>),
}

impl<T> Condition<T> {
    /// A condition with a lock of its own around `value`.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self { lock: Owner::This(Lock::new(value)), waiters: WaitQueue::new() }
    }

    /// A condition on a lock that others use too, such as another condition on the same value.
    ///
    /// In Python: `Condition(lock)`.
    #[must_use]
    pub const fn with_lock(lock: Rc<Lock<T>>) -> Self {
        Self { lock: Owner::Shared(lock), waiters: WaitQueue::new() }
    }

    /// The lock.
    #[inline]
    #[must_use]
    pub fn lock(&self) -> &Lock<T> {
        match &self.lock {
            Owner::This(lock) => lock,
            Owner::Shared(lock) => lock,
        }
    }

    /// Acquires the lock. See [`Lock::acquire`].
    ///
    /// # Cancel safety
    ///
    /// As [`Lock::acquire`].
    ///
    /// In Python: `Condition.acquire`, or `async with condition`.
    #[inline]
    #[track_caller]
    pub fn acquire(&self) -> LockAcquire<&Lock<T>> {
        LockAcquire::new(self.lock(), Location::caller())
    }

    /// Acquires the lock if that is possible without waiting. See [`Lock::try_acquire`].
    #[inline]
    #[must_use = "the lock is released when the guard is dropped"]
    pub fn try_acquire(&self) -> Option<LockGuard<'_, T>> {
        self.lock().try_acquire()
    }

    /// Whether the lock is held.
    ///
    /// In Python: `Condition.locked`.
    #[inline]
    #[must_use]
    pub fn locked(&self) -> bool {
        self.lock().locked()
    }

    /// Releases the lock, waits until notified, and acquires the lock again. Until the future is first polled, the lock
    /// stays held.
    ///
    /// What was notified is only that something changed, and others may hold the lock in between: look again, or use
    /// [`wait_for`](Self::wait_for).
    ///
    /// # Cancel safety
    ///
    /// A wait that is dropped leaves the lock released, and the queue it is in. If it had been notified, another waiter
    /// is notified in its place; otherwise it leaves nothing behind.
    ///
    /// # Panics
    ///
    /// If `guard` is that of another lock.
    ///
    /// In Python: `Condition.wait`. There a wait that is cancelled acquires the lock before it raises, and notifies
    /// another waiter in any case.
    #[inline]
    #[track_caller]
    pub fn wait<H: LockHandle<Value = T>>(&self, guard: Guard<H>) -> ConditionWait<'_, H> {
        self.check(Guard::lock(&guard), "wait");
        ConditionWait::new(&self.waiters, guard, Location::caller())
    }

    /// Waits until `predicate` holds. It is called with the lock held: at once, and each time this task was notified.
    ///
    /// If it holds at once, this does not suspend and does not release the lock.
    ///
    /// # Cancel safety
    ///
    /// As [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// If `guard` is that of another lock. A panic of `predicate` goes on, and the lock is released.
    ///
    /// # Examples
    ///
    /// ```
    /// # futures_executor::block_on(async {
    /// use asyncio_sync::Condition;
    /// use futures_util::future::join;
    ///
    /// let level = Condition::new(0);
    /// let wait = async {
    ///     let guard = level.acquire().await;
    ///     *level.wait_for(guard, |level| *level >= 3).await
    /// };
    /// let rise = async {
    ///     let mut guard = level.acquire().await;
    ///     *guard = 3;
    ///     level.notify_all(&guard);
    /// };
    /// assert_eq!(join(wait, rise).await.0, 3);
    /// # });
    /// ```
    ///
    /// In Python: `Condition.wait_for`, which returns the value of the predicate.
    #[inline]
    #[track_caller]
    pub fn wait_for<H, P>(&self, guard: Guard<H>, predicate: P) -> ConditionWaitFor<'_, H, P>
    where
        H: LockHandle<Value = T>,
        P: FnMut(&mut T) -> bool,
    {
        self.check(Guard::lock(&guard), "wait_for");
        ConditionWaitFor::new(ConditionWait::new(&self.waiters, guard, Location::caller()), predicate)
    }

    /// Wakes the first `n` live waiters, or all if there are fewer. They run on when they get the lock, so not before
    /// `guard` is dropped.
    ///
    /// # Panics
    ///
    /// If `guard` is that of another lock.
    ///
    /// In Python: `Condition.notify`.
    #[inline]
    #[track_caller]
    pub fn notify<H: LockHandle<Value = T>>(&self, guard: &Guard<H>, n: usize) {
        self.check(Guard::lock(guard), "notify");
        notify(&self.waiters, n);
    }

    /// Wakes all waiters. They run on when they get the lock, one after the other.
    ///
    /// # Panics
    ///
    /// If `guard` is that of another lock.
    ///
    /// In Python: `Condition.notify_all`.
    #[inline]
    #[track_caller]
    pub fn notify_all<H: LockHandle<Value = T>>(&self, guard: &Guard<H>) {
        self.check(Guard::lock(guard), "notify_all");
        notify(&self.waiters, usize::MAX);
    }

    #[inline]
    #[track_caller]
    fn check(&self, lock: &Lock<T>, operation: &str) {
        assert!(
            std::ptr::eq(self.lock(), lock),
            "Condition::{operation}: the guard is of another lock; acquire the lock of this condition, or make the \
             condition with `Condition::with_lock`"
        );
    }
}

/// Wakes the first `n` live waiters that are in the queue now.
fn notify(waiters: &WaitQueue, n: usize) {
    let end = waiters.end();
    for _ in 0..n {
        match waiters.pop_live(end) {
            Some(waker) => waker.wake(),
            None => break,
        }
    }
}

impl<T: Default> Default for Condition<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for Condition<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Condition [{}]>", State { locked: self.locked(), waiters: self.waiters.len() })
    }
}
