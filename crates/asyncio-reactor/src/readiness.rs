//! One direction of a source: what is remembered of its readiness, and who waits for it.
//!
//! | state | meaning | an operation | a wait |
//! |---|---|---|---|
//! | `Unknown` | nothing was reported yet | is tried | waits for the report |
//! | `Absent` | an operation found nothing, nothing was reported since | would block | waits for the report |
//! | `Ready` | reported | is tried | is over |
//! | `Ending` | reported, and the report said that the end of the stream is near | is tried | is over |
//!
//! `Ending` exists because the end may be reported together with the last bytes, in one edge that is never repeated. An
//! operation that took fewer bytes than it had room for has emptied the buffer, and may say so (`clear`) to save the
//! call that finds nothing; but where the end is near there *is* something left, namely the end. So `clear` takes
//! `Ending` to `Ready`, once, and the next operation finds the end, or finds nothing and clears again.
//!
//! Wakers are kept in a `Cell`: they are cloned and dropped while nothing is borrowed, so that a waker which comes back
//! to this source meets no borrow.

use std::cell::Cell;
use std::task::Waker;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readiness {
    Unknown,
    Absent,
    Ready,
    Ending,
}

/// The readiness of one direction and its waiter.
pub(crate) struct Direction {
    readiness: Cell<Readiness>,
    waker: Cell<Option<Waker>>,
}

impl Direction {
    pub(crate) fn new() -> Self {
        Self { readiness: Cell::new(Readiness::Unknown), waker: Cell::new(None) }
    }

    /// Whether readiness was reported and nothing to the contrary was found since.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.readiness.get(), Readiness::Ready | Readiness::Ending)
    }

    /// Whether an operation is known to find nothing.
    pub(crate) fn is_absent(&self) -> bool {
        self.readiness.get() == Readiness::Absent
    }

    /// The platform said that the direction is ready; `ending` if the end may come without another report.
    pub(crate) fn note(&self, ending: bool) {
        self.readiness.set(if ending { Readiness::Ending } else { Readiness::Ready });
    }

    /// An operation took all there was, or found nothing.
    pub(crate) fn clear(&self) {
        self.readiness.set(match self.readiness.get() {
            Readiness::Ending => Readiness::Ready,
            Readiness::Unknown | Readiness::Absent | Readiness::Ready => Readiness::Absent,
        });
    }

    /// An operation found nothing, not even the end.
    pub(crate) fn clear_blocked(&self) {
        self.readiness.set(Readiness::Absent);
    }

    /// Makes `waker` the waiter, in place of the one before.
    pub(crate) fn wait(&self, waker: &Waker) {
        let before = self.waker.take();
        if before.as_ref().is_some_and(|before| before.will_wake(waker)) {
            self.waker.set(before);
        } else {
            // Both the clone and the drop of `before` may run code of the user; the cell is empty or whole meanwhile.
            let waker = waker.clone();
            drop(self.waker.replace(Some(waker)));
            drop(before);
        }
    }

    pub(crate) fn take_waker(&self) -> Option<Waker> {
        self.waker.take()
    }

    /// The waker, unless an operation has found nothing since the report: then a waiter that is there came after, and the
    /// next report is for it.
    pub(crate) fn take_waker_if_ready(&self) -> Option<Waker> {
        if self.is_ready() { self.waker.take() } else { None }
    }

    pub(crate) fn has_waker(&self) -> bool {
        let waker = self.waker.take();
        let has = waker.is_some();
        self.waker.set(waker);
        has
    }
}

#[cfg(test)]
mod tests {
    use super::Direction;

    #[test]
    fn unknown_is_neither_ready_nor_absent() {
        let direction = Direction::new();
        assert!(!direction.is_ready() && !direction.is_absent());
    }

    #[test]
    fn clearing_keeps_an_end_that_was_not_read_yet() {
        let direction = Direction::new();
        direction.note(true);
        direction.clear();
        assert!(direction.is_ready());
        direction.clear();
        assert!(direction.is_absent());
    }

    #[test]
    fn what_would_block_is_absent_even_near_the_end() {
        let direction = Direction::new();
        direction.note(true);
        direction.clear_blocked();
        assert!(direction.is_absent());
    }

    #[test]
    fn the_last_report_counts() {
        let direction = Direction::new();
        direction.note(true);
        direction.note(false);
        direction.clear();
        assert!(direction.is_absent());
    }
}
