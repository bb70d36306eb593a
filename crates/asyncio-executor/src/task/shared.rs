//! `SharedTask`: a task that any number of others can await.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};

use crate::awaitee::{Awaitee, Forward};
use crate::cancel::CancelledError;
use crate::current;
use crate::link::AwaitLink;
use crate::scope;
use crate::task::error::{TaskError, panic_message};
use crate::task::handle::{Task, TaskHandle};
use crate::task::header::TaskRef;
use crate::task::wait::assert_awaitable;

static AWAIT_SHARED: WaitKind = WaitKind::new("a shared task");

/// A task awaited by many. Each awaiter gets a clone of the value; see [`Task::shared`].
///
/// As in Python, a cancellation of one awaiter is passed on to the task, and reaches all the others: wrap it in `shield`
/// where that is not wanted.
///
/// # In Python
///
/// Every `asyncio.Task` can be awaited many times.
pub struct SharedTask<T> {
    inner: Rc<Inner<T>>,
    /// The registration of this clone as an awaiter.
    link: Option<AwaitLink>,
    key: u64,
}

struct Inner<T> {
    awaitee: Rc<Shared>,
    task: RefCell<Task<T>>,
    outcome: RefCell<Option<Outcome<T>>>,
}

#[derive(Clone)]
enum Outcome<T> {
    Value(T),
    Cancelled(CancelledError),
    /// Panics cannot be cloned: the first awaiter gets the payload, the others its text.
    Panicked(String),
}

impl<T> SharedTask<T> {
    pub(crate) fn new(task: Task<T>) -> Self {
        Self {
            inner: Rc::new(Inner {
                awaitee: Rc::new(Shared { handle: task.handle(), cancelled: OnceCell::new() }),
                task: RefCell::new(task),
                outcome: RefCell::new(None),
            }),
            link: None,
            key: current::next_callback_id(),
        }
    }

    pub(crate) fn task(&self) -> &TaskRef {
        self.inner.awaitee.handle.task()
    }

    /// An untyped handle of the task.
    #[must_use]
    pub fn handle(&self) -> TaskHandle {
        self.inner.awaitee.handle.clone()
    }
}

impl<T: Clone> SharedTask<T> {
    /// The outcome, if the task is done.
    pub fn try_result(&self) -> Option<Result<T, TaskError>> {
        if !self.inner.awaitee.handle.done() {
            return None;
        }
        let taken = self.inner.task.borrow_mut().try_result();
        if let Some(taken) = taken {
            let mut first = None;
            let outcome = match taken {
                Ok(value) => Outcome::Value(value),
                Err(TaskError::Cancelled(error)) => {
                    let _ = self.inner.awaitee.cancelled.set(error.clone());
                    Outcome::Cancelled(error)
                }
                Err(TaskError::Panicked(payload)) => {
                    let text = panic_message(payload.as_ref()).unwrap_or("the task panicked").to_owned();
                    first = Some(Err(TaskError::Panicked(payload)));
                    Outcome::Panicked(text)
                }
                Err(error) => return Some(Err(error)),
            };
            // Before any clone is made: that may panic, or ask again.
            *self.inner.outcome.borrow_mut() = Some(outcome);
            if first.is_some() {
                return first;
            }
        }
        let outcome = self.inner.outcome.borrow();
        outcome.as_ref().map(|outcome| match outcome {
            Outcome::Value(value) => Ok(value.clone()),
            Outcome::Cancelled(error) => Err(error.clone().into()),
            Outcome::Panicked(text) => Err(TaskError::Panicked(Box::new(text.clone()))),
        })
    }
}

/// The task as something to be awaited.
struct Shared {
    handle: TaskHandle,
    /// The cancellation that it ended with, from when its outcome was taken on.
    cancelled: OnceCell<CancelledError>,
}

impl Awaitee for Shared {
    fn is_done(&self) -> bool {
        self.handle.done()
    }

    fn cancel(self: Rc<Self>, error: &CancelledError, forward: &mut Forward) {
        forward.task(&self.handle, error);
    }

    fn cancelled_error(&self) -> Option<CancelledError> {
        self.cancelled.get().cloned().or_else(|| self.handle.cancelled_error())
    }

    fn describe(&self) -> String {
        format!("task {:?}", self.handle.name())
    }
}

impl<T: Clone> Future for SharedTask<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.try_result() {
            None => {
                let this = &mut *self;
                assert_awaitable(this.task());
                let done = &this.task().extra_or_new().done;
                done.set_awaiter(this.key, cx.waker());
                // As for a `Task`.
                if this.task().is_done() {
                    done.remove_awaiter(this.key);
                    return self.poll(cx);
                }
                let awaitee = &this.inner.awaitee;
                this.link.get_or_insert_with(|| AwaitLink::new(awaitee.clone())).attach_with(cx.waker());
                report_wait(&AWAIT_SHARED, None);
                Poll::Pending
            }
            Some(outcome) => {
                self.link.take().map(AwaitLink::finish);
                match outcome {
                    Ok(value) => Poll::Ready(value),
                    Err(TaskError::Cancelled(error)) => {
                        scope::raise(error);
                        Poll::Pending
                    }
                    Err(TaskError::Panicked(payload)) => resume_unwind(payload),
                    Err(TaskError::InvalidState(error)) => panic!("{error}"),
                }
            }
        }
    }
}

impl<T> Clone for SharedTask<T> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), link: None, key: current::next_callback_id() }
    }
}

impl<T> Drop for SharedTask<T> {
    fn drop(&mut self) {
        if self.link.is_some()
            && !self.inner.awaitee.handle.done()
            && let Some(extra) = self.task().extra()
        {
            extra.done.remove_awaiter(self.key);
        }
    }
}

impl<T> From<&SharedTask<T>> for TaskHandle {
    fn from(task: &SharedTask<T>) -> Self {
        task.handle()
    }
}

impl<T> fmt::Debug for SharedTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.awaitee.handle.fmt(f)
    }
}
