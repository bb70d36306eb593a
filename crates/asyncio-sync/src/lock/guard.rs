//! The value inside a lock and the guard that opens it: the other file of the crate that follows raw pointers.
//!
//! # Rules
//!
//! 1. `taken` becomes true in [`Guard::take`] alone, which makes a guard then and only then, and only if it was false. It
//!    becomes false in the destructor of a guard alone. So at any time there is at most one guard of a lock, and if there
//!    is one, `taken` is true. (A leaked guard leaves it true for ever.)
//! 2. A guard reaches the value of the lock that it was made of and no other: its handle is a `&Lock<T>` or an
//!    `Rc<Lock<T>>`, which nobody can exchange in a guard, and both keep the lock where it is. No `&mut Lock<T>` exists
//!    meanwhile, as either handle excludes it.
//! 3. The value is reached through the guard, with the guard's own borrow, and through [`Protected::get_mut`] and
//!    [`Protected::into_inner`], which own the lock exclusively. So no two references to it clash.
#![expect(
    unsafe_code,
    reason = "a guard gives out the value of a cell, exclusively by the flag beside it; see the rules"
)]

use std::cell::{Cell, UnsafeCell};
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use super::{Lock, LockHandle};

/// A value, and whether there is a guard of it.
pub(crate) struct Protected<T: ?Sized> {
    taken: Cell<bool>,
    value: UnsafeCell<T>,
}

impl<T> Protected<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { taken: Cell::new(false), value: UnsafeCell::new(value) }
    }

    pub(crate) fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Protected<T> {
    #[inline]
    pub(crate) fn taken(&self) -> bool {
        self.taken.get()
    }

    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

/// The guard of a [`Lock`] that is borrowed.
pub type LockGuard<'a, T> = Guard<&'a Lock<T>>;

/// The guard of a [`Lock`] that it keeps alive.
pub type OwnedLockGuard<T> = Guard<Rc<Lock<T>>>;

/// Proof that a [`Lock`] is held, and the way to its value. Dropping the guard releases the lock and wakes the first waiter.
///
/// Mostly met under its names [`LockGuard`] and [`OwnedLockGuard`]. A guard that is leaked, as by `std::mem::forget`,
/// never releases.
///
/// In Python: the body of `async with lock`; the drop is `Lock.release`. That "release of an unlocked lock" is an error
/// in Python; here it cannot be written.
#[must_use = "the lock is released when the guard is dropped"]
pub struct Guard<H: LockHandle> {
    handle: H,
}

impl<H: LockHandle> Guard<H> {
    /// Takes the lock if nobody holds it. Whether it is the caller's turn is for the caller to know.
    #[inline]
    pub(crate) fn take(handle: H) -> Option<Self> {
        if handle.value.taken.replace(true) { None } else { Some(Self { handle }) }
    }

    /// Releases the lock. The same as dropping the guard, for where a name says more.
    ///
    /// In Python: `Lock.release`.
    #[inline]
    pub fn release(guard: Self) {
        drop(guard);
    }

    /// The lock that this is a guard of.
    #[inline]
    #[must_use]
    pub fn lock(guard: &Self) -> &Lock<H::Value> {
        &guard.handle
    }

    /// How the guard holds on to the lock.
    #[inline]
    pub(crate) fn handle(guard: &Self) -> &H {
        &guard.handle
    }
}

impl<H: LockHandle> Deref for Guard<H> {
    type Target = H::Value;

    #[inline]
    fn deref(&self) -> &H::Value {
        let value = self.handle.value.value.get();
        // SAFETY: the pointer is that of a live cell, kept by the handle (rule 2); no exclusive reference exists, as the
        // only guard is borrowed shared for as long as the result lives (rules 1 and 3).
        unsafe { &*value }
    }
}

impl<H: LockHandle> DerefMut for Guard<H> {
    #[inline]
    fn deref_mut(&mut self) -> &mut H::Value {
        let value = self.handle.value.value.get();
        // SAFETY: the pointer is that of a live cell, kept by the handle (rule 2); no other reference exists, as the only
        // guard is borrowed exclusively for as long as the result lives (rules 1 and 3).
        unsafe { &mut *value }
    }
}

impl<H: LockHandle> Drop for Guard<H> {
    #[inline]
    fn drop(&mut self) {
        self.handle.value.taken.set(false);
        self.handle.wake_first();
    }
}

impl<H: LockHandle> fmt::Debug for Guard<H>
where
    H::Value: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LockGuard").field(&&**self).finish()
    }
}

impl<H: LockHandle> fmt::Display for Guard<H>
where
    H::Value: fmt::Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
