//! `Timer`: one deadline of a future, armed in the running loop without an allocation.

use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use asyncio_executor::{CancelledError, ScopeKey};
use asyncio_timers::Instant;
use pin_project_lite::pin_project;

use crate::callbacks::TimerCallback;
use crate::current;
use crate::event_loop::EventLoop;
use crate::exception;

/// What happens when a timer is due.
pub(crate) enum Action {
    /// A task is woken.
    Wake(Waker),
    /// A scope is cancelled.
    Expire(ScopeKey, CancelledError),
    /// A callback is called.
    Call(Pin<Rc<dyn TimerCallback>>),
}

impl Action {
    /// Does it, in the run phase of a turn.
    pub(crate) fn run(self, this: &EventLoop) {
        match self {
            Self::Wake(waker) => exception::contain(this, "exception in a waker", || waker.wake()),
            Self::Expire(key, error) => exception::contain(this, "exception while a timeout expired", || {
                key.cancel(error);
            }),
            Self::Call(callback) => callback.fire(this),
        }
    }
}

pin_project! {
    /// A deadline that wakes a waker or cancels a scope. For combinators; programs use `sleep` and `timeout`.
    ///
    /// It is disarmed when it is dropped.
    #[derive(Debug, Default)]
    pub struct Timer {
        #[pin]
        timer: asyncio_timers::Timer<Action>,
    }
}

impl Timer {
    /// A timer that is not armed.
    #[must_use]
    #[inline]
    pub const fn new() -> Self {
        Self { timer: asyncio_timers::Timer::new() }
    }

    fn timer(self: Pin<&Self>) -> Pin<&asyncio_timers::Timer<Action>> {
        self.project_ref().timer
    }

    /// Wakes `waker` at `deadline`, in the running loop. Arming again moves it.
    ///
    /// # Panics
    ///
    /// Without a running event loop.
    #[track_caller]
    #[inline]
    pub fn arm_wake(self: Pin<&Self>, deadline: Instant, waker: &Waker) {
        current::with_running("a timer", |running| self.arm_wake_in(running, deadline, waker));
    }

    /// The same in `running`, for who has it at hand.
    #[inline]
    pub(crate) fn arm_wake_in(self: Pin<&Self>, running: &EventLoop, deadline: Instant, waker: &Waker) {
        let before = running.timers().arm(self.timer(), deadline, Action::Wake(waker.clone()));
        drop(before);
    }

    /// Wakes `waker` when `delay` has passed, in the running loop; one of zero is due in the next turn.
    ///
    /// # Panics
    ///
    /// Without a running event loop.
    #[track_caller]
    pub fn arm_wake_after(self: Pin<&Self>, delay: Duration, waker: &Waker) {
        current::with_running("a timer", |this| {
            if delay.is_zero() {
                this.inner.pace.demand();
            }
            drop(this.timers().arm(self.timer(), this.time() + delay, Action::Wake(waker.clone())));
        });
    }

    /// Replaces the waker of an armed timer, if it is another.
    pub fn update_waker(self: Pin<&Self>, waker: &Waker) {
        let same = self.timer().with_value(|action| matches!(action, Action::Wake(old) if old.will_wake(waker)));
        if same == Some(false) {
            drop(self.timer().replace_value(Action::Wake(waker.clone())));
        }
    }

    /// Cancels the scope of `key` with `error` at `deadline` on the clock of `running`. Arming again moves it.
    #[inline]
    pub fn arm_expire(self: Pin<&Self>, running: &EventLoop, deadline: Instant, key: ScopeKey, error: CancelledError) {
        let before = running.timers().arm(self.timer(), deadline, Action::Expire(key, error));
        drop(before);
    }

    /// Whether it is armed, and not yet due and done.
    #[must_use]
    #[inline]
    pub fn is_armed(&self) -> bool {
        self.timer.is_armed()
    }

    /// Disarms it. No effect if it is not armed.
    #[inline]
    pub fn disarm(self: Pin<&Self>) {
        drop(self.timer().disarm());
    }
}
