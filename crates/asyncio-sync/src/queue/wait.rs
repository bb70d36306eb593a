//! Waiting at a queue: for room, for an item, or for the end of the work.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};
use pin_project_lite::pin_project;

use super::{BaseQueue, GetError, PutError, QueueShutDown, Storage, wake_next};
use crate::event::{Event, EventWait};
use crate::waiter::{Standing, Ticket, Waiter};

static PUT: WaitKind = WaitKind::new("Queue.put");
static GET: WaitKind = WaitKind::new("Queue.get");
static JOIN: WaitKind = WaitKind::new("Queue.join");

pin_project! {
    /// The future of [`BaseQueue::put`].
    #[must_use = "an item is put only by awaiting the future"]
    pub struct QueuePut<'a, S: Storage> {
        queue: &'a BaseQueue<S>,
        // `None` once it was put or handed back.
        item: Option<S::Item>,
        #[pin]
        waiter: Waiter,
        location: &'static Location<'static>,
    }

    impl<S: Storage> PinnedDrop for QueuePut<'_, S> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            if !this.waiter.is_new() {
                this.leave();
            }
        }
    }
}

impl<'a, S: Storage> QueuePut<'a, S> {
    #[inline]
    pub(super) fn new(queue: &'a BaseQueue<S>, item: S::Item, location: &'static Location<'static>) -> Self {
        Self { queue, item: Some(item), waiter: Waiter::new(), location }
    }

    /// Puts the item if the queue is not full, and hands it back if the queue has been shut down.
    #[inline]
    fn attempt(queue: &BaseQueue<S>, item: &mut Option<S::Item>) -> Option<Result<(), QueueShutDown<S::Item>>> {
        if queue.full() && !queue.shut_down.get() {
            return None;
        }
        let item = item.take().expect("QueuePut was polled after it had completed");
        Some(queue.put_nowait(item).map_err(|error| QueueShutDown(PutError::into_inner(error))))
    }

    fn poll_queued(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), QueueShutDown<S::Item>>> {
        let this = self.project();
        let waiter = this.waiter.as_ref();
        let standing = waiter.poll(cx);
        if standing == Standing::Woken {
            waiter.finish();
            if let Some(outcome) = Self::attempt(this.queue, this.item) {
                return Poll::Ready(outcome);
            }
        }
        if standing != Standing::Waiting {
            let ticket = Ticket::new(cx);
            if let Some(outcome) = Self::attempt(this.queue, this.item) {
                return Poll::Ready(outcome);
            }
            this.queue.putters.push(waiter, ticket);
        }
        report_wait(&PUT, Some(this.location));
        Poll::Pending
    }

    /// Gives up the place among the putters. A wake-up that is of use still goes to the next.
    #[cold]
    fn leave(self: Pin<&mut Self>) {
        let this = self.project();
        let woken = this.waiter.is_woken();
        let waker = this.queue.putters.remove(this.waiter.as_ref());
        if woken && !this.queue.full() {
            wake_next(&this.queue.putters);
        }
        drop(waker);
    }
}

impl<S: Storage> Future for QueuePut<'_, S> {
    type Output = Result<(), QueueShutDown<S::Item>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        if this.waiter.is_new()
            && let Some(outcome) = Self::attempt(this.queue, this.item)
        {
            return Poll::Ready(outcome);
        }
        self.poll_queued(cx)
    }
}

impl<S: Storage> fmt::Debug for QueuePut<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Queue.put at {}>", self.location)
    }
}

pin_project! {
    /// The future of [`BaseQueue::get`].
    #[must_use = "an item is got only by awaiting the future"]
    pub struct QueueGet<'a, S: Storage> {
        queue: &'a BaseQueue<S>,
        #[pin]
        waiter: Waiter,
        location: &'static Location<'static>,
    }

    impl<S: Storage> PinnedDrop for QueueGet<'_, S> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            if !this.waiter.is_new() {
                this.leave();
            }
        }
    }
}

impl<'a, S: Storage> QueueGet<'a, S> {
    #[inline]
    pub(super) fn new(queue: &'a BaseQueue<S>, location: &'static Location<'static>) -> Self {
        Self { queue, waiter: Waiter::new(), location }
    }

    /// Gets an item, or learns that there will be none.
    #[inline]
    fn attempt(queue: &BaseQueue<S>) -> Option<Result<S::Item, QueueShutDown<()>>> {
        match queue.get_nowait() {
            Ok(item) => Some(Ok(item)),
            Err(GetError::ShutDown) => Some(Err(QueueShutDown(()))),
            Err(GetError::Empty) => None,
        }
    }

    fn poll_queued(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<S::Item, QueueShutDown<()>>> {
        let this = self.project();
        let waiter = this.waiter.as_ref();
        let standing = waiter.poll(cx);
        if standing == Standing::Woken {
            waiter.finish();
            if let Some(outcome) = Self::attempt(this.queue) {
                return Poll::Ready(outcome);
            }
        }
        if standing != Standing::Waiting {
            let ticket = Ticket::new(cx);
            if let Some(outcome) = Self::attempt(this.queue) {
                return Poll::Ready(outcome);
            }
            this.queue.getters.push(waiter, ticket);
        }
        report_wait(&GET, Some(this.location));
        Poll::Pending
    }

    /// Gives up the place among the getters. A wake-up that is of use still goes to the next.
    #[cold]
    fn leave(self: Pin<&mut Self>) {
        let this = self.project();
        let woken = this.waiter.is_woken();
        let waker = this.queue.getters.remove(this.waiter.as_ref());
        if woken && !this.queue.empty() {
            wake_next(&this.queue.getters);
        }
        drop(waker);
    }
}

impl<S: Storage> Future for QueueGet<'_, S> {
    type Output = Result<S::Item, QueueShutDown<()>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        if this.waiter.is_new()
            && let Some(outcome) = Self::attempt(this.queue)
        {
            return Poll::Ready(outcome);
        }
        self.poll_queued(cx)
    }
}

impl<S: Storage> fmt::Debug for QueueGet<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Queue.get at {}>", self.location)
    }
}

pin_project! {
    /// The future of [`BaseQueue::join`].
    #[derive(Debug)]
    #[must_use = "a queue is waited for only by awaiting the future"]
    pub struct QueueJoin<'a> {
        #[pin]
        wait: EventWait<'a>,
    }
}

impl<'a> QueueJoin<'a> {
    #[inline]
    pub(super) fn new(finished: &'a Event, location: &'static Location<'static>) -> Self {
        Self { wait: EventWait::new(finished, &JOIN, location) }
    }
}

impl Future for QueueJoin<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.project().wait.poll(cx)
    }
}
