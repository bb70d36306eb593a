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
    CancelKind, CancelledError, Fault, Scope, ScopeKey, Task, TaskBuilder, TaskHandle, Watcher, cancelled_task,
    create_task, current_task,
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
    /// The task that the group runs in, until the group is over.
    parent: RefCell<Option<TaskHandle>>,
    /// The scope of the body, or of the wait for the children.
    key: Cell<Option<ScopeKey>>,
    children: RefCell<Children>,
    aborting: Cell<bool>,
    exiting: Cell<bool>,
    over: Cell<bool>,
    /// Whether the group made a request of its own parent, which counts it.
    parent_cancel_requested: Cell<bool>,
    errors: RefCell<Vec<Box<dyn Error>>>,
    panic: Cell<Option<Box<dyn Any + Send>>>,
    waker: RefCell<Option<Waker>>,
    location: &'static Location<'static>,
}

struct Child {
    task: TaskHandle,
    /// Where a child of `try_create_task` leaves its error.
    error: Option<ErrorSlot>,
}

type ErrorSlot = Rc<Cell<Option<Box<dyn Error>>>>;

/// The children that have not ended, or whose end the group has not been told of, in order of creation.
///
/// Each is found by its number. The places of those that are gone are reclaimed when they are the majority, so a group
/// that lives long does not grow with every child that it ever had, and a child costs no allocation of its own.
#[derive(Default)]
struct Children {
    list: Vec<(usize, Option<Child>)>,
    made: usize,
    unfinished: usize,
}

impl Children {
    /// Adds a child, and returns its number.
    fn push(&mut self, child: Child) -> usize {
        if self.list.len() > 2 * self.unfinished + RECLAIM_AT_LEAST {
            self.list.retain(|(_, child)| child.is_some());
        }
        let number = self.made;
        self.made += 1;
        self.unfinished += 1;
        self.list.push((number, Some(child)));
        number
    }

    fn take(&mut self, number: usize) -> Option<Child> {
        let at = self.list.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        let child = self.list[at].1.take();
        self.unfinished -= usize::from(child.is_some());
        child
    }

    fn tasks(&self) -> Vec<TaskHandle> {
        self.list.iter().filter_map(|(_, child)| child.as_ref()).map(|child| child.task.clone()).collect()
    }
}

/// Below so many free places a list of children is not worth walking. A group of a few children never is.
const RECLAIM_AT_LEAST: usize = 32;

impl State {
    fn unfinished(&self) -> usize {
        self.children.borrow().unfinished
    }

    /// How many requests for cancellation of the parent there were from others than the group.
    fn requests_from_outside(&self) -> u32 {
        let all = self.parent.borrow().as_ref().map_or(0, TaskHandle::cancelling);
        all.saturating_sub(u32::from(self.parent_cancel_requested.get()))
    }

    /// Takes back the request that the group made of its parent, and returns how many are left. `None` if it made none.
    fn uncancel_parent(&self) -> Option<u32> {
        let requested = self.parent_cancel_requested.replace(false);
        requested.then(|| self.parent.borrow().as_ref().map_or(0, TaskHandle::uncancel))
    }

    fn error(&self) -> CancelledError {
        CancelledError::at(CancelKind::TaskGroup, self.location)
    }

    fn is_closed(&self) -> bool {
        self.aborting.get() || self.over.get() || (self.exiting.get() && self.unfinished() == 0)
    }

    /// Cancels all children.
    fn abort(&self) {
        self.aborting.set(true);
        // Collected first: a request wakes others, who may make tasks in this group.
        let tasks = self.children.borrow().tasks();
        for task in tasks {
            task.cancel_for(&self.error());
        }
    }

    /// Cancels the children, and interrupts the body or the wait for them.
    fn abort_all(&self) {
        self.abort();
        let requested = self.key.get().is_some_and(|key| key.cancel(self.error()));
        self.parent_cancel_requested.set(requested);
    }

    /// Takes note of how a child ended. Returns whether it failed.
    fn note(&self, child: Child) -> bool {
        let Child { task, error } = child;
        if task.panicked() {
            let first = self.panic.take();
            // A second panic stays with its task, which raises it where it is awaited, or reports it.
            let first = first.or_else(|| if self.over.get() { None } else { Some(steal_panic(&task)) });
            self.panic.set(first);
            return true;
        }
        let Some(error) = error.and_then(|error| error.take()) else { return false };
        if self.over.get() {
            Fault::new(format!("an error in a task group that was dropped: {error}")).task(task).report();
        } else {
            self.errors.borrow_mut().push(error);
        }
        true
    }
}

fn steal_panic(task: &TaskHandle) -> Box<dyn Any + Send> {
    task.steal_panic().unwrap_or_else(|| Box::new("a task of a task group panicked"))
}

impl Watcher for State {
    fn finished(self: Rc<Self>, index: usize) {
        let child = self.children.borrow_mut().take(index);
        if self.unfinished() == 0 {
            let waker = self.waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        let failed = child.is_some_and(|child| self.note(child));
        if failed && !self.aborting.get() {
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

    fn adopt(&self, task: &TaskHandle, error: Option<ErrorSlot>) {
        let state = &self.state;
        let index = state.children.borrow_mut().push(Child { task: task.clone(), error });
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
        write!(f, "<TaskGroup tasks={} errors={} {phase}>", state.unfinished(), state.errors.borrow().len())
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

/// Cancels the children of a group that is dropped before it is over, and reports what had failed by then.
struct Abandon<'a>(&'a State);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        drop(self.0.waker.take());
        if !self.0.over.replace(true) {
            self.0.abort();
            self.0.uncancel_parent();
            for error in self.0.errors.take() {
                Fault::new(format!("an error in a task group that was dropped: {error}")).report();
            }
            if let Some(payload) = self.0.panic.take() {
                Fault::new("exception in a task group that was dropped").payload(payload).report();
            }
        }
        drop(self.0.waker.take());
        self.0.parent.take();
    }
}

/// Waits until all children have ended. Returns the requests that interrupted the wait: the first one, if the group was not
/// aborting yet, and whether any came from outside.
async fn wait_for_children(state: &State) -> (Option<CancelledError>, bool) {
    let before = state.requests_from_outside();
    let mut first = None;
    while state.unfinished() > 0 {
        let wait = poll_fn(|cx| {
            if state.unfinished() == 0 {
                return Poll::Ready(());
            }
            let before = state.waker.replace(Some(cx.waker().clone()));
            drop(before);
            report_wait(&GROUP, Some(state.location));
            Poll::Pending
        });
        if let Outcome::Cancelled(error) = pin!(Keyed::new(state, wait)).await
            && !state.aborting.get()
        {
            first = Some(error);
            state.abort();
        }
    }
    (first, state.requests_from_outside() > before)
}

/// Goes on with a panic. What failed beside it is reported: nobody else can be told.
fn go_on_with(payload: Box<dyn Any + Send>, errors: Vec<Box<dyn Error>>) -> ! {
    for error in errors {
        Fault::new(format!("an error in a task group that a panic ended: {error}")).report();
    }
    resume_unwind(payload)
}

async fn run<R, E: Into<Box<dyn Error>>>(
    location: &'static Location<'static>,
    body: impl AsyncFnOnce(TaskGroup) -> Result<R, E>,
) -> Result<R, ExceptionGroup> {
    let state = Rc::new(State {
        parent: RefCell::new(current_task()),
        key: Cell::new(None),
        children: RefCell::default(),
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
        Outcome::Panicked(payload) => match state.panic.take() {
            None => state.panic.set(Some(payload)),
            first => {
                state.panic.set(first);
                Fault::new("exception in the body of a task group that had failed already").payload(payload).report();
            }
        },
    }
    if value.is_none() && !state.aborting.get() {
        state.abort();
    }
    let (interrupted, asked_meanwhile) = wait_for_children(&state).await;
    raise = interrupted.or(raise);
    state.over.set(true);
    let left = state.uncancel_parent();
    let parent = state.parent.take();
    drop(abandon);
    let mut errors = state.errors.take();
    if let Some(payload) = state.panic.take() {
        errors.extend(failed.map(Into::into));
        go_on_with(payload, errors);
    }
    match left {
        Some(0) => raise = None,
        // The wait took a request from outside for one of the group's own.
        Some(_) if asked_meanwhile && raise.is_none() && failed.is_none() => {
            raise = Some(CancelledError::at(CancelKind::Explicit, location));
        }
        _ => {}
    }
    if errors.is_empty()
        && let Some(error) = raise
    {
        error.raise().await
    }
    errors.extend(failed.map(Into::into));
    if !errors.is_empty() {
        // A request from outside stays counted, and is delivered at the next suspension.
        if let Some(parent) = parent.filter(|parent| parent.cancelling() > 0) {
            parent.uncancel();
            parent.cancel_for(&CancelledError::at(CancelKind::Explicit, location));
        }
        return Err(ExceptionGroup::new("unhandled errors in a task group", errors));
    }
    // Without errors and without a value, the group was ended early.
    value.ok_or_else(|| ExceptionGroup::new("the task group was cancelled before its body had a value", Vec::new()))
}
