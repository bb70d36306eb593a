//! Measures what arming, disarming and firing cost, per timer, with few timers and with a million.
//!
//! Run it with `--release`; the figures are the best of a few rounds.

use asyncio_timers::{Clock, Instant, RealClock, Timer, TimerQueue};
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::Waker;
use std::time::Duration;

const ROUNDS: usize = 5;
const MILLION: usize = 1_000_000;

/// Numbers that look random and are the same in each run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Prints the best of some rounds of `count` operations, in nanoseconds per operation.
fn best(name: &str, count: usize, mut round: impl FnMut() -> Duration) {
    let least = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
    println!("{name:<58} {:>7.1} ns", least.as_nanos() as f64 / count as f64);
}

fn timed(work: impl FnOnce()) -> Duration {
    let clock = RealClock::new();
    work();
    clock.now() - Instant::ZERO
}

fn waker() -> Waker {
    Waker::noop().clone()
}

/// Arms all timers, each at its deadline.
fn arm_all(queue: &TimerQueue<Waker>, timers: &[Pin<Box<Timer<Waker>>>], deadlines: &[u64]) {
    for (timer, deadline) in timers.iter().zip(deadlines) {
        queue.arm(timer.as_ref(), Instant::from_nanos(*deadline), waker());
    }
}

/// Follows the wake-ups until nothing is armed; how many there were.
fn run(queue: &TimerQueue<Waker>) -> usize {
    let mut wakeups = 0;
    while let Some(wakeup) = queue.next_wakeup() {
        wakeups += 1;
        queue.advance(wakeup);
        while let Some(waker) = queue.pop_due() {
            black_box(waker);
        }
    }
    wakeups
}

fn single() {
    let queue = TimerQueue::new();
    let timer = pin!(Timer::new());
    let timer = timer.as_ref();
    let ten_seconds = Duration::from_secs(10);
    best("one timer of 10 s: arm and disarm", MILLION, || {
        timed(|| {
            for nanos in 0..MILLION as u64 {
                queue.arm(timer, Instant::from_nanos(nanos) + ten_seconds, waker());
                black_box(timer.disarm());
            }
        })
    });
    let bare = pin!(Timer::new());
    let bare_queue = TimerQueue::new();
    best("the same, without a waker to clone and drop", MILLION, || {
        timed(|| {
            for nanos in 0..MILLION as u64 {
                bare_queue.arm(bare.as_ref(), Instant::from_nanos(nanos) + ten_seconds, ());
                black_box(bare.as_ref().disarm());
            }
        })
    });
    let mut now = Instant::ZERO;
    best("one timer of 10 s: arm, next wake-up, advance, pop", MILLION, || {
        timed(|| {
            for _ in 0..MILLION {
                queue.arm(timer, now + ten_seconds, waker());
                now = black_box(queue.next_wakeup()).unwrap_or_default();
                queue.advance(now);
                black_box(queue.pop_due());
            }
        })
    });
    best("advance with nothing due", MILLION, || {
        queue.arm(timer, Instant::FAR_FUTURE, waker());
        timed(|| {
            for _ in 0..MILLION {
                now += Duration::from_nanos(100);
                queue.advance(black_box(now));
            }
        })
    });
}

fn crowd(name: &str, spread: Duration) {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    sleepers(&format!("a million within {name}"), spread, |_| 1 + random.below(spread.as_nanos() as u64));
}

/// A million timers with deadlines not later than `end`.
fn sleepers(name: &str, end: Duration, mut deadline: impl FnMut(u64) -> u64) {
    // Timers lie between other allocations, as they do inside tasks.
    let (timers, padding): (Vec<_>, Vec<_>) =
        (0..MILLION).map(|_| (Box::pin(Timer::new()), Box::new([0_u8; 120]))).unzip();
    let deadlines: Vec<u64> = (0..MILLION as u64).map(&mut deadline).collect();
    best(&format!("{name}: arm"), MILLION, || {
        let queue = TimerQueue::new();
        timed(|| arm_all(&queue, &timers, &deadlines))
    });
    best(&format!("{name}: arm, fire at one go"), MILLION, || {
        let queue = TimerQueue::new();
        timed(|| {
            arm_all(&queue, &timers, &deadlines);
            queue.advance(Instant::ZERO + end);
            while let Some(waker) = queue.pop_due() {
                black_box(waker);
            }
        })
    });
    let mut wakeups = 0;
    best(&format!("{name}: arm, fire one by one"), MILLION, || {
        let queue = TimerQueue::new();
        timed(|| {
            arm_all(&queue, &timers, &deadlines);
            wakeups = run(&queue);
        })
    });
    println!("    {wakeups} wake-ups");
    best(&format!("{name}: arm, disarm"), MILLION, || {
        let queue = TimerQueue::new();
        timed(|| {
            arm_all(&queue, &timers, &deadlines);
            for timer in &timers {
                black_box(timer.as_ref().disarm());
            }
        })
    });
    black_box(padding);
}

fn main() {
    println!("a timer with a waker takes {} bytes", size_of::<Timer<Waker>>());
    single();
    crowd("10 s", Duration::from_secs(10));
    crowd("1 s", Duration::from_secs(1));
    crowd("1 ms", Duration::from_millis(1));
    let ten_seconds = Duration::from_secs(10);
    sleepers("a million of 10 s, armed at once", ten_seconds, |_| 10_000_000_000);
    sleepers("a million of 10 s, armed one after another", 2 * ten_seconds, |index| 10_000_000_000 + index * 850);
    let timers: Vec<_> = (0..MILLION).map(|_| Box::pin(Timer::new())).collect();
    let descending: Vec<u64> = (0..MILLION as u64).rev().collect();
    best("a million past deadlines in descending order: arm, fire", MILLION, || {
        let queue = TimerQueue::new();
        queue.advance(Instant::from_nanos(MILLION as u64));
        timed(|| {
            arm_all(&queue, &timers, &descending);
            run(&queue);
        })
    });
}
