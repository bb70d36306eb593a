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
use crate::event_loop::EventLoop;
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
    Sleep::new(From::FirstPoll, nanos_of(delay), Location::caller())
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
    Sleep::new(From::Epoch, deadline.as_nanos(), Location::caller())
}

/// What the time of a sleep is counted from.
#[derive(Clone, Copy, Debug)]
enum From {
    FirstPoll,
    /// That of the loop's clock.
    Epoch,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Idle,
    /// The task has been queued again.
    Yielded,
    /// The timer is armed.
    Armed,
    Over,
}

pin_project! {
    /// Suspends for a time: see [`sleep`].
    #[must_use = "a future does nothing before it is awaited"]
    #[derive(Debug)]
    pub struct Sleep {
        nanos: u64,
        location: &'static Location<'static>,
        from: From,
        state: State,
        // The number of the loop that the timer is armed in.
        armed_in: u32,
        #[pin]
        timer: Timer,
    }
}

// There may be millions of them.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Sleep>() == 80);

impl Sleep {
    fn new(from: From, nanos: u64, location: &'static Location<'static>) -> Self {
        Self { nanos, location, from, state: State::Idle, armed_in: 0, timer: Timer::new() }
    }
}

/// Whole nanoseconds; what does not fit is for ever.
fn nanos_of(delay: Duration) -> u64 {
    (Instant::ZERO + delay).as_nanos()
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let timer = this.timer.as_ref();
        match *this.state {
            State::Over => return Poll::Ready(()),
            State::Armed if timer.is_armed() => {
                timer.update_waker(cx.waker());
                report_wait(&SLEEP, Some(this.location));
                return Poll::Pending;
            }
            // A timer that was disarmed by the end of its loop has not been due: in another loop the sleep begins anew.
            State::Armed if current::with_running("`sleep`", EventLoop::number) != *this.armed_in => {}
            State::Armed | State::Yielded => {
                *this.state = State::Over;
                return Poll::Ready(());
            }
            State::Idle => {}
        }
        current::with_running("`sleep`", |running| {
            let now = running.time();
            let deadline = match this.from {
                From::FirstPoll => now + Duration::from_nanos(*this.nanos),
                From::Epoch => Instant::from_nanos(*this.nanos),
            };
            if deadline > now {
                (*this.state, *this.armed_in) = (State::Armed, running.number());
                timer.arm_wake_in(running, deadline, cx.waker());
            } else {
                *this.state = State::Yielded;
                wake_next_turn(cx.waker());
            }
        });
        report_wait(&SLEEP, Some(this.location));
        Poll::Pending
    }
}
