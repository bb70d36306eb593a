#![expect(
    unsafe_code,
    reason = "a system call that fills a structure; rustix makes it in a way that valgrind cannot follow"
)]
//! What the measurements are made with: processor time, real time, allocations, resident memory.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use crate::allocator;

/// The processor time that this process has used: what other programs do beside it does not count.
fn cpu_time() -> Duration {
    read(libc::CLOCK_PROCESS_CPUTIME_ID).expect("every system has this clock")
}

/// The processor time that another process has used, with all its threads.
pub fn cpu_time_of(process: i32) -> io::Result<Duration> {
    let mut clock: libc::clockid_t = 0;
    // SAFETY: `clock` is valid for the length of the call.
    match unsafe { libc::clock_getcpuclockid(process, &raw mut clock) } {
        0 => read(clock),
        error => Err(io::Error::from_raw_os_error(error)),
    }
}

fn read(clock: libc::clockid_t) -> io::Result<Duration> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is valid for the length of the call.
    if unsafe { libc::clock_gettime(clock, &raw mut now) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0)))
}

/// The bytes of memory that a process (or `self`) has in use, shared pages included.
pub fn resident(process: &str) -> io::Result<usize> {
    let statm = fs::read_to_string(format!("/proc/{process}/statm"))?;
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    let pages = pages.ok_or_else(|| io::Error::other(format!("cannot read the pages of {process} in {statm:?}")))?;
    Ok(pages * rustix::param::page_size())
}

/// A stretch of processor time, with what was allocated in it.
pub struct Cpu {
    began: Duration,
    allocations: usize,
    bytes: usize,
}

impl Cpu {
    pub fn start() -> Self {
        let (allocations, bytes) = allocator::asked();
        Self { began: cpu_time(), allocations, bytes }
    }

    /// For each of `count` operations since the start: nanoseconds, allocations, bytes allocated.
    pub fn per(&self, count: usize) -> Vec<f64> {
        let now = cpu_time();
        let (allocations, bytes) = allocator::asked();
        let each = |all: usize| all as f64 / count as f64;
        vec![
            nanoseconds(now - self.began) / count as f64,
            each(allocations - self.allocations),
            each(bytes - self.bytes),
        ]
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
