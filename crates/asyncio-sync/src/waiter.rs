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
//! 1. A waiter is linked exactly while it is not `New` and its `queue` is not zero, and then it can be reached from the one queue with that
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
//! 5. All is in `Cell`s and `UnsafeCell`s, and is reached through shared references. A waiter is `!Unpin`, so that a
//!    `Pin<&mut …>` to the future around it does not claim that nobody else reaches it.
//! 6. The place of a waiter is initialised exactly while it is not `New`. `settle` does it; `clear` ends it, having
//!    moved out the waker, which alone has a destructor.
//!
//! Foreign code is whatever hides behind a waker or the source of probes: it may call back into any primitive. So those
//! who use this file make a [`Ticket`] *before* they decide to wait, and wake or drop a waker *after* all else is done.
#![expect(unsafe_code, reason = "an intrusive list goes from waiter to waiter by pointer; see the rules above")]

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomPinned;
use std::mem::MaybeUninit;
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

/// The future's end of a place in a [`WaitQueue`].
///
/// Most waits never wait, so a `New` waiter is one byte to set up and one to look at.
pub(crate) struct Waiter {
    state: Cell<State>,
    place: UnsafeCell<MaybeUninit<Place>>,
    _pinned: PhantomPinned,
}

/// What a waiter has while it is not `New`.
struct Place {
    prev: Link,
    next: Link,
    /// The number of the queue it is linked in, or zero.
    queue: Cell<u64>,
    /// While linked, the order of arrival; once woken, what [`WaitQueue::pop`] was given.
    number: Cell<u64>,
    waker: Cell<Option<Waker>>,
    probe: Cell<Probe>,
}

impl Waiter {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self { state: Cell::new(State::New), place: UnsafeCell::new(MaybeUninit::uninit()), _pinned: PhantomPinned }
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

    /// Ends the wait of a waiter that was woken, and left the queue by that. Returns the number that it was given.
    pub(crate) fn finish(&self) -> u64 {
        let Some(place) = self.place() else { return 0 };
        assert!(place.queue.get() == 0, "a linked waiter must be removed from its queue");
        let number = place.number.get();
        drop(self.clear());
        number
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
                drop(self.clear());
                Standing::New
            }
        }
    }

    fn refresh(&self, cx: &Context<'_>) {
        let same = self.place().is_some_and(|place| {
            let waker = place.waker.take();
            let same = waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
            place.waker.set(waker);
            same
        });
        let (waker, probe) = if same {
            (None, Probe::current())
        } else {
            let ticket = Ticket::new(cx);
            (Some(ticket.waker), ticket.probe)
        };
        // The foreign code above may have woken this waiter.
        if let (State::Waiting, Some(place)) = (self.state.get(), self.place()) {
            place.probe.set(probe);
            let old = if waker.is_some() { place.waker.replace(waker) } else { None };
            drop(old);
        }
    }

    /// Whether it waits at a place to which a cancellation has been delivered.
    fn is_cancelled(&self) -> bool {
        match self.state.get() {
            State::Waiting => self.place().is_some_and(|place| place.probe.get().is_cancelled()),
            State::Skipped => true,
            State::New | State::Woken => false,
        }
    }

    /// Makes a waiter that is not linked `New`. What is left of its place needs no destructor.
    fn clear(&self) -> Option<Waker> {
        let waker = self.take_waker();
        self.state.set(State::New);
        waker
    }

    fn take_waker(&self) -> Option<Waker> {
        self.place().and_then(|place| place.waker.take())
    }

    fn place(&self) -> Option<&Place> {
        if self.is_new() {
            return None;
        }
        let place = self.place.get();
        // SAFETY: the pointer is that of a field of `self`, and nobody has an exclusive reference to what is in it (rule
        // 5: it is written through the pointer, and only while `New`).
        let place = unsafe { &*place };
        // SAFETY: `settle` has written it, as the waiter is not `New` (rule 6).
        Some(unsafe { place.assume_init_ref() })
    }

    /// Takes a waiter out of the state `New`.
    fn settle(&self, place: Place) {
        assert!(self.is_new(), "a waiter can be in one queue at a time");
        let target = self.place.get().cast::<Place>();
        // SAFETY: the pointer is that of a field of `self` of the same layout; nobody refers to the contents, as `place`
        // gives out no reference while the waiter is `New`, and none given out before is kept (rule 4).
        unsafe { target.write(place) };
        self.state.set(State::Waiting);
    }
}

impl Drop for Waiter {
    #[inline]
    fn drop(&mut self) {
        if let Some(place) = self.place() {
            if place.queue.get() != 0 {
                // Rule 2. Unwinding would free the memory all the same.
                std::process::abort();
            }
            drop(self.clear());
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
            link = waiter.place().and_then(|place| place.next.get());
        }
        true
    }

    /// Links the waiter, which is `New`, at the end.
    pub(crate) fn push(&self, waiter: Pin<&Waiter>, ticket: Ticket) {
        let here = NonNull::from(&*waiter);
        waiter.settle(Place {
            prev: Cell::new(self.tail.get()),
            next: Cell::new(None),
            queue: Cell::new(self.id()),
            number: Cell::new(self.arrivals.get()),
            waker: Cell::new(Some(ticket.waker)),
            probe: Cell::new(ticket.probe),
        });
        self.arrivals.set(self.arrivals.get() + 1);
        self.set_next(self.tail.replace(Some(here)), Some(here));
        self.len.set(self.len.get() + 1);
    }

    /// Takes the waiter out, if it is in this queue, and makes it `New`. The caller drops the waker when all else is done.
    pub(crate) fn remove(&self, waiter: Pin<&Waiter>) -> Option<Waker> {
        let place = waiter.place()?;
        if place.queue.get() != 0 {
            if place.queue.get() != self.id.get() {
                return None;
            }
            self.unlink(place);
        }
        waiter.clear()
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
        first.take_waker()
    }

    /// Takes out the first live waiter that came before `end` and marks it as woken. Cancelled ones before it are skipped.
    pub(crate) fn pop_live(&self, end: u64) -> Option<Waker> {
        while let Some(first) = self.head.get() {
            let first = follow(&first);
            let place = first.place().filter(|place| place.number.get() < end)?;
            let cancelled = first.is_cancelled();
            self.unlink(place);
            if !cancelled {
                first.state.set(State::Woken);
                return place.waker.take();
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
        let place = first.place().filter(|place| place.number.get() < end)?;
        self.unlink(place);
        place.number.set(number);
        first.state.set(State::Woken);
        place.waker.take()
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

    fn unlink(&self, place: &Place) {
        let prev = place.prev.take();
        let next = place.next.take();
        self.set_next(prev, next);
        match next.as_ref().and_then(|next| follow(next).place()) {
            Some(next) => next.prev.set(prev),
            None => self.tail.set(prev),
        }
        place.queue.set(0);
        self.len.set(self.len.get() - 1);
    }

    /// Makes `next` follow on `prev`, or be the first if there is no `prev`.
    fn set_next(&self, prev: Option<NonNull<Waiter>>, next: Option<NonNull<Waiter>>) {
        match prev.as_ref().and_then(|prev| follow(prev).place()) {
            Some(prev) => prev.next.set(next),
            None => self.head.set(next),
        }
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
