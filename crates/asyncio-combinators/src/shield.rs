//! `shield`: awaits something without passing a cancellation on to it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};
use asyncio_executor::{
    AwaitLink, Awaitee, CancelledError, Completion, Forward, Observable, TaskError, TaskHandle, Watcher, next_key,
    raise,
};

use crate::child::{self, Control};

static SHIELD: WaitKind = WaitKind::new("a shield");

/// Awaits `future`, which becomes a task at this call if it is not one, and keeps cancellations of the awaiting task away
/// from it: the awaiting task is cancelled at once, and `future` goes on.
///
/// If `future` itself is cancelled, so is the shield. A panic of `future` after the shield was cancelled is reported as
/// lost, unless somebody else has a handle. To await the same task later, shield a clone of a
/// [`SharedTask`](asyncio_executor::SharedTask).
///
/// It is no protection against the end of the run.
///
/// # Cancel safety
///
/// Dropping a shield lets what it shields run on.
///
/// # Panics
///
/// Without a running event loop, if a task has to be made.
///
/// # Examples
///
/// ```
/// use asyncio_combinators::{shield, wait_for};
/// use asyncio_event_loop::sleep;
/// use asyncio_executor::create_task;
/// use std::time::Duration;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let task = create_task(async {
///     sleep(Duration::from_secs(2)).await;
///     "done"
/// }).shared();
/// assert!(wait_for(shield(task.clone()), Duration::from_secs(1)).await.is_err());
/// assert_eq!(task.await, "done");
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In Python
///
/// `asyncio.shield`, in `asyncio/tasks.py`.
#[track_caller]
pub fn shield<F>(future: F) -> Shield<F::Output>
where
    F: IntoFuture,
    F::IntoFuture: 'static,
    F::Output: 'static,
{
    let (child, control) = child::adopt(future.into_future());
    let mut child = Some(child);
    let inner: Inner<F::Output> = if control.is_done() {
        let mut child = child.take().expect("just made");
        Inner::Direct(Box::new(move |cx| child.poll(cx)))
    } else {
        let state = Rc::new(State {
            inner: control.clone(),
            ended: Cell::new(false),
            cancelled: RefCell::new(None),
            completion: Completion::new(),
            location: Location::caller(),
        });
        control.watch(state.clone(), 0);
        let take =
            Box::new(move || child.take().expect("a shield is not polled again after it has completed").outcome());
        Inner::Shielded { state, take }
    };
    Shield { inner, control, link: None, key: next_key() }
}

/// The future in front of what is shielded.
pub(crate) struct State {
    inner: Control,
    ended: Cell<bool>,
    cancelled: RefCell<Option<CancelledError>>,
    completion: Completion,
    location: &'static Location<'static>,
}

impl State {
    fn watcher(self: &Rc<Self>) -> Rc<dyn Watcher> {
        self.clone()
    }

    /// Whether it ended with the failure of what it shields.
    pub(crate) fn is_failed(&self) -> bool {
        self.ended.get() && self.cancelled.borrow().is_none() && self.inner.is_failed()
    }

    /// Says that what is shielded may fail unheard.
    pub(crate) fn mark_retrieved(&self) {
        self.inner.mark_retrieved();
    }
}

impl Watcher for State {
    fn finished(self: Rc<Self>, _: usize) {
        if self.cancelled.borrow().is_some() {
            return;
        }
        *self.cancelled.borrow_mut() = self.inner.cancelled_error();
        self.ended.set(true);
        self.completion.finish();
    }

    fn awaiters(&self) -> Vec<TaskHandle> {
        self.completion.awaiters()
    }
}

impl Awaitee for State {
    fn is_done(&self) -> bool {
        self.ended.get()
    }

    fn cancel(self: Rc<Self>, error: &CancelledError, _: &mut Forward) {
        if !self.ended.replace(true) {
            *self.cancelled.borrow_mut() = Some(error.clone());
            self.inner.unwatch(&self.watcher());
            self.completion.finish();
        }
    }

    fn cancelled_error(&self) -> Option<CancelledError> {
        self.cancelled.borrow().clone()
    }

    fn describe(&self) -> String {
        format!("a shield made at {}", self.location)
    }
}

impl Observable for State {
    fn watch(&self, watcher: Rc<dyn Watcher>, index: usize) {
        self.completion.watch(watcher, index);
    }

    fn unwatch(&self, watcher: &Rc<dyn Watcher>) {
        self.completion.unwatch(watcher);
    }
}

/// Polls what was done when it was shielded.
type PollDirect<T> = Box<dyn FnMut(&mut Context<'_>) -> Poll<T>>;

enum Inner<T> {
    /// It was done: there is nothing to shield.
    Direct(PollDirect<T>),
    Shielded {
        state: Rc<State>,
        take: Box<dyn FnMut() -> Result<T, TaskError>>,
    },
}

/// Awaits what it shields: see [`shield`].
#[must_use = "what is shielded runs without it, but its value is lost"]
pub struct Shield<T> {
    inner: Inner<T>,
    control: Control,
    link: Option<AwaitLink>,
    key: u64,
}

impl<T> Shield<T> {
    /// How other combinators look at the shield.
    pub(crate) fn control(&self) -> Control {
        match &self.inner {
            Inner::Direct(_) => self.control.clone(),
            Inner::Shielded { state, .. } => Control::Shield(state.clone()),
        }
    }

    /// Cancels the shield at once; what it shields goes on. Returns `false` if it is done.
    #[track_caller]
    pub fn cancel(&self) -> bool {
        match &self.inner {
            Inner::Direct(_) => false,
            Inner::Shielded { state, .. } => {
                let error = CancelledError::new(asyncio_executor::CancelKind::Explicit);
                asyncio_executor::cancel_awaitee(state.clone(), &error)
            }
        }
    }

    /// Whether it is done: cancelled, or told that what it shields has ended.
    #[must_use]
    pub fn done(&self) -> bool {
        match &self.inner {
            Inner::Direct(_) => true,
            Inner::Shielded { state, .. } => state.ended.get(),
        }
    }
}

impl<T> Future for Shield<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        let (state, take) = match &mut this.inner {
            Inner::Direct(poll) => return poll(cx),
            Inner::Shielded { state, take } => (state, take),
        };
        if !state.ended.get() {
            state.completion.set_awaiter(this.key, cx.waker());
        }
        // Looked at after that: the clone of the waker may have been the code of others, and have completed what is shielded.
        if !state.ended.get() {
            this.link.get_or_insert_with(|| AwaitLink::new(state.clone())).attach_with(cx.waker());
            report_wait(&SHIELD, Some(state.location));
            return Poll::Pending;
        }
        this.link = None;
        if let Some(error) = state.cancelled_error() {
            raise(error);
            return Poll::Pending;
        }
        match take() {
            Ok(value) => Poll::Ready(value),
            Err(TaskError::Cancelled(error)) => {
                raise(error);
                Poll::Pending
            }
            Err(TaskError::Panicked(payload)) => resume_unwind(payload),
            Err(error) => panic!("the outcome of what was shielded was taken by somebody else: {error}"),
        }
    }
}

impl<T> Drop for Shield<T> {
    fn drop(&mut self) {
        if let Inner::Shielded { state, .. } = &self.inner {
            state.completion.remove_awaiter(self.key);
            if !state.ended.get() {
                self.control.unwatch(&state.watcher());
            }
        }
    }
}

impl<T> fmt::Debug for Shield<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").field("done", &self.done()).finish_non_exhaustive()
    }
}
