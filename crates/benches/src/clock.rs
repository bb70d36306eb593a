#![expect(
    unsafe_code,
    reason = "a system call that fills a structure; rustix makes it in a way that valgrind cannot follow"
)]
//! The two clocks of the measurements.

use std::time::{Duration, Instant};

/// The processor time that this process has used: what other programs do beside it does not count.
pub fn cpu_time() -> Duration {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for the length of the call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut now) };
    assert_eq!(status, 0, "every system has this clock");
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// A stretch of processor time.
pub struct Cpu(Duration);

impl Cpu {
    pub fn start() -> Self {
        Self(cpu_time())
    }

    /// Nanoseconds for each of `count` operations since the start.
    pub fn per(&self, count: usize) -> f64 {
        nanoseconds(cpu_time() - self.0) / count as f64
    }
}

/// A stretch of real time, for what waits.
pub struct Wall(Instant);

impl Wall {
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Nanoseconds for each of `count` operations since the start.
    pub fn per(&self, count: usize) -> f64 {
        nanoseconds(self.0.elapsed()) / count as f64
    }
}

fn nanoseconds(time: Duration) -> f64 {
    time.as_nanos() as f64
}
