//! `wait`: until the first, the first failed, or all of some tasks are done, or a time has passed.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use asyncio_context::{WaitKind, report_wait};
use asyncio_event_loop::Timer;
use asyncio_executor::{SharedTask, Task, TaskHandle, Watcher, call_soon};
use pin_project_lite::pin_project;

use crate::awaiter::Awaiter;
use crate::child::Control;
use crate::gather::{Gather, Gathering, GatheringResults};
use crate::shield::Shield;

static WAIT: WaitKind = WaitKind::new("wait");

/// When `wait` returns.
///
/// # In Python
///
/// `asyncio.FIRST_COMPLETED` and its like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ReturnWhen {
    /// When one is done, also if cancelled.
    FirstCompleted,
    /// When one has panicked (for `try_wait`: or returned an `Err`), or all are done.
    FirstException,
    /// When all are done.
    #[default]
    AllCompleted,
}

/// What can be waited for: tasks, shared tasks, futures, gathers, shields.
pub trait Waitable {
    #[doc(hidden)]
    #[expect(private_interfaces, reason = "the kinds are those of this crate")]
    fn control(&self) -> Control;
}

impl<T> Waitable for Task<T> {
    #[expect(private_interfaces, reason = "the kinds are those of this crate")]
    fn control(&self) -> Control {
        Control::Task(self.handle())
    }
}

impl<T> Waitable for SharedTask<T> {
    #[expect(private_interfaces, reason = "the kinds are those of this crate")]
    fn control(&self) -> Control {
        Control::Task(self.handle())
    }
}

impl Waitable for TaskHandle {
    #[expect(private_interfaces, reason = "the kinds are those of this crate")]
    fn control(&self) -> Control {
        Control::Task(self.clone())
    }
}

impl<T: 'static> Waitable for asyncio_executor::Future<T> {
    #[expect(private_interfaces, reason = "the kinds are those of this crate")]
    fn control(&self) -> Control {
        Control::Future(self.observable())
    }
}

impl<T> Waitable for Gather<T> {
    #[expect(private_interfaces, reason = "the kinds are those of this crate")]
    fn control(&self) -> Control {
        Gather::control(self)
    }
}

impl<C> Waitable for Gathering<C> {
    #[expect(private_interfaces, reason = "the kinds are those of this crate")]
    fn control(&self) -> Control {
        Gathering::control(self)
    }
}

impl<C> Waitable for GatheringResults<C> {
    #[expect(private_interfaces, reason = "the kinds are those of this crate")]
    fn control(&self) -> Control {
        GatheringResults::control(self)
    }
}

impl<T> Waitable for Shield<T> {
    #[expect(private_interfaces, reason = "the kinds are those of this crate")]
    fn control(&self) -> Control {
        Shield::control(self)
    }
}

impl<W: Waitable> Waitable for &W {
    #[expect(private_interfaces, reason = "the kinds are those of this crate")]
    fn control(&self) -> Control {
        (**self).control()
    }
}

impl<W: Waitable> Waitable for &mut W {
    #[expect(private_interfaces, reason = "the kinds are those of this crate")]
    fn control(&self) -> Control {
        (**self).control()
    }
}

/// Says whether a task that is done returned an `Err`.
type ErrProbe = Box<dyn Fn() -> bool>;

/// Waits until tasks are done, and returns those that are and those that are not, each in the order of `tasks`.
///
/// [`timeout`](Wait::timeout) limits the time, [`return_when`](Wait::return_when) says when to return otherwise. It never
/// cancels a task, also when it is cancelled itself, and it raises nothing of what they ended with.
///
/// # Cancel safety
///
/// Dropping it drops the handles that were given, and leaves the tasks alone. To keep the handles, give references.
///
/// # Panics
///
/// When `tasks` is empty; and, when it is polled, without a running event loop.
///
/// # Examples
///
/// ```
/// use asyncio_combinators::{FIRST_COMPLETED, wait};
/// use asyncio_event_loop::sleep;
/// use asyncio_executor::create_task;
/// use std::time::Duration;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let tasks = [3, 1, 2].map(|seconds| create_task(sleep(Duration::from_secs(seconds))));
/// let (done, pending) = wait(&tasks).return_when(FIRST_COMPLETED).await;
/// assert_eq!((done.len(), pending.len()), (1, 2));
///
/// let (done, pending) = wait(tasks).timeout(Duration::from_millis(1500)).await;
/// assert_eq!((done.len(), pending.len()), (2, 1));
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In Python
///
/// `asyncio.wait`, in `asyncio/tasks.py`, which returns sets.
#[track_caller]
pub fn wait<W: Waitable>(tasks: impl IntoIterator<Item = W>) -> Wait<W> {
    Wait::new(tasks.into_iter().collect(), Vec::new())
}

/// Like [`wait`], for tasks of a `Result`: `FIRST_EXCEPTION` counts an `Err` as a failure.
///
/// # Panics
///
/// As for `wait`.
///
/// # Examples
///
/// ```
/// use asyncio_combinators::{FIRST_EXCEPTION, try_wait};
/// use asyncio_executor::create_task;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let endless = create_task(std::future::pending());
/// let fails = create_task(async { Err::<(), _>("no") });
/// let (done, pending) = try_wait([endless, fails]).return_when(FIRST_EXCEPTION).await;
/// assert_eq!((done.len(), pending.len()), (1, 1));
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn try_wait<W: TryWaitable>(tasks: impl IntoIterator<Item = W>) -> Wait<W> {
    let tasks: Vec<W> = tasks.into_iter().collect();
    let probes = tasks.iter().map(TryWaitable::err_probe).collect();
    Wait::new(tasks, probes)
}

/// What `try_wait` can wait for: tasks of a `Result`, and references to them.
pub trait TryWaitable: Waitable {
    #[doc(hidden)]
    fn err_probe(&self) -> ErrProbe;
}

impl<T: 'static, E: 'static> TryWaitable for Task<Result<T, E>> {
    fn err_probe(&self) -> ErrProbe {
        Box::new(Task::err_probe(self))
    }
}

impl<W: TryWaitable> TryWaitable for &W {
    fn err_probe(&self) -> ErrProbe {
        (**self).err_probe()
    }
}

impl<W: TryWaitable> TryWaitable for &mut W {
    fn err_probe(&self) -> ErrProbe {
        (**self).err_probe()
    }
}

/// How to wait; awaiting it waits. See [`wait()`].
#[must_use = "nothing is waited for before this is awaited"]
pub struct Wait<W> {
    tasks: Vec<W>,
    probes: Vec<ErrProbe>,
    timeout: Option<Duration>,
    when: ReturnWhen,
    location: &'static Location<'static>,
}

impl<W> Wait<W> {
    #[track_caller]
    fn new(tasks: Vec<W>, probes: Vec<ErrProbe>) -> Self {
        assert!(!tasks.is_empty(), "`wait` was given no tasks, and would wait for ever: give it at least one");
        Self { tasks, probes, timeout: None, when: ReturnWhen::default(), location: Location::caller() }
    }

    /// Returns when this time has passed, whatever is done by then. `None`: no limit. Zero: in the next turn.
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Says when to return.
    pub fn return_when(mut self, when: ReturnWhen) -> Self {
        self.when = when;
        self
    }
}

/// What the tasks tell of their ends.
struct State {
    controls: Vec<Control>,
    probes: Vec<ErrProbe>,
    unfinished: Cell<usize>,
    when: ReturnWhen,
    released: Cell<bool>,
    awaiter: Awaiter,
}

impl Watcher for State {
    fn finished(self: Rc<Self>, index: usize) {
        self.unfinished.set(self.unfinished.get() - 1);
        let over = match self.when {
            ReturnWhen::FirstCompleted => true,
            ReturnWhen::FirstException => {
                self.controls[index].is_failed() || self.probes.get(index).is_some_and(|is_err| is_err())
            }
            ReturnWhen::AllCompleted => false,
        };
        if (over || self.unfinished.get() == 0) && !self.released.replace(true) {
            self.awaiter.wake();
        }
    }

    fn awaiters(&self) -> Vec<TaskHandle> {
        self.awaiter.task().into_iter().collect()
    }
}

pin_project! {
    /// Waits: see [`wait()`].
    #[must_use = "a future does nothing before it is awaited"]
    pub struct WaitFuture<W> {
        tasks: Option<Vec<W>>,
        probes: Vec<ErrProbe>,
        timeout: Option<Duration>,
        when: ReturnWhen,
        location: &'static Location<'static>,
        watching: Watching,
        #[pin]
        timer: Timer,
    }
}

/// The registrations of a `wait`, undone when it is dropped.
struct Watching(Option<Rc<State>>);

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(state) = self.0.take() {
            // Notices that are on their way find nobody to wake.
            state.awaiter.forget();
            let watcher: Rc<dyn Watcher> = state.clone();
            for control in &state.controls {
                control.unwatch(&watcher);
            }
        }
    }
}

impl<W: Waitable> IntoFuture for Wait<W> {
    type Output = (Vec<W>, Vec<W>);
    type IntoFuture = WaitFuture<W>;

    fn into_future(self) -> WaitFuture<W> {
        let Self { tasks, probes, timeout, when, location } = self;
        WaitFuture {
            tasks: Some(tasks),
            probes,
            timeout,
            when,
            location,
            watching: Watching(None),
            timer: Timer::new(),
        }
    }
}

impl<W: Waitable> Future for WaitFuture<W> {
    type Output = (Vec<W>, Vec<W>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let timer = this.timer.as_ref();
        let state = this.watching.0.get_or_insert_with(|| {
            if let Some(timeout) = *this.timeout {
                timer.arm_wake_after(timeout, cx.waker());
            }
            let tasks = this.tasks.as_ref().expect("`wait` is not polled again after it has completed");
            watch(tasks, std::mem::take(this.probes), *this.when)
        });
        timer.update_waker(cx.waker());
        let time_is_up = this.timeout.is_some() && !timer.is_armed();
        if !time_is_up && !state.awaiter.wait(cx, || state.released.get()) {
            report_wait(&WAIT, Some(this.location));
            return Poll::Pending;
        }
        timer.disarm();
        drop(std::mem::replace(this.watching, Watching(None)));
        let tasks = this.tasks.take().expect("`wait` is not polled again after it has completed");
        Poll::Ready(tasks.into_iter().partition(|task| task.control().is_done()))
    }
}

/// Watches all tasks. Those that are done are counted in an entry of the ready queue, like the others.
fn watch<W: Waitable>(tasks: &[W], probes: Vec<ErrProbe>, when: ReturnWhen) -> Rc<State> {
    let controls: Vec<Control> = tasks.iter().map(Waitable::control).collect();
    let unfinished = Cell::new(controls.len());
    let state =
        Rc::new(State { controls, probes, unfinished, when, released: Cell::new(false), awaiter: Awaiter::default() });
    for (index, control) in state.controls.iter().enumerate() {
        if control.is_done() {
            let state = state.clone();
            call_soon(move || state.finished(index));
        } else {
            control.watch(state.clone(), index);
        }
    }
    state
}

impl<W> fmt::Debug for Wait<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait")
            .field("tasks", &self.tasks.len())
            .field("timeout", &self.timeout)
            .field("return_when", &self.when)
            .finish()
    }
}

impl<W> fmt::Debug for WaitFuture<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFuture").field("timeout", &self.timeout).field("return_when", &self.when).finish()
    }
}
