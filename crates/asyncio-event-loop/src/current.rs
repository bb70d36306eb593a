//! The thread-local of the event loop: which loop runs on this thread.

use std::cell::RefCell;

use crate::event_loop::EventLoop;

thread_local! {
    static RUNNING: RefCell<Option<EventLoop>> = const { RefCell::new(None) };
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
    try_get_running_loop().expect("no running event loop: call this from inside `asyncio::run`")
}

/// The loop that runs on this thread, if one does.
#[must_use]
#[inline]
pub fn try_get_running_loop() -> Option<EventLoop> {
    RUNNING.try_with(|running| running.borrow().clone()).ok().flatten()
}

/// Lets `f` see the running loop, without a new handle.
#[track_caller]
#[inline]
pub(crate) fn with_running<R>(what: &str, f: impl FnOnce(&EventLoop) -> R) -> R {
    // Cloned, so that `f` may run what it likes.
    match try_get_running_loop() {
        Some(running) => f(&running),
        None => panic!("no running event loop: {what} must be called from inside `asyncio::run`"),
    }
}

/// Makes a loop the running one until it is dropped.
pub(crate) struct Running {
    before: Option<EventLoop>,
}

impl Running {
    pub(crate) fn new(this: &EventLoop) -> Self {
        Self { before: RUNNING.with(|running| running.replace(Some(this.clone()))) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let before = self.before.take();
        // At the end of the thread there may be nothing left to put back.
        let _ = RUNNING.try_with(|running| drop(running.replace(before)));
    }
}
