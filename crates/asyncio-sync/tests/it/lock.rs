//! Lock and Event, case by case as CPython's `test_locks`.

use std::rc::Rc;
use std::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use asyncio_sync::{Event, Guard, Lock};

use crate::executor::{Executor, Log, Status, yield_now};

/// Spawns a task that acquires, says so, and releases when `until` is set.
fn holder(executor: &Executor, lock: &Rc<Lock<()>>, until: &Rc<Event>, log: &Log, name: &'static str) -> usize {
    let (lock, until, log) = (lock.clone(), until.clone(), log.clone());
    executor.spawn(async move {
        let guard = lock.acquire().await;
        log.push(name);
        until.wait().await;
        drop(guard);
    })
}

fn setup() -> (Executor, Rc<Lock<()>>, Log) {
    (Executor::new(), Rc::default(), Log::default())
}

fn events() -> [Rc<Event>; 3] {
    [Rc::default(), Rc::default(), Rc::default()]
}

#[test]
fn waiters_get_the_lock_one_per_release_in_order() {
    let (executor, lock, log) = setup();
    let ends = events();
    let first = lock.clone().try_acquire_owned().unwrap();
    for (end, name) in ends.iter().zip(["a", "b", "c"]) {
        holder(&executor, &lock, end, &log, name);
    }
    executor.run();
    assert_eq!(log.take(), [""; 0]);
    assert_eq!(format!("{lock:?}"), "<Lock [locked, waiters:3]>");
    Guard::release(first);
    assert!(!lock.locked(), "free until the woken waiter runs");
    assert!(lock.try_acquire().is_none(), "and yet not to be had by a newcomer");
    executor.run();
    assert_eq!(log.take(), ["a"]);
    assert!(lock.locked());
    ends[0].set();
    executor.run();
    assert_eq!(log.take(), ["b"]);
    ends[1].set();
    ends[2].set();
    assert!(executor.finish());
    assert_eq!(log.take(), ["c"]);
    assert_eq!(format!("{lock:?}"), "<Lock [unlocked]>");
}

#[test]
fn a_cancelled_waiter_leaves_the_queue() {
    let (executor, lock, log) = setup();
    let ends = events();
    let guard = lock.clone().try_acquire_owned();
    let task = holder(&executor, &lock, &ends[0], &log, "a");
    executor.run();
    assert_eq!(executor.status(task), Status::Pending(Some("Lock.acquire")));
    executor.cancel(task);
    executor.run();
    assert_eq!(executor.status(task), Status::Cancelled);
    assert_eq!(format!("{lock:?}"), "<Lock [locked]>");
    drop(guard);
    assert!(lock.try_acquire().is_some());
}

#[test]
fn a_release_while_the_next_waiter_is_being_cancelled_reaches_the_one_after() {
    let (executor, lock, log) = setup();
    let ends = events();
    let a = holder(&executor, &lock, &ends[0], &log, "a");
    executor.run();
    let b = holder(&executor, &lock, &ends[1], &log, "b");
    holder(&executor, &lock, &ends[2], &log, "c");
    executor.run();
    // The holder's release and the cancellation of the next fall into one turn, the release first.
    ends[0].set();
    executor.step();
    assert_eq!(executor.status(a), Status::Done);
    executor.cancel(b);
    executor.run();
    assert_eq!(executor.status(b), Status::Cancelled);
    assert_eq!(log.take(), ["a", "c"]);
}

#[test]
fn a_cancellation_and_a_release_in_one_turn_let_exactly_one_other_through() {
    let (executor, lock, log) = setup();
    let ends = events();
    let guard = lock.clone().try_acquire_owned();
    let a = holder(&executor, &lock, &ends[0], &log, "a");
    holder(&executor, &lock, &ends[1], &log, "b");
    holder(&executor, &lock, &ends[2], &log, "c");
    executor.run();
    executor.cancel(a);
    drop(guard);
    // The first in the queue is cancelled, so the release wakes nobody; the end of that task will.
    assert!(!lock.locked());
    executor.turn();
    assert_eq!(log.take(), [""; 0]);
    executor.turn();
    assert_eq!(log.take(), ["b"]);
    assert!(lock.locked());
}

#[test]
fn a_newcomer_goes_through_if_all_who_queue_are_cancelled() {
    let (executor, lock, log) = setup();
    let ends = events();
    let guard = lock.clone().try_acquire_owned();
    let a = holder(&executor, &lock, &ends[0], &log, "a");
    let b = holder(&executor, &lock, &ends[1], &log, "b");
    executor.run();
    executor.cancel(a);
    drop(guard);
    assert!(lock.try_acquire().is_none(), "one of them is alive");
    executor.cancel(b);
    drop(lock.try_acquire().expect("all who queue are cancelled"));
    assert!(executor.finish());
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn a_waiter_that_was_chosen_and_is_cancelled_hands_over() {
    let (executor, lock, log) = setup();
    let ends = events();
    let guard = lock.clone().try_acquire_owned();
    let a = holder(&executor, &lock, &ends[0], &log, "a");
    holder(&executor, &lock, &ends[1], &log, "b");
    executor.run();
    drop(guard);
    executor.cancel(a);
    executor.run();
    assert_eq!(log.take(), ["b"]);
    // And with nobody to hand over to, a fresh waiter gets it.
    ends[1].set();
    executor.run();
    let guard = lock.clone().try_acquire_owned();
    let c = holder(&executor, &lock, &ends[2], &log, "c");
    executor.run();
    drop(guard);
    executor.cancel(c);
    holder(&executor, &lock, &ends[0], &log, "d");
    executor.run();
    assert_eq!(log.take(), ["d"]);
}

#[test]
fn the_value_is_reached_through_every_kind_of_guard() {
    let mut lock = Lock::from(vec![1]);
    lock.try_acquire().unwrap().push(2);
    lock.get_mut().push(3);
    let lock = Rc::new(lock);
    let mut guard = lock.clone().try_acquire_owned().unwrap();
    guard.push(4);
    assert_eq!(format!("{guard:?}"), "LockGuard([1, 2, 3, 4])");
    assert!(std::ptr::eq(Guard::lock(&guard), &*lock));
    drop(guard);
    assert_eq!(Rc::try_unwrap(lock).unwrap().into_inner(), [1, 2, 3, 4]);
    let unsized_lock: &Lock<dyn std::fmt::Display> = &Lock::new(5);
    assert_eq!(unsized_lock.try_acquire().unwrap().to_string(), "5");
}

#[test]
#[should_panic(expected = "a guard of this lock was leaked")]
fn a_leaked_guard_keeps_the_value_shut() {
    let mut lock = Lock::new(0);
    std::mem::forget(lock.try_acquire());
    lock.get_mut();
}

#[test]
fn a_lock_outlives_leaked_waiters() {
    static LEAKED: AtomicPtr<()> = AtomicPtr::new(std::ptr::null_mut());
    let lock = Box::new(Lock::new(0));
    {
        let guard = lock.try_acquire();
        let mut leaked = Box::pin(lock.acquire());
        assert!(leaked.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
        // Dropping the box without the future's destructor would be leaking memory as well; so do that, where a checker of
        // leaks finds it.
        std::hint::black_box(&LEAKED).store(std::ptr::from_ref(&*leaked).cast_mut().cast(), Relaxed);
        std::mem::forget(leaked);
        drop(guard);
    }
    let lock = *lock;
    assert!(lock.try_acquire().is_none(), "the turn was given to a future that nobody will poll");
    assert_eq!(lock.into_inner(), 0);
}

#[test]
fn set_wakes_all_and_a_waiter_after_it_goes_first() {
    let (executor, event, log) = (Executor::new(), Rc::new(Event::new()), Log::default());
    let wait = |name: &'static str| {
        let (event, log) = (event.clone(), log.clone());
        executor.spawn(async move {
            event.wait().await;
            log.push(name);
        })
    };
    let a = wait("a");
    wait("b");
    executor.run();
    assert_eq!(executor.status(a), Status::Pending(Some("Event.wait")));
    assert_eq!(format!("{event:?}"), "<Event [unset, waiters:2]>");
    // CPython: ["c", "a", "b"], as "c" was ready before the event was set and does not suspend.
    wait("c");
    event.set();
    assert!(executor.finish());
    assert_eq!(log.take(), ["c", "a", "b"]);
}

#[test]
fn a_cancelled_wait_leaves_nothing_behind_and_clear_resets() {
    let (executor, event) = (Executor::new(), Rc::new(Event::default()));
    let inside = event.clone();
    let task = executor.spawn(async move { inside.wait().await });
    executor.run();
    executor.cancel(task);
    executor.run();
    assert_eq!(format!("{event:?}"), "<Event [unset]>");
    event.set();
    assert!(event.is_set());
    event.clear();
    assert!(!event.is_set());
}

#[test]
fn set_clear_set_before_the_waiter_runs_wakes_it_once() {
    let (executor, event, log) = (Executor::new(), Rc::new(Event::new()), Log::default());
    let (inside, entries) = (event.clone(), log.clone());
    executor.spawn(async move {
        inside.wait().await;
        entries.push("woken");
        inside.clear();
        yield_now().await;
        inside.wait().await;
        entries.push("again");
    });
    executor.run();
    event.set();
    event.clear();
    event.set();
    executor.run();
    assert_eq!(log.take(), ["woken"]);
    event.set();
    event.clear();
    assert!(executor.finish(), "woken by a set though a clear followed");
    assert_eq!(log.take(), ["again"]);
}
