//! The clock of a loop: the machine's, or a virtual one that jumps.

use asyncio_timers::{Clock, Instant, RealClock, VirtualClock};

/// One of the two clocks, chosen when the loop is made.
pub(crate) enum LoopClock {
    Real(RealClock),
    Virtual(VirtualClock),
}

impl LoopClock {
    pub(crate) fn new(virtual_time: bool) -> Self {
        if virtual_time { Self::Virtual(VirtualClock::new()) } else { Self::Real(RealClock::new()) }
    }

    /// The virtual clock, if it is one.
    pub(crate) fn as_virtual(&self) -> Option<&VirtualClock> {
        match self {
            Self::Real(_) => None,
            Self::Virtual(clock) => Some(clock),
        }
    }
}

impl Clock for LoopClock {
    #[inline]
    fn now(&self) -> Instant {
        match self {
            Self::Real(clock) => clock.now(),
            Self::Virtual(clock) => clock.now(),
        }
    }
}
