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

use crate::gather::{self, Gather};
use crate::shield::{self, Shield};

/// How a combinator looks at a child, whatever its type.
#[derive(Clone)]
pub(crate) enum Control {
    Task(TaskHandle),
    Future(Rc<dyn Observable>),
    Gather(Rc<gather::State>),
    Shield(Rc<shield::State>),
}

/// A child that is a task, and one that is not.
enum Kind<T, O> {
    Task(T),
    Other(O),
}

impl Control {
    fn kind(&self) -> Kind<&TaskHandle, &dyn Observable> {
        match self {
            Self::Task(task) => Kind::Task(task),
            Self::Future(future) => Kind::Other(&**future),
            Self::Gather(gather) => Kind::Other(&**gather),
            Self::Shield(shield) => Kind::Other(&**shield),
        }
    }

    fn shared(&self) -> Kind<&TaskHandle, Rc<dyn Observable>> {
        match self {
            Self::Task(task) => Kind::Task(task),
            Self::Future(future) => Kind::Other(future.clone()),
            Self::Gather(gather) => Kind::Other(gather.clone()),
            Self::Shield(shield) => Kind::Other(shield.clone()),
        }
    }

    pub(crate) fn is_task(&self) -> bool {
        matches!(self, Self::Task(_))
    }

    pub(crate) fn is_done(&self) -> bool {
        match self.kind() {
            Kind::Task(task) => task.done(),
            Kind::Other(other) => other.is_done(),
        }
    }

    pub(crate) fn accepts(&self) -> bool {
        match self.kind() {
            Kind::Task(task) => !task.done(),
            Kind::Other(other) => other.accepts(),
        }
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        match self.kind() {
            Kind::Task(task) => task.cancelled(),
            Kind::Other(other) => other.cancelled_error().is_some(),
        }
    }

    pub(crate) fn cancelled_error(&self) -> Option<CancelledError> {
        match self.kind() {
            Kind::Task(task) => task.cancelled_error(),
            Kind::Other(other) => other.cancelled_error(),
        }
    }

    /// Whether it ended with what is an exception in Python, and is not its own cancellation: a panic, or, of a gather,
    /// the cancellation of a child.
    pub(crate) fn is_failed(&self) -> bool {
        match self {
            Self::Task(task) => task.panicked(),
            Self::Future(_) => false,
            Self::Gather(gather) => gather.is_failed(),
            Self::Shield(shield) => shield.is_failed(),
        }
    }

    pub(crate) fn watch(&self, watcher: Rc<dyn Watcher>, index: usize) {
        match self.kind() {
            Kind::Task(task) => task.watch(watcher, index),
            Kind::Other(other) => other.watch(watcher, index),
        }
    }

    pub(crate) fn unwatch(&self, watcher: &Rc<dyn Watcher>) {
        match self.kind() {
            Kind::Task(task) => task.unwatch(watcher),
            Kind::Other(other) => other.unwatch(watcher),
        }
    }

    /// Says that a panic is known, so that it is not reported as lost.
    pub(crate) fn mark_retrieved(&self) {
        match self {
            Self::Task(task) => task.mark_retrieved(),
            Self::Future(_) => {}
            Self::Gather(gather) => gather.mark_retrieved(),
            Self::Shield(shield) => shield.mark_retrieved(),
        }
    }

    /// Passes a request on.
    pub(crate) fn forward(&self, error: &CancelledError, forward: &mut Forward) {
        match self.shared() {
            Kind::Task(task) => forward.task(task, error),
            Kind::Other(other) => forward.other(other, error),
        }
    }

    pub(crate) fn cancel(&self, error: &CancelledError) -> bool {
        match self.shared() {
            Kind::Task(task) => task.cancel_for(error),
            Kind::Other(other) => asyncio_executor::cancel_awaitee(other, error),
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
        Some(Control::Future(future.observable()))
    } else if let Some(Some(gather)) = any.downcast_ref::<Option<Gather<F::Output>>>() {
        Some(gather.control())
    } else if let Some(Some(shield)) = any.downcast_ref::<Option<Shield<F::Output>>>() {
        Some(shield.control())
    } else {
        None
    };
    match (control, slot) {
        (Some(control), Some(own)) => {
            let observable = match control.shared() {
                Kind::Task(_) => None,
                Kind::Other(other) => Some(other),
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

    /// Polls the child as its awaiter.
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
/// # Examples
///
/// ```
/// use asyncio_combinators::ensure_future;
/// use asyncio_executor::create_task;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let task = create_task(async { 1 });
/// let id = task.id();
/// assert_eq!(ensure_future(task).id(), id);
/// assert_eq!(ensure_future(async { 2 }).await, 2);
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
