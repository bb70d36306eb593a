//! `task_group`: tasks that end together.
//!
//! The logic is that of CPython's `TaskGroup.__aexit__`, case by case. The group learns of a child's end through an entry of
//! the ready queue. A child that failed ends all others, and interrupts the body, or the wait at the end of the group, by a
//! request made of the scope that is active then; that request is counted in the parent task, and taken back at the end.

mod children;
mod run;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::rc::Rc;

use asyncio_executor::{
    CancelKind, CancelledError, Fault, ScopeKey, Task, TaskBuilder, TaskHandle, Watcher, cancelled_task, create_task,
};

use crate::awaiter::Awaiter;
use crate::exception_group::ExceptionGroup;
use children::{Child, Children};
use run::run;

/// A handle of a task group: makes tasks in it. Cheap to clone; children may have one and add siblings.
///
/// # Examples
///
/// ```
/// use asyncio_combinators::task_group;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let value = task_group(async |group| {
///     let siblings = group.clone();
///     group.create_task(async move { siblings.create_task(async { 7 }).await }).await
/// }).await;
/// assert_eq!(value.unwrap(), 7);
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
    awaiter: Awaiter,
    location: &'static Location<'static>,
}

type ErrorSlot = Rc<Cell<Option<Box<dyn Error>>>>;

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
            self.awaiter.wake();
        }
        let failed = child.is_some_and(|child| self.note(child));
        if failed && !self.aborting.get() {
            self.abort_all();
        }
    }

    fn awaiters(&self) -> Vec<TaskHandle> {
        self.parent.borrow().iter().cloned().collect()
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
    /// # Examples
    ///
    /// ```
    /// use asyncio_combinators::task_group;
    /// use asyncio_event_loop::sleep;
    /// use std::time::Duration;
    /// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
    /// # runner.run(async {
    /// let ended = task_group(async |group| {
    ///     let inside = group.clone();
    ///     let _task = group.create_task(async move {
    ///         sleep(Duration::from_secs(1)).await;
    ///         inside.cancel();
    ///     });
    ///     sleep(Duration::from_secs(9)).await;
    /// }).await;
    /// assert!(ended.unwrap_err().is_empty());
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
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
/// # Cancel safety
///
/// Dropping it, other than by a cancellation, cancels the children and does not wait for them.
///
/// # Errors
///
/// The errors of the children.
///
/// # Panics
///
/// Without a running event loop. A panic of the body or of a child goes on when all have ended.
///
/// # Examples
///
/// ```
/// use asyncio_combinators::task_group;
/// use asyncio_event_loop::sleep;
/// use std::time::Duration;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let sum = task_group(async |group| {
///     let a = group.create_task(async { 1 });
///     let b = group.try_create_task(async { "2".parse::<i32>() });
///     a.await + b.await
/// }).await;
/// assert_eq!(sum.unwrap(), 3);
///
/// let errors = task_group(async |group| {
///     let _task = group.try_create_task(async { "x".parse::<i32>() });
///     sleep(Duration::from_secs(9)).await; // is cancelled
/// }).await.unwrap_err();
/// assert_eq!(errors.len(), 1);
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
///
/// # Examples
///
/// ```
/// use asyncio_combinators::try_task_group;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let errors = try_task_group(async |group| {
///     let _task = group.create_task(std::future::pending::<()>()); // is cancelled
///     "x".parse::<i32>()
/// }).await.unwrap_err();
/// assert_eq!(errors.into_errors()[0].to_string(), "invalid digit found in string");
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn try_task_group<R, E: Into<Box<dyn Error>>>(
    body: impl AsyncFnOnce(TaskGroup) -> Result<R, E>,
) -> impl Future<Output = Result<R, ExceptionGroup>> {
    run(Location::caller(), body)
}
