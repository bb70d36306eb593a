//! `catch_cancelled` and `with_cleanup`: the `except` and the `finally` of cancellation.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

use crate::cancel::CancelledError;
use crate::contain::{Payload, contain, drop_payload};
use crate::scope::{self, Scope};

pin_project! {
    /// Runs a future and catches its cancellation: see [`catch_cancelled`].
    #[must_use = "a future does nothing before it is awaited"]
    pub struct CatchCancelled<F> {
        #[pin]
        inner: Option<F>,
        #[pin]
        scope: Scope,
    }
}

/// Runs `future`; a cancellation that is raised in it and not caught there is returned as an error.
///
/// When it returns `Err`, the future has been dropped, and the request is used up: what comes after may `await` freely,
/// [`raise`](CancelledError::raise) the error again, or return a value, which refuses the cancellation.
///
/// It needs no allocation.
///
/// # Examples
///
/// ```
/// # use asyncio_executor::{Executor, catch_cancelled, yield_now};
/// # let executor = Executor::new(|| {});
/// let task = executor.spawn(async {
///     match catch_cancelled(std::future::pending::<()>()).await {
///         Ok(()) => "done",
///         Err(error) => {
///             yield_now().await; // cleaning up may wait
///             error.raise().await
///         }
///     }
/// });
/// executor.turn();
/// task.cancel_with("enough");
/// while executor.turn() {}
/// assert_eq!(task.result().unwrap_err().cancelled().unwrap().message(), Some("enough"));
/// ```
///
/// # In Python
///
/// `try: … except asyncio.CancelledError as error: …`.
pub fn catch_cancelled<F: IntoFuture>(future: F) -> CatchCancelled<F::IntoFuture> {
    CatchCancelled { inner: Some(future.into_future()), scope: Scope::new() }
}

impl<F: Future> Future for CatchCancelled<F> {
    type Output = Result<F::Output, CancelledError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.scope.as_ref().poll_in(cx, this.inner)
    }
}

/// How a body ended.
enum Outcome<T> {
    Value(T),
    Cancelled(CancelledError),
    Panicked(Payload),
}

pin_project! {
    /// Runs a body, then its cleanup: see [`with_cleanup`].
    #[must_use = "a future does nothing before it is awaited"]
    pub struct WithCleanup<B, C, F>
    where
        B: Future,
    {
        #[pin]
        body: Option<B>,
        #[pin]
        scope: Scope,
        outcome: Option<Outcome<B::Output>>,
        make: Option<C>,
        #[pin]
        cleanup: Option<F>,
    }
}

/// Runs `body`, and then `cleanup` however the body ended: with a value, cancelled, or with a panic. Then that outcome
/// goes on.
///
/// `cleanup` may `await`. A further request for cancellation that comes while it runs is delivered into it; if it does not
/// catch it, the cleanup ends there, as a `finally` block in Python does.
///
/// `cleanup` does not run when the whole is dropped for another reason than cancellation, such as a lost branch of a
/// `select!`: then there is nobody to await it.
///
/// # In Python
///
/// `try: … finally: await …`.
pub fn with_cleanup<B, C, F>(body: B, cleanup: C) -> WithCleanup<B::IntoFuture, C, F>
where
    B: IntoFuture,
    C: FnOnce() -> F,
    F: Future<Output = ()>,
{
    WithCleanup {
        body: Some(body.into_future()),
        scope: Scope::new(),
        outcome: None,
        make: Some(cleanup),
        cleanup: None,
    }
}

impl<B, C, F> Future for WithCleanup<B, C, F>
where
    B: Future,
    C: FnOnce() -> F,
    F: Future<Output = ()>,
{
    type Output = B::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        let mut this = self.project();
        if let Some(make) = this.make.take() {
            let scope = this.scope.as_ref();
            let polled = contain(|| scope.poll_in(cx, this.body.as_mut()));
            let outcome = match polled {
                Ok(Poll::Pending) => {
                    *this.make = Some(make);
                    return Poll::Pending;
                }
                Ok(Poll::Ready(Ok(value))) => Outcome::Value(value),
                Ok(Poll::Ready(Err(error))) => Outcome::Cancelled(error),
                Err(payload) => {
                    // A second panic, of a destructor, must not keep the cleanup from running.
                    if let Err(second) = contain(|| this.body.set(None)) {
                        drop_payload(second);
                    }
                    this.scope.as_ref().close();
                    Outcome::Panicked(payload)
                }
            };
            *this.outcome = Some(outcome);
            this.cleanup.set(Some(make()));
        }
        let cleanup = this.cleanup.as_mut().as_pin_mut().expect("`with_cleanup` is not polled again after completion");
        ready!(cleanup.poll(cx));
        this.cleanup.set(None);
        match this.outcome.take() {
            Some(Outcome::Value(value)) => Poll::Ready(value),
            Some(Outcome::Cancelled(error)) => {
                scope::raise(error);
                Poll::Pending
            }
            Some(Outcome::Panicked(payload)) => resume_unwind(payload),
            None => unreachable!("the outcome is there until the cleanup has ended"),
        }
    }
}
