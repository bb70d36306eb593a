//! What is measured, written once for all peers. Each function takes a number of operations and returns its figures.

pub mod growth;
pub mod own;
pub mod sync;
pub mod task;
pub mod thread;
pub mod time;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

/// How often a batch of `size` is needed for `count` operations, and its size; smaller if fewer are asked for.
pub fn batches(count: usize, size: usize) -> (usize, usize) {
    let size = size.min(count).max(1);
    (count / size, size)
}

/// Suspends once and wakes at once: for peers without a function of their own for it.
pub fn yield_once() -> impl Future<Output = ()> {
    let mut yielded = false;
    poll_fn(move |cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Counts tasks that have come to a point, and wakes the one that waits for them.
pub struct Latch {
    arrived: Cell<usize>,
    expected: Cell<usize>,
    waker: Cell<Option<Waker>>,
}

impl Latch {
    pub const fn new() -> Self {
        Self { arrived: Cell::new(0), expected: Cell::new(usize::MAX), waker: Cell::new(None) }
    }

    pub fn arrive(&self) {
        self.arrived.set(self.arrived.get() + 1);
        if self.arrived.get() == self.expected.get()
            && let Some(waker) = self.waker.take()
        {
            waker.wake();
        }
    }

    /// Whether `count` have arrived; then it begins anew.
    pub fn poll(&self, count: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.arrived.get() == count {
            self.arrived.set(0);
            return Poll::Ready(());
        }
        self.expected.set(count);
        self.waker.set(Some(cx.waker().clone()));
        Poll::Pending
    }

    pub async fn wait_for(&self, count: usize) {
        poll_fn(|cx| self.poll(count, cx)).await;
    }
}
