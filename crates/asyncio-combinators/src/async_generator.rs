//! `async_generator`: a stream written as a loop that yields.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_executor::{CancelKind, CancelledError, Scope, raise};
use futures_core::Stream;

/// Makes a stream of what `body` yields.
///
/// `body` gets a [`Yielder`]; `y.emit(value).await` suspends it until the value has been taken and the next one is asked
/// for. It runs inside the task that asks, and only then; nothing of it runs before the first value is asked for.
///
/// Dropping the generator drops the body where it is suspended. [`aclose`](AsyncGenerator::aclose) raises a
/// [`CancelledError`] there instead, so that the body can clean up with `await`.
///
/// # Examples
///
/// ```
/// use asyncio_combinators::async_generator;
/// use asyncio_event_loop::sleep;
/// use asyncio_executor::with_cleanup;
/// use std::time::Duration;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let mut numbers = async_generator(async |y| {
///     let count = async {
///         for i in 0.. {
///             y.emit(i).await;
///             sleep(Duration::from_secs(1)).await;
///         }
///     };
///     with_cleanup(count, || async { println!("closing") }).await;
/// });
/// assert_eq!(numbers.next().await, Some(0));
/// assert_eq!(numbers.next().await, Some(1));
/// numbers.aclose().await;
/// assert_eq!(numbers.next().await, None);
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In Python
///
/// An `async def` with `yield`. Its `athrow` and `asend` have no counterpart.
pub fn async_generator<'a, T, F>(body: F) -> AsyncGenerator<'a, T>
where
    T: 'a,
    F: AsyncFnOnce(Yielder<T>) + 'a,
{
    let slot = Rc::new(Slot { value: RefCell::new(None), taken: Cell::new(false) });
    let yielder = Yielder { slot: slot.clone() };
    let body: Body<'a> = Box::pin(async move { body(yielder).await });
    AsyncGenerator { frame: Some(Box::pin(Frame { scope: Scope::new(), body: Some(body) })), slot, started: false }
}

type Body<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// What passes between the body and who asks.
struct Slot<T> {
    value: RefCell<Option<T>>,
    taken: Cell<bool>,
}

pin_project_lite::pin_project! {
    struct Frame<'a> {
        #[pin]
        scope: Scope,
        #[pin]
        body: Option<Body<'a>>,
    }
}

/// Yields values from the body of an [`async_generator`].
pub struct Yielder<T> {
    slot: Rc<Slot<T>>,
}

impl<T> Yielder<T> {
    /// Hands `value` to who asked, and suspends until the next one is asked for.
    pub fn emit(&self, value: T) -> Emit<'_, T> {
        Emit { slot: &self.slot, value: Some(value) }
    }
}

impl<T> fmt::Debug for Yielder<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Yielder")
    }
}

/// Yields one value: see [`Yielder::emit`].
#[must_use = "a value is yielded when this is awaited"]
pub struct Emit<'a, T> {
    slot: &'a Slot<T>,
    value: Option<T>,
}

impl<T> Unpin for Emit<'_, T> {}

impl<T> Future for Emit<'_, T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match self.value.take() {
            Some(value) => {
                let before = self.slot.value.replace(Some(value));
                self.slot.taken.set(false);
                assert!(before.is_none(), "two values were yielded at once: await one `emit` before the next");
                Poll::Pending
            }
            // The frame is only polled again when the next value is asked for, after this one was taken.
            None if self.slot.taken.get() => Poll::Ready(()),
            None => Poll::Pending,
        }
    }
}

impl<T> fmt::Debug for Emit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emit").field("yielded", &self.value.is_none()).finish()
    }
}

/// A stream of what a body yields: see [`async_generator`].
#[must_use = "the body does not run before a value is asked for"]
pub struct AsyncGenerator<'a, T> {
    frame: Option<Pin<Box<Frame<'a>>>>,
    slot: Rc<Slot<T>>,
    started: bool,
}

impl<T> AsyncGenerator<'_, T> {
    /// Waits for the next value; `None` when the body has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping it leaves the body where it is suspended; the next call goes on from there.
    ///
    /// # In Python
    ///
    /// `anext(generator)`.
    #[expect(clippy::should_implement_trait, reason = "the name is that of the method of `StreamExt`")]
    pub fn next(&mut self) -> impl Future<Output = Option<T>> {
        poll_fn(|cx| self.poll(cx))
    }

    /// Ends the body: raises a [`CancelledError`] where it is suspended, and waits until it has ended.
    ///
    /// A body that has not begun or is over needs no ending. One that catches the error may clean up with `await`.
    ///
    /// # Panics
    ///
    /// When the body yields another value instead of ending. A panic of the body goes on.
    ///
    /// # In Python
    ///
    /// `generator.aclose()`.
    pub async fn aclose(&mut self) {
        if !self.started {
            self.frame = None;
        }
        let Some(frame) = &self.frame else { return };
        // Told apart from a cancellation of the closing task by its place, which is here.
        let error = CancelledError::new(CancelKind::Explicit);
        let scope = frame.as_ref().project_ref().scope;
        // Where a `next` was dropped while the body waited, the scope is still that of a task which runs now, and would
        // take the request as one for later.
        scope.detach();
        scope.key().interrupt(error.clone());
        poll_fn(|cx| match self.resume(cx, Some(&error)) {
            Poll::Ready(None) => Poll::Ready(()),
            Poll::Ready(Some(_)) => {
                panic!("an async generator yielded a value although it was being closed: let its body end")
            }
            Poll::Pending => Poll::Pending,
        })
        .await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.resume(cx, None)
    }

    fn resume(&mut self, cx: &mut Context<'_>, closing: Option<&CancelledError>) -> Poll<Option<T>> {
        let Some(frame) = &mut self.frame else { return Poll::Ready(None) };
        self.started = true;
        self.slot.taken.set(true);
        let projected = frame.as_mut().project();
        let scope = projected.scope.as_ref();
        let polled = match catch_unwind(AssertUnwindSafe(|| scope.poll_in(cx, projected.body))) {
            Ok(polled) => polled,
            Err(payload) => {
                scope.close();
                self.frame = None;
                resume_unwind(payload)
            }
        };
        match polled {
            Poll::Pending => match self.slot.value.take() {
                Some(value) => {
                    // Suspended at a `yield`: nobody awaits the body until the next value is asked for.
                    scope.detach();
                    Poll::Ready(Some(value))
                }
                None => Poll::Pending,
            },
            Poll::Ready(Ok(())) => {
                self.frame = None;
                Poll::Ready(None)
            }
            Poll::Ready(Err(error)) => {
                self.frame = None;
                if closing.is_some_and(|closing| std::ptr::eq(closing.location(), error.location())) {
                    Poll::Ready(None)
                } else {
                    raise(error);
                    Poll::Pending
                }
            }
        }
    }
}

impl<T> Stream for AsyncGenerator<'_, T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.poll(cx)
    }
}

impl<T> fmt::Debug for AsyncGenerator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncGenerator").field("started", &self.started).field("over", &self.frame.is_none()).finish()
    }
}
