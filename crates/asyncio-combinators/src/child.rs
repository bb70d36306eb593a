//! What a combinator runs: futures that become tasks, and tasks and futures that stay what they are.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use asyncio_executor::{
    CancelledError, Forward, Observable, SharedTask, Task, TaskError, TaskHandle, Watcher, create_task,
};

use crate::gather::Gather;
use crate::shield::Shield;

/// How a combinator looks at a child, whatever its type.
#[derive(Clone)]
pub(crate) enum Control {
    Task(TaskHandle),
    Other(Rc<dyn Observable>),
}

impl Control {
    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Task(task) => task.done(),
            Self::Other(other) => other.is_done(),
        }
    }

    pub(crate) fn accepts(&self) -> bool {
        match self {
            Self::Task(task) => !task.done(),
            Self::Other(other) => other.accepts(),
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        match self {
            Self::Task(task) => task.cancelled(),
            Self::Other(other) => other.cancelled_error().is_some(),
        }
    }

    /// The cancellation that it ended with, if it did, and if nobody has taken it yet.
    pub(crate) fn cancelled_error(&self) -> Option<CancelledError> {
        match self {
            Self::Task(task) => task.cancelled_error(),
            Self::Other(other) => other.cancelled_error(),
        }
    }

    pub(crate) fn is_panicked(&self) -> bool {
        match self {
            Self::Task(task) => task.panicked(),
            Self::Other(other) => other.panicked(),
        }
    }

    pub(crate) fn watch(&self, watcher: Rc<dyn Watcher>, index: usize) {
        match self {
            Self::Task(task) => task.watch(watcher, index),
            Self::Other(other) => other.watch(watcher, index),
        }
    }

    pub(crate) fn unwatch(&self, watcher: &Rc<dyn Watcher>) {
        match self {
            Self::Task(task) => task.unwatch(watcher),
            Self::Other(other) => other.unwatch(watcher),
        }
    }

    /// Says that a panic is known, so that it is not reported as lost.
    pub(crate) fn mark_retrieved(&self) {
        if let Self::Task(task) = self {
            task.mark_retrieved();
        }
    }

    /// Passes a request on.
    pub(crate) fn forward(&self, error: &CancelledError, forward: &mut Forward) {
        match self {
            Self::Task(task) => forward.task(task, error),
            Self::Other(other) => forward.other(other.clone(), error),
        }
    }

    pub(crate) fn cancel(&self, error: &CancelledError) -> bool {
        match self {
            Self::Task(task) => task.cancel_for(error),
            Self::Other(other) => asyncio_executor::cancel_awaitee(other.clone(), error),
        }
    }
}

/// A child with the right to its outcome.
pub enum Child<F: Future> {
    /// A task, given or made.
    Task(Task<F::Output>),
    /// Something else of this library that is awaited itself: a shared task, a future, a gather, a shield.
    Own(Pin<Box<F>>, Option<Rc<dyn Observable>>),
}

/// A `Task<T>` comes back as itself, and so does what else needs no task; anything else becomes a task.
#[track_caller]
pub(crate) fn adopt<F>(future: F) -> (Child<F>, Control)
where
    F: Future + 'static,
    F::Output: 'static,
{
    let mut slot = Some(future);
    let any: &mut dyn Any = &mut slot;
    if let Some(task) = any.downcast_mut::<Option<Task<F::Output>>>().and_then(Option::take) {
        let control = Control::Task(task.handle());
        return (Child::Task(task), control);
    }
    let control = if let Some(Some(task)) = any.downcast_ref::<Option<SharedTask<F::Output>>>() {
        Some(Control::Task(task.handle()))
    } else if let Some(Some(future)) = any.downcast_ref::<Option<asyncio_executor::Future<F::Output>>>() {
        Some(Control::Other(future.observable()))
    } else if let Some(Some(gather)) = any.downcast_ref::<Option<Gather<F::Output>>>() {
        Some(Control::Other(gather.observable()))
    } else if let Some(Some(shield)) = any.downcast_ref::<Option<Shield<F::Output>>>() {
        Some(shield.control())
    } else {
        None
    };
    match (control, slot) {
        (Some(control), Some(own)) => {
            let observable = match &control {
                Control::Task(_) => None,
                Control::Other(other) => Some(other.clone()),
            };
            (Child::Own(Box::pin(own), observable), control)
        }
        (_, Some(future)) => {
            let task = create_task(future);
            let control = Control::Task(task.handle());
            (Child::Task(task), control)
        }
        (_, None) => unreachable!("the future is only taken out when it is a task"),
    }
}

impl<F: Future> Child<F> {
    /// The outcome of a child that is done.
    pub(crate) fn outcome(self) -> Result<F::Output, TaskError> {
        match self {
            Self::Task(task) => task.result(),
            Self::Own(mut future, observable) => {
                if let Some(error) = observable.and_then(|other| other.cancelled_error()) {
                    return Err(TaskError::Cancelled(error));
                }
                let polled = catch_unwind(AssertUnwindSafe(|| {
                    asyncio_executor::catch_raised(|| future.as_mut().poll(&mut Context::from_waker(Waker::noop())))
                }));
                match polled {
                    Ok(Ok(Poll::Ready(value))) => Ok(value),
                    Ok(Err(error)) => Err(TaskError::Cancelled(error)),
                    Ok(Ok(Poll::Pending)) => unreachable!("the outcome is asked of children that are done"),
                    Err(payload) => Err(TaskError::Panicked(payload)),
                }
            }
        }
    }

    /// Polls the child as its awaiter, for its outcome. The flag says whether a request was passed on to it.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self {
            Self::Task(task) => Pin::new(task).poll(cx),
            Self::Own(future, _) => future.as_mut().poll(cx),
        }
    }
}

/// A task comes back as itself; anything else becomes a task.
///
/// # Panics
///
/// Without a running event loop, if a task has to be made.
///
/// # In Python
///
/// `asyncio.ensure_future`, in `asyncio/tasks.py`.
#[track_caller]
pub fn ensure_future<F>(future: F) -> Task<F::Output>
where
    F: IntoFuture,
    F::IntoFuture: 'static,
    F::Output: 'static,
{
    let mut slot = Some(future.into_future());
    let any: &mut dyn Any = &mut slot;
    match any.downcast_mut::<Option<Task<F::Output>>>().and_then(Option::take) {
        Some(task) => task,
        None => create_task(slot.expect("the future is only taken out when it is a task")),
    }
}
