//! `call_later` and `call_at`: callbacks with a deadline, and the handle that cancels them.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;

use asyncio_executor::Context;
use asyncio_timers::Instant;
use pin_project_lite::pin_project;

use crate::event_loop::EventLoop;
use crate::exception;
use crate::timer::Action;

/// What a timer of the loop calls.
pub(crate) trait TimerCallback {
    /// Calls the closure, if it is still there.
    fn fire(&self, this: &EventLoop);
}

pin_project! {
    /// The closure, its timer and its context, in one allocation. While it is armed, the timer's value keeps the whole
    /// alive; popping or disarming the timer breaks that cycle.
    struct Callback<F> {
        #[pin]
        timer: asyncio_timers::Timer<Action>,
        when: Instant,
        location: &'static Location<'static>,
        context: Cell<Option<Context>>,
        f: Cell<Option<F>>,
        cancelled: Cell<bool>,
    }
}

trait Cancel {
    fn cancel(self: Pin<&Self>);
    fn cancelled(&self) -> bool;
    fn done(&self) -> bool;
    fn when(&self) -> Instant;
    fn location(&self) -> &'static Location<'static>;
}

impl<F: FnOnce()> TimerCallback for Callback<F> {
    fn fire(&self, this: &EventLoop) {
        let Some(f) = self.f.take() else { return };
        let context = self.context.take().unwrap_or_default();
        exception::call(this, "exception in a timer callback", self.location, &context, f);
        exception::contain(this, "exception in a destructor", || drop(context));
    }
}

impl<F> Cancel for Callback<F> {
    fn cancel(self: Pin<&Self>) {
        if let Some(f) = self.f.take() {
            self.cancelled.set(true);
            drop(self.project_ref().timer.disarm());
            drop(f);
            drop(self.context.take());
        }
    }

    fn cancelled(&self) -> bool {
        self.cancelled.get()
    }

    fn done(&self) -> bool {
        let f = self.f.take();
        let done = f.is_none();
        self.f.set(f);
        done
    }

    fn when(&self) -> Instant {
        self.when
    }

    fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

/// A callback scheduled with `call_later` or `call_at`. Dropping the handle does not cancel it.
///
/// # In Python
///
/// `asyncio.TimerHandle`, in `asyncio/events.py`.
#[derive(Clone)]
pub struct TimerHandle(Pin<Rc<dyn Cancel>>);

impl TimerHandle {
    /// Cancels the callback, and drops it at once. No effect if it ran or was cancelled before.
    pub fn cancel(&self) {
        self.0.as_ref().cancel();
    }

    /// Whether it was cancelled before it ran.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.0.cancelled()
    }

    /// Whether it ran or was cancelled.
    #[must_use]
    pub fn done(&self) -> bool {
        self.0.done()
    }

    /// The deadline, on the loop's clock.
    #[must_use]
    pub fn when(&self) -> Instant {
        self.0.when()
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.cancelled() { "cancelled " } else { "" };
        write!(f, "<TimerHandle {state}when={:?} scheduled at {}>", self.when(), self.0.location())
    }
}

/// Arms a timer that calls `f` at `when`.
pub(crate) fn call_at<F: FnOnce() + 'static>(
    this: &EventLoop,
    when: Instant,
    location: &'static Location<'static>,
    context: Option<Context>,
    f: F,
) -> TimerHandle {
    let callback = Rc::pin(Callback {
        timer: asyncio_timers::Timer::new(),
        when,
        location,
        context: Cell::new(context),
        f: Cell::new(Some(f)),
        cancelled: Cell::new(false),
    });
    let timer = callback.as_ref().project_ref().timer;
    let before = this.timers().arm(timer, when, Action::Call(callback.clone()));
    drop(before);
    TimerHandle(callback)
}
