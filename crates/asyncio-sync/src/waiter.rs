//! The queue of waiters: an intrusive, doubly linked list through the futures that wait.
//!
//! A [`Waiter`] is a field of the future that waits; a [`WaitQueue`] is a field of the primitive that is waited for.
//! Waiting allocates nothing, and a waiter leaves from any place in the queue in constant time. This is one of the two
//! files of the crate that follow raw pointers; what it offers to the others is safe whatever they do with it.
//!
//! # States of a waiter
//!
//! | state | linked | meaning |
//! |---|---|---|
//! | `New` | no | has not waited yet, or has been told that its wait is over |
//! | `Waiting` | yes | has a waker and a probe |
//! | `Woken` | no, or yes if by [`WaitQueue::wake_first`] | its waker was taken; the next poll finds its turn come |
//! | `Skipped` | no | was cancelled when its turn came; it will be dropped, and if not it waits anew |
//!
//! A waiter is *live* if it is `Woken`, or `Waiting` with a probe that does not say "cancelled". In CPython a waiter is
//! a future: `done()` is "not live or woken", `cancelled()` is "not live".
//!
//! # Rules
//!
//! 1. A waiter is linked exactly while its `queue` is not zero, and then it can be reached from the one queue with that
//!    number. Numbers are never used again on a thread, and neither type leaves its thread, so [`WaitQueue::remove`] can
//!    tell its own waiters from those of another queue.
//! 2. A waiter is linked by [`WaitQueue::push`] alone, which takes it pinned. Its memory therefore stays what it is
//!    until its destructor runs, and the destructor aborts the process if it is still linked. So every pointer in a
//!    queue, and every pointer in a linked waiter, points to a live waiter. This holds for a future that was pinned and
//!    leaked, too: it stays linked, and its memory is never used again.
//! 3. A waiter does not point to its queue. The queue may move, and may be dropped with waiters still linked: it has no
//!    destructor and touches none. Only leaked futures can be left by then, as all others borrow or own the primitive.
//! 4. A reference made from a pointer lasts no longer than one function of this file, and no foreign code runs
//!    meanwhile: wakers are moved out to be woken, cloned or dropped elsewhere, and asking a probe is a look-up.
//! 5. All fields are `Cell`s, and a waiter is `!Unpin`, so that a `Pin<&mut …>` to the future around it does not claim
//!    that nobody else reaches it.
//!
//! Foreign code is whatever hides behind a waker or the source of probes: it may call back into any primitive. So those
//! who use this file make a [`Ticket`] *before* they decide to wait, and wake or drop a waker *after* all else is done.
#![expect(unsafe_code, reason = "an intrusive list goes from waiter to waiter by pointer; see the rules above")]

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Waker};

use asyncio_context::Probe;

type Link = Cell<Option<NonNull<Waiter>>>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Waiting,
    Woken,
    Skipped,
}

/// What a future finds when it asks its waiter at the beginning of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is in no queue: look whether there is need to wait, and if so, [`WaitQueue::push`].
    New,
    /// Its turn has not come. The waker is that of this poll.
    Waiting,
    /// Its turn has come.
    Woken,
}

/// What a waiter takes along into the queue.
pub(crate) struct Ticket {
    waker: Waker,
    probe: Probe,
}

impl Ticket {
    /// Clones the waker of `cx` and asks for the probe of the place that is being polled: both are foreign code.
    pub(crate) fn new(cx: &Context<'_>) -> Self {
        Self { waker: cx.waker().clone(), probe: Probe::current() }
    }
}

/// A place in a [`WaitQueue`], inside the future that waits.
pub(crate) struct Waiter {
    prev: Link,
    next: Link,
    /// The number of the queue it is linked in, or zero.
    queue: Cell<u64>,
    /// While linked, the order of arrival; once woken, what [`WaitQueue::pop`] was given.
    number: Cell<u64>,
    waker: Cell<Option<Waker>>,
    probe: Cell<Probe>,
    state: Cell<State>,
    _pinned: PhantomPinned,
}

impl Waiter {
    pub(crate) const fn new() -> Self {
        Self {
            prev: Cell::new(None),
            next: Cell::new(None),
            queue: Cell::new(0),
            number: Cell::new(0),
            waker: Cell::new(None),
            probe: Cell::new(Probe::NONE),
            state: Cell::new(State::New),
            _pinned: PhantomPinned,
        }
    }

    /// Whether there is nothing to undo: it is not waiting and was not woken.
    #[inline]
    pub(crate) fn is_new(&self) -> bool {
        self.state.get() == State::New
    }

    /// Whether its turn came and it has not been told yet.
    pub(crate) fn is_woken(&self) -> bool {
        self.state.get() == State::Woken
    }

    /// The number that the one who woke it gave to it.
    pub(crate) fn number(&self) -> u64 {
        self.number.get()
    }

    /// Ends the wait of a waiter that was woken, and left the queue by that.
    pub(crate) fn finish(&self) {
        debug_assert_eq!(self.queue.get(), 0, "a linked waiter must be removed from its queue");
        self.state.set(State::New);
    }

    /// Says where the waiter stands; if it goes on waiting, with the waker and the probe of this poll.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Standing {
        if self.state.get() == State::Waiting {
            self.refresh(cx);
        }
        match self.state.get() {
            State::Waiting => Standing::Waiting,
            State::Woken => Standing::Woken,
            State::New => Standing::New,
            State::Skipped => {
                self.state.set(State::New);
                drop(self.waker.take());
                Standing::New
            }
        }
    }

    fn refresh(&self, cx: &Context<'_>) {
        let waker = self.waker.take();
        let same = waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        self.waker.set(waker);
        let (waker, probe) = if same {
            (None, Probe::current())
        } else {
            let ticket = Ticket::new(cx);
            (Some(ticket.waker), ticket.probe)
        };
        // The foreign code above may have woken this waiter.
        if self.state.get() == State::Waiting {
            self.probe.set(probe);
            if waker.is_some() {
                drop(self.waker.replace(waker));
            }
        }
    }

    /// Whether it waits at a place to which a cancellation has been delivered.
    fn is_cancelled(&self) -> bool {
        match self.state.get() {
            State::Waiting => self.probe.get().is_cancelled(),
            State::Skipped => true,
            State::New | State::Woken => false,
        }
    }
}

impl Drop for Waiter {
    #[inline]
    fn drop(&mut self) {
        if self.queue.get() != 0 {
            // Rule 2. Unwinding would free the memory all the same.
            std::process::abort();
        }
    }
}

/// Waiters in the order of their arrival.
pub(crate) struct WaitQueue {
    head: Link,
    tail: Link,
    len: Cell<usize>,
    /// Its number, or zero until the first waiter comes.
    id: Cell<u64>,
    /// The number of the waiter that comes next.
    arrivals: Cell<u64>,
}

impl WaitQueue {
    pub(crate) const fn new() -> Self {
        Self {
            head: Cell::new(None),
            tail: Cell::new(None),
            len: Cell::new(0),
            id: Cell::new(0),
            arrivals: Cell::new(0),
        }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head.get().is_none()
    }

    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    /// Whether no waiter in the queue is live. Takes as many steps as there are cancelled ones before the first live one.
    pub(crate) fn no_live(&self) -> bool {
        let mut link = self.head.get();
        while let Some(waiter) = link {
            let waiter = follow(&waiter);
            if !waiter.is_cancelled() {
                return false;
            }
            link = waiter.next.get();
        }
        true
    }

    /// Links the waiter at the end.
    pub(crate) fn push(&self, waiter: Pin<&Waiter>, ticket: Ticket) {
        assert!(waiter.queue.get() == 0, "a waiter can be in one queue at a time");
        let here = NonNull::from(&*waiter);
        waiter.queue.set(self.id());
        waiter.number.set(self.arrivals.get());
        self.arrivals.set(self.arrivals.get() + 1);
        waiter.probe.set(ticket.probe);
        waiter.state.set(State::Waiting);
        waiter.next.set(None);
        waiter.prev.set(self.tail.get());
        match self.tail.replace(Some(here)) {
            Some(last) => follow(&last).next.set(Some(here)),
            None => self.head.set(Some(here)),
        }
        self.len.set(self.len.get() + 1);
        // A waiter that is not linked has no waker, so this drops none.
        waiter.waker.set(Some(ticket.waker));
    }

    /// Takes the waiter out, if it is in this queue, and makes it `New`. The caller drops the waker when all else is done.
    pub(crate) fn remove(&self, waiter: Pin<&Waiter>) -> Option<Waker> {
        if waiter.queue.get() != 0 && waiter.queue.get() == self.id.get() {
            self.unlink(&waiter);
        }
        if waiter.queue.get() != 0 {
            return None;
        }
        waiter.state.set(State::New);
        waiter.waker.take()
    }

    /// Whether the waiter is at the head of this queue.
    pub(crate) fn is_first(&self, waiter: &Waiter) -> bool {
        self.head.get() == Some(NonNull::from(waiter))
    }

    /// Marks the first waiter as woken and leaves it where it is. Nothing, if it is woken or cancelled already.
    pub(crate) fn wake_first(&self) -> Option<Waker> {
        let first = self.head.get()?;
        let first = follow(&first);
        if first.state.get() != State::Waiting || first.is_cancelled() {
            return None;
        }
        first.state.set(State::Woken);
        first.waker.take()
    }

    /// Takes out the first live waiter that came before `end` and marks it as woken. Cancelled ones before it are skipped.
    pub(crate) fn pop_live(&self, end: u64) -> Option<Waker> {
        while let Some(first) = self.head.get() {
            let first = follow(&first);
            if first.number.get() >= end {
                return None;
            }
            let cancelled = first.is_cancelled();
            self.unlink(first);
            if !cancelled {
                first.state.set(State::Woken);
                return first.waker.take();
            }
            // Its waker goes when its future is dropped.
            first.state.set(State::Skipped);
        }
        None
    }

    /// Takes out the first waiter that came before `end`, cancelled or not, marks it as woken and gives it a number.
    pub(crate) fn pop(&self, end: u64, number: u64) -> Option<Waker> {
        let first = self.head.get()?;
        let first = follow(&first);
        if first.number.get() >= end {
            return None;
        }
        self.unlink(first);
        first.number.set(number);
        first.state.set(State::Woken);
        first.waker.take()
    }

    /// The end of the queue as it is now: waiters that come from here on are not before it.
    pub(crate) fn end(&self) -> u64 {
        self.arrivals.get()
    }

    /// Wakes all that are in the queue now, and none that foreign code adds meanwhile.
    ///
    /// Gives them the numbers 0, 1, … in the order of their arrival.
    pub(crate) fn wake_all(&self) {
        let end = self.end();
        let mut number = 0;
        while let Some(waker) = self.pop(end, number) {
            waker.wake();
            number += 1;
        }
    }

    fn unlink(&self, waiter: &Waiter) {
        let prev = waiter.prev.take();
        let next = waiter.next.take();
        match &prev {
            Some(prev) => follow(prev).next.set(next),
            None => self.head.set(next),
        }
        match &next {
            Some(next) => follow(next).prev.set(prev),
            None => self.tail.set(prev),
        }
        waiter.queue.set(0);
        self.len.set(self.len.get() - 1);
    }

    fn id(&self) -> u64 {
        thread_local!(static NEXT: Cell<u64> = const { Cell::new(1) });
        if self.id.get() == 0 {
            self.id.set(NEXT.replace(NEXT.get() + 1));
        }
        self.id.get()
    }
}

/// The waiter that a link of a queue, or of a linked waiter, points to.
///
/// The reference borrows the caller's copy of the link, which lives on the caller's stack.
fn follow(link: &NonNull<Waiter>) -> &Waiter {
    // SAFETY: only called in this file, with a pointer just read from a queue or from a linked waiter, so it points to a
    // waiter that is alive (rule 2); the caller lets go of the reference before any foreign code can drop that waiter
    // (rule 4); nobody has an exclusive reference to a linked waiter (rule 5).
    unsafe { link.as_ref() }
}

#[cfg(test)]
mod tests;
