#![expect(unsafe_code, reason = "the running loop is reached by a thread-local pointer")]
//! The thread-local of the event loop: which loop runs on this thread.
//!
//! It is a pointer that a guard on the stack ([`Running`]) sets and puts back. The guard borrows the handle that the pointer
//! is to, and is never leaked: so whenever the pointer is not null, code further up the stack keeps the handle alive, and
//! whoever is called may use it until it returns.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ptr;

use crate::event_loop::EventLoop;

thread_local! {
    // Constant and without a destructor, so an access is a load relative to the thread's base, at any time of its life.
    static RUNNING: Cell<*const EventLoop> = const { Cell::new(ptr::null()) };
}

/// The loop that runs on this thread.
///
/// # Panics
///
/// When none runs.
///
/// # In Python
///
/// `asyncio.get_running_loop`, in `asyncio/events.py`.
#[must_use]
#[track_caller]
#[inline]
pub fn get_running_loop() -> EventLoop {
    with_running("this", EventLoop::clone)
}

/// The loop that runs on this thread, if one does.
#[must_use]
#[inline]
pub fn try_get_running_loop() -> Option<EventLoop> {
    // SAFETY: see the header; the reference is gone when this returns.
    unsafe { RUNNING.get().as_ref() }.cloned()
}

/// Lets `f` see the running loop, without a new handle. For combinators.
///
/// # Panics
///
/// When none runs: the message says that `what` must be called from inside a run.
#[track_caller]
#[inline]
pub fn with_running<R>(what: &str, f: impl FnOnce(&EventLoop) -> R) -> R {
    // SAFETY: see the header. `f` may run what it likes: the code further up the stack does not go on meanwhile.
    match unsafe { RUNNING.get().as_ref() } {
        Some(running) => f(running),
        None => none_runs(what),
    }
}

#[cold]
#[track_caller]
fn none_runs(what: &str) -> ! {
    panic!("no running event loop: {what} must be called from inside `asyncio::run`")
}

/// Makes a loop the running one until it is dropped. It must not be leaked.
pub(crate) struct Running<'a> {
    before: *const EventLoop,
    _running: PhantomData<&'a EventLoop>,
}

impl<'a> Running<'a> {
    pub(crate) fn new(this: &'a EventLoop) -> Self {
        Self { before: RUNNING.replace(this), _running: PhantomData }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        RUNNING.set(self.before);
    }
}
