//! `timeout`: a limit on how long something may take.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use asyncio_event_loop::{EventLoop, Instant, Timer, TimerHandle, with_running};
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
/// # Examples
///
/// ```
/// use asyncio_combinators::Timeout;
/// use asyncio_event_loop::sleep;
/// use asyncio_executor::catch_cancelled;
/// use std::time::Duration;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let limit = Timeout::after(Duration::from_secs(1));
/// let refuses = async { catch_cancelled(sleep(Duration::from_secs(9))).await.is_err() };
/// assert_eq!(limit.run(refuses).await, Ok(true));
/// assert!(limit.expired());
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In Python
///
/// `asyncio.Timeout`, in `asyncio/timeouts.py`.
pub struct Timeout {
    when: Cell<Option<Instant>>,
    /// The turn in which the deadline was known to be still to come, if there was one: the clock need not be read again
    /// in the same turn.
    ahead: Cell<Option<u64>>,
    state: Cell<State>,
    location: &'static Location<'static>,
    /// The scope that is cancelled, while a future runs.
    key: Cell<Option<ScopeKey>>,
    /// Whether the timer of the run is not the one that counts: see `moved`.
    is_moved: Cell<bool>,
    /// The deadline, where it was moved, or had passed when the run began.
    moved: Cell<Option<Moved>>,
}

/// A deadline outside the timer of the run.
enum Moved {
    Later(TimerHandle),
    Soon(Handle),
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
        let Some(delay) = delay.into() else { return Self::at(None) };
        let (now, turn) = with_running("a timeout", |running| (running.time(), running.turn_number()));
        let limit = Self::at(now + delay);
        limit.ahead.set((!delay.is_zero()).then_some(turn));
        limit
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
            ahead: Cell::new(None),
            state: Cell::new(State::Created),
            location: Location::caller(),
            key: Cell::new(None),
            is_moved: Cell::new(false),
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
        matches!(self.state(), State::Expiring | State::Expired)
    }

    /// Moves the deadline; `None` for never. One that is past is up in the next turn.
    ///
    /// # Panics
    ///
    /// When the future is not running, or the time was up already.
    #[track_caller]
    pub fn reschedule(&self, when: impl Into<Option<Instant>>) {
        let when = when.into();
        let state = self.state();
        assert!(
            state == State::Entered,
            "the deadline of a timeout cannot be moved when it is {}: move it from inside, before the time is up",
            state_name(state)
        );
        self.when.set(when);
        // The old deadline, wherever it is, names nothing from now on.
        self.key.set(self.key.get().and_then(ScopeKey::renew));
        with_running("`reschedule`", |running| self.schedule(running));
    }

    /// Schedules the deadline outside the timer of the run.
    #[cold]
    fn schedule(&self, running: &EventLoop) {
        let (Some(key), error) = (self.key.get(), self.error()) else { return };
        let moved = self.when.get().map(|when| {
            let expire = move || {
                key.cancel(error);
            };
            if when <= running.time() {
                Moved::Soon(running.call_soon(expire))
            } else {
                Moved::Later(running.call_at(when, expire))
            }
        });
        self.cancel_moved();
        self.is_moved.set(true);
        self.moved.set(moved);
    }

    /// Arms the timer of a run that begins, unless the time is up already.
    #[track_caller]
    fn arm(&self, when: Instant, timer: Pin<&Timer>, key: ScopeKey) {
        with_running("a timeout", |running| {
            if self.ahead.get() == Some(running.turn_number()) || when > running.time() {
                timer.arm_expire(running, when, key, self.error());
            } else {
                self.schedule(running);
            }
        });
    }

    #[cold]
    fn cancel_moved(&self) {
        match self.moved.take() {
            Some(Moved::Later(handle)) => handle.cancel(),
            Some(Moved::Soon(handle)) => handle.cancel(),
            None => {}
        }
    }

    /// The state as of now: a deadline that came is noted in the key that it used.
    fn state(&self) -> State {
        if self.state.get() == State::Entered && self.key.get().is_some_and(ScopeKey::is_used) {
            self.state.set(State::Expiring);
        }
        self.state.get()
    }

    fn error(&self) -> CancelledError {
        CancelledError::at(CancelKind::Timeout, self.location)
    }

    /// Runs `future` under this limit.
    ///
    /// When the time is up, what `future` is suspended in is cancelled. If it lets that through, the result is an error; if
    /// it catches it and completes, its value. If the task was cancelled from outside as well, that is raised.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    ///
    /// # Errors
    ///
    /// When the time was up.
    ///
    /// # Panics
    ///
    /// Polling it panics when the limit was used before, and without a running event loop.
    pub fn run<F: IntoFuture>(&self, future: F) -> RunTimeout<'_, F::IntoFuture> {
        let inner = Some(future.into_future());
        RunTimeout { limit: self, usage: None, inner, scope: Scope::new(), timer: Timer::new() }
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
        write!(f, "<Timeout [{}]", state_name(self.state()))?;
        match self.when.get() {
            Some(when) => write!(f, " when={when:?}>"),
            None => f.write_str(">"),
        }
    }
}

/// One use of a limit, from the first poll of its run until it is over or dropped.
struct Usage<'a> {
    limit: &'a Timeout,
    task: Option<TaskHandle>,
    /// How many requests there were when the run began.
    before: u32,
    over: bool,
}

/// How a use of a limit ended.
enum Verdict {
    InTime,
    /// The time was up, and nobody else asked for a cancellation.
    Expired,
    /// The time was up, and somebody else asked for a cancellation as well.
    ExpiredAndCancelled,
}

impl<'a> Usage<'a> {
    #[track_caller]
    fn new(limit: &'a Timeout, key: ScopeKey) -> Self {
        assert!(
            limit.state.get() == State::Created,
            "a timeout that is {} was run: it can be used once, make another one",
            state_name(limit.state())
        );
        limit.state.set(State::Entered);
        limit.key.set(Some(key));
        let task = current_task();
        let before = task.as_ref().map_or(0, TaskHandle::cancelling);
        Self { limit, task, before, over: false }
    }

    /// Ends the use, and takes back the request that was made when the time was up, if that has been noted.
    fn end(&mut self) -> Verdict {
        self.over = true;
        let limit = self.limit;
        limit.key.set(None);
        if limit.is_moved.get() {
            limit.cancel_moved();
        }
        if limit.state.get() != State::Expiring {
            limit.state.set(State::Exited);
            return Verdict::InTime;
        }
        limit.state.set(State::Expired);
        let left = self.task.as_ref().map_or(0, TaskHandle::uncancel);
        if left <= self.before { Verdict::Expired } else { Verdict::ExpiredAndCancelled }
    }
}

impl Drop for Usage<'_> {
    fn drop(&mut self) {
        if !self.over {
            self.limit.state();
            self.end();
        }
    }
}

pin_project! {
    /// Runs a future under a limit: see [`Timeout::run`].
    #[must_use = "a future does nothing before it is awaited"]
    pub struct RunTimeout<'a, F> {
        limit: &'a Timeout,
        // Before the scope: it is dropped first, while the scope can still tell whether the time was up.
        usage: Option<Usage<'a>>,
        #[pin]
        inner: Option<F>,
        #[pin]
        scope: Scope,
        #[pin]
        timer: Timer,
    }
}

impl<F: Future> Future for RunTimeout<'_, F> {
    type Output = Result<F::Output, TimeoutError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let limit = *this.limit;
        let scope = this.scope.as_ref();
        let timer = this.timer.as_ref();
        if this.usage.is_none() {
            let key = scope.key();
            *this.usage = Some(Usage::new(limit, key));
            if let Some(when) = limit.when.get() {
                limit.arm(when, timer, key);
            }
        } else if limit.is_moved.get() || !timer.is_armed() {
            // Noted before the poll, which may end the scope, and with it the key that tells. The time is not up while
            // the loop is in here.
            limit.state();
        }
        let result = ready!(scope.poll_in(cx, this.inner));
        timer.disarm();
        let verdict = this.usage.as_mut().map_or(Verdict::InTime, Usage::end);
        match (result, verdict) {
            (Ok(value), _) => Poll::Ready(Ok(value)),
            (Err(_), Verdict::Expired) => Poll::Ready(Err(TimeoutError::new(limit.location))),
            (Err(error), _) => {
                raise(error);
                Poll::Pending
            }
        }
    }
}

/// Runs `body` for no longer than `delay`, counted from this call; `None` for no limit.
///
/// `body` gets the [`Timeout`], with which it can move the deadline. See [`Timeout::run`] for what happens when the time is
/// up. A delay of zero lets `body` run up to where it first suspends.
///
/// # Cancel safety
///
/// That of `body`.
///
/// # Errors
///
/// When the time was up.
///
/// # Panics
///
/// Without a running event loop.
///
/// # Examples
///
/// ```
/// use asyncio_combinators::timeout;
/// use asyncio_event_loop::{get_running_loop, sleep};
/// use std::time::Duration;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let slow = timeout(Duration::from_secs(1), async |_| sleep(Duration::from_secs(9)).await);
/// assert!(slow.await.is_err());
///
/// let extended = timeout(Duration::from_secs(1), async |limit| {
///     limit.reschedule(get_running_loop().time() + Duration::from_secs(10));
///     sleep(Duration::from_secs(9)).await;
///     "in time"
/// });
/// assert_eq!(extended.await, Ok("in time"));
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
/// # Examples
///
/// ```
/// use asyncio_combinators::timeout_at;
/// use asyncio_event_loop::{get_running_loop, sleep};
/// use std::time::Duration;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let deadline = get_running_loop().time() + Duration::from_secs(1);
/// assert!(timeout_at(deadline, async |_| sleep(Duration::from_secs(9)).await).await.is_err());
/// assert_eq!(get_running_loop().time(), deadline);
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
