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
    pub fn spawn<F>(self, future: F) -> Task<F::Output>
    where
        F: IntoFuture,
        F::IntoFuture: 'static,
    {
        let location = Location::caller();
        let future = future.into_future();
        // SAFETY: `'static`: it borrows nothing.
        current_or_panic("`create_task`", |inner| unsafe { self.make(inner, future, location, true) })
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
    pub(crate) fn spawn_on<F: Future + 'static>(self, inner: &Inner, future: F) -> Task<F::Output> {
        // SAFETY: `'static`: it borrows nothing.
        unsafe { self.make(inner, future, Location::caller(), true) }
    }

    /// # Safety
    ///
    /// The future is dropped before what it borrows.
    ///
    /// The task does not start eagerly.
    #[track_caller]
    pub(crate) unsafe fn spawn_unchecked<F: Future>(self, inner: &Inner, future: F) -> Task<F::Output> {
        // SAFETY: by the caller's promise.
        unsafe { self.make(inner, future, Location::caller(), false) }
    }

    /// # Safety
    ///
    /// As for `spawn_unchecked`.
    unsafe fn make<F: Future>(
        self,
        inner: &Inner,
        future: F,
        location: &'static Location<'static>,
        may_start: bool,
    ) -> Task<F::Output> {
        inner.assert_takes_tasks();
        let this = match inner.factory() {
            Some(factory) => {
                // It may drop the executor.
                let held = inner.hold();
                let this = factory(self);
                held.assert_takes_tasks();
                this
            }
            None => self,
        };
        // A task that is made before its loop runs finds none to start in, whatever the factory says.
        let runs = current::with(|current| ptr::eq(current.executor.get(), inner));
        let eager = may_start && runs && this.eager_start.unwrap_or(false);
        let parts = Parts { shared: &inner.shared, queued: !eager, location };
        // SAFETY: by the caller's promise.
        let header = unsafe { cell::allocate(&inner.pool, future, parts) };
        // SAFETY: the handle's reference.
        let task = unsafe { TaskRef::from_raw(header) };
        inner.adopt(&task);
        let context = this.context.or_else(context_var::inherited);
        if context.is_some() || this.name.is_some() {
            let extra = task.extra_or_new();
            extra.context.set(context);
            extra.name.set(this.name);
        }
        if eager {
            let _enter = inner.enter();
            let _hold = inner.hold_steps();
            step::step(&task);
        } else {
            task.push(inner);
        }
        Task::new(task)
    }
}
