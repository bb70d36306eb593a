//! `wait_for`: a future, with a limit on its time.

use std::cell::Cell;
use std::future::{Future, IntoFuture, pending, poll_fn};
use std::panic::Location;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use asyncio_context::{WaitKind, report_wait};
use asyncio_executor::{
    CancelKind, CancelledError, SharedTask, Task, TaskHandle, Watcher, catch_cancelled, create_task,
};

use crate::awaiter::Awaiter;
use crate::child::Control;
use crate::gather::Gather;
use crate::identity::same;
use crate::shield::Shield;
use crate::timeout::{Timeout, TimeoutError};

static WAIT_FOR: WaitKind = WaitKind::new("wait_for");

/// Awaits `future` for no longer than `delay`; `None` for no limit.
///
/// When the time is up, `future` is cancelled where it is suspended and awaited until it has really ended, which may take
/// longer. If it refuses the cancellation, its value counts.
///
/// With a delay of zero, a `Task`, `SharedTask`, `Future`, gather or shield that is done gives its result, and one that is
/// not is cancelled and waited for; any other future is never started.
///
/// # Cancel safety
///
/// That of `future`.
///
/// # Errors
///
/// When the time was up.
///
/// # Panics
///
/// Without a running event loop. A panic of `future` goes on.
///
/// # Examples
///
/// ```
/// use asyncio_combinators::wait_for;
/// use asyncio_event_loop::sleep;
/// use std::time::Duration;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let mut steps = 0;
/// let work = async {
///     steps += 1;
///     sleep(Duration::from_secs(9)).await;
///     steps += 1;
/// };
/// assert!(wait_for(work, Duration::from_secs(1)).await.is_err());
/// assert_eq!(steps, 1);
/// assert_eq!(wait_for(async { 7 }, None).await, Ok(7));
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In Python
///
/// `asyncio.wait_for`, in `asyncio/tasks.py`.
#[track_caller]
pub fn wait_for<F: IntoFuture>(
    future: F,
    delay: impl Into<Option<Duration>>,
) -> impl Future<Output = Result<F::Output, TimeoutError>> {
    let delay = delay.into();
    let location = Location::caller();
    async move {
        let future = future.into_future();
        if delay.is_some_and(|delay| delay.is_zero()) {
            return at_once(future, location).await;
        }
        Timeout::after_at(delay, location).run(future).await
    }
}

/// The case of no time at all.
async fn at_once<F: Future>(future: F, location: &'static Location<'static>) -> Result<F::Output, TimeoutError> {
    let Some(control) = known(&future) else {
        // Python makes a task of it, which is cancelled before its first step: so many turns does it take.
        drop(future);
        let task = create_task(pending::<()>());
        cancel_and_wait(&Control::Task(task.handle()), location).await;
        return Err(TimeoutError::new(location));
    };
    if control.is_done() {
        return Ok(future.await);
    }
    cancel_and_wait(&control, location).await;
    // It is done. A cancellation that it ended with is this one, as in Python.
    catch_cancelled(future).await.map_err(|_| TimeoutError::new(location))
}

/// The task or future that `future` is, if it is one.
fn known<F: Future>(future: &F) -> Option<Control> {
    if let Some(task) = same::<F, Task<F::Output>>(future) {
        Some(Control::Task(task.handle()))
    } else if let Some(task) = same::<F, SharedTask<F::Output>>(future) {
        Some(Control::Task(task.handle()))
    } else if let Some(future) = same::<F, asyncio_executor::Future<F::Output>>(future) {
        Some(Control::Future(future.observable()))
    } else if let Some(gather) = same::<F, Gather<F::Output>>(future) {
        Some(gather.control())
    } else {
        same::<F, Shield<F::Output>>(future).map(Shield::control)
    }
}

/// Told when what is waited for has ended.
#[derive(Default)]
struct Ended {
    ended: Cell<bool>,
    awaiter: Awaiter,
}

impl Watcher for Ended {
    fn finished(self: Rc<Self>, _: usize) {
        self.ended.set(true);
        self.awaiter.wake();
    }

    fn awaiters(&self) -> Vec<TaskHandle> {
        self.awaiter.task().into_iter().collect()
    }
}

/// Undoes a registration when it is dropped.
struct Watching<'a>(&'a Control, Rc<Ended>);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        // A notice that is on its way finds nobody to wake.
        self.1.awaiter.forget();
        let watcher: Rc<dyn Watcher> = self.1.clone();
        self.0.unwatch(&watcher);
    }
}

/// Cancels what is not done and waits until it has ended, without passing a request for cancellation on.
async fn cancel_and_wait(control: &Control, location: &'static Location<'static>) {
    let ended = Rc::new(Ended::default());
    control.watch(ended.clone(), 0);
    let _watching = Watching(control, ended.clone());
    control.cancel(&CancelledError::at(CancelKind::Timeout, location));
    poll_fn(|cx| {
        if ended.awaiter.wait(cx, || ended.ended.get()) {
            return Poll::Ready(());
        }
        report_wait(&WAIT_FOR, Some(location));
        Poll::Pending
    })
    .await;
}
