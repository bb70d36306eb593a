#![expect(unsafe_code, reason = "the type of a task's output is known by its handle only")]
//! Taking the outcome of a task, and `Join`, which waits for it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::scope;
use crate::task::cell;
use crate::task::error::TaskError;
use crate::task::handle::Task;
use crate::task::header::TaskRef;
use crate::task::step;

/// The outcome of a task whose output is `T`, which `Task<T>` vouches for, if it is there and nobody took it before.
#[inline]
pub(crate) fn take<T>(task: &TaskRef) -> Option<Result<T, TaskError>> {
    // SAFETY: called by `Task<T>` with its own `T`, and `Task<T>` is only made for a future whose output is `T`.
    let outcome = unsafe { cell::take_outcome::<T>(task) };
    if let Some(extra) = task.extra().filter(|_| outcome.is_some()) {
        step::drop_context(extra);
    }
    outcome
}

/// Whether the outcome of a task whose output is a `Result<T, E>` is an `Err`, while nobody has taken it.
fn is_err<T, E>(task: &TaskRef) -> bool {
    // SAFETY: called by a `Task<Result<T, E>>`, as in `take`; what is looked at is not taken meanwhile.
    task.is_done()
        && unsafe { cell::with_outcome::<Result<T, E>, _>(task, |outcome| matches!(outcome, Ok(Err(_)))) }
            .unwrap_or(false)
}

impl<T: 'static, E: 'static> Task<Result<T, E>> {
    /// A function that says whether the task has ended with an `Err`, while nobody has taken its outcome. For combinators.
    pub fn err_probe(&self) -> impl Fn() -> bool + use<T, E> {
        let task = self.task().clone();
        move || is_err::<T, E>(&task)
    }
}

/// Waits for a task and gives its outcome as a `Result`: see [`Task::join`].
///
/// It tells "the task was cancelled" (an `Err`) from "I was cancelled" (raised here). If a cancellation of the awaiting
/// task was passed on to the awaited one, and that one ended cancelled because of it, the cancellation is raised.
#[must_use = "a future does nothing before it is awaited"]
#[derive(Debug)]
pub struct Join<T> {
    task: Option<Task<T>>,
}

impl<T> Join<T> {
    pub(crate) fn new(task: Task<T>) -> Self {
        Self { task: Some(task) }
    }
}

impl<T> Future for Join<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let task = self.task.as_mut().expect("`Join` is not polled again after it has completed");
        match task.poll_outcome(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready((Err(TaskError::Cancelled(error)), true)) => {
                self.task = None;
                scope::raise(error);
                Poll::Pending
            }
            Poll::Ready((outcome, _)) => {
                self.task = None;
                Poll::Ready(outcome)
            }
        }
    }
}
