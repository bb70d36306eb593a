//! `timeout`: a limit on how long something may take.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use asyncio_event_loop::{Instant, Timer, TimerHandle, get_running_loop};
use asyncio_executor::{CancelKind, CancelledError, Handle, Scope, ScopeKey, TaskHandle, current_task, raise};
use pin_project_lite::pin_project;

/// The time was up.
///
/// # In Python
///
/// `TimeoutError`, which `asyncio.TimeoutError` is another name of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TimeoutError {
    location: &'static Location<'static>,
}

impl TimeoutError {
    pub(crate) fn new(location: &'static Location<'static>) -> Self {
        Self { location }
    }

    /// Where the limit was set.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Debug for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeoutError({self})")
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the time set at {} was up", self.location)
    }
}

impl std::error::Error for TimeoutError {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Created,
    Entered,
    Expiring,
    Expired,
    Exited,
}

/// A limit on the time that a future may take. It can be moved while the future runs, and asked afterwards.
///
/// # In Python
///
/// `asyncio.Timeout`, in `asyncio/timeouts.py`.
pub struct Timeout {
    when: Cell<Option<Instant>>,
    state: Cell<State>,
    location: &'static Location<'static>,
    /// The scope that is cancelled, while a future runs.
    key: Cell<Option<ScopeKey>>,
    /// The deadline, where it was moved, or had passed when the run began.
    moved: Cell<Option<Moved>>,
}

/// A deadline outside the timer of the run.
enum Moved {
    Later(TimerHandle),
    Soon(Handle),
    Never,
}

impl Timeout {
    /// A limit that is up `delay` from now; `None` for no limit.
    ///
    /// # Panics
    ///
    /// Without a running event loop.
    #[track_caller]
    #[must_use]
    pub fn after(delay: impl Into<Option<Duration>>) -> Self {
        Self::at(delay.into().map(|delay| get_running_loop().time() + delay))
    }

    /// Like `after`, for a limit that was set at another place.
    pub(crate) fn after_at(delay: Option<Duration>, location: &'static Location<'static>) -> Self {
        let mut this = Self::after(delay);
        this.location = location;
        this
    }

    /// A limit that is up at `when` on the loop's clock; `None` for no limit.
    #[track_caller]
    #[must_use]
    pub fn at(when: impl Into<Option<Instant>>) -> Self {
        Self {
            when: Cell::new(when.into()),
            state: Cell::new(State::Created),
            location: Location::caller(),
            key: Cell::new(None),
            moved: Cell::new(None),
        }
    }

    /// When the time is up; `None` for never.
    #[must_use]
    pub fn when(&self) -> Option<Instant> {
        self.when.get()
    }

    /// Whether the time was up before the future had ended.
    ///
    /// It stays `true` if the future caught the cancellation and completed all the same.
    #[must_use]
    pub fn expired(&self) -> bool {
        matches!(self.state.get(), State::Expiring | State::Expired)
    }

    /// Moves the deadline; `None` for never. One that is past is up in the next turn.
    ///
    /// # Panics
    ///
    /// When the future is not running, or the time was up already.
    #[track_caller]
    pub fn reschedule(&self, when: impl Into<Option<Instant>>) {
        let when = when.into();
        let state = self.state.get();
        assert!(
            state == State::Entered,
            "the deadline of a timeout cannot be moved when it is {}: move it from inside, before the time is up",
            state_name(state)
        );
        self.when.set(when);
        // The old deadline, wherever it is, names nothing from now on.
        self.key.set(self.key.get().and_then(ScopeKey::renew));
        self.schedule();
    }

    /// Schedules the deadline outside the timer of the run.
    fn schedule(&self) {
        let (Some(key), error) = (self.key.get(), self.error()) else { return };
        let moved = match self.when.get() {
            None => Moved::Never,
            Some(when) => {
                let this = get_running_loop();
                let expire = move || {
                    key.cancel(error);
                };
                if when <= this.time() {
                    Moved::Soon(this.call_soon(expire))
                } else {
                    Moved::Later(this.call_at(when, expire))
                }
            }
        };
        self.cancel_moved();
        self.moved.set(Some(moved));
    }

    fn cancel_moved(&self) {
        match self.moved.take() {
            Some(Moved::Later(handle)) => handle.cancel(),
            Some(Moved::Soon(handle)) => handle.cancel(),
            Some(Moved::Never) | None => {}
        }
    }

    fn error(&self) -> CancelledError {
        CancelledError::at(CancelKind::Timeout, self.location)
    }

    /// Runs `future` under this limit.
    ///
    /// When the time is up, what `future` is suspended in is cancelled. If it lets that through, the result is an error; if
    /// it catches it and completes, its value. If the task was cancelled from outside as well, that is raised.
    ///
    /// # Errors
    ///
    /// When the time was up.
    ///
    /// # Panics
    ///
    /// Polling it panics when the limit was used before, and without a running event loop.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    pub fn run<F: Future>(&self, future: F) -> RunTimeout<'_, F> {
        RunTimeout {
            limit: self,
            before: 0,
            task: None,
            inner: Some(future),
            scope: Scope::new(),
            timer: Timer::new(),
            exit: Exit(self),
        }
    }
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Created => "not in use yet",
        State::Entered => "active",
        State::Expiring => "expiring",
        State::Expired => "expired",
        State::Exited => "over",
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Timeout [{}]", state_name(self.state.get()))?;
        match self.when.get() {
            Some(when) => write!(f, " when={when:?}>"),
            None => f.write_str(">"),
        }
    }
}

/// Ends the use of a limit when its run is dropped.
struct Exit<'a>(&'a Timeout);

impl Drop for Exit<'_> {
    fn drop(&mut self) {
        if self.0.state.get() == State::Entered {
            self.0.state.set(State::Exited);
        } else if self.0.state.get() == State::Expiring {
            self.0.state.set(State::Expired);
        }
        self.0.key.set(None);
        self.0.cancel_moved();
    }
}

pin_project! {
    /// Runs a future under a limit: see [`Timeout::run`].
    #[must_use = "a future does nothing before it is awaited"]
    pub struct RunTimeout<'a, F> {
        limit: &'a Timeout,
        // How many requests there were when the run began.
        before: u32,
        task: Option<TaskHandle>,
        #[pin]
        inner: Option<F>,
        #[pin]
        scope: Scope,
        #[pin]
        timer: Timer,
        exit: Exit<'a>,
    }
}

impl<F: Future> Future for RunTimeout<'_, F> {
    type Output = Result<F::Output, TimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let limit = *this.limit;
        let scope = this.scope.as_ref();
        let timer = this.timer.as_ref();
        match limit.state.get() {
            State::Created => {
                limit.state.set(State::Entered);
                *this.task = current_task();
                *this.before = this.task.as_ref().map_or(0, TaskHandle::cancelling);
                if let Some(when) = limit.when.get() {
                    let key = scope.key();
                    limit.key.set(Some(key));
                    if when <= get_running_loop().time() {
                        limit.schedule();
                    } else {
                        timer.arm_expire(when, key, limit.error());
                    }
                } else {
                    limit.key.set(Some(scope.key()));
                }
            }
            State::Entered if limit.is_up(&timer) => limit.state.set(State::Expiring),
            State::Entered | State::Expiring => {}
            State::Expired | State::Exited => panic!("a timeout can be used once: make another one"),
        }
        // A panic goes through, but like any end of the future it takes the request of this limit back.
        let result = match catch_unwind(AssertUnwindSafe(|| scope.poll_in(cx, this.inner.as_mut()))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => Ok(result),
            Err(payload) => {
                scope.close();
                this.inner.set(None);
                Err(payload)
            }
        };
        // The time may have been up while the future completed for another reason.
        let expired = limit.state.get() == State::Expiring || limit.is_up(&timer);
        timer.disarm();
        limit.cancel_moved();
        limit.key.set(None);
        if !expired {
            limit.state.set(State::Exited);
            return match result.unwrap_or_else(|payload| resume_unwind(payload)) {
                Ok(value) => Poll::Ready(Ok(value)),
                Err(error) => {
                    raise(error);
                    Poll::Pending
                }
            };
        }
        limit.state.set(State::Expired);
        let left = this.task.as_ref().map_or(0, TaskHandle::uncancel);
        match result.unwrap_or_else(|payload| resume_unwind(payload)) {
            Ok(value) => Poll::Ready(Ok(value)),
            Err(_) if left <= *this.before => Poll::Ready(Err(TimeoutError::new(limit.location))),
            Err(error) => {
                raise(error);
                Poll::Pending
            }
        }
    }
}

impl Timeout {
    /// Whether the deadline has done its work.
    fn is_up(&self, timer: &Timer) -> bool {
        if self.when.get().is_none() {
            return false;
        }
        match self.moved.take() {
            None => !timer.is_armed(),
            Some(moved) => {
                let up = match &moved {
                    Moved::Later(handle) => handle.done(),
                    Moved::Soon(handle) => handle.done(),
                    Moved::Never => false,
                };
                self.moved.set(Some(moved));
                up
            }
        }
    }
}

/// Runs `body` for no longer than `delay`, counted from this call; `None` for no limit.
///
/// `body` gets the [`Timeout`], with which it can move the deadline. See [`Timeout::run`] for what happens when the time is
/// up. A delay of zero lets `body` run up to where it first suspends.
///
/// # Errors
///
/// When the time was up.
///
/// # Panics
///
/// Without a running event loop.
///
/// # Cancel safety
///
/// That of `body`.
///
/// # In Python
///
/// `asyncio.timeout`, in `asyncio/timeouts.py`.
#[track_caller]
pub fn timeout<R>(
    delay: impl Into<Option<Duration>>,
    body: impl AsyncFnOnce(&Timeout) -> R,
) -> impl Future<Output = Result<R, TimeoutError>> {
    let limit = Timeout::after(delay);
    async move { limit.run(body(&limit)).await }
}

/// Runs `body` until `when` on the loop's clock at most; `None` for no limit. Otherwise as [`timeout()`].
///
/// # Errors
///
/// When the time was up.
///
/// # In Python
///
/// `asyncio.timeout_at`, in `asyncio/timeouts.py`.
#[track_caller]
pub fn timeout_at<R>(
    when: impl Into<Option<Instant>>,
    body: impl AsyncFnOnce(&Timeout) -> R,
) -> impl Future<Output = Result<R, TimeoutError>> {
    let limit = Timeout::at(when);
    async move { limit.run(body(&limit)).await }
}
