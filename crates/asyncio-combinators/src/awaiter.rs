//! `Awaiter`: the one who waits for something of this crate, if anybody does.

use std::cell::Cell;
use std::task::{Context, Waker};

use asyncio_executor::TaskHandle;

/// Whom to wake. It is woken once, and forgotten then.
#[derive(Default)]
pub(crate) struct Awaiter(Cell<Option<Waker>>);

impl Awaiter {
    /// Registers who polls, in the place of who did before, unless what it waits for `is_over`. Returns whether it is.
    ///
    /// The clone of a waker, and its destructor, may be the code of others, and end what is waited for. So that is asked
    /// again after them: otherwise nobody would be woken.
    pub(crate) fn wait(&self, cx: &Context<'_>, is_over: impl Fn() -> bool) -> bool {
        if is_over() {
            return true;
        }
        let before = self.0.take();
        if before.as_ref().is_some_and(|before| before.will_wake(cx.waker())) {
            self.0.set(before);
            return false;
        }
        drop(before);
        drop(self.0.replace(Some(cx.waker().clone())));
        let over = is_over();
        if over {
            self.forget();
        }
        over
    }

    /// Wakes it, if somebody waits.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.0.take() {
            waker.wake();
        }
    }

    /// Nobody waits any more.
    pub(crate) fn forget(&self) {
        drop(self.0.take());
    }

    /// The task that waits, if it is one.
    pub(crate) fn task(&self) -> Option<TaskHandle> {
        let waker = self.0.take();
        let task = waker.as_ref().and_then(TaskHandle::of_waker);
        self.0.set(waker);
        task
    }
}
