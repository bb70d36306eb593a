//! `task_group`: tasks that end together.
//!
//! The logic is that of CPython's `TaskGroup.__aexit__`, case by case. The group learns of a child's end through an entry of
//! the ready queue. A child that failed ends all others, and interrupts the body, or the wait at the end of the group, by a
//! request made of the scope that is active then; that request is counted in the parent task, and taken back at the end.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use asyncio_context::{WaitKind, report_wait};
use asyncio_executor::{
    CancelKind, CancelledError, Scope, ScopeKey, Task, TaskBuilder, TaskHandle, Watcher, cancelled_task, create_task,
    current_task,
};
use pin_project_lite::pin_project;

use crate::exception_group::ExceptionGroup;

static GROUP: WaitKind = WaitKind::new("the tasks of a task group");

/// A handle of a task group: makes tasks in it. Cheap to clone; children may have one and add siblings.
///
/// # In Python
///
/// `asyncio.TaskGroup`, in `asyncio/taskgroups.py`.
#[derive(Clone)]
pub struct TaskGroup {
    state: Rc<State>,
}

struct State {
    parent: Option<TaskHandle>,
    /// The scope of the body, or of the wait for the children.
    key: Cell<Option<ScopeKey>>,
    /// Children that have not ended, or whose end the group has not been told of, in order of creation.
    children: RefCell<Vec<Option<Child>>>,
    unfinished: Cell<usize>,
    aborting: Cell<bool>,
    exiting: Cell<bool>,
    over: Cell<bool>,
    parent_cancel_requested: Cell<bool>,
    errors: RefCell<Vec<Box<dyn Error>>>,
    panic: Cell<Option<Box<dyn Any + Send>>>,
    waker: RefCell<Option<Waker>>,
    location: &'static Location<'static>,
}

struct Child {
    task: TaskHandle,
    /// Where a child of `try_create_task` leaves its error.
    error: Option<Rc<Cell<Option<Box<dyn Error>>>>>,
}

impl State {
    fn error(&self) -> CancelledError {
        CancelledError::at(CancelKind::TaskGroup, self.location)
    }

    fn is_closed(&self) -> bool {
        self.aborting.get() || self.over.get() || (self.exiting.get() && self.unfinished.get() == 0)
    }

    /// Cancels all children.
    fn abort(&self) {
        self.aborting.set(true);
        let tasks: Vec<TaskHandle> = self.children.borrow().iter().flatten().map(|child| child.task.clone()).collect();
        for task in tasks {
            task.cancel_for(&self.error());
        }
    }

    /// Cancels the children, and interrupts the body or the wait for them.
    fn abort_all(&self) {
        self.abort();
        self.parent_cancel_requested.set(true);
        if let Some(key) = self.key.get() {
            key.cancel(self.error());
        }
    }
}

impl Watcher for State {
    fn finished(self: Rc<Self>, index: usize) {
        let child = self.children.borrow_mut()[index].take();
        self.unfinished.set(self.unfinished.get() - 1);
        if self.unfinished.get() == 0 {
            let waker = self.waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        let Some(Child { task, error }) = child else { return };
        if task.panicked() {
            let payload = task.steal_panic().unwrap_or_else(|| Box::new("a task of a task group panicked"));
            let first = self.panic.take().unwrap_or(payload);
            self.panic.set(Some(first));
        } else if let Some(error) = error.and_then(|error| error.take()) {
            self.errors.borrow_mut().push(error);
        } else {
            return;
        }
        if !self.aborting.get() && !self.parent_cancel_requested.get() {
            self.abort_all();
        }
    }
}

impl TaskGroup {
    /// Makes a task in the group. It may return anything; a panic fails the group.
    ///
    /// A group that is aborting or over makes no tasks: `future` is dropped, and the task returned has ended cancelled.
    ///
    /// # In Python
    ///
    /// `TaskGroup.create_task`, which raises in a group that is aborting.
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> Task<F::Output>
    where
        F: IntoFuture,
        F::IntoFuture: 'static,
        F::Output: 'static,
    {
        self.create_task_with(Task::builder(), future)
    }

    /// Like [`create_task`](TaskGroup::create_task), with a name, a context, or an eager start.
    #[track_caller]
    pub fn create_task_with<F>(&self, builder: TaskBuilder, future: F) -> Task<F::Output>
    where
        F: IntoFuture,
        F::IntoFuture: 'static,
        F::Output: 'static,
    {
        if self.state.is_closed() {
            return cancelled_task(self.state.error());
        }
        let task = builder.spawn(future);
        self.adopt(&task.handle(), None);
        task
    }

    /// Makes a task of a `Result` in the group: an `Err` fails the group, which gets the error.
    ///
    /// Awaiting the task gives the value. Awaiting one that failed raises a `CancelledError`: the error itself is the
    /// group's.
    #[track_caller]
    pub fn try_create_task<F, T, E>(&self, future: F) -> Task<T>
    where
        F: IntoFuture<Output = Result<T, E>>,
        F::IntoFuture: 'static,
        T: 'static,
        E: Into<Box<dyn Error>>,
    {
        if self.state.is_closed() {
            return cancelled_task(self.state.error());
        }
        let slot = Rc::new(Cell::new(None));
        let failed = slot.clone();
        let future = future.into_future();
        let location = self.state.location;
        let task = create_task(async move {
            match future.await {
                Ok(value) => value,
                Err(error) => {
                    failed.set(Some(error.into()));
                    CancelledError::at(CancelKind::TaskGroup, location).raise().await
                }
            }
        });
        self.adopt(&task.handle(), Some(slot));
        task
    }

    /// Ends the group early, without an error: cancels its children and its body.
    ///
    /// If the body has no value by then, `task_group` gives an [`ExceptionGroup`] without errors. No effect on a group that
    /// is ending or over.
    ///
    /// # In Python
    ///
    /// `TaskGroup.cancel`, from 3.15 on.
    pub fn cancel(&self) {
        if !self.state.aborting.get() && !self.state.over.get() {
            self.state.abort_all();
        }
    }

    fn adopt(&self, task: &TaskHandle, error: Option<Rc<Cell<Option<Box<dyn Error>>>>>) {
        let state = &self.state;
        let mut children = state.children.borrow_mut();
        let index = children.len();
        children.push(Some(Child { task: task.clone(), error }));
        drop(children);
        state.unfinished.set(state.unfinished.get() + 1);
        if task.done() {
            let state = state.clone();
            asyncio_executor::call_soon(move || state.finished(index));
        } else {
            task.watch(state.clone(), index);
        }
        if state.aborting.get() {
            // An eager child that ended the group while it was being made.
            task.cancel_for(&state.error());
        }
    }
}

impl fmt::Debug for TaskGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = &self.state;
        let phase = if state.over.get() {
            "over"
        } else if state.aborting.get() {
            "cancelling"
        } else {
            "entered"
        };
        write!(f, "<TaskGroup tasks={} errors={} {phase}>", state.unfinished.get(), state.errors.borrow().len())
    }
}

/// Runs `body` with a group of tasks, and waits for all of them.
///
/// If a child panics, or one of [`try_create_task`](TaskGroup::try_create_task) returns an `Err`, the others and the body
/// are cancelled, all are waited for, and the errors come together. A child that is cancelled is not a failure. If the
/// task is cancelled from outside, so are the children, and when they have ended, the cancellation is raised, unless there
/// are errors: then those are returned, and the cancellation is delivered at the next suspension.
///
/// # Errors
///
/// The errors of the children.
///
/// # Panics
///
/// Without a running event loop. A panic of the body or of a child goes on when all have ended.
///
/// # Cancel safety
///
/// Dropping it, other than by a cancellation, cancels the children and does not wait for them.
///
/// # In Python
///
/// `async with asyncio.TaskGroup() as group:`, in `asyncio/taskgroups.py`.
#[track_caller]
pub fn task_group<R>(body: impl AsyncFnOnce(TaskGroup) -> R) -> impl Future<Output = Result<R, ExceptionGroup>> {
    let location = Location::caller();
    run(location, async move |group: TaskGroup| Ok::<R, std::convert::Infallible>(body(group).await))
}

/// Like [`task_group`], for a body that returns a `Result`: its `Err` fails the group like that of a child.
///
/// # Errors
///
/// The errors of the body and of the children.
///
/// # Panics
///
/// As for `task_group`.
#[track_caller]
pub fn try_task_group<R, E: Into<Box<dyn Error>>>(
    body: impl AsyncFnOnce(TaskGroup) -> Result<R, E>,
) -> impl Future<Output = Result<R, ExceptionGroup>> {
    run(Location::caller(), body)
}

pin_project! {
    /// Polls a future in a scope whose key the group knows meanwhile.
    struct Keyed<'a, F> {
        state: &'a State,
        #[pin]
        inner: Option<F>,
        #[pin]
        scope: Scope,
    }
}

impl<'a, F> Keyed<'a, F> {
    fn new(state: &'a State, future: F) -> Self {
        Self { state, inner: Some(future), scope: Scope::new() }
    }
}

/// How a future in the group's scope ended.
enum Outcome<T> {
    Value(T),
    Cancelled(CancelledError),
    Panicked(Box<dyn Any + Send>),
}

impl<F: Future> Future for Keyed<'_, F> {
    type Output = Outcome<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let scope = this.scope.as_ref();
        this.state.key.set(Some(scope.key()));
        let outcome = match catch_unwind(AssertUnwindSafe(|| scope.poll_in(cx, this.inner.as_mut()))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(value))) => Outcome::Value(value),
            Ok(Poll::Ready(Err(error))) => Outcome::Cancelled(error),
            Err(payload) => {
                scope.close();
                // A destructor that panics as well tells less than the first panic.
                let _ = catch_unwind(AssertUnwindSafe(|| this.inner.set(None)));
                Outcome::Panicked(payload)
            }
        };
        this.state.key.set(None);
        Poll::Ready(outcome)
    }
}

/// Cancels the children of a group that is dropped before it is over.
struct Abandon<'a>(&'a State);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        drop(self.0.waker.take());
        if !self.0.over.replace(true) {
            self.0.abort();
        }
    }
}

async fn run<R, E: Into<Box<dyn Error>>>(
    location: &'static Location<'static>,
    body: impl AsyncFnOnce(TaskGroup) -> Result<R, E>,
) -> Result<R, ExceptionGroup> {
    let parent = current_task();
    let state = Rc::new(State {
        parent,
        key: Cell::new(None),
        children: RefCell::new(Vec::new()),
        unfinished: Cell::new(0),
        aborting: Cell::new(false),
        exiting: Cell::new(false),
        over: Cell::new(false),
        parent_cancel_requested: Cell::new(false),
        errors: RefCell::new(Vec::new()),
        panic: Cell::new(None),
        waker: RefCell::new(None),
        location,
    });
    let group = TaskGroup { state: state.clone() };
    let abandon = Abandon(&state);
    let outcome = {
        let body = pin!(body(group));
        pin!(Keyed::new(&state, body)).await
    };
    state.exiting.set(true);
    let mut raise = None;
    let mut failed = None;
    let mut value = None;
    match outcome {
        Outcome::Value(Ok(ready)) => value = Some(ready),
        Outcome::Value(Err(error)) => failed = Some(error),
        Outcome::Cancelled(error) => raise = Some(error),
        Outcome::Panicked(payload) => state.panic.set(Some(payload)),
    }
    if value.is_none() && !state.aborting.get() {
        state.abort();
    }
    while state.unfinished.get() > 0 {
        let wait = poll_fn(|cx| {
            if state.unfinished.get() == 0 {
                return Poll::Ready(());
            }
            let before = state.waker.replace(Some(cx.waker().clone()));
            drop(before);
            report_wait(&GROUP, Some(location));
            Poll::Pending
        });
        if let Outcome::Cancelled(error) = pin!(Keyed::new(&state, wait)).await {
            if !state.aborting.get() {
                raise = Some(error);
                state.abort();
            }
        }
    }
    state.over.set(true);
    drop(abandon);
    if let Some(payload) = state.panic.take() {
        if state.parent_cancel_requested.get() {
            state.parent.as_ref().map(TaskHandle::uncancel);
        }
        resume_unwind(payload);
    }
    let mut ended_early = false;
    if state.parent_cancel_requested.get() {
        let left = state.parent.as_ref().map_or(0, TaskHandle::uncancel);
        if left == 0 {
            ended_early = raise.take().is_some();
        }
    }
    let mut errors = state.errors.take();
    if errors.is_empty()
        && let Some(error) = raise
    {
        error.raise().await
    }
    errors.extend(failed.map(Into::into));
    if !errors.is_empty() {
        // A request from outside stays counted, and is delivered at the next suspension.
        if let Some(parent) = state.parent.as_ref().filter(|parent| parent.cancelling() > 0) {
            parent.uncancel();
            parent.cancel();
        }
        return Err(ExceptionGroup::new("unhandled errors in a task group", errors));
    }
    match value {
        Some(value) => Ok(value),
        None => {
            debug_assert!(ended_early, "without a value there is an error, or the group was cancelled");
            Err(ExceptionGroup::new("the task group was cancelled before its body had a value", Vec::new()))
        }
    }
}
