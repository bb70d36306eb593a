//! Orders and wake-ups at the edges, as literal sequences.

use asyncio_timers::{Instant, Timer, TimerQueue};
use std::pin::Pin;

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn timers<T>(count: usize) -> Vec<Pin<Box<Timer<T>>>> {
    (0..count).map(|_| Box::pin(Timer::new())).collect()
}

fn drain<T>(queue: &TimerQueue<T>) -> Vec<T> {
    std::iter::from_fn(|| queue.pop_due()).collect()
}

#[test]
fn past_deadlines_come_in_order_of_deadline_then_of_arming() {
    let queue = TimerQueue::new();
    queue.advance(at(100));
    let timers = timers(6);
    for (timer, (deadline, name)) in timers.iter().zip([90, 80, 100, 80, 0, 101].into_iter().zip('a'..)) {
        queue.arm(timer.as_ref(), at(deadline), name);
    }
    assert_eq!(queue.next_wakeup(), Some(at(0)));
    queue.advance(at(200));
    assert_eq!(drain(&queue), ['e', 'b', 'd', 'a', 'c', 'f']);
}

#[test]
fn a_crowd_keeps_the_order_of_equal_deadlines_through_all_levels() {
    for unit in [1, 63, 64, 1 << 17, 1 << 50] {
        let queue = TimerQueue::new();
        let timers = timers(2_000);
        let mut expected = Vec::new();
        for (index, timer) in timers.iter().enumerate() {
            let deadline = unit * (1 + index as u64 * 7919 % 97);
            queue.arm(timer.as_ref(), at(deadline), (deadline, index));
            expected.push((deadline, index));
        }
        expected.sort_unstable();
        queue.advance(Instant::FAR_FUTURE);
        assert_eq!(drain(&queue), expected);
    }
}

#[test]
fn a_past_deadline_waits_for_the_next_advance() {
    let queue = TimerQueue::new();
    let timers = timers(2);
    queue.arm(timers[0].as_ref(), at(5), 'a');
    queue.advance(at(10));
    queue.arm(timers[1].as_ref(), at(1), 'b');
    assert_eq!(drain(&queue), ['a']);
    assert!(!queue.has_due());
    assert_eq!(queue.next_wakeup(), Some(at(1)));
    queue.advance(at(0));
    assert_eq!(drain(&queue), ['b']);
}

#[test]
fn what_becomes_due_later_is_behind_what_is_due() {
    let queue = TimerQueue::new();
    let timers = timers(3);
    queue.arm(timers[0].as_ref(), at(5), 'a');
    queue.advance(at(10));
    queue.arm(timers[1].as_ref(), at(20), 'b');
    queue.arm(timers[2].as_ref(), at(1), 'c');
    queue.advance(at(20));
    assert_eq!(drain(&queue), ['a', 'c', 'b']);
}

#[test]
fn rearming_goes_behind_equal_deadlines_and_moves_between_queues() {
    let (here, there) = (TimerQueue::new(), TimerQueue::new());
    let timers = timers(2);
    here.arm(timers[0].as_ref(), at(5), 'a');
    here.arm(timers[1].as_ref(), at(5), 'b');
    assert_eq!(here.arm(timers[0].as_ref(), at(5), 'c'), Some('a'));
    here.advance(at(5));
    assert_eq!(here.pop_due(), Some('b'));
    assert_eq!(there.arm(timers[0].as_ref(), at(5), 'd'), Some('c'));
    assert_eq!((here.len(), here.pop_due()), (0, None));
    drop(here);
    there.advance(at(5));
    assert_eq!(drain(&there), ['d']);
}

#[test]
fn an_earlier_now_counts_as_the_last() {
    let queue = TimerQueue::new();
    let timer = Box::pin(Timer::new());
    queue.advance(at(1_000));
    queue.advance(at(10));
    queue.arm(timer.as_ref(), at(1_001), ());
    queue.advance(at(999));
    assert!(!queue.has_due());
    queue.advance(at(1_001));
    assert!(queue.has_due());
}

#[test]
fn the_far_future_is_a_deadline_as_any_other() {
    let queue = TimerQueue::new();
    let timers = timers(2);
    queue.arm(timers[0].as_ref(), Instant::FAR_FUTURE, 'z');
    queue.arm(timers[1].as_ref(), at(u64::MAX - 1), 'y');
    queue.advance(at(u64::MAX - 1));
    assert_eq!(drain(&queue), ['y']);
    assert_eq!(queue.next_wakeup(), Some(Instant::FAR_FUTURE));
    queue.advance(Instant::FAR_FUTURE);
    assert_eq!(drain(&queue), ['z']);
    queue.arm(timers[0].as_ref(), Instant::FAR_FUTURE, 'x');
    assert!(!queue.has_due());
    queue.advance(Instant::FAR_FUTURE);
    assert_eq!(drain(&queue), ['x']);
}

#[test]
fn the_wakeup_is_exact_up_to_32_timers_in_the_nearest_slot_and_a_bound_beyond() {
    let queue = TimerQueue::new();
    let timers = timers(33);
    let slot = 64 * 64 * 5;
    for (index, timer) in timers.iter().take(32).enumerate() {
        queue.arm(timer.as_ref(), at(slot + 100 - index as u64), ());
    }
    // Forgotten, so that the answer has to be worked out.
    timers[31].as_ref().disarm();
    assert_eq!(queue.next_wakeup(), Some(at(slot + 70)));
    queue.arm(timers[31].as_ref(), at(slot + 100), ());
    queue.arm(timers[32].as_ref(), at(slot + 60), ());
    assert_eq!(queue.next_wakeup(), Some(at(slot + 60)), "an earlier one is the earliest");
    queue.arm(timers[32].as_ref(), at(slot + 100), ());
    assert_eq!(queue.next_wakeup(), Some(at(slot)));
    assert_eq!(queue.next_deadline(), Some(at(slot + 70)));
    assert_eq!(queue.next_wakeup(), Some(at(slot + 70)), "now it is known");
}

#[test]
fn a_bound_is_forgotten_when_its_slot_runs_empty() {
    let queue = TimerQueue::new();
    let timers = timers(40);
    for (index, timer) in timers.iter().enumerate().skip(1) {
        queue.arm(timer.as_ref(), at(64 * 64 + 1 + index as u64), ());
    }
    queue.arm(timers[0].as_ref(), at(64 * 64 * 64), ());
    queue.arm(timers[1].as_ref(), at(64 * 64 + 50), ());
    timers[2].as_ref().disarm();
    assert_eq!(queue.next_wakeup(), Some(at(64 * 64)));
    assert!(timers[1..].iter().filter_map(|timer| timer.as_ref().disarm()).count() == 38);
    assert_eq!(queue.next_wakeup(), Some(at(64 * 64 * 64)));
}

#[test]
fn a_due_timer_can_be_disarmed_or_moved() {
    let queue = TimerQueue::new();
    let timers = timers(4);
    for (timer, name) in timers.iter().zip('a'..) {
        queue.arm(timer.as_ref(), at(1), name);
    }
    queue.advance(at(1));
    assert_eq!(timers[1].as_ref().disarm(), Some('b'));
    assert_eq!(queue.arm(timers[0].as_ref(), at(2), 'e'), Some('a'));
    assert_eq!(timers[2].as_ref().replace_value('f'), Some('c'));
    assert_eq!((queue.len(), drain(&queue)), (3, vec!['f', 'd']));
    queue.advance(at(2));
    assert_eq!(drain(&queue), ['e']);
}
