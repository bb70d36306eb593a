//! The limits of a write buffer, and whether the protocol was asked to pause.

use std::cell::Cell;

/// The upper limit where none is given. CPython's number.
const HIGH: usize = 64 * 1024;

/// What the protocol is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum Tell {
    Nothing,
    Pause,
    Resume,
}

#[derive(Debug)]
pub(super) struct Limits {
    high: Cell<usize>,
    low: Cell<usize>,
    paused: Cell<bool>,
}

impl Limits {
    pub(super) fn new() -> Self {
        Self { high: Cell::new(HIGH), low: Cell::new(HIGH / 4), paused: Cell::new(false) }
    }

    /// Lower and upper.
    pub(super) fn get(&self) -> (usize, usize) {
        (self.low.get(), self.high.get())
    }

    #[track_caller]
    pub(super) fn set(&self, high: Option<usize>, low: Option<usize>) {
        let high = high.unwrap_or_else(|| low.map_or(HIGH, |low| low.saturating_mul(4)));
        let low = low.unwrap_or(high / 4);
        assert!(
            high >= low,
            "the limits of a write buffer are {low} to {high}: the upper one must not be below the lower"
        );
        self.high.set(high);
        self.low.set(low);
    }

    /// The buffer has grown to this size.
    pub(super) fn grown(&self, size: usize) -> Tell {
        if size > self.high.get() && !self.paused.replace(true) { Tell::Pause } else { Tell::Nothing }
    }

    /// The buffer has shrunk to this size.
    pub(super) fn shrunk(&self, size: usize) -> Tell {
        if size <= self.low.get() && self.paused.replace(false) { Tell::Resume } else { Tell::Nothing }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_limit_follows_from_the_other() {
        let limits = Limits::new();
        assert_eq!(limits.get(), (16 * 1024, 64 * 1024));
        limits.set(Some(100), None);
        assert_eq!(limits.get(), (25, 100));
        limits.set(None, Some(10));
        assert_eq!(limits.get(), (10, 40));
        limits.set(None, None);
        assert_eq!(limits.get(), (16 * 1024, 64 * 1024));
    }

    #[test]
    fn pause_and_resume_come_in_turns() {
        let limits = Limits::new();
        limits.set(Some(10), Some(5));
        assert_eq!(limits.grown(10), Tell::Nothing);
        assert_eq!(limits.grown(11), Tell::Pause);
        assert_eq!(limits.grown(12), Tell::Nothing);
        assert_eq!(limits.shrunk(6), Tell::Nothing);
        assert_eq!(limits.shrunk(5), Tell::Resume);
        assert_eq!(limits.shrunk(0), Tell::Nothing);
    }

    #[test]
    #[should_panic = "must not be below"]
    fn limits_that_are_upside_down_are_refused() {
        Limits::new().set(Some(1), Some(2));
    }
}
