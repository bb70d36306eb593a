//! `AsyncioTimer`: hyper's timeouts on the loop's clock.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant as RealInstant};

use asyncio_event_loop::{Instant, get_running_loop, sleep, sleep_until};
use hyper::rt::{Sleep, Timer};
use pin_project_lite::pin_project;
use send_wrapper::SendWrapper;

/// Sleeps for hyper on the running event loop: exact to the clock's resolution, and on virtual time where the loop is.
///
/// hyper's points in time are those of the standard library, the loop's are its own: both are read once, when the timer is
/// made, and from then on hyper sees the loop's time go by.
///
/// # Panics
///
/// The sleeps belong to the loop's thread: they panic when they are polled or dropped on another, which hyper's
/// connections, not being `Send` here, never come to.
///
/// # Examples
///
/// ```
/// use asyncio_hyper::AsyncioTimer;
/// use hyper::rt::Timer;
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// let mut runner = asyncio::Runner::builder().virtual_time(true).build()?;
/// let slept = runner.run(async {
///     let timer = AsyncioTimer::new();
///     let begin = timer.now();
///     timer.sleep(Duration::from_secs(3600)).await;
///     timer.now() - begin
/// });
/// assert_eq!(slept.unwrap(), Duration::from_secs(3600));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AsyncioTimer {
    /// One moment on both clocks.
    real: RealInstant,
    own: Instant,
}

impl AsyncioTimer {
    /// Makes a timer of the running event loop.
    ///
    /// # Panics
    ///
    /// Without one.
    #[must_use]
    #[track_caller]
    #[expect(clippy::new_without_default, reason = "it needs a running event loop, which is no default")]
    pub fn new() -> Self {
        Self { real: RealInstant::now(), own: get_running_loop().time() }
    }

    fn to_own(self, deadline: RealInstant) -> Instant {
        self.own + deadline.saturating_duration_since(self.real)
    }
}

impl Timer for AsyncioTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(AsyncioSleep { inner: SendWrapper::new(sleep(duration)) })
    }

    fn sleep_until(&self, deadline: RealInstant) -> Pin<Box<dyn Sleep>> {
        Box::pin(AsyncioSleep { inner: SendWrapper::new(sleep_until(self.to_own(deadline))) })
    }

    fn now(&self) -> RealInstant {
        self.real + (get_running_loop().time() - self.own)
    }

    /// hyper moves one timer from request to request, which allocates nothing.
    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, deadline: RealInstant) {
        match sleep.as_mut().downcast_mut_pin::<AsyncioSleep>() {
            Some(own) => own.project().inner.set(SendWrapper::new(sleep_until(self.to_own(deadline)))),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

pin_project! {
    /// hyper wants `Send`, though here nothing goes to another thread.
    struct AsyncioSleep {
        #[pin]
        inner: SendWrapper<asyncio_event_loop::Sleep>,
    }
}

impl Future for AsyncioSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().inner.poll(cx)
    }
}

impl Sleep for AsyncioSleep {}
