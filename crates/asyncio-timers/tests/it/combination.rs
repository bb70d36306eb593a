//! Every state of a timer with every event: what comes of it, and exact counts of drops.

use asyncio_timers::{Instant, Timer, TimerQueue};
use std::cell::Cell;
use std::rc::Rc;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    Waiting,
    Past,
    Due,
    Popped,
    Disarmed,
    Cleared,
    Orphaned,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Arm,
    ArmElsewhere,
    Disarm,
    Replace,
    Advance,
    Pop,
    Clear,
    DropTimer,
    DropQueue,
}

/// A value that counts its drops.
struct Counted(Rc<Cell<usize>>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

fn check(state: State, event: Event) {
    let (first, second) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
    let mut queue = TimerQueue::new();
    let elsewhere = TimerQueue::new();
    let timer = Box::pin(Timer::new());
    queue.advance(at(100));

    if state != State::Idle {
        let deadline = if state == State::Past { 50 } else { 5_000 };
        assert!(queue.arm(timer.as_ref(), at(deadline), Counted(first.clone())).is_none());
    }
    match state {
        State::Idle | State::Waiting | State::Past => {}
        State::Due => queue.advance(at(5_000)),
        State::Popped => {
            queue.advance(at(5_000));
            drop(queue.pop_due());
        }
        State::Disarmed => drop(timer.as_ref().disarm()),
        State::Cleared => queue.clear(),
        State::Orphaned => queue = TimerQueue::new(),
    }
    let armed = matches!(state, State::Waiting | State::Past | State::Due);
    let made = usize::from(state != State::Idle);
    assert_eq!((timer.is_armed(), queue.len()), (armed, usize::from(armed)));
    assert_eq!(first.get(), if armed { 0 } else { made });

    // Armed after the event, in which queue, and how many of the second value were made.
    let value = || Counted(second.clone());
    let mut timer = Some(timer);
    let pinned = timer.as_ref().expect("it was made above").as_ref();
    let (here, there, second_made) = match event {
        Event::Arm => {
            assert_eq!(queue.arm(pinned, at(9_000), value()).is_some(), armed);
            (true, false, 1)
        }
        Event::ArmElsewhere => {
            assert_eq!(elsewhere.arm(pinned, at(9_000), value()).is_some(), armed);
            (false, true, 1)
        }
        Event::Disarm => {
            assert_eq!(pinned.disarm().is_some(), armed);
            (false, false, 0)
        }
        Event::Replace => {
            assert_eq!(pinned.replace_value(value()).is_some(), armed);
            (armed, false, 1)
        }
        Event::Advance => {
            queue.advance(at(6_000));
            assert_eq!(queue.has_due(), armed);
            (armed, false, 0)
        }
        Event::Pop => {
            assert_eq!(queue.pop_due().is_some(), state == State::Due);
            (armed && state != State::Due, false, 0)
        }
        Event::Clear => {
            queue.clear();
            (false, false, 0)
        }
        Event::DropTimer => {
            timer = None;
            (false, false, 0)
        }
        Event::DropQueue => {
            queue = TimerQueue::new();
            (false, false, 0)
        }
    };
    assert_eq!(queue.len(), usize::from(here), "in the queue");
    assert_eq!(elsewhere.len(), usize::from(there), "in the other queue");
    assert_eq!(timer.as_ref().is_some_and(|timer| timer.is_armed()), here || there);
    let first_alive = here && second_made == 0;
    assert_eq!(first.get(), if first_alive { 0 } else { made }, "drops of the first value");
    let second_alive = second_made == 1 && (here || there);
    assert_eq!(second.get(), if second_alive { 0 } else { second_made }, "drops of the second value");

    drop((queue, elsewhere));
    assert!(!timer.as_ref().is_some_and(|timer| timer.is_armed()));
    assert_eq!((first.get(), second.get()), (made, second_made), "drops in the end");
}

#[test]
fn every_event_in_every_state_counts_exactly() {
    use {Event::*, State::*};
    for state in [Idle, Waiting, Past, Due, Popped, Disarmed, Cleared, Orphaned] {
        for event in [Arm, ArmElsewhere, Disarm, Replace, Advance, Pop, Clear, DropTimer, DropQueue] {
            println!("{state:?}, {event:?}");
            check(state, event);
        }
    }
}
