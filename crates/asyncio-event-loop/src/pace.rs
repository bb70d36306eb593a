//! How many turns may pass before the reactor is asked again while there is work to do.
//!
//! Asking costs a system call, and reading the clock a tenth of one. So the pace is set by measuring: each time the reactor
//! is asked, the turns since the last time are divided by the time that they took, and as many are granted as fit into
//! [`SLICE`], but no more than [`MOST`], and no more than twice as many as before. A phase of long turns that follows one
//! of short turns is noticed when the clock is next looked at, which is every [`CHECK`] turns.

use std::cell::Cell;
use std::time::Duration;

use asyncio_timers::Instant;

/// How long the loop may run without asking the reactor: half of the 0.2 ms that are promised, because turns vary.
const SLICE: Duration = Duration::from_micros(100);
/// How many turns may pass without a look at the clock: reading it costs as much as three short turns, so that with half of
/// this it would be a third of what the shortest cost.
const CHECK: u32 = 16;
/// How many turns may pass without asking the reactor, however short they are.
const MOST: u32 = 64;

/// How late a timer in a crowd may be for the sake of being done together with others: what is promised of a timer.
const GRAIN: Duration = Duration::from_micros(50);
/// How many timers are a crowd. With fewer, waiting for each costs less than a thousandth of the processor's time in every
/// second that they are spread over.
const CROWD: usize = 64;

/// The pace of a loop: see the header of this file.
pub(crate) struct Pace {
    /// Turns that may still pass.
    left: Cell<u32>,
    granted: Cell<u32>,
    since: Cell<Instant>,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { left: Cell::new(0), granted: Cell::new(1), since: Cell::new(Instant::ZERO) }
    }

    /// Whether this turn, which has work to do, may pass without asking the reactor. The clock is read now and then.
    #[inline]
    pub(crate) fn may_skip(&self, now: impl FnOnce() -> Instant) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0 && (!left.is_multiple_of(CHECK) || now().saturating_duration_since(self.since.get()) < SLICE)
    }

    /// The next turn may not pass: a timer was armed that is due at once.
    pub(crate) fn demand(&self) {
        self.left.set(0);
    }

    /// The reactor was asked at `now`, without waiting.
    pub(crate) fn asked(&self, now: Instant) {
        let granted = self.granted.get();
        let took = now.saturating_duration_since(self.since.replace(now));
        let fits = SLICE.as_nanos() * u128::from(granted) / took.as_nanos().max(1);
        let next = u32::try_from(fits).unwrap_or(MOST).clamp(1, MOST.min(granted * 2));
        self.granted.set(next);
        self.left.set(next - 1);
    }

    /// How long to wait at `now` for a timer that is due after `until`, when `timers` are armed.
    ///
    /// Each wait of the system costs as much as dozens of timers. So in a crowd of timers that are due close together, a
    /// wait that follows another at once lasts for [`GRAIN`], and what became due meanwhile is done together. A timer that
    /// is not in a crowd is waited for exactly.
    pub(crate) fn wait_for(&self, until: Duration, timers: usize, now: Instant) -> Duration {
        let dense = timers >= CROWD && now.saturating_duration_since(self.since.get()) < GRAIN;
        if dense { until.max(GRAIN) } else { until }
    }

    /// The loop waited until `now`: what it did before says nothing.
    pub(crate) fn waited(&self, now: Instant) {
        self.since.set(now);
        self.left.set(self.granted.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs turns of `turn` nanoseconds each and returns how many pass between two questions, in the end.
    fn settle(turn: u64) -> u32 {
        let pace = Pace::new();
        let mut now = 0;
        let mut between = 0;
        for _ in 0..100 {
            between = 1;
            while pace.may_skip(|| Instant::from_nanos(now)) {
                now += turn;
                between += 1;
            }
            now += turn;
            pace.asked(Instant::from_nanos(now));
        }
        between
    }

    #[test]
    fn short_turns_pass_in_dozens_and_long_ones_singly() {
        assert_eq!(settle(10), MOST);
        assert_eq!(settle(10_000), 10);
        assert_eq!(settle(1_000_000), 1);
    }

    #[test]
    fn only_a_crowd_that_is_due_at_once_is_kept_waiting() {
        let pace = Pace::new();
        let (soon, at) = (Duration::from_micros(3), |micros: u64| Instant::from_nanos(1_000_000 + micros * 1000));
        pace.waited(at(0));
        assert_eq!(pace.wait_for(soon, CROWD, at(10)), GRAIN);
        assert_eq!(pace.wait_for(soon, CROWD - 1, at(10)), soon);
        assert_eq!(pace.wait_for(soon, CROWD, at(60)), soon);
        assert_eq!(pace.wait_for(Duration::from_secs(1), CROWD, at(10)), Duration::from_secs(1));
    }

    #[test]
    fn a_clock_that_stands_still_grants_the_most() {
        assert_eq!(settle(0), MOST);
    }
}
