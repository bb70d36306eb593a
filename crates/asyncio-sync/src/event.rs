//! An event: a flag that tasks wait for.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};
use pin_project_lite::pin_project;

use crate::waiter::{Standing, Ticket, WaitQueue, Waiter};

static WAIT: WaitKind = WaitKind::new("Event.wait");

/// A flag that is set or not, and that any number of tasks can wait for.
///
/// [`set`](Self::set) wakes all who wait, in the order of their arrival. Each of them returns from its wait even if the
/// flag is cleared before it runs.
///
/// # Examples
///
/// ```
/// # futures_executor::block_on(async {
/// use asyncio_sync::Event;
/// use futures_util::future::join;
///
/// let ready = Event::new();
/// join(async { ready.wait().await }, async { ready.set() }).await;
/// assert!(ready.is_set());
/// # });
/// ```
///
/// In Python: `asyncio.Event` (`asyncio/locks.py`).
pub struct Event {
    value: Cell<bool>,
    waiters: WaitQueue,
}

impl Event {
    /// An event that is not set.
    #[must_use]
    pub const fn new() -> Self {
        Self::with_value(false)
    }

    pub(crate) const fn with_value(value: bool) -> Self {
        Self { value: Cell::new(value), waiters: WaitQueue::new() }
    }

    /// Whether the flag is set.
    ///
    /// In Python: `Event.is_set`.
    #[inline]
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.value.get()
    }

    /// Sets the flag and wakes all who wait. Nothing, if it was set already.
    ///
    /// In Python: `Event.set`.
    #[inline]
    pub fn set(&self) {
        if !self.value.replace(true) {
            self.waiters.wake_all();
        }
    }

    /// Clears the flag: who comes from now on waits until it is set again.
    ///
    /// In Python: `Event.clear`.
    #[inline]
    pub fn clear(&self) {
        self.value.set(false);
    }

    /// Waits until the flag is set. If it is, this does not suspend.
    ///
    /// # Cancel safety
    ///
    /// A wait that is dropped leaves nothing behind.
    ///
    /// In Python: `Event.wait`.
    #[inline]
    #[track_caller]
    pub fn wait(&self) -> EventWait<'_> {
        EventWait::new(self, &WAIT, Location::caller())
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "<Event [set" } else { "<Event [unset" })?;
        if !self.waiters.is_empty() {
            write!(f, ", waiters:{}", self.waiters.len())?;
        }
        f.write_str("]>")
    }
}

pin_project! {
    /// The future of [`Event::wait`].
    #[must_use = "an event is waited for only by awaiting the future"]
    pub struct EventWait<'a> {
        event: &'a Event,
        #[pin]
        waiter: Waiter,
        kind: &'static WaitKind,
        location: &'static Location<'static>,
    }

    impl PinnedDrop for EventWait<'_> {
        #[inline]
        fn drop(this: Pin<&mut Self>) {
            if !this.waiter.is_new() {
                let this = this.project();
                drop(this.event.waiters.remove(this.waiter.as_ref()));
            }
        }
    }
}

impl<'a> EventWait<'a> {
    #[inline]
    pub(crate) fn new(event: &'a Event, kind: &'static WaitKind, location: &'static Location<'static>) -> Self {
        Self { event, waiter: Waiter::new(), kind, location }
    }

    fn poll_queued(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let waiter = this.waiter.as_ref();
        match waiter.poll(cx) {
            Standing::New => {
                let ticket = Ticket::new(cx);
                if this.event.is_set() {
                    return Poll::Ready(());
                }
                this.event.waiters.push(waiter, ticket);
            }
            Standing::Waiting => {}
            Standing::Woken => {
                waiter.finish();
                return Poll::Ready(());
            }
        }
        report_wait(this.kind, Some(this.location));
        Poll::Pending
    }
}

impl Future for EventWait<'_> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.waiter.is_new() && self.event.is_set() { Poll::Ready(()) } else { self.poll_queued(cx) }
    }
}

impl fmt::Debug for EventWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} at {}>", self.kind.name(), self.location)
    }
}
