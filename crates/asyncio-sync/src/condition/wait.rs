//! Waiting for a condition: first for the notification, then for the lock.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use asyncio_context::{WaitKind, report_wait};
use pin_project_lite::pin_project;

use super::notify;
use crate::lock::{Guard, LockAcquire, LockHandle};
use crate::waiter::{Standing, Ticket, WaitQueue, Waiter};

static WAIT: WaitKind = WaitKind::new("Condition.wait");

pin_project! {
    /// The future of [`Condition::wait`](super::Condition::wait).
    #[must_use = "a condition is waited for only by awaiting the future; dropping it releases the lock"]
    pub struct ConditionWait<'a, H: LockHandle> {
        // The condition's.
        waiters: &'a WaitQueue,
        // The lock, until the first poll.
        guard: Option<Guard<H>>,
        // How to get it back, while in the queue of the condition.
        handle: Option<H>,
        #[pin]
        waiter: Waiter,
        // From the notification until the lock is held again.
        #[pin]
        acquire: Option<LockAcquire<H>>,
        location: &'static Location<'static>,
    }

    impl<H: LockHandle> PinnedDrop for ConditionWait<'_, H> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let notified = this.waiter.is_woken() || this.acquire.is_some();
            let waker = this.waiters.remove(this.waiter.as_ref());
            if notified {
                notify(this.waiters, 1);
            }
            // After the notification, as in CPython, where the lock is held while another waiter is notified.
            this.acquire.set(None);
            drop(waker);
        }
    }
}

impl<'a, H: LockHandle> ConditionWait<'a, H> {
    pub(super) fn new(waiters: &'a WaitQueue, guard: Guard<H>, location: &'static Location<'static>) -> Self {
        Self { waiters, guard: Some(guard), handle: None, waiter: Waiter::new(), acquire: None, location }
    }
}

impl<H: LockHandle> Future for ConditionWait<'_, H> {
    type Output = Guard<H>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Guard<H>> {
        let mut this = self.project();
        if this.acquire.is_none() {
            let waiter = this.waiter.as_ref();
            match waiter.poll(cx) {
                Standing::New => {
                    let ticket = Ticket::new(cx);
                    this.waiters.push(waiter, ticket);
                    if let Some(guard) = this.guard.take() {
                        *this.handle = Some(Guard::handle(&guard).clone());
                        // In the queue already: whoever gets the lock now can notify this waiter.
                        drop(guard);
                    }
                    assert!(this.handle.is_some(), "ConditionWait was polled after it had completed");
                }
                Standing::Waiting => {}
                Standing::Woken => {
                    waiter.finish();
                    let handle = this.handle.take().expect("a waiter in the queue has a handle");
                    this.acquire.set(Some(LockAcquire::new(handle, this.location)));
                }
            }
        }
        if let Some(acquire) = this.acquire.as_mut().as_pin_mut() {
            let guard = ready!(acquire.poll(cx));
            this.acquire.set(None);
            return Poll::Ready(guard);
        }
        report_wait(&WAIT, Some(this.location));
        Poll::Pending
    }
}

impl<H: LockHandle> fmt::Debug for ConditionWait<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Condition.wait at {}>", self.location)
    }
}

pin_project! {
    /// The future of [`Condition::wait_for`](super::Condition::wait_for).
    #[must_use = "a condition is waited for only by awaiting the future; dropping it releases the lock"]
    pub struct ConditionWaitFor<'a, H: LockHandle, P> {
        #[pin]
        wait: ConditionWait<'a, H>,
        predicate: P,
        started: bool,
    }
}

impl<'a, H: LockHandle, P> ConditionWaitFor<'a, H, P> {
    pub(super) fn new(wait: ConditionWait<'a, H>, predicate: P) -> Self {
        Self { wait, predicate, started: false }
    }
}

impl<H, P> Future for ConditionWaitFor<'_, H, P>
where
    H: LockHandle,
    H::Value: Sized,
    P: FnMut(&mut H::Value) -> bool,
{
    type Output = Guard<H>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Guard<H>> {
        let mut this = self.project();
        loop {
            let mut guard = if std::mem::replace(this.started, true) {
                ready!(this.wait.as_mut().poll(cx))
            } else {
                this.wait.as_mut().project().guard.take().expect("a wait that was not polled has its guard")
            };
            if (this.predicate)(&mut guard) {
                return Poll::Ready(guard);
            }
            *this.wait.as_mut().project().guard = Some(guard);
        }
    }
}

impl<H: LockHandle, P> fmt::Debug for ConditionWaitFor<'_, H, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Condition.wait_for at {}>", self.wait.location)
    }
}
