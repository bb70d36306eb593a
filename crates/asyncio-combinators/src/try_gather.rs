//! `try_gather`: several futures of a `Result` at once; the first `Err` at once.

use std::cell::Cell;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};
use asyncio_executor::{
    AwaitLink, Awaitee, CancelKind, CancelledError, Completion, Forward, Task, TaskError, TaskHandle, Watcher,
    next_key, raise,
};

use crate::child::ensure_future;
use crate::gather::shape::Iterated;

static TRY_GATHER: WaitKind = WaitKind::new("a try_gather");

/// Like `gather`, for futures of a `Result`: gives all values, or the first error at once; the others run on, unheard.
///
/// Takes a tuple of up to 12, an array, a `Vec` or an iterator; the errors have one type. A panic or cancellation of a child goes on
/// at once, as in `gather`.
///
/// # Cancel safety
///
/// Dropping it lets its children run on.
///
/// # Errors
///
/// That of the first child to fail.
///
/// # Panics
///
/// Without a running event loop.
///
/// # Examples
///
/// ```
/// use asyncio_combinators::try_gather;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let both: Result<_, String> = try_gather((async { Ok(1) }, async { Ok("a") })).await;
/// assert_eq!(both, Ok((1, "a")));
///
/// let failed = try_gather([std::future::ready(Ok(1)), std::future::ready(Err("no"))]).await;
/// assert_eq!(failed, Err("no"));
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In Python
///
/// `asyncio.gather`, where an exception of a child is raised at once.
#[track_caller]
pub fn try_gather<M, S: TryShape<M>>(futures: S) -> TryGather<S::Children> {
    let mut tasks = Vec::new();
    let children = futures.adopt(&mut tasks);
    let state = Rc::new(State {
        unfinished: Cell::new(tasks.len()),
        tasks,
        verdict: Cell::new(None),
        cancel_requested: Cell::new(false),
        completion: Completion::new(),
        location: Location::caller(),
    });
    if state.tasks.is_empty() {
        state.verdict.set(Some(Verdict::All));
    }
    for (index, child) in state.tasks.iter().enumerate() {
        if !child.handle.done() {
            child.handle.watch(state.clone(), index);
        }
    }
    for index in 0..state.tasks.len() {
        if state.tasks[index].handle.done() {
            state.count(index);
        }
    }
    TryGather { state, children: Some(children), link: None, key: next_key() }
}

/// A child as the gather sees it.
#[doc(hidden)]
pub struct TryChild {
    handle: TaskHandle,
    is_err: Box<dyn Fn() -> bool>,
}

impl TryChild {
    fn new<T: 'static, E: 'static>(task: &Task<Result<T, E>>) -> Self {
        Self { handle: task.handle(), is_err: Box::new(task.err_probe()) }
    }
}

#[derive(Clone, Copy)]
enum Verdict {
    All,
    One(usize),
    /// All have ended with values, although the gather had been cancelled.
    Cancelled,
}

struct State {
    tasks: Vec<TryChild>,
    unfinished: Cell<usize>,
    verdict: Cell<Option<Verdict>>,
    cancel_requested: Cell<bool>,
    completion: Completion,
    location: &'static Location<'static>,
}

impl State {
    fn count(&self, index: usize) {
        self.unfinished.set(self.unfinished.get() - 1);
        let child = &self.tasks[index];
        if self.verdict.get().is_some() {
            child.handle.mark_retrieved();
            return;
        }
        if child.handle.cancelled() || child.handle.panicked() || (child.is_err)() {
            for (other, child) in self.tasks.iter().enumerate() {
                if other != index {
                    child.handle.mark_retrieved();
                }
            }
            self.end(Verdict::One(index));
        } else if self.unfinished.get() == 0 {
            self.end(if self.cancel_requested.get() { Verdict::Cancelled } else { Verdict::All });
        }
    }

    fn end(&self, verdict: Verdict) {
        self.verdict.set(Some(verdict));
        self.completion.finish();
    }
}

impl Watcher for State {
    fn finished(self: Rc<Self>, index: usize) {
        self.count(index);
    }

    fn awaiters(&self) -> Vec<TaskHandle> {
        self.completion.awaiters()
    }
}

impl Awaitee for State {
    fn is_done(&self) -> bool {
        self.verdict.get().is_some()
    }

    fn accepts(&self) -> bool {
        !self.is_done() && self.tasks.iter().any(|child| !child.handle.done())
    }

    fn cancel(self: Rc<Self>, error: &CancelledError, forward: &mut Forward) {
        let error = error.clone().with_kind(CancelKind::Gather);
        for child in &self.tasks {
            if !child.handle.done() {
                forward.task(&child.handle, &error);
                self.cancel_requested.set(true);
            }
        }
    }

    fn cancelled_error(&self) -> Option<CancelledError> {
        match self.verdict.get() {
            Some(Verdict::One(index)) => self.tasks[index].handle.cancelled_error(),
            Some(Verdict::Cancelled) => self.tasks.last().and_then(|child| child.handle.cancelled_error()),
            Some(Verdict::All) | None => None,
        }
    }

    fn describe(&self) -> String {
        format!("a try_gather of {} made at {}", self.tasks.len(), self.location)
    }
}

/// Waits for all values or the first error: see [`try_gather`].
#[must_use = "the futures run without it, but their values are lost"]
pub struct TryGather<C> {
    state: Rc<State>,
    children: Option<C>,
    link: Option<AwaitLink>,
    key: u64,
}

impl<C> TryGather<C> {
    /// Asks for the cancellation of all children that are not done. Returns `false` if there are none.
    #[track_caller]
    pub fn cancel(&self) -> bool {
        asyncio_executor::cancel_awaitee(self.state.clone(), &CancelledError::new(CancelKind::Explicit))
    }

    /// Whether it has its values, or has failed.
    #[must_use]
    pub fn done(&self) -> bool {
        self.state.is_done()
    }
}

impl<C> Unpin for TryGather<C> {}

impl<C: TryChildren> Future for TryGather<C> {
    type Output = Result<C::Output, C::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if !this.state.is_done() {
            this.state.completion.set_awaiter(this.key, cx.waker());
        }
        // Looked at after that: the clone of the waker may have been the code of others, and have completed a child.
        let Some(verdict) = this.state.verdict.get() else {
            let state = &this.state;
            this.link.get_or_insert_with(|| AwaitLink::new(state.clone())).attach_with(cx.waker());
            report_wait(&TRY_GATHER, Some(this.state.location));
            return Poll::Pending;
        };
        this.link = None;
        let children = this.children.take().expect("a gather is not polled again after it has completed");
        let failed = match verdict {
            Verdict::All => return Poll::Ready(children.outputs()),
            Verdict::One(index) => children.failure(index),
            Verdict::Cancelled => {
                Err(TaskError::Cancelled(CancelledError::at(CancelKind::Gather, this.state.location)))
            }
        };
        match failed {
            Ok(error) => Poll::Ready(Err(error)),
            Err(TaskError::Cancelled(error)) => {
                raise(error);
                Poll::Pending
            }
            Err(TaskError::Panicked(payload)) => resume_unwind(payload),
            Err(error) => panic!("the outcome of a child was taken by somebody else: {error}"),
        }
    }
}

impl<C> Drop for TryGather<C> {
    fn drop(&mut self) {
        self.state.completion.remove_awaiter(self.key);
    }
}

impl<C> fmt::Debug for TryGather<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.state.describe())
    }
}

/// Futures of a `Result` that can be gathered. The marker `M` is inferred.
pub trait TryShape<M> {
    /// The tasks that they become.
    type Children: TryChildren;
    #[doc(hidden)]
    fn adopt(self, tasks: &mut Vec<TryChild>) -> Self::Children;
}

/// The tasks of a `try_gather`.
pub trait TryChildren {
    /// Their values, in the shape that the futures were given in.
    type Output;
    /// Their error.
    type Error;
    #[doc(hidden)]
    fn outputs(self) -> Result<Self::Output, Self::Error>;
    #[doc(hidden)]
    fn failure(self, index: usize) -> Result<Self::Error, TaskError>;
}

#[track_caller]
fn adopt<F, T, E>(future: F, tasks: &mut Vec<TryChild>) -> Task<Result<T, E>>
where
    F: IntoFuture<Output = Result<T, E>>,
    F::IntoFuture: 'static,
    T: 'static,
    E: 'static,
{
    let task = ensure_future(future);
    tasks.push(TryChild::new(&task));
    task
}

/// The result of a task that ended with one.
fn value<T, E>(task: Task<Result<T, E>>) -> Result<T, E> {
    match task.result() {
        Ok(result) => result,
        Err(error) => unreachable!("a child that did not fail has a result: {error}"),
    }
}

/// The error of a task that failed.
fn failure<T, E>(task: Task<Result<T, E>>) -> Result<E, TaskError> {
    match task.result() {
        Ok(Err(error)) => Ok(error),
        Ok(Ok(_)) => unreachable!("a child that failed has no value"),
        Err(error) => Err(error),
    }
}

impl<T, E> TryChildren for Vec<Task<Result<T, E>>> {
    type Output = Vec<T>;
    type Error = E;

    fn outputs(self) -> Result<Vec<T>, E> {
        self.into_iter().map(value).collect()
    }

    fn failure(mut self, index: usize) -> Result<E, TaskError> {
        failure(self.swap_remove(index))
    }
}

impl<T, E, const N: usize> TryChildren for [Task<Result<T, E>>; N] {
    type Output = [T; N];
    type Error = E;

    fn outputs(self) -> Result<[T; N], E> {
        let values: Vec<T> = self.into_iter().map(value).collect::<Result<_, _>>()?;
        Ok(values.try_into().unwrap_or_else(|_| unreachable!("as many values as children")))
    }

    fn failure(self, index: usize) -> Result<E, TaskError> {
        match self.into_iter().nth(index) {
            Some(task) => failure(task),
            None => unreachable!("the child that failed is one of the children"),
        }
    }
}

impl<F, T, E> TryShape<()> for Vec<F>
where
    F: IntoFuture<Output = Result<T, E>>,
    F::IntoFuture: 'static,
    T: 'static,
    E: 'static,
{
    type Children = Vec<Task<Result<T, E>>>;

    fn adopt(self, tasks: &mut Vec<TryChild>) -> Self::Children {
        self.into_iter().map(|future| adopt(future, tasks)).collect()
    }
}

impl<F, T, E, const N: usize> TryShape<()> for [F; N]
where
    F: IntoFuture<Output = Result<T, E>>,
    F::IntoFuture: 'static,
    T: 'static,
    E: 'static,
{
    type Children = [Task<Result<T, E>>; N];

    fn adopt(self, tasks: &mut Vec<TryChild>) -> Self::Children {
        self.map(|future| adopt(future, tasks))
    }
}

impl<I, T, E> TryShape<Iterated> for I
where
    I: Iterator,
    I::Item: IntoFuture<Output = Result<T, E>>,
    <I::Item as IntoFuture>::IntoFuture: 'static,
    T: 'static,
    E: 'static,
{
    type Children = Vec<Task<Result<T, E>>>;

    fn adopt(self, tasks: &mut Vec<TryChild>) -> Self::Children {
        let futures: Vec<I::Item> = self.collect();
        TryShape::<()>::adopt(futures, tasks)
    }
}

macro_rules! tuple {
    ($($future:ident $value:ident $at:tt),*) => {
        impl<Error, $($value),*> TryChildren for ($(Task<Result<$value, Error>>,)*) {
            type Output = ($($value,)*);
            type Error = Error;

            fn outputs(self) -> Result<Self::Output, Error> {
                Ok(($(value(self.$at)?,)*))
            }

            fn failure(self, index: usize) -> Result<Error, TaskError> {
                match index {
                    $($at => failure(self.$at),)*
                    _ => unreachable!("the child that failed is one of the children"),
                }
            }
        }

        impl<Error: 'static, $($future, $value),*> TryShape<()> for ($($future,)*)
        where
            $($future: IntoFuture<Output = Result<$value, Error>>, $future::IntoFuture: 'static, $value: 'static,)*
        {
            type Children = ($(Task<Result<$value, Error>>,)*);

            fn adopt(self, tasks: &mut Vec<TryChild>) -> Self::Children {
                ($(adopt(self.$at, tasks),)*)
            }
        }
    };
}

tuple!(F0 T0 0);
tuple!(F0 T0 0, F1 T1 1);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3, F4 T4 4);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3, F4 T4 4, F5 T5 5);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3, F4 T4 4, F5 T5 5, F6 T6 6);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3, F4 T4 4, F5 T5 5, F6 T6 6, F7 T7 7);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3, F4 T4 4, F5 T5 5, F6 T6 6, F7 T7 7, F8 T8 8);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3, F4 T4 4, F5 T5 5, F6 T6 6, F7 T7 7, F8 T8 8, F9 T9 9);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3, F4 T4 4, F5 T5 5, F6 T6 6, F7 T7 7, F8 T8 8, F9 T9 9, F10 T10 10);
tuple!(F0 T0 0, F1 T1 1, F2 T2 2, F3 T3 3, F4 T4 4, F5 T5 5, F6 T6 6, F7 T7 7, F8 T8 8, F9 T9 9, F10 T10 10, F11 T11 11);
