//! The state bits of a task. Nobody outside this file sees a bit: changes are transitions with a name.

use std::cell::Cell;

/// In the ready queue: for a step, or, once done, to run done-callbacks.
const QUEUED: u32 = 1;
/// A step is going on.
const RUNNING: u32 = 1 << 1;
/// Its first step has begun.
const STARTED: u32 = 1 << 2;
/// It has ended.
const DONE: u32 = 1 << 3;
/// It ended cancelled.
const CANCELLED: u32 = 1 << 4;
/// It ended with a panic.
const PANICKED: u32 = 1 << 5;
/// There is a `Task<T>` that can take the outcome.
const HANDLE: u32 = 1 << 6;
/// The future is there.
const FUTURE: u32 = 1 << 7;
/// Some scope of it holds a request that is still a flag.
const FLAGGED: u32 = 1 << 8;
/// A request was delivered to a scope of it, and it is not known that the scope has raised it.
const DELIVERED: u32 = 1 << 9;
/// A request that was made of it is being passed on to what it waits for.
const FORWARDING: u32 = 1 << 11;
/// A request went along a wait of it, whose outcome has not been taken.
const FORWARDED: u32 = 1 << 12;
/// It is done, and some watchers or callbacks are in entries of the queue that are not its own.
const TELLING: u32 = 1 << 13;
/// The outcome is there.
const OUTCOME: u32 = 1 << 15;
/// The output may borrow what goes soon after the `Task<T>`.
const BORROWS: u32 = 1 << 14;
/// A panic is not to be reported: somebody cancelled the task after it had failed, or looked at the outcome.
const QUIET: u32 = 1 << 10;

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Value,
    Cancelled,
    Panicked,
}

/// What is asked for at the end of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attention {
    pub(crate) flagged: bool,
    pub(crate) delivered: bool,
    pub(crate) forwarded: bool,
}

pub(crate) struct State(Cell<u32>);

impl State {
    /// Not started, queued for its first step unless it starts eagerly, with a future and a handle.
    pub(crate) const fn new(queued: bool) -> Self {
        Self(Cell::new(FUTURE | HANDLE | if queued { QUEUED } else { 0 }))
    }

    #[inline]
    fn has(&self, bits: u32) -> bool {
        self.0.get() & bits != 0
    }

    #[inline]
    fn set(&self, bits: u32) {
        self.0.set(self.0.get() | bits);
    }

    #[inline]
    fn clear(&self, bits: u32) -> bool {
        let old = self.0.get();
        self.0.set(old & !bits);
        old & bits != 0
    }

    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.has(DONE)
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.has(CANCELLED)
    }

    pub(crate) fn is_panicked(&self) -> bool {
        self.has(PANICKED)
    }

    /// Whether a request can only be a flag: the task runs, will run, or has not started.
    pub(crate) fn is_awake(&self) -> bool {
        self.has(RUNNING | QUEUED) || !self.has(STARTED)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.has(RUNNING)
    }

    pub(crate) fn is_queued(&self) -> bool {
        self.has(QUEUED)
    }

    /// Whether the caller is to push the task: it is alive and not in the queue.
    #[inline]
    #[must_use]
    pub(crate) fn transition_to_queued(&self) -> bool {
        let state = self.0.get();
        if state & (QUEUED | DONE) != 0 {
            return false;
        }
        self.0.set(state | QUEUED);
        true
    }

    /// Whether the caller is to push the task, which is done, so that its done-callbacks run.
    #[must_use]
    pub(crate) fn transition_to_notifying(&self) -> bool {
        debug_assert!(self.is_done());
        !self.has(QUEUED) && {
            self.set(QUEUED);
            true
        }
    }

    /// Leaves the queue.
    #[inline]
    pub(crate) fn transition_from_queue(&self) {
        self.clear(QUEUED);
    }

    /// A step begins. Returns whether it is the first.
    #[inline]
    pub(crate) fn transition_to_running(&self) -> bool {
        let old = self.0.get();
        debug_assert!(old & (RUNNING | DONE) == 0, "one step at a time, and none after the end");
        self.0.set((old | RUNNING | STARTED) & !QUEUED);
        old & STARTED == 0
    }

    /// The task is being ended without a step. Unlike a step, this leaves it in the queue if it is there.
    pub(crate) fn transition_to_abandoned(&self) {
        self.set(RUNNING | STARTED);
    }

    /// A step ends in a suspension. Returns what is to be looked at, if anything.
    #[inline]
    pub(crate) fn transition_to_suspended(&self) -> Option<Attention> {
        let old = self.0.get();
        self.0.set(old & !RUNNING);
        (old & (FLAGGED | DELIVERED | FORWARDED) != 0).then_some(Attention {
            flagged: old & FLAGGED != 0,
            delivered: old & DELIVERED != 0,
            forwarded: old & FORWARDED != 0,
        })
    }

    /// The task ends. It leaves the queue in name: an entry that is there finds it done.
    pub(crate) fn transition_to_done(&self, end: End) {
        let bits = match end {
            End::Value => DONE,
            End::Cancelled => DONE | CANCELLED,
            End::Panicked => DONE | PANICKED,
        };
        self.0.set((self.0.get() & !(RUNNING | FLAGGED | DELIVERED | FORWARDED)) | bits);
    }

    pub(crate) fn set_flagged(&self) {
        self.set(FLAGGED);
    }

    #[inline]
    pub(crate) fn is_flagged(&self) -> bool {
        self.has(FLAGGED)
    }

    #[must_use]
    pub(crate) fn take_flagged(&self) -> bool {
        self.clear(FLAGGED)
    }

    pub(crate) fn set_delivered(&self) {
        self.set(DELIVERED);
    }

    pub(crate) fn clear_delivered(&self) {
        self.clear(DELIVERED);
    }

    /// The `Task<T>` is gone.
    pub(crate) fn drop_handle(&self) {
        self.clear(HANDLE);
    }

    /// Whether there is an outcome that nobody can take, or look at when told of the end. One that may borrow is not kept
    /// for those who are told.
    #[inline]
    pub(crate) fn is_outcome_lost(&self) -> bool {
        self.holds_outcome() && !self.has(HANDLE) && (!self.has(TELLING | QUEUED) || self.has(BORROWS))
    }

    pub(crate) fn set_borrows(&self) {
        self.set(BORROWS);
    }

    /// Whether the outcome is there to be taken by the caller, who is the first.
    #[inline]
    #[must_use]
    pub(crate) fn transition_to_taken(&self) -> bool {
        self.has(DONE) && self.clear(OUTCOME)
    }

    #[inline]
    pub(crate) fn holds_outcome(&self) -> bool {
        self.has(OUTCOME)
    }

    pub(crate) fn is_stage_full(&self) -> bool {
        self.has(FUTURE | OUTCOME)
    }

    /// Whether the future is there, for the caller to drop.
    #[inline]
    #[must_use]
    pub(crate) fn take_future(&self) -> bool {
        self.clear(FUTURE)
    }

    /// Whether the outcome is there, of a task that is not done, for the caller to drop.
    #[inline]
    #[must_use]
    pub(crate) fn take_outcome(&self) -> bool {
        self.clear(OUTCOME)
    }

    #[inline]
    pub(crate) fn set_outcome(&self) {
        self.set(OUTCOME);
    }

    pub(crate) fn set_telling(&self) {
        self.set(TELLING);
    }

    pub(crate) fn clear_telling(&self) {
        self.clear(TELLING);
    }

    pub(crate) fn set_forwarded(&self) {
        self.set(FORWARDED);
    }

    pub(crate) fn clear_forwarded(&self) {
        self.clear(FORWARDED);
    }

    pub(crate) fn is_forwarding(&self) -> bool {
        self.has(FORWARDING)
    }

    pub(crate) fn set_forwarding(&self) {
        self.set(FORWARDING);
    }

    pub(crate) fn clear_forwarding(&self) {
        self.clear(FORWARDING);
    }

    pub(crate) fn set_quiet(&self) {
        self.set(QUIET);
    }

    pub(crate) fn set_quiet_if_done(&self) {
        if self.is_done() {
            self.set_quiet();
        }
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.has(QUIET)
    }
}
