//! `yield_now`: gives everything else that is ready a turn.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};

use crate::running::wake_next_turn;

static YIELD: WaitKind = WaitKind::new("its next turn");

/// Lets everything run that is ready now, and goes on in the next turn. It is a place where a cancellation is raised.
///
/// # In Python
///
/// `asyncio.sleep(0)`.
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// Suspends once: see [`yield_now`].
#[must_use = "a future does nothing before it is awaited"]
#[derive(Debug)]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        wake_next_turn(cx.waker());
        report_wait(&YIELD, None);
        Poll::Pending
    }
}
