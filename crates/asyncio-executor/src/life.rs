#![expect(unsafe_code, reason = "the inbox follows pointers to allocations that it counts")]
//! How long a task's allocation lives, and how other threads reach its loop: a count in two halves, and an inbox.
//!
//! A `Waker` must be `Send + Sync`, but nearly every one is cloned, woken and dropped on the loop's own thread. So the
//! count of references is *biased* towards that thread, the owner:
//!
//! * `local` is a plain counter that only the owner touches;
//! * `word` is an atomic: a signed count of what other threads did, and three flags.
//!
//! The number of references in the world is `local + count(word)`. A reference made at home and dropped abroad makes
//! `count(word)` negative, which is fine as long as the owner hears of it.
//!
//! Rules:
//!
//! 1. While `MERGED` is not set, `local > 0`. When a release would make it zero and other threads' counts are left, the
//!    owner does one of two things. If nothing can wake the task any more, it *merges*: it sets `MERGED`, and from then
//!    on everybody, the owner included, counts in `word`; who takes a merged count to zero frees the allocation. Else
//!    it *absorbs*: it moves `count(word)` into `local`. A merged allocation is never woken, so a task that may still
//!    run is merged by the end of its loop only.
//! 2. Unmerged, only the owner frees: `local` would become zero, and `count(word)` is zero. No other thread has a
//!    reference then, so none can come into being.
//! 3. `QUEUED` says that the allocation is in the inbox. The inbox owns one reference, counted like any other. Only who
//!    sets `QUEUED` pushes; only the owner, who popped it, clears it; so the link `next` has one writer at a time.
//! 4. A foreign thread whose decrement would make the count negative gives its reference to the inbox instead (sets
//!    `QUEUED`, pushes), unless it is queued already. The owner, popping it, moves `count(word)` into `local` and drops
//!    the inbox's reference. So nothing leaks that was made at home and dropped abroad. Once pushed, the reference is the
//!    owner's, who may free the allocation and even the inbox: who pushes holds on to the inbox by other means.
//! 5. `WOKEN` says that the owner shall schedule the task when it pops it. A wake is always a read-modify-write, also
//!    when the flag is set already: what the waking thread did before is then visible to the poll that follows.
//! 6. Closing the inbox comes before merging what is left. A push that finds the inbox closed takes its reference back.
//!    Allocations alive at that time are merged one by one, and each owns a reference to the inbox from then on, so a
//!    thread that read the pointer to the inbox before finds it valid.
//!
//! The models in `life/models.rs` run these rules under loom (`--cfg asyncio_loom`).
#[cfg(asyncio_loom)]
use loom::{
    cell::Cell,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*},
};
#[cfg(not(asyncio_loom))]
use std::{
    cell::Cell,
    sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*},
};

use std::ptr;

/// The owner no longer counts in `local`.
const MERGED: usize = 1;
/// The allocation is in the inbox, or about to be.
const QUEUED: usize = 2;
/// The owner is to schedule the task.
const WOKEN: usize = 4;
/// One reference in the count.
const ONE: usize = 8;

/// What the caller has to do after it gave up a reference.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Others hold references.
    Keep,
    /// It was the last one: free the allocation.
    Free,
}

/// The two counters and the inbox link of one allocation. See the header of this file.
pub(crate) struct Life {
    local: Cell<u32>,
    /// The owner's, in the place of padding: how many requests for cancellation the task counts. None of the rules is
    /// about it.
    pub(crate) requests: Cell<u32>,
    word: AtomicUsize,
    next: AtomicPtr<Life>,
}

/// Where foreign threads put allocations for the owner to look at: a stack that can be closed.
pub(crate) struct Inbox {
    head: AtomicPtr<Life>,
}

/// The signed count of a word.
fn count(word: usize) -> isize {
    (word as isize) >> 3
}

/// References that other threads counted, as many as the owner can count: see [`Life::retain`].
fn local_count(references: isize) -> u32 {
    u32::try_from(references).unwrap_or_else(|_| std::process::abort())
}

impl Life {
    /// A count of `local` references, all at home.
    pub(crate) fn new(local: u32) -> Self {
        Self {
            local: Cell::new(local),
            requests: Cell::new(0),
            word: AtomicUsize::new(0),
            next: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Counts one more. Owner only; the caller holds a reference.
    #[inline]
    pub(crate) fn retain(&self) {
        match self.local.get() {
            0 => self.retain_foreign(),
            // More than 2^32 clones of one waker do not fit in memory, but can be forgotten: stop before it wraps.
            u32::MAX => std::process::abort(),
            n => self.local.set(n + 1),
        }
    }

    /// Counts one less, if that is not the last in `local`; says whether it did. Owner only.
    #[inline]
    pub(crate) fn release_one_of_several(&self) -> bool {
        let local = self.local.get();
        local > 1 && {
            self.local.set(local - 1);
            true
        }
    }

    /// Counts one less. Owner only. `merging` is asked when `local` runs out before other threads' counts do: `true` says
    /// that the allocation is to be merged, and has been made fit to live without the owner's help (rule 1).
    #[inline]
    pub(crate) fn release(&self, merging: impl FnOnce() -> bool) -> Fate {
        match self.local.get() {
            0 => self.release_merged(),
            1 => {
                // Acquire pairs with the releasing decrements of foreign threads: their uses come before the free.
                if self.word.load(Acquire) == 0 {
                    self.local.set(0);
                    return Fate::Free;
                }
                if !merging() {
                    return self.absorb();
                }
                self.local.set(0);
                // AcqRel: our uses come before a foreign free, and theirs before ours.
                let old = self.word.fetch_or(MERGED, AcqRel);
                if count(old) == 0 { Fate::Free } else { Fate::Keep }
            }
            n => {
                self.local.set(n - 1);
                Fate::Keep
            }
        }
    }

    /// Gives up the last reference in `local` while `word` counts others: those go into `local` instead.
    #[cold]
    fn absorb(&self) -> Fate {
        let mut word = self.word.load(Relaxed);
        loop {
            // AcqRel: as in `settle`. The flags stay: the inbox's reference, if there is one, is in the count.
            match self.word.compare_exchange_weak(word, word & (QUEUED | WOKEN), AcqRel, Relaxed) {
                Ok(_) => {
                    let left = count(word);
                    debug_assert!(left >= 0);
                    self.local.set(local_count(left));
                    return if left == 0 { Fate::Free } else { Fate::Keep };
                }
                Err(now) => word = now,
            }
        }
    }

    /// Moves all that is counted into `word`, for good. Owner only, when the loop ends, after the inbox was closed.
    pub(crate) fn merge(&self) -> Fate {
        let local = self.local.replace(0);
        debug_assert!(local > 0, "merged twice");
        // AcqRel: as in `release`. `local` references become foreign ones, and `MERGED` is set, in one step.
        let old = self.word.fetch_add(local as usize * ONE + MERGED, AcqRel);
        if count(old) + local as isize == 0 { Fate::Free } else { Fate::Keep }
    }

    /// Counts one more, on any thread. The caller holds a reference.
    pub(crate) fn retain_foreign(&self) {
        let old = self.word.fetch_add(ONE, Relaxed);
        if count(old) > isize::MAX >> 4 {
            std::process::abort();
        }
    }

    /// Counts one less on a thread that is not the owner's, and asks the owner to schedule the task if this is a `wake`: in
    /// one step, so that the owner is called once. If the reference goes to the inbox, what `hold` returns keeps the inbox
    /// alive meanwhile, and is given to `notify` if the owner has to look there.
    ///
    /// # Safety
    ///
    /// The caller gives a reference away. `this` may be used to reach all that surrounds the `Life`.
    pub(crate) unsafe fn release_foreign<H>(
        this: *const Self,
        inbox: &Inbox,
        wake: bool,
        hold: impl Fn() -> H,
        notify: impl FnOnce(&H),
    ) -> Fate {
        // SAFETY: the caller's reference is counted until the exchange below.
        let life = unsafe { &*this };
        let mut held = None;
        let mut word = life.word.load(Relaxed);
        loop {
            if word & MERGED != 0 {
                return life.release_merged();
            }
            // Rules 4 and 5.
            let woken = if wake { word | WOKEN } else { word };
            let donate = (wake || count(word) <= 0) && word & QUEUED == 0;
            let new = if donate { woken | QUEUED } else { woken.wrapping_sub(ONE) };
            if donate && held.is_none() {
                held = Some(hold());
            }
            // Release: our uses come before the owner's free, and what was done before a wake before the poll that follows.
            // Acquire is not needed: we do not free here.
            match life.word.compare_exchange_weak(word, new, AcqRel, Relaxed) {
                Ok(_) if donate => {
                    // SAFETY: this thread has set `QUEUED`, and the reference goes into the inbox.
                    return unsafe { Self::push(this, inbox, || held.as_ref().map_or((), notify)) };
                }
                Ok(_) => return Fate::Keep,
                Err(now) => word = now,
            }
        }
    }

    /// Asks the owner to schedule the task, from a thread that is not the owner's. The caller keeps its reference, which
    /// keeps the inbox alive.
    ///
    /// # Safety
    ///
    /// The caller holds a reference. `this` may be used to reach all that surrounds the `Life`.
    pub(crate) unsafe fn wake_foreign(this: *const Self, inbox: &Inbox, notify: impl FnOnce()) -> Fate {
        // SAFETY: the caller holds a reference.
        let life = unsafe { &*this };
        let mut word = life.word.load(Relaxed);
        loop {
            if word & MERGED != 0 {
                // Rule 1: the task is done or the loop is gone.
                return Fate::Keep;
            }
            let push = word & QUEUED == 0;
            let new = if push { (word | QUEUED | WOKEN).wrapping_add(ONE) } else { word | WOKEN };
            // Release: what was done before this wake is seen by the poll it causes (rule 5).
            match life.word.compare_exchange_weak(word, new, AcqRel, Relaxed) {
                // SAFETY: this thread has set `QUEUED`, and counted a reference for the inbox.
                Ok(_) if push => return unsafe { Self::push(this, inbox, notify) },
                Ok(_) => return Fate::Keep,
                Err(now) => word = now,
            }
        }
    }

    /// Takes what the inbox knows of an allocation that was popped. Owner only. Returns whether it was woken; the
    /// caller now holds the inbox's reference and releases it with [`Life::release`].
    pub(crate) fn settle(&self) -> bool {
        let mut word = self.word.load(Relaxed);
        loop {
            let merged = word & MERGED != 0;
            let new = if merged { word & !(QUEUED | WOKEN) } else { 0 };
            // AcqRel: pairs with the releases of `release_foreign` and `wake_foreign`.
            match self.word.compare_exchange_weak(word, new, AcqRel, Relaxed) {
                Ok(_) => {
                    if !merged {
                        // Not below one: the inbox's own reference is in the sum.
                        let local = self.local.get() as isize + count(word);
                        debug_assert!(local >= 1);
                        self.local.set(local_count(local));
                    }
                    return word & WOKEN != 0;
                }
                Err(now) => word = now,
            }
        }
    }

    /// Whether the owner counts in `word` like everybody else.
    pub(crate) fn is_merged(&self) -> bool {
        self.word.load(Relaxed) & MERGED != 0
    }

    fn release_merged(&self) -> Fate {
        // AcqRel: all uses come before the free, whoever frees.
        let old = self.word.fetch_sub(ONE, AcqRel);
        if count(old) == 1 { Fate::Free } else { Fate::Keep }
    }

    /// Pushes after `QUEUED` was set by this thread, or takes the inbox's reference back if the inbox is closed.
    ///
    /// # Safety
    ///
    /// As for the callers: a counted reference goes into the inbox, and with it the right to use `this`.
    unsafe fn push(this: *const Self, inbox: &Inbox, notify: impl FnOnce()) -> Fate {
        // SAFETY: the reference that goes into the inbox is not there yet.
        let pushed = unsafe { inbox.push(this) };
        match pushed {
            Ok(first) => {
                if first {
                    notify();
                }
                Fate::Keep
            }
            Err(Closed) => {
                // SAFETY: it is not there, and so is still ours.
                let life = unsafe { &*this };
                // Rule 6. One step: `QUEUED` and `WOKEN` are ours to clear, and one reference is ours to drop.
                let mut word = life.word.load(Relaxed);
                loop {
                    let new = (word & !(QUEUED | WOKEN)).wrapping_sub(ONE);
                    // AcqRel: as in `release_merged`.
                    match life.word.compare_exchange_weak(word, new, AcqRel, Relaxed) {
                        Ok(_) if word & MERGED != 0 && count(word) == 1 => return Fate::Free,
                        Ok(_) => return Fate::Keep,
                        Err(now) => word = now,
                    }
                }
            }
        }
    }
}

/// The inbox is closed.
struct Closed;

/// The address that stands for "closed": never a real `Life`, which is aligned.
fn closed() -> *mut Life {
    ptr::without_provenance_mut(1)
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Adds an allocation; says whether it is the first since the owner last looked.
    ///
    /// # Safety
    ///
    /// `life` comes with a reference, and this thread has set its `QUEUED`.
    unsafe fn push(&self, life: *const Life) -> Result<bool, Closed> {
        let mut head = self.head.load(Relaxed);
        loop {
            if head == closed() {
                return Err(Closed);
            }
            // SAFETY: until the exchange succeeds, the reference is the caller's.
            unsafe { &*life }.next.store(head, Relaxed);
            // Release pairs with the acquiring swap in `take`: the link is seen by the owner.
            match self.head.compare_exchange_weak(head, life.cast_mut(), Release, Relaxed) {
                Ok(_) => return Ok(head.is_null()),
                Err(now) => head = now,
            }
        }
    }

    /// Whether there is something to take: a hint, exact only when no other thread pushes.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        let head = self.head.load(Relaxed);
        head.is_null() || head == closed()
    }

    /// Takes all that was pushed. Owner only. Returns the oldest; follow [`Life::next`] before settling each.
    pub(crate) fn take(&self) -> *const Life {
        // Only the owner closes it, so it stays as it is between this look and the swap.
        if self.is_empty() {
            return ptr::null();
        }
        // Acquire pairs with the release in `push`.
        reversed(self.head.swap(ptr::null_mut(), Acquire))
    }

    /// Closes the inbox for good and takes what is in it, as [`Inbox::take`] does.
    pub(crate) fn close(&self) -> *const Life {
        // Acquire as in `take`.
        let head = self.head.swap(closed(), Acquire);
        if head == closed() { ptr::null() } else { reversed(head) }
    }
}

/// Turns the links of a stack around, so that it can be walked in the order of the pushes.
fn reversed(mut at: *mut Life) -> *const Life {
    let mut previous = ptr::null_mut();
    while !at.is_null() {
        // SAFETY: the inbox owns a reference to each allocation on the stack, and by rule 3 nobody else follows or
        // changes its link until it has been settled.
        let life = unsafe { &*at };
        let next = life.next.load(Relaxed);
        life.next.store(previous, Relaxed);
        previous = at;
        at = next;
    }
    previous
}

impl Life {
    /// The link of an allocation that the owner has just taken from the inbox.
    pub(crate) fn next(&self) -> *const Life {
        self.next.load(Relaxed)
    }
}

#[cfg(all(test, asyncio_loom))]
mod models;
