//! `as_completed`: values as they come.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::{IntoFuture, poll_fn};
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use asyncio_context::{WaitKind, report_wait};
use asyncio_event_loop::{TimerHandle, get_running_loop};
use asyncio_executor::{TaskError, TaskHandle, Watcher, call_soon, raise};
use futures_core::Stream;

use crate::awaiter::Awaiter;
use crate::child::{self, Control};
use crate::timeout::TimeoutError;

static NEXT: WaitKind = WaitKind::new("as_completed");

/// Runs futures at the same time, and gives their values in the order in which they end.
///
/// Each future becomes a task at this call; tasks, shared tasks, futures and gathers stay what they are. The result is a
/// `Stream`, and has a [`next`](AsCompleted::next) of its own. If the one that ended next panicked or was cancelled, that
/// goes on in `next`. A cancellation is not passed on to the tasks, and they run on when this is dropped.
///
/// # Cancel safety
///
/// Dropping `next` before it completes loses nothing.
///
/// # Panics
///
/// Without a running event loop.
///
/// # Examples
///
/// ```
/// use asyncio_combinators::as_completed;
/// use asyncio_event_loop::sleep;
/// use std::time::Duration;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let after = async |seconds| {
///     sleep(Duration::from_secs(seconds)).await;
///     seconds
/// };
/// let mut results = as_completed([after(3), after(1), after(2)]);
/// let mut seen = Vec::new();
/// while let Some(value) = results.next().await {
///     seen.push(value);
/// }
/// assert_eq!(seen, [1, 2, 3]);
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In Python
///
/// `asyncio.as_completed`, in `asyncio/tasks.py`.
#[track_caller]
pub fn as_completed<I>(futures: I) -> AsCompleted<<I::Item as IntoFuture>::Output>
where
    I: IntoIterator,
    I::Item: IntoFuture,
    <I::Item as IntoFuture>::IntoFuture: 'static,
    <I::Item as IntoFuture>::Output: 'static,
{
    let mut controls = Vec::new();
    let mut take: Vec<Option<Take<<I::Item as IntoFuture>::Output>>> = Vec::new();
    for future in futures {
        let (child, control) = child::adopt(future.into_future());
        controls.push(control);
        take.push(Some(Box::new(move || child.outcome())));
    }
    let state = Rc::new(State {
        todo: Cell::new(controls.len()),
        controls,
        ended: RefCell::new(VecDeque::new()),
        awaiter: Awaiter::default(),
        timer: RefCell::new(None),
        timed_out: Cell::new(false),
        location: Location::caller(),
    });
    for (index, control) in state.controls.iter().enumerate() {
        if control.is_done() {
            let state = state.clone();
            call_soon(move || state.finished(index));
        } else {
            control.watch(state.clone(), index);
        }
    }
    AsCompleted { left: take.len(), take, state }
}

/// Gives the outcome of a child that is done.
type Take<T> = Box<dyn FnOnce() -> Result<T, TaskError>>;

struct State {
    controls: Vec<Control>,
    /// How many are still waited for.
    todo: Cell<usize>,
    /// Those that ended and were not asked for; `None` for one whose time was up.
    ended: RefCell<VecDeque<Option<usize>>>,
    awaiter: Awaiter,
    timer: RefCell<Option<TimerHandle>>,
    timed_out: Cell<bool>,
    location: &'static Location<'static>,
}

impl State {
    fn push(&self, ended: Option<usize>) {
        self.ended.borrow_mut().push_back(ended);
        self.awaiter.wake();
    }

    /// The time is up: every one that is still waited for is a failure.
    fn time_is_up(self: &Rc<Self>) {
        self.timed_out.set(true);
        self.unwatch();
        for _ in 0..self.todo.replace(0) {
            self.push(None);
        }
    }

    fn unwatch(self: &Rc<Self>) {
        let watcher: Rc<dyn Watcher> = self.clone();
        for control in &self.controls {
            control.unwatch(&watcher);
        }
    }
}

impl Watcher for State {
    fn finished(self: Rc<Self>, index: usize) {
        if self.timed_out.get() {
            return;
        }
        self.todo.set(self.todo.get() - 1);
        self.push(Some(index));
        if self.todo.get() == 0 {
            let timer = self.timer.take();
            if let Some(timer) = timer {
                timer.cancel();
            }
        }
    }

    fn awaiters(&self) -> Vec<TaskHandle> {
        self.awaiter.task().into_iter().collect()
    }
}

/// The values of futures, as they come: see [`as_completed`].
#[must_use = "the futures run without it, but their values are lost"]
pub struct AsCompleted<T> {
    take: Vec<Option<Take<T>>>,
    state: Rc<State>,
    /// How many have not been given.
    left: usize,
}

impl<T> AsCompleted<T> {
    /// Sets a time, counted from now, after which what has not ended is given as an error. The tasks run on.
    ///
    /// # Examples
    ///
    /// ```
    /// use asyncio_combinators::as_completed;
    /// use asyncio_event_loop::sleep;
    /// use std::time::Duration;
    /// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
    /// # runner.run(async {
    /// let mut results = as_completed([1, 9].map(|seconds| sleep(Duration::from_secs(seconds))))
    ///     .timeout(Duration::from_secs(5));
    /// assert_eq!(results.next().await, Some(Ok(())));
    /// assert!(results.next().await.is_some_and(|late| late.is_err()));
    /// assert!(results.next().await.is_none());
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn timeout(self, delay: impl Into<Option<Duration>>) -> AsCompletedTimeout<T> {
        let location = Location::caller();
        if let Some(delay) = delay.into()
            && self.state.todo.get() > 0
        {
            let state = self.state.clone();
            let timer = get_running_loop().call_later(delay, move || state.time_is_up());
            *self.state.timer.borrow_mut() = Some(timer);
        }
        AsCompletedTimeout { inner: self, location }
    }

    /// Waits for the next one to end; `None` when all have been given.
    #[expect(clippy::should_implement_trait, reason = "the name is that of the method of `StreamExt`")]
    pub fn next(&mut self) -> impl Future<Output = Option<T>> + use<'_, T> {
        let asking = Asking(self);
        poll_fn(move |cx| asking.0.poll(cx).map(|item| item.map(|item| item.expect("without a time nothing is late"))))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<T, Late>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let state = &self.state;
        let ended = if state.awaiter.wait(cx, || !state.ended.borrow().is_empty()) {
            state.ended.borrow_mut().pop_front()
        } else {
            None
        };
        let Some(ended) = ended else {
            report_wait(&NEXT, Some(self.state.location));
            return Poll::Pending;
        };
        self.left -= 1;
        let Some(index) = ended else { return Poll::Ready(Some(Err(Late))) };
        let take = self.take[index].take().expect("each child ends once");
        match take() {
            Ok(value) => Poll::Ready(Some(Ok(value))),
            Err(TaskError::Cancelled(error)) => {
                raise(error);
                Poll::Pending
            }
            Err(TaskError::Panicked(payload)) => resume_unwind(payload),
            Err(error) => panic!("the outcome of a child was taken by somebody else: {error}"),
        }
    }
}

/// A `next` that is awaited. When it is dropped, what it left to be woken is not woken any more: that would be a turn too
/// many for a task that waits for something else by then.
struct Asking<'a, T>(&'a mut AsCompleted<T>);

impl<T> Drop for Asking<'_, T> {
    fn drop(&mut self) {
        self.0.state.awaiter.forget();
    }
}

/// The time was up.
#[derive(Debug)]
struct Late;

impl<T> Stream for AsCompleted<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll(cx).map(|item| item.map(|item| item.expect("without a time nothing is late")))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> Drop for AsCompleted<T> {
    fn drop(&mut self) {
        self.state.awaiter.forget();
        self.state.unwatch();
        let timer = self.state.timer.take();
        if let Some(timer) = timer {
            timer.cancel();
        }
    }
}

impl<T> fmt::Debug for AsCompleted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.left).finish_non_exhaustive()
    }
}

/// The values of futures, as they come, with a time after which they are late: see [`AsCompleted::timeout`].
#[derive(Debug)]
#[must_use = "the futures run without it, but their values are lost"]
pub struct AsCompletedTimeout<T> {
    inner: AsCompleted<T>,
    location: &'static Location<'static>,
}

impl<T> AsCompletedTimeout<T> {
    /// Waits for the next one to end; `None` when all have been given, or given up.
    #[expect(clippy::should_implement_trait, reason = "the name is that of the method of `StreamExt`")]
    pub fn next(&mut self) -> impl Future<Output = Option<Result<T, TimeoutError>>> + use<'_, T> {
        let location = self.location;
        let asking = Asking(&mut self.inner);
        poll_fn(move |cx| {
            asking.0.poll(cx).map(|item| item.map(|item| item.map_err(|Late| TimeoutError::new(location))))
        })
    }
}

impl<T> Stream for AsCompletedTimeout<T> {
    type Item = Result<T, TimeoutError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let location = self.location;
        self.inner.poll(cx).map(|item| item.map(|item| item.map_err(|Late| TimeoutError::new(location))))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}
