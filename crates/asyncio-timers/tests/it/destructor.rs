//! Values whose destructors use the timers and the queue that they were in.

use asyncio_timers::{Instant, Timer, TimerQueue};
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::{Rc, Weak};

/// Does something when it is dropped.
struct OnDrop(Option<Box<dyn FnOnce()>>);

impl OnDrop {
    fn new(f: impl FnOnce() + 'static) -> Self {
        Self(Some(Box::new(f)))
    }
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

type Shared = Pin<Rc<Timer<OnDrop>>>;

fn timers<const N: usize>() -> [Shared; N] {
    std::array::from_fn(|_| Rc::pin(Timer::new()))
}

fn at(nanos: u64) -> Instant {
    Instant::from_nanos(nanos)
}

/// A counter, and a value that adds one to it when dropped.
fn counted(count: &Rc<Cell<usize>>) -> OnDrop {
    let count = count.clone();
    OnDrop::new(move || count.set(count.get() + 1))
}

#[test]
fn clearing_survives_destructors_that_disarm_their_neighbours() {
    for deadlines in [[10, 20, 30], [10, 10, 10], [0, 10, 1 << 40]] {
        let queue = TimerQueue::new();
        let dropped = Rc::new(Cell::new(0));
        let all = timers::<3>();
        // Whichever is dropped first drops the other two.
        for (timer, deadline) in all.iter().zip(deadlines) {
            let (others, count) = (all.clone(), dropped.clone());
            let value = OnDrop::new(move || {
                count.set(count.get() + 1);
                others.iter().for_each(|other| drop(other.as_ref().disarm()));
            });
            queue.arm(timer.as_ref(), at(deadline), value);
        }
        queue.advance(at(15));
        queue.clear();
        assert_eq!((dropped.get(), queue.len()), (3, 0));
        assert!(all.iter().all(|timer| !timer.is_armed()));
        assert_eq!((queue.next_wakeup(), queue.next_deadline(), queue.has_due()), (None, None, false));
    }
}

#[test]
fn what_a_destructor_arms_while_clearing_stays_armed() {
    let queue = Rc::new(TimerQueue::new());
    let dropped = Rc::new(Cell::new(0));
    let [first, second, third] = timers();
    let (weak, armed, other, count) = (Rc::downgrade(&queue), third.clone(), second.clone(), dropped.clone());
    let value = OnDrop::new(move || {
        if let Some(queue) = Weak::upgrade(&weak) {
            queue.arm(armed.as_ref(), at(77), counted(&count));
            queue.advance(at(5));
            // The last of those being cleared has the same deadline, but is not where the new one is.
            assert!(other.as_ref().disarm().is_some());
            assert_eq!(queue.next_deadline(), Some(at(77)));
        }
    });
    queue.arm(first.as_ref(), at(10), value);
    queue.arm(second.as_ref(), at(77), counted(&dropped));
    queue.clear();
    assert_eq!((queue.len(), dropped.get()), (1, 1));
    assert_eq!(queue.next_wakeup(), Some(at(77)));
    queue.advance(at(77));
    drop(queue.pop_due());
    assert_eq!((queue.len(), dropped.get()), (0, 2));
}

#[test]
fn dropping_the_queue_leaves_all_timers_idle_and_usable() {
    let dropped = Rc::new(Cell::new(0));
    let all = timers::<4>();
    let queue = TimerQueue::new();
    queue.advance(at(50));
    for (timer, deadline) in all.iter().zip([10, 60, 70, u64::MAX]) {
        queue.arm(timer.as_ref(), at(deadline), counted(&dropped));
    }
    queue.advance(at(65));
    drop(queue);
    assert_eq!(dropped.get(), 4);
    assert!(all.iter().all(|timer| !timer.is_armed() && timer.as_ref().disarm().is_none()));
    let queue = TimerQueue::new();
    queue.arm(all[0].as_ref(), at(1), counted(&dropped));
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_destructor_may_drop_the_queue_and_other_timers() {
    let dropped = Rc::new(Cell::new(0));
    let [first, second, third] = timers();
    let queue = Rc::new(RefCell::new(Some(TimerQueue::new())));
    let held = RefCell::new(Some(third.clone()));
    let (inner, count) = (queue.clone(), dropped.clone());
    let value = OnDrop::new(move || {
        drop(held.take());
        drop(inner.take());
        count.set(count.get() + 1);
    });
    if let Some(queue) = &*queue.borrow() {
        queue.arm(first.as_ref(), at(1), value);
        queue.arm(second.as_ref(), at(1), counted(&dropped));
        queue.arm(third.as_ref(), at(1), counted(&dropped));
    }
    drop(third);
    // The last reference to the timer: its destructor drops the value, which does the rest.
    drop(first);
    assert_eq!(dropped.get(), 3);
    assert!(!second.is_armed());
}

#[test]
fn a_panic_of_a_destructor_leaves_the_queue_consistent() {
    for drop_queue in [false, true] {
        let dropped = Rc::new(Cell::new(0));
        let all = timers::<5>();
        let queue = TimerQueue::new();
        for (index, timer) in all.iter().enumerate() {
            let count = dropped.clone();
            let value = OnDrop::new(move || {
                count.set(count.get() + 1);
                assert!(index != 2, "on purpose");
            });
            queue.arm(timer.as_ref(), at(1 << (5 * index)), value);
        }
        queue.advance(at(40));
        if drop_queue {
            assert!(catch_unwind(AssertUnwindSafe(|| drop(queue))).is_err());
        } else {
            assert!(catch_unwind(AssertUnwindSafe(|| queue.clear())).is_err());
            assert_eq!((queue.len(), queue.next_wakeup(), queue.has_due()), (0, None, false));
            queue.arm(all[2].as_ref(), at(50), counted(&dropped));
            queue.advance(at(50));
            assert!(queue.pop_due().is_some());
            dropped.set(dropped.get() - 1);
        }
        assert_eq!(dropped.get(), 5);
        assert!(all.iter().all(|timer| !timer.is_armed()));
    }
}

#[test]
fn with_value_lets_the_closure_use_the_timer() {
    let queue = TimerQueue::new();
    let timer = Box::pin(Timer::new());
    let timer = timer.as_ref();
    assert_eq!(timer.with_value(|value: &mut i32| *value), None);

    queue.arm(timer, at(1), 1);
    assert_eq!(timer.with_value(|value| std::mem::replace(value, 2)), Some(1));
    assert_eq!(timer.with_value(|_| timer.with_value(|value| *value)), Some(None));
    assert_eq!(timer.with_value(|value| *value), Some(2));

    // Replaced or armed anew: the newer value stays.
    timer.with_value(|_| assert_eq!(timer.replace_value(3), None));
    assert_eq!(timer.with_value(|value| *value), Some(3));
    timer.with_value(|_| assert_eq!(queue.arm(timer, at(1), 4), None));
    assert_eq!(timer.with_value(|value| *value), Some(4));

    // Popped meanwhile: nothing comes out, and the timer is idle.
    queue.advance(at(1));
    timer.with_value(|_| assert_eq!(queue.pop_due(), None));
    assert_eq!((timer.is_armed(), queue.len()), (false, 0));

    // Disarmed meanwhile.
    queue.arm(timer, at(2), 5);
    timer.with_value(|_| assert_eq!(timer.disarm(), None));
    assert_eq!((timer.is_armed(), queue.len()), (false, 0));

    // A panic gives the value back.
    queue.arm(timer, at(3), 6);
    let panicked = catch_unwind(AssertUnwindSafe(|| timer.with_value(|_| panic!("on purpose"))));
    assert!(panicked.is_err());
    assert_eq!(timer.disarm(), Some(6));
}

#[test]
fn a_value_on_loan_is_dropped_if_its_timer_is_idle_by_then() {
    let queue = TimerQueue::new();
    let dropped = Rc::new(Cell::new(0));
    let timer = Rc::pin(Timer::new());
    queue.arm(timer.as_ref(), at(1), counted(&dropped));
    timer.as_ref().with_value(|_| {
        assert!(timer.as_ref().disarm().is_none());
        assert_eq!(dropped.get(), 0);
    });
    assert_eq!(dropped.get(), 1);
}
