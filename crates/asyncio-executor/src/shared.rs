#![expect(unsafe_code, reason = "one field of a shared structure belongs to one thread")]
//! The part of an executor that other threads may touch: its thread's number, its inbox, and how to wake it.
//!
//! `Shared` is `Sync` although it holds a `Cell`: `home` is read and written by the owner's thread only, which every
//! caller establishes by comparing `thread` with its own number first. Thread numbers are never used twice.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::executor::Inner;
use crate::life::Inbox;

/// A closure that another thread sent to run on the loop.
pub(crate) type Remote = Box<dyn FnOnce() + Send>;

/// What foreign threads know of an executor.
pub(crate) struct Shared {
    pub(crate) thread: u64,
    pub(crate) inbox: Inbox,
    /// The executor, for its own thread; null once it is gone.
    home: Cell<*const Inner>,
    /// Closures sent by `call_soon_threadsafe`; `None` once the executor is gone.
    calls: Mutex<Option<VecDeque<Remote>>>,
    /// Whether `calls` may hold something: looked at each turn, so that the lock is not.
    called: AtomicBool,
    notify: Box<dyn Fn() + Send + Sync>,
}

// SAFETY: all fields but `home` are `Send + Sync` (`Inbox` is atomic); `home` is touched by one thread only, see the header.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn new(thread: u64, notify: Box<dyn Fn() + Send + Sync>) -> Self {
        Self {
            thread,
            inbox: Inbox::new(),
            home: Cell::new(ptr::null()),
            calls: Mutex::new(Some(VecDeque::new())),
            called: AtomicBool::new(false),
            notify,
        }
    }

    /// One more counted reference.
    ///
    /// # Safety
    ///
    /// `shared` was made from an `Arc`, and is alive.
    pub(crate) unsafe fn hold(shared: *const Self) -> Arc<Self> {
        // SAFETY: by the caller's promise.
        unsafe { Arc::increment_strong_count(shared) };
        // SAFETY: the count that was just made.
        unsafe { Arc::from_raw(shared) }
    }

    /// Whether the caller is on the thread of the loop.
    #[inline]
    pub(crate) fn is_home(&self) -> bool {
        // A thread that has no number yet has zero, which is nobody's.
        crate::current::with(|current| current.thread.get()) == self.thread
    }

    /// The executor, or null when it is gone.
    #[inline]
    pub(crate) fn home(&self) -> *const Inner {
        debug_assert!(self.is_home());
        self.home.get()
    }

    /// Lets `f` see the executor, unless it is gone. At home only.
    pub(crate) fn with_home(&self, f: impl FnOnce(&Inner)) {
        // SAFETY: the executor makes `home` null before it goes away.
        if let Some(home) = unsafe { self.home().as_ref() } {
            f(home);
        }
    }

    pub(crate) fn set_home(&self, home: *const Inner) {
        debug_assert!(self.is_home());
        self.home.set(home);
    }

    /// Makes a blocked poll of the loop return.
    pub(crate) fn notify(&self) {
        (self.notify)();
    }

    /// Hands a closure to the loop, or back if the loop is gone.
    pub(crate) fn call(&self, f: Remote) -> Result<(), Remote> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *calls {
            None => return Err(f),
            Some(calls) => calls.push_back(f),
        }
        drop(calls);
        // Release pairs with the acquire in `has_calls`; the notice makes the owner look again.
        self.called.store(true, Ordering::Release);
        self.notify();
        Ok(())
    }

    /// Whether there may be something to take.
    #[inline]
    pub(crate) fn has_calls(&self) -> bool {
        self.called.load(Ordering::Acquire)
    }

    /// Takes what other threads sent, in the order of sending.
    pub(crate) fn take_calls(&self) -> VecDeque<Remote> {
        // Before the lock: a closure that is pushed in between is taken, one that comes later sets it again.
        self.called.store(false, Ordering::Relaxed);
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Refuses closures from now on, and returns those that will not run, to be dropped without the lock.
    pub(crate) fn close_calls(&self) -> Option<VecDeque<Remote>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }
}
