//! `sleep` and `sleep_until`.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use asyncio_context::{WaitKind, report_wait};
use asyncio_executor::wake_next_turn;
use asyncio_timers::Instant;
use pin_project_lite::pin_project;

use crate::current;
use crate::timer::Timer;

static SLEEP: WaitKind = WaitKind::new("sleep");

/// Suspends for `delay`, counted from the first poll.
///
/// It is never early. A delay of zero gives everything that is ready a turn, like `yield_now`. The resolution is a
/// nanosecond; a delay that reaches past the end of the clock, such as `Duration::MAX`, is for ever.
///
/// # Cancel safety
///
/// Dropping it removes its timer.
///
/// # Panics
///
/// When it is polled without a running event loop.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use asyncio_event_loop::{get_running_loop, run, sleep};
///
/// run(async {
///     let begin = get_running_loop().time();
///     sleep(Duration::from_millis(1)).await;
///     assert!(get_running_loop().time() - begin >= Duration::from_millis(1));
/// });
/// ```
///
/// # In Python
///
/// `asyncio.sleep`, in `asyncio/tasks.py`.
#[track_caller]
pub fn sleep(delay: Duration) -> Sleep {
    let until = if delay.is_zero() { Until::NextTurn } else { Until::After(delay) };
    Sleep::new(until, Location::caller())
}

/// Suspends until `deadline` on the loop's clock; until the next turn if that has passed.
///
/// Otherwise as [`sleep`].
///
/// # Cancel safety
///
/// Dropping it removes its timer.
///
/// # Panics
///
/// When it is polled without a running event loop.
///
/// # In Python
///
/// There is none; it is `sleep(deadline - loop.time())` without the rounding.
#[track_caller]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(Until::At(deadline), Location::caller())
}

#[derive(Clone, Copy, Debug)]
enum Until {
    NextTurn,
    After(Duration),
    At(Instant),
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    /// The task has been queued again.
    Yielded,
    /// The timer is armed in the loop with this number.
    Armed(u64),
    Over,
}

pin_project! {
    /// Suspends for a time: see [`sleep`].
    #[must_use = "a future does nothing before it is awaited"]
    #[derive(Debug)]
    pub struct Sleep {
        until: Until,
        state: State,
        location: &'static Location<'static>,
        #[pin]
        timer: Timer,
    }
}

impl Sleep {
    fn new(until: Until, location: &'static Location<'static>) -> Self {
        Self { until, state: State::Idle, location, timer: Timer::new() }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let timer = this.timer.as_ref();
        match *this.state {
            State::Over => return Poll::Ready(()),
            State::Armed(_) if timer.is_armed() => {
                timer.update_waker(cx.waker());
                report_wait(&SLEEP, Some(this.location));
                return Poll::Pending;
            }
            // A timer that was disarmed by the end of its loop has not been due: in another loop the sleep begins anew.
            State::Armed(number) if current::with_running("`sleep`", |this| this.number() != number) => {}
            State::Armed(_) | State::Yielded => {
                *this.state = State::Over;
                return Poll::Ready(());
            }
            State::Idle => {}
        }
        let (number, now) = current::with_running("`sleep`", |this| (this.number(), this.time()));
        let deadline = match *this.until {
            Until::NextTurn => None,
            Until::After(delay) => Some(now + delay),
            Until::At(deadline) => (deadline > now).then_some(deadline),
        };
        match deadline {
            Some(deadline) => {
                *this.state = State::Armed(number);
                timer.arm_wake(deadline, cx.waker());
            }
            None => {
                *this.state = State::Yielded;
                wake_next_turn(cx.waker());
            }
        }
        report_wait(&SLEEP, Some(this.location));
        Poll::Pending
    }
}
