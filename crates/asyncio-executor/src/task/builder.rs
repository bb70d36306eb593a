#![expect(unsafe_code, reason = "a task may be made of a future that borrows, by who drops it in time")]
//! How a task is made: name, context, eager start.

use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::ptr;

use crate::cancel::CancelledError;
use crate::context_var::{self, Context};
use crate::current;
use crate::executor::Inner;
use crate::running::current_or_panic;
use crate::task::cell::{self, Parts};
use crate::task::handle::Task;
use crate::task::header::TaskRef;
use crate::task::step;

/// How a task is to be made. Start with [`Task::builder`].
///
/// # In Python
///
/// The keyword arguments of `asyncio.create_task`.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder makes nothing before `spawn`"]
pub struct TaskBuilder {
    name: Option<Box<str>>,
    eager_start: Option<bool>,
    context: Option<Context>,
}

impl TaskBuilder {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// The name that reports show. The default is `Task-1`, `Task-2` and so on.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into().into_boxed_str());
        self
    }

    /// Whether the first step runs at once, inside `spawn`. A task that ends in it never enters the ready queue. One that
    /// is made while its loop does not run starts with the loop.
    ///
    /// This changes the order of things: see `asyncio.eager_task_factory`.
    pub fn eager_start(mut self, eager: bool) -> Self {
        self.eager_start = Some(eager);
        self
    }

    /// The context to run in. Without this call, it is a copy of the current one.
    pub fn context(mut self, context: Context) -> Self {
        self.context = Some(context);
        self
    }

    /// Makes the task.
    ///
    /// # Panics
    ///
    /// Without a running event loop.
    #[track_caller]
    pub fn spawn<F>(mut self, future: F) -> Task<F::Output>
    where
        F: IntoFuture,
        F::IntoFuture: 'static,
    {
        let location = Location::caller();
        let future = future.into_future();
        // SAFETY: `'static`: it borrows nothing.
        current_or_panic("`create_task`", |inner| unsafe { make(inner, Some(&mut self), future, location, true) })
    }

    /// A task that has ended cancelled.
    pub(crate) fn spawn_cancelled<T: 'static>(
        self,
        inner: &Inner,
        location: &'static Location<'static>,
        error: CancelledError,
    ) -> Task<T> {
        let parts = Parts { shared: &inner.shared, queued: false, location };
        // SAFETY: `'static`.
        let header = unsafe { cell::allocate(&inner.pool, std::future::pending::<T>(), parts) };
        // SAFETY: the handle's reference.
        let task = unsafe { TaskRef::from_raw(header) };
        inner.adopt(&task);
        step::abandon(&task, error);
        Task::new(task)
    }

    #[track_caller]
    pub(crate) fn spawn_on<F: Future + 'static>(mut self, inner: &Inner, future: F) -> Task<F::Output> {
        // SAFETY: `'static`: it borrows nothing.
        unsafe { make(inner, Some(&mut self), future, Location::caller(), true) }
    }

    /// # Safety
    ///
    /// The future is dropped before what it borrows.
    ///
    /// The task does not start eagerly.
    #[track_caller]
    pub(crate) unsafe fn spawn_unchecked<F: Future>(mut self, inner: &Inner, future: F) -> Task<F::Output> {
        // SAFETY: by the caller's promise.
        unsafe { make(inner, Some(&mut self), future, Location::caller(), false) }
    }
}

/// Makes a task for which there are no wishes, as most are.
///
/// # Panics
///
/// When the executor is closed.
#[track_caller]
#[inline]
pub(crate) fn spawn<F: Future + 'static>(
    inner: &Inner,
    future: F,
    location: &'static Location<'static>,
) -> Task<F::Output> {
    // SAFETY: `'static`: it borrows nothing.
    unsafe { make(inner, None, future, location, true) }
}

/// Makes a task as `wishes` and the factory say, if anybody has something to say.
///
/// # Safety
///
/// The future is dropped before what it borrows.
#[track_caller]
#[inline]
unsafe fn make<F: Future>(
    inner: &Inner,
    wishes: Option<&mut TaskBuilder>,
    future: F,
    location: &'static Location<'static>,
    may_start: bool,
) -> Task<F::Output> {
    let mut changed;
    let wishes = if inner.makes_any_task() {
        wishes
    } else {
        changed = through_factory(inner, wishes);
        Some(&mut changed)
    };
    let eager = may_start && wishes.as_ref().is_some_and(|wishes| wishes.is_to_start(inner));
    let parts = Parts { shared: &inner.shared, queued: !eager, location };
    // SAFETY: by the caller's promise.
    let header = unsafe { cell::allocate(&inner.pool, future, parts) };
    // SAFETY: the handle's reference.
    let task = unsafe { TaskRef::from_raw(header) };
    inner.adopt(&task);
    if let Some(wishes) = wishes {
        wishes.fulfil(&task);
    } else if let Some(context) = context_var::inherited() {
        task.extra_or_new().context.set(Some(context));
    }
    if eager {
        start(inner, &task);
    } else {
        task.push(inner);
    }
    Task::new(task)
}

/// What the factory makes of `wishes`.
#[track_caller]
#[cold]
fn through_factory(inner: &Inner, wishes: Option<&mut TaskBuilder>) -> TaskBuilder {
    inner.assert_takes_tasks();
    let wishes = wishes.map(std::mem::take).unwrap_or_default();
    let Some(factory) = inner.factory() else { return wishes };
    // It may drop the executor.
    let held = inner.hold();
    let wishes = factory(wishes);
    held.assert_takes_tasks();
    wishes
}

/// Makes the first step.
#[inline(never)]
fn start(inner: &Inner, task: &TaskRef) {
    let _enter = inner.enter();
    let _hold = inner.hold_steps();
    // SAFETY: it is not done, so the alive reference is there; and it is in no queue. By the table, as all steps are made: it
    // takes no second copy of their code.
    unsafe { (task.vtable().node.run)(task.as_ptr().cast()) };
}

impl TaskBuilder {
    /// Whether the task is to start at once. One that is made before its loop runs finds none to start in.
    fn is_to_start(&self, inner: &Inner) -> bool {
        self.eager_start.unwrap_or(false) && current::with(|current| ptr::eq(current.executor.get(), inner))
    }

    /// Gives a new task its name and context.
    #[inline(never)]
    fn fulfil(&mut self, task: &TaskRef) {
        let context = self.context.take().or_else(context_var::inherited);
        if context.is_some() || self.name.is_some() {
            let extra = task.extra_or_new();
            extra.context.set(context);
            extra.name.set(self.name.take());
        }
    }
}
