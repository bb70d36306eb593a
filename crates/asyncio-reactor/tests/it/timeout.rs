//! How long a wait lasts.

use std::time::{Duration, Instant};

on_each_backend! {
    fn a_timeout_is_never_early(reactor: Reactor) {
        asyncio_reactor::set_precise_timer_slack();
        for microseconds in [1, 10, 999, 1000, 1001, 1500, 2250] {
            let timeout = Duration::from_micros(microseconds);
            // The clock is what is tested here.
            let start = Instant::now();
            reactor.poll(Some(timeout)).unwrap();
            assert!(start.elapsed() >= timeout, "{microseconds} µs");
        }
    }

    fn a_nanosecond_is_a_timeout(reactor: Reactor) {
        reactor.poll(Some(Duration::from_nanos(1))).unwrap();
    }

    fn a_timeout_of_zero_does_not_wait(reactor: Reactor) {
        for _ in 0..100 {
            reactor.poll(Some(Duration::ZERO)).unwrap();
            assert!(reactor.pop_ready().is_none());
        }
    }

    fn the_longest_timeout_is_accepted(reactor: Reactor) {
        for timeout in [Duration::MAX, Duration::from_secs(u64::MAX / 2), Duration::from_secs(1 << 40)] {
            reactor.notifier().notify();
            reactor.poll(Some(timeout)).unwrap();
            let notifier = reactor.notifier();
            let thread = std::thread::spawn(move || notifier.notify());
            reactor.poll(Some(timeout)).unwrap();
            thread.join().unwrap();
        }
    }
}
