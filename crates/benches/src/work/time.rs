//! Timeouts, crowds of sleepers, and how late one sleeper is.

use std::time::{Duration, Instant};

use crate::allocator;
use crate::meter::Cpu;
use crate::peer::{Sleep, Timeout};

/// `timeout(10 s)` around a future that yields once.
pub fn timeout<P: Timeout>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let cpu = Cpu::start();
        for _ in 0..count {
            P::timeout(Duration::from_secs(10), P::yield_now()).await;
        }
        cpu.per(count)
    })
}

/// Tasks that sleep between one and two seconds, all different: processor time from the first spawn to the last join,
/// and the most memory that was allocated meanwhile.
pub fn sleeps<P: Sleep>(count: usize) -> Vec<f64> {
    P::drive(async move {
        allocator::reset_peak();
        let before = allocator::live();
        let cpu = Cpu::start();
        let mut random: u64 = 1;
        let mut tasks = Vec::with_capacity(count);
        for _ in 0..count {
            // The generator of Knuth's MMIX: the same delays for every peer.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let delay = Duration::from_nanos(1_000_000_000 + (random >> 34) % 1_000_000_000);
            tasks.push(P::spawn(async move { P::sleep(delay).await }));
        }
        for task in tasks {
            task.await;
        }
        vec![cpu.per(count)[0], (allocator::peak() - before) as f64 / count as f64]
    })
}

/// One task that sleeps `MICROS` again and again: how late it is, in microseconds, as median, 99th percentile and
/// earliest.
pub fn lateness<P: Sleep, const MICROS: u64>(count: usize) -> Vec<f64> {
    let delay = Duration::from_micros(MICROS);
    P::drive(async move {
        let mut late = Vec::with_capacity(count);
        for _ in 0..count {
            let begin = Instant::now();
            P::sleep(delay).await;
            late.push((begin.elapsed().as_nanos() as f64 - delay.as_nanos() as f64) / 1000.0);
        }
        summary(late)
    })
}

/// The same for a thread, without any loop: what the system can do.
pub fn lateness_of_thread<const MICROS: u64>(count: usize) -> Vec<f64> {
    let delay = Duration::from_micros(MICROS);
    asyncio_reactor::set_precise_timer_slack();
    let late = (0..count).map(|_| {
        let begin = Instant::now();
        std::thread::sleep(delay);
        (begin.elapsed().as_nanos() as f64 - delay.as_nanos() as f64) / 1000.0
    });
    summary(late.collect())
}

fn summary(mut late: Vec<f64>) -> Vec<f64> {
    late.sort_by(f64::total_cmp);
    vec![late[late.len() / 2], late[late.len() * 99 / 100], late[0]]
}
