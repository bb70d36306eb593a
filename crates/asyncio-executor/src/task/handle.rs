//! The handles of a task: `Task<T>`, which gets the outcome, and `TaskHandle`, which is cheap to clone and untyped.

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_context::{Wait, WaitKind, report_wait};

use crate::awaitee::Target;
use crate::callback;
use crate::cancel::{CancelKind, CancelledError};
use crate::context_var::{self, Context as Vars};
use crate::current;
use crate::done::{CallbackId, Waiter, Watcher};
use crate::executor::Inner;
use crate::scope;
use crate::task::builder::TaskBuilder;
use crate::task::cell;
use crate::task::error::{InvalidStateError, TaskError};
use crate::task::header::TaskRef;
use crate::task::join::{self, Join};
use crate::task::shared::SharedTask;
use crate::task::step;
use crate::task::wait::{self, assert_awaitable};
use crate::task::waker;

static AWAIT_TASK: WaitKind = WaitKind::new("a task");

/// Names a task. Unique among the tasks of its thread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TaskId(pub(crate) u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A task, and the right to its outcome.
///
/// Awaiting it is transparent: its value is the value of the `await`. If it panicked, the panic goes on in the awaiting
/// task; if it was cancelled, the cancellation is raised there. [`Task::join`] gives all three as a `Result`. Dropping
/// the handle does not stop the task.
///
/// A cancellation of the awaiting task is passed on to the awaited one, as in Python; see
/// `shield` for a way around that.
///
/// # Panics
///
/// Awaiting panics when the task awaits itself, when it belongs to another event loop, and when its outcome has been taken
/// before.
///
/// # Cancel safety
///
/// Dropping a `Task` that is being awaited by reference (`(&mut task).await`) loses nothing.
///
/// # In Python
///
/// `asyncio.Task`, in `asyncio/tasks.py`.
pub struct Task<T> {
    task: TaskRef,
    output: PhantomData<fn() -> T>,
}

/// An untyped handle of a task: cheap to clone, and enough to cancel it and to look at it.
#[derive(Clone)]
pub struct TaskHandle(TaskRef);

impl Task<()> {
    /// How a task is to be made: name, context, eager start.
    pub fn builder() -> TaskBuilder {
        TaskBuilder::new()
    }
}

impl<T> Task<T> {
    pub(crate) fn new(task: TaskRef) -> Self {
        Self { task, output: PhantomData }
    }

    pub(crate) fn task(&self) -> &TaskRef {
        &self.task
    }

    /// Waits for the outcome, whatever it is.
    pub fn join(self) -> Join<T> {
        // What was passed on by an earlier wait, by reference, is no matter of this one.
        self.detach();
        Join::new(self)
    }

    /// The outcome of a task that is done.
    ///
    /// # Errors
    ///
    /// How it ended, if not with a value; [`TaskError::InvalidState`] if it is not done, or the outcome was taken before.
    ///
    /// # In Python
    ///
    /// `Task.result`.
    pub fn result(mut self) -> Result<T, TaskError> {
        let not_done = if self.done() { InvalidStateError::TAKEN } else { InvalidStateError::NOT_DONE };
        self.try_result().unwrap_or(Err(TaskError::InvalidState(not_done)))
    }

    /// The outcome, if the task is done and it has not been taken.
    pub fn try_result(&mut self) -> Option<Result<T, TaskError>> {
        self.detach();
        join::take(&self.task)
    }

    /// Ends a wait through this handle.
    #[inline]
    fn detach(&self) {
        wait::detach(&self.task);
    }

    /// Waits as `Join` does: `forwarded` says whether a request for cancellation was passed on by this wait.
    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<(Result<T, TaskError>, bool)> {
        if self.task.is_done() {
            let forwarded = wait::finish(&self.task);
            let outcome = join::take(&self.task).unwrap_or(Err(TaskError::InvalidState(InvalidStateError::TAKEN)));
            return Poll::Ready((outcome, forwarded));
        }
        assert_awaitable(&self.task);
        if !wait::begin(&self.task, cx.waker()) {
            return self.poll_outcome(cx);
        }
        report_wait(&AWAIT_TASK, None);
        Poll::Pending
    }

    /// Calls `f` when the task is done, outside any task, in a copy of the current context.
    ///
    /// Callbacks run in the order in which they were added, each in an entry of the ready queue; that of a task that is
    /// done already is scheduled, not called.
    ///
    /// # In Python
    ///
    /// `Task.add_done_callback`.
    #[track_caller]
    pub fn add_done_callback(&self, f: impl FnOnce(&TaskHandle) + 'static) -> CallbackId {
        self.handle().add_done_callback(f)
    }

    /// Removes a done-callback. Returns whether it was there; one that is on its way to run is not.
    pub fn remove_done_callback(&self, id: CallbackId) -> bool {
        self.handle().remove_done_callback(id)
    }

    /// An untyped handle of the task.
    #[must_use]
    pub fn handle(&self) -> TaskHandle {
        TaskHandle(self.task.clone())
    }

    /// A handle that any number of others can await.
    #[must_use]
    pub fn shared(self) -> SharedTask<T>
    where
        T: Clone,
    {
        SharedTask::new(self)
    }
}

/// What `Task`, `SharedTask` and `TaskHandle` have in common.
macro_rules! task_methods {
    ($($header:tt)*) => {
        $($header)* {
            /// Asks for the task's cancellation. Returns `false` if it is done.
            ///
            /// The request is delivered where the task is suspended, on its next turn, and the task may clean up with
            /// `await`, or refuse: see [`catch_cancelled`](crate::catch_cancelled). A task that has not started ends
            /// without running.
            ///
            /// # In Python
            ///
            /// `Task.cancel`.
            #[track_caller]
            pub fn cancel(&self) -> bool {
                self.task_ref().cancel(&CancelledError::new(CancelKind::Explicit))
            }

            /// Like `cancel`, with a message for the `CancelledError`.
            #[track_caller]
            pub fn cancel_with(&self, message: impl Into<String>) -> bool {
                let error = CancelledError::with_message(CancelKind::Explicit, message.into());
                self.task_ref().cancel(&error)
            }

            /// Like `cancel`, with an error of the caller's. For combinators.
            pub fn cancel_for(&self, error: &CancelledError) -> bool {
                self.task_ref().cancel(error)
            }

            /// How many requests for cancellation there were, less those taken back with `uncancel`.
            #[must_use]
            pub fn cancelling(&self) -> u32 {
                self.task_ref().cancelling()
            }

            /// Takes back one request, and returns how many are left. At zero, a request that has not taken effect is
            /// dropped.
            pub fn uncancel(&self) -> u32 {
                self.task_ref().uncancel()
            }

            /// Whether the task has ended: with a value, cancelled, or with a panic.
            #[must_use]
            pub fn done(&self) -> bool {
                self.task_ref().is_done()
            }

            /// Whether the task ended cancelled.
            #[must_use]
            pub fn cancelled(&self) -> bool {
                self.task_ref().state.is_cancelled()
            }

            /// Whether the task ended with a panic.
            #[must_use]
            pub fn panicked(&self) -> bool {
                self.task_ref().state.is_panicked()
            }

            /// The name: the one given, or `Task-1`, `Task-2` and so on.
            #[must_use]
            pub fn name(&self) -> String {
                self.task_ref().name()
            }

            /// Gives the task another name.
            pub fn set_name(&self, name: impl AsRef<str>) {
                self.task_ref().set_name(name.as_ref());
            }

            /// The number of the task on its thread.
            #[must_use]
            pub fn id(&self) -> TaskId {
                TaskId(self.task_ref().id)
            }

            /// Where the task was made.
            #[must_use]
            pub fn location(&self) -> &'static Location<'static> {
                self.task_ref().location
            }

            /// The context that the task runs in; an empty one once it is done, or its panic was told of.
            #[must_use]
            pub fn context(&self) -> Vars {
                self.task_ref().vars()
            }
        }
    };
}

impl<T> Task<T> {
    fn task_ref(&self) -> &TaskRef {
        &self.task
    }
}

impl TaskHandle {
    fn task_ref(&self) -> &TaskRef {
        &self.0
    }
}

impl<T> SharedTask<T> {
    fn task_ref(&self) -> &TaskRef {
        self.task()
    }
}

task_methods!(impl<T> Task<T>);
task_methods!(impl TaskHandle);
task_methods!(impl<T> SharedTask<T>);

impl TaskHandle {
    pub(crate) fn new(task: TaskRef) -> Self {
        Self(task)
    }

    pub(crate) fn task(&self) -> &TaskRef {
        &self.0
    }

    /// As [`Task::add_done_callback`].
    #[track_caller]
    pub fn add_done_callback(&self, f: impl FnOnce(&TaskHandle) + 'static) -> CallbackId {
        let id = CallbackId::next();
        let location = Location::caller();
        let context = context_var::inherited();
        let handle = self.clone();
        let call = move || callback::call(context, location, || f(&handle));
        if self.0.is_done() {
            if let Some(home) = self.0.home() {
                callback::schedule(home, None, location, call);
            }
        } else {
            self.0.extra_or_new().done.push(Waiter::Callback(id, Box::new(call)));
        }
        id
    }

    /// As [`Task::remove_done_callback`].
    pub fn remove_done_callback(&self, id: CallbackId) -> bool {
        !self.done() && self.0.extra().is_some_and(|extra| extra.done.remove_callback(id))
    }

    /// Tells `watcher` when the task is done, with `index`. For combinators. If it is done already, the notice is
    /// scheduled now.
    ///
    /// # Panics
    ///
    /// When the task belongs to another event loop than the one that is running.
    #[track_caller]
    pub fn watch(&self, watcher: Rc<dyn Watcher>, index: usize) {
        self.0.assert_at_home(current::with(|current| current.executor.get()));
        if self.done() {
            if let Some(home) = self.0.home() {
                callback::schedule(home, None, self.0.location, move || watcher.finished(index));
            }
        } else {
            self.0.extra_or_new().done.push(Waiter::Watch(watcher, index));
        }
    }

    /// Undoes [`TaskHandle::watch`], all registrations of `watcher`, unless the notice is on its way.
    pub fn unwatch(&self, watcher: &Rc<dyn Watcher>) {
        if let Some(extra) = self.0.extra().filter(|_| !self.done()) {
            extra.done.remove_watcher(watcher);
        }
    }

    /// What the task last said that it waits for, and where. `None` while it runs, or if it did not say.
    #[must_use]
    pub fn wait(&self) -> Option<Wait> {
        self.0.wait.get()
    }

    /// What the task waits for that reports can name: other tasks, futures, gathers.
    #[must_use]
    pub fn awaits(&self) -> Vec<String> {
        let mut targets = Vec::new();
        if !self.done() {
            self.0.scope.for_each_wait(&mut |target| targets.push(target));
        }
        // Only now: `describe` is not ours.
        let name = |target: Target| match target {
            Target::Task(task) => format!("task {:?}", task.name()),
            Target::Other(other) => other.describe(),
        };
        targets.into_iter().map(name).collect()
    }

    /// The tasks that the task awaits.
    #[must_use]
    pub fn awaited_tasks(&self) -> Vec<TaskHandle> {
        let mut tasks = Vec::new();
        if !self.done() {
            self.0.scope.for_each_wait(&mut |target| {
                if let Target::Task(task) = target {
                    tasks.push(TaskHandle(task));
                }
            });
        }
        tasks
    }

    /// The tasks that await this one, directly or through a combinator, in the order in which they began to. None once it
    /// is done.
    #[must_use]
    pub fn awaited_by(&self) -> Vec<TaskHandle> {
        wait::awaiters(&self.0)
    }

    /// What a waker of a task wakes; `None` if it is another kind of waker, or of a task of another thread's loop. For
    /// combinators.
    #[must_use]
    pub fn of_waker(waker: &std::task::Waker) -> Option<TaskHandle> {
        waker::task_of(waker).map(TaskHandle)
    }

    /// The cancellation that the task ended with, if it did and nobody has taken its outcome yet.
    #[must_use]
    pub fn cancelled_error(&self) -> Option<CancelledError> {
        cell::cancelled_error(&self.0)
    }

    /// The text of the panic that the task ended with, if it did and nobody has taken its outcome yet.
    #[must_use]
    pub fn panic_text(&self) -> Option<String> {
        cell::panic_text(&self.0)
    }

    /// The payload of the panic that the task ended with, if it did and nobody has taken its outcome; who takes that gets
    /// the panic's text. It is not reported as lost. For combinators.
    pub fn steal_panic(&self) -> Option<Box<dyn std::any::Any + Send>> {
        self.0.state.set_quiet();
        cell::steal_panic(&self.0)
    }

    /// Says that a panic of this task is known, so that it is not reported as lost.
    pub fn mark_retrieved(&self) {
        self.0.state.set_quiet();
    }
}

impl TaskRef {
    /// Panics if `executor`, the one that is running, is another than the task's own: its awaiter would wait for ever.
    #[track_caller]
    fn assert_at_home(&self, executor: *const Inner) {
        let home: *const Inner = self.home().map_or(std::ptr::null(), std::ptr::from_ref);
        assert!(
            executor.is_null() || executor == home || self.is_done(),
            "{:?} belongs to another event loop: await it in a task of the loop that made it",
            TaskHandle(self.clone())
        );
    }
}

impl PartialEq for TaskHandle {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ptr() == other.0.as_ptr()
    }
}

impl Eq for TaskHandle {}

impl Hash for TaskHandle {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_ptr().hash(state);
    }
}

impl<T> Future for Task<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.poll_outcome(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready((Ok(value), _)) => Poll::Ready(value),
            Poll::Ready((Err(TaskError::Cancelled(error)), _)) => {
                scope::raise(error);
                Poll::Pending
            }
            Poll::Ready((Err(TaskError::Panicked(payload)), _)) => resume_unwind(payload),
            Poll::Ready((Err(TaskError::InvalidState(_)), _)) => {
                panic!("the outcome of {:?} was taken before: await a task once, or use `shared()`", self)
            }
        }
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        wait::end(&self.task);
        self.task.state.drop_handle();
        if self.task.is_done() {
            step::told(&self.task);
        }
    }
}

impl fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = &self.0;
        let state = if task.state.is_cancelled() {
            "cancelled"
        } else if task.state.is_panicked() {
            "panicked"
        } else if task.is_done() {
            "finished"
        } else if task.cancelling() > 0 {
            "cancelling"
        } else {
            "pending"
        };
        write!(f, "<Task {state} name={:?} spawned at {}", task.name(), task.location)?;
        if !task.is_done() {
            let awaits = self.awaits();
            if !awaits.is_empty() {
                write!(f, " waits for {}", awaits.join(", "))?;
            } else if let Some(wait) = self.wait() {
                write!(f, " waits for {wait}")?;
            }
        }
        f.write_str(">")
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle().fmt(f)
    }
}

impl<T> From<&Task<T>> for TaskHandle {
    fn from(task: &Task<T>) -> Self {
        task.handle()
    }
}

impl From<&TaskHandle> for TaskHandle {
    fn from(task: &TaskHandle) -> Self {
        task.clone()
    }
}

/// A task comes back as itself; anything else is made a task by `ensure_future` of the combinators.
impl<T> From<Task<T>> for TaskHandle {
    fn from(task: Task<T>) -> Self {
        task.handle()
    }
}
