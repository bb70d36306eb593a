//! A point in time as the loop sees it: nanoseconds since the epoch of a clock.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// A point in time, in nanoseconds since the epoch of the [`Clock`](crate::Clock) that gave it.
///
/// It differs from [`std::time::Instant`] in that it can be made from a number, which virtual time and tests need, and
/// in that its arithmetic saturates: a sum past the end is [`FAR_FUTURE`](Self::FAR_FUTURE), a difference before the
/// epoch is [`ZERO`](Self::ZERO). Instants of different clocks can be compared, but the result means nothing.
///
/// The resolution is one nanosecond and the range is a little over 584 years.
///
/// # Examples
///
/// ```
/// use asyncio_timers::Instant;
/// use std::time::Duration;
///
/// let start = Instant::from_nanos(5);
/// let later = start + Duration::from_micros(1);
/// assert_eq!(later.as_nanos(), 1_005);
/// assert_eq!(later - start, Duration::from_micros(1));
/// assert_eq!(start - later, Duration::ZERO);
/// assert_eq!(start + Duration::MAX, Instant::FAR_FUTURE);
/// ```
///
/// In Python: the `float` of seconds that `loop.time()` returns (`asyncio/base_events.py`, `BaseEventLoop.time`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The epoch of the clock.
    pub const ZERO: Self = Self(0);

    /// The last instant there is, which stands for "never".
    ///
    /// It is reached by saturating arithmetic. A queue treats it as any other deadline, and no real clock arrives there.
    pub const FAR_FUTURE: Self = Self(u64::MAX);

    /// The instant that lies `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Seconds since the epoch, rounded to the nearest `f64`.
    ///
    /// A double has 53 bits: past 104 days it no longer tells single nanoseconds apart.
    ///
    /// In Python: what `loop.time()` returns (`asyncio/base_events.py`, `BaseEventLoop.time`).
    pub fn as_secs_f64(self) -> f64 {
        Duration::from_nanos(self.0).as_secs_f64()
    }

    /// The time from `earlier` to `self`, or zero if `earlier` is the later one.
    pub fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Whole nanoseconds of a duration, the largest number if it has more than fit.
fn nanos_of(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}

/// Saturates at [`Instant::FAR_FUTURE`].
impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos_of(duration)))
    }
}

/// Saturates at [`Instant::ZERO`].
impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos_of(duration)))
    }
}

/// Saturates at zero, as [`Instant::saturating_duration_since`] does.
impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.saturating_duration_since(earlier)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

/// Shows the time since the epoch as a [`Duration`] does, and `never` for [`Instant::FAR_FUTURE`].
impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::FAR_FUTURE {
            f.write_str("Instant(never)")
        } else {
            write!(f, "Instant({:?})", Duration::from_nanos(self.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate_at_the_far_future() {
        assert_eq!(Instant::ZERO + Duration::MAX, Instant::FAR_FUTURE);
        assert_eq!(Instant::FAR_FUTURE + Duration::from_nanos(1), Instant::FAR_FUTURE);
        assert_eq!(Instant::ZERO + Duration::from_nanos(u64::MAX - 1), Instant::from_nanos(u64::MAX - 1));
        assert_eq!(Instant::ZERO + Duration::from_nanos(u64::MAX), Instant::FAR_FUTURE);
    }

    #[test]
    fn differences_saturate_at_zero() {
        assert_eq!(Instant::from_nanos(3) - Duration::MAX, Instant::ZERO);
        assert_eq!(Instant::from_nanos(3) - Instant::from_nanos(4), Duration::ZERO);
        assert_eq!(Instant::FAR_FUTURE - Instant::ZERO, Duration::from_nanos(u64::MAX));
    }

    #[test]
    fn assignment_is_the_same_arithmetic() {
        let mut instant = Instant::from_nanos(10);
        instant += Duration::from_nanos(5);
        assert_eq!(instant.as_nanos(), 15);
        instant -= Duration::from_nanos(20);
        assert_eq!(instant, Instant::ZERO);
    }

    #[test]
    fn seconds_and_debug_show_the_time_since_the_epoch() {
        assert_eq!(Instant::from_nanos(1_500_000_000).as_secs_f64(), 1.5);
        assert_eq!(format!("{:?}", Instant::from_nanos(1_500_000)), "Instant(1.5ms)");
        assert_eq!(format!("{:?}", Instant::FAR_FUTURE), "Instant(never)");
    }
}
