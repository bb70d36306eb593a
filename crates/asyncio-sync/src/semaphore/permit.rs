//! Acquiring a permit of a semaphore, and the permit itself.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};
use pin_project_lite::pin_project;

use super::{BoundedSemaphore, Semaphore};
use crate::waiter::{Standing, Ticket, Waiter};

static ACQUIRE: WaitKind = WaitKind::new("Semaphore.acquire");

mod sealed {
    pub trait Sealed {
        fn semaphore(&self) -> &super::Semaphore;
    }
}

/// How a permit holds on to its semaphore: a reference, or an `Rc` of a [`Semaphore`] or [`BoundedSemaphore`]. Nothing else
/// can implement it.
pub trait SemaphoreHandle: sealed::Sealed {}

impl SemaphoreHandle for &Semaphore {}
impl sealed::Sealed for &Semaphore {
    #[inline]
    fn semaphore(&self) -> &Semaphore {
        self
    }
}

impl SemaphoreHandle for Rc<Semaphore> {}
impl sealed::Sealed for Rc<Semaphore> {
    #[inline]
    fn semaphore(&self) -> &Semaphore {
        self
    }
}

impl SemaphoreHandle for Rc<BoundedSemaphore> {}
impl sealed::Sealed for Rc<BoundedSemaphore> {
    #[inline]
    fn semaphore(&self) -> &Semaphore {
        &self.0
    }
}

/// The permit of a semaphore that is borrowed.
pub type SemaphorePermit<'a> = Permit<&'a Semaphore>;

/// The permit of a semaphore that it keeps alive.
pub type OwnedSemaphorePermit<S = Semaphore> = Permit<Rc<S>>;

/// A permit of a [`Semaphore`] or [`BoundedSemaphore`]. Dropping it releases it.
///
/// Mostly met under its names [`SemaphorePermit`] and [`OwnedSemaphorePermit`].
///
/// In Python: the body of `async with semaphore`; the drop is `Semaphore.release`.
#[must_use = "a permit is released when it is dropped; use `forget` to keep it for good"]
pub struct Permit<H: SemaphoreHandle> {
    /// `None` once it was forgotten.
    handle: Option<H>,
}

impl<H: SemaphoreHandle> Permit<H> {
    /// A permit, if there is one and nobody waits for it.
    #[inline]
    pub(super) fn take(handle: H) -> Option<Self> {
        let semaphore = handle.semaphore();
        if semaphore.locked() {
            return None;
        }
        semaphore.value.set(semaphore.value.get() - 1);
        Some(Self { handle: Some(handle) })
    }

    /// Uses the permit up: it is not released. [`Semaphore::release`] adds another.
    ///
    /// In Python: `await semaphore.acquire()` without a `release`.
    #[inline]
    pub fn forget(mut self) {
        self.handle = None;
    }
}

impl<H: SemaphoreHandle> Drop for Permit<H> {
    #[inline]
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.semaphore().give_back();
        }
    }
}

impl<H: SemaphoreHandle> fmt::Debug for Permit<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SemaphorePermit").field(&self.handle.as_ref().map(H::semaphore)).finish()
    }
}

pin_project! {
    /// The future of `acquire` and `acquire_owned` of [`Semaphore`] and [`BoundedSemaphore`].
    #[must_use = "a permit is acquired only by awaiting the future"]
    pub struct SemaphoreAcquire<H: SemaphoreHandle> {
        // `None` once the permit was acquired.
        handle: Option<H>,
        #[pin]
        waiter: Waiter,
        location: &'static Location<'static>,
    }

    impl<H: SemaphoreHandle> PinnedDrop for SemaphoreAcquire<H> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            if !this.waiter.is_new() {
                this.leave();
            }
        }
    }
}

impl<H: SemaphoreHandle> SemaphoreAcquire<H> {
    #[inline]
    pub(super) fn new(handle: H, location: &'static Location<'static>) -> Self {
        Self { handle: Some(handle), waiter: Waiter::new(), location }
    }

    /// Takes a permit, which is known to be there.
    #[inline]
    fn take(handle: &mut Option<H>) -> Poll<Permit<H>> {
        let permit = handle.take().and_then(Permit::take);
        Poll::Ready(permit.expect("an open semaphore has a permit"))
    }

    fn poll_queued(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit<H>> {
        let this = self.project();
        let waiter = this.waiter.as_ref();
        let handle = this.handle.as_ref().expect("SemaphoreAcquire was polled after it had completed");
        let semaphore = handle.semaphore();
        match waiter.poll(cx) {
            Standing::New => {
                let ticket = Ticket::new(cx);
                if !semaphore.locked() {
                    return Self::take(this.handle);
                }
                semaphore.waiters.push(waiter, ticket);
            }
            Standing::Waiting => {}
            Standing::Woken => {
                // The permit was taken off the value for this waiter when it was woken.
                waiter.finish();
                semaphore.woken.set(semaphore.woken.get() - 1);
                semaphore.wake_all_possible();
                return Poll::Ready(Permit { handle: this.handle.take() });
            }
        }
        report_wait(&ACQUIRE, Some(this.location));
        Poll::Pending
    }

    /// Gives up the place in the queue, and the permit if one was given to it.
    #[cold]
    fn leave(self: Pin<&mut Self>) {
        let this = self.project();
        let Some(handle) = this.handle.as_ref() else { return };
        let semaphore = handle.semaphore();
        let woken = this.waiter.is_woken();
        let waker = semaphore.waiters.remove(this.waiter.as_ref());
        if woken {
            semaphore.woken.set(semaphore.woken.get() - 1);
            // Never above the bound: unless a release too many filled it meanwhile, there is room for what was taken off.
            semaphore.value.set(semaphore.bound.min(semaphore.value.get().saturating_add(1)));
        }
        semaphore.wake_all_possible();
        drop(waker);
    }
}

impl<H: SemaphoreHandle> Future for SemaphoreAcquire<H> {
    type Output = Permit<H>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit<H>> {
        let this = self.as_mut().project();
        if this.waiter.is_new() && this.handle.as_ref().is_some_and(|handle| !handle.semaphore().locked()) {
            return Self::take(this.handle);
        }
        self.poll_queued(cx)
    }
}

impl<H: SemaphoreHandle> fmt::Debug for SemaphoreAcquire<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Semaphore.acquire at {}>", self.location)
    }
}
