//! The two clocks of the measurements.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The processor time that this process has used: what other programs do beside it does not count.
pub fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
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
