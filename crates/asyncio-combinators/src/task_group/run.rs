//! A task group from its first poll to its end: the body, the wait for the children, and what comes out.
//!
//! This is CPython's `TaskGroup.__aexit__`.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::error::Error;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};
use asyncio_executor::{CancelKind, CancelledError, Fault, Scope, current_task};
use pin_project_lite::pin_project;

use crate::awaiter::Awaiter;
use crate::exception_group::ExceptionGroup;
use crate::task_group::{State, TaskGroup};

static GROUP: WaitKind = WaitKind::new("the tasks of a task group");

pin_project! {
    /// Polls a future in a scope whose key the group knows meanwhile.
    struct Keyed<'a, F> {
        state: &'a State,
        #[pin]
        inner: Option<F>,
        #[pin]
        scope: Scope,
    }
}

impl<'a, F> Keyed<'a, F> {
    fn new(state: &'a State, future: F) -> Self {
        Self { state, inner: Some(future), scope: Scope::new() }
    }
}

/// How a future in the group's scope ended.
enum Outcome<T> {
    Value(T),
    Cancelled(CancelledError),
    Panicked(Box<dyn Any + Send>),
}

impl<F: Future> Future for Keyed<'_, F> {
    type Output = Outcome<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let scope = this.scope.as_ref();
        this.state.key.set(Some(scope.key()));
        let outcome = match catch_unwind(AssertUnwindSafe(|| scope.poll_in(cx, this.inner.as_mut()))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Ok(value))) => Outcome::Value(value),
            Ok(Poll::Ready(Err(error))) => Outcome::Cancelled(error),
            Err(payload) => {
                scope.close();
                // A destructor that panics as well tells less than the first panic.
                let _ = catch_unwind(AssertUnwindSafe(|| this.inner.set(None)));
                Outcome::Panicked(payload)
            }
        };
        this.state.key.set(None);
        Poll::Ready(outcome)
    }
}

/// Cancels the children of a group that is dropped before it is over, and reports what had failed by then.
struct Abandon<'a>(&'a State);

impl Drop for Abandon<'_> {
    fn drop(&mut self) {
        if !self.0.over.replace(true) {
            self.0.abort();
            self.0.uncancel_parent();
            for error in self.0.errors.take() {
                Fault::new(format!("an error in a task group that was dropped: {error}")).report();
            }
            if let Some(payload) = self.0.panic.take() {
                Fault::new("exception in a task group that was dropped").payload(payload).report();
            }
        }
        self.0.awaiter.forget();
        self.0.parent.take();
    }
}

/// Waits until all children have ended. Returns the requests that interrupted the wait: the first one, if the group was not
/// aborting yet, and whether any came from outside.
async fn wait_for_children(state: &State) -> (Option<CancelledError>, bool) {
    let before = state.requests_from_outside();
    let mut first = None;
    while state.unfinished() > 0 {
        let wait = poll_fn(|cx| {
            if state.awaiter.wait(cx, || state.unfinished() == 0) {
                return Poll::Ready(());
            }
            report_wait(&GROUP, Some(state.location));
            Poll::Pending
        });
        if let Outcome::Cancelled(error) = pin!(Keyed::new(state, wait)).await
            && !state.aborting.get()
        {
            first = Some(error);
            state.abort();
        }
    }
    (first, state.requests_from_outside() > before)
}

/// Goes on with a panic. What failed beside it is reported: nobody else can be told.
fn go_on_with(payload: Box<dyn Any + Send>, errors: Vec<Box<dyn Error>>) -> ! {
    for error in errors {
        Fault::new(format!("an error in a task group that a panic ended: {error}")).report();
    }
    resume_unwind(payload)
}

pub(super) async fn run<R, E: Into<Box<dyn Error>>>(
    location: &'static Location<'static>,
    body: impl AsyncFnOnce(TaskGroup) -> Result<R, E>,
) -> Result<R, ExceptionGroup> {
    let state = Rc::new(State {
        parent: RefCell::new(current_task()),
        key: Cell::new(None),
        children: RefCell::default(),
        aborting: Cell::new(false),
        exiting: Cell::new(false),
        over: Cell::new(false),
        parent_cancel_requested: Cell::new(false),
        errors: RefCell::new(Vec::new()),
        panic: Cell::new(None),
        awaiter: Awaiter::default(),
        location,
    });
    let group = TaskGroup { state: state.clone() };
    let abandon = Abandon(&state);
    let outcome = {
        let body = pin!(body(group));
        pin!(Keyed::new(&state, body)).await
    };
    state.exiting.set(true);
    let mut raise = None;
    let mut failed = None;
    let mut value = None;
    match outcome {
        Outcome::Value(Ok(ready)) => value = Some(ready),
        Outcome::Value(Err(error)) => failed = Some(error),
        Outcome::Cancelled(error) => raise = Some(error),
        Outcome::Panicked(payload) => match state.panic.take() {
            None => state.panic.set(Some(payload)),
            first => {
                state.panic.set(first);
                Fault::new("exception in the body of a task group that had failed already").payload(payload).report();
            }
        },
    }
    if value.is_none() && !state.aborting.get() {
        state.abort();
    }
    let (interrupted, asked_meanwhile) = wait_for_children(&state).await;
    raise = interrupted.or(raise);
    state.over.set(true);
    let left = state.uncancel_parent();
    let parent = state.parent.take();
    drop(abandon);
    let mut errors = state.errors.take();
    if let Some(payload) = state.panic.take() {
        errors.extend(failed.map(Into::into));
        go_on_with(payload, errors);
    }
    match left {
        Some(0) => raise = None,
        // The wait took a request from outside for one of the group's own.
        Some(_) if asked_meanwhile && raise.is_none() && failed.is_none() => {
            raise = Some(CancelledError::at(CancelKind::Explicit, location));
        }
        _ => {}
    }
    if errors.is_empty()
        && let Some(error) = raise
    {
        error.raise().await
    }
    errors.extend(failed.map(Into::into));
    if !errors.is_empty() {
        // A request from outside stays counted, and is delivered at the next suspension.
        if let Some(parent) = parent.filter(|parent| parent.cancelling() > 0) {
            parent.uncancel();
            parent.cancel_for(&CancelledError::at(CancelKind::Explicit, location));
        }
        return Err(ExceptionGroup::new("unhandled errors in a task group", errors));
    }
    // Without errors and without a value, the group was ended early.
    value.ok_or_else(|| ExceptionGroup::new("the task group was cancelled before its body had a value", Vec::new()))
}
