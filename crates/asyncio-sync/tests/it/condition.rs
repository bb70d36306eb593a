//! Condition, case by case as CPython's `test_locks`.

use std::rc::Rc;

use asyncio_sync::{Condition, Lock};

use crate::executor::{Executor, Log, Status, yield_now};

fn waiter(executor: &Executor, condition: &Rc<Condition<i32>>, log: &Log, name: &'static str) -> usize {
    let (condition, log) = (condition.clone(), log.clone());
    executor.spawn(async move {
        let guard = condition.acquire().await;
        let guard = condition.wait(guard).await;
        log.push(name);
        drop(guard);
    })
}

fn setup() -> (Executor, Rc<Condition<i32>>, Log) {
    (Executor::new(), Rc::default(), Log::default())
}

#[test]
fn wait_releases_the_lock_and_each_returns_when_it_gets_it() {
    let (executor, condition, log) = setup();
    let a = waiter(&executor, &condition, &log, "a");
    waiter(&executor, &condition, &log, "b");
    let c = waiter(&executor, &condition, &log, "c");
    executor.run();
    assert!(!condition.locked());
    assert_eq!(executor.status(a), Status::Pending(Some("Condition.wait")));
    assert_eq!(format!("{condition:?}"), "<Condition [unlocked, waiters:3]>");
    let guard = condition.try_acquire().unwrap();
    condition.notify(&guard, 2);
    executor.run();
    assert_eq!(log.take(), [""; 0], "the lock is held");
    assert_eq!(executor.status(a), Status::Pending(Some("Lock.acquire")));
    drop(guard);
    executor.run();
    assert_eq!(log.take(), ["a", "b"]);
    assert_eq!(executor.status(c), Status::Pending(Some("Condition.wait")));
    let guard = condition.try_acquire().unwrap();
    condition.notify(&guard, 2048);
    drop(guard);
    assert!(executor.finish());
    assert_eq!(log.take(), ["c"]);
}

#[test]
fn notify_all_wakes_everybody() {
    let (executor, condition, log) = setup();
    for name in ["a", "b", "c"] {
        waiter(&executor, &condition, &log, name);
    }
    executor.run();
    condition.notify_all(&condition.try_acquire().unwrap());
    assert!(executor.finish());
    assert_eq!(log.take(), ["a", "b", "c"]);
}

#[test]
fn a_cancelled_wait_leaves_the_lock_free() {
    let (executor, condition, log) = setup();
    let a = waiter(&executor, &condition, &log, "a");
    executor.run();
    executor.cancel(a);
    executor.run();
    assert_eq!(format!("{condition:?}"), "<Condition [unlocked]>");
    // Also while another holds it.
    let b = waiter(&executor, &condition, &log, "b");
    executor.run();
    let guard = condition.try_acquire().unwrap();
    executor.cancel(b);
    executor.run();
    assert_eq!(executor.status(b), Status::Cancelled);
    assert_eq!(format!("{condition:?}"), "<Condition [locked]>");
    drop(guard);
}

#[test]
fn a_cancelled_wait_that_was_not_notified_notifies_nobody() {
    let (executor, condition, log) = setup();
    let a = waiter(&executor, &condition, &log, "a");
    let b = waiter(&executor, &condition, &log, "b");
    executor.run();
    executor.cancel(a);
    executor.run();
    assert_eq!(executor.status(b), Status::Pending(Some("Condition.wait")));
}

#[test]
fn a_notification_is_passed_on_by_a_waiter_cancelled_before_it_ran() {
    let (executor, condition, log) = setup();
    let a = waiter(&executor, &condition, &log, "a");
    waiter(&executor, &condition, &log, "b");
    executor.run();
    condition.notify(&condition.try_acquire().unwrap(), 1);
    executor.cancel(a);
    assert!(executor.finish());
    assert_eq!(log.take(), ["b"]);
}

#[test]
fn a_notification_is_passed_on_by_a_waiter_cancelled_while_it_waits_for_the_lock() {
    let (executor, condition, log) = setup();
    let a = waiter(&executor, &condition, &log, "a");
    waiter(&executor, &condition, &log, "b");
    executor.run();
    let guard = condition.try_acquire().unwrap();
    condition.notify(&guard, 1);
    executor.run();
    assert_eq!(executor.status(a), Status::Pending(Some("Lock.acquire")));
    executor.cancel(a);
    executor.run();
    assert_eq!(executor.status(a), Status::Cancelled);
    assert_eq!(format!("{:?}", condition.lock()), "<Lock [locked, waiters:1]>", "\"b\" has taken its turn");
    drop(guard);
    assert!(executor.finish());
    assert_eq!(log.take(), ["b"]);
}

#[test]
fn wait_for_looks_at_each_wake() {
    let (executor, condition, log) = setup();
    let (inside, entries) = (condition.clone(), log.clone());
    executor.spawn(async move {
        let guard = inside.acquire().await;
        let guard = inside
            .wait_for(guard, |level| {
                entries.push(format!("look at {level}"));
                *level >= 2
            })
            .await;
        entries.push(format!("got {}", *guard));
    });
    executor.run();
    for _ in 0..2 {
        let mut guard = condition.try_acquire().unwrap();
        *guard += 1;
        condition.notify(&guard, 1);
        drop(guard);
        executor.run();
    }
    assert!(executor.finish());
    assert_eq!(log.take(), ["look at 0", "look at 1", "look at 2", "got 2"]);
}

#[test]
fn a_predicate_that_holds_does_not_give_the_lock_away() {
    let (executor, condition, log) = setup();
    let (inside, entries) = (condition.clone(), log.clone());
    executor.spawn(async move {
        let guard = inside.acquire().await;
        let guard = inside.wait_for(guard, |_| true).await;
        entries.push("first");
        yield_now().await;
        drop(guard);
    });
    let (inside, entries) = (condition.clone(), log.clone());
    executor.spawn(async move {
        drop(inside.acquire().await);
        entries.push("second");
    });
    executor.turn();
    assert_eq!(log.take(), ["first"]);
    assert!(condition.locked());
    assert!(executor.finish());
    assert_eq!(log.take(), ["second"]);
}

#[test]
fn a_predicate_that_panics_releases_the_lock() {
    let condition = Condition::new(0);
    let wait = condition.wait_for(condition.try_acquire().unwrap(), |_| panic!("no"));
    let mut wait = Box::pin(wait);
    let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = wait.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    }));
    assert!(polled.is_err());
    assert!(!condition.locked());
}

#[test]
fn the_lock_is_held_until_the_wait_is_polled_and_released_if_it_never_is() {
    let condition = Condition::new(0);
    let wait = condition.wait(condition.try_acquire().unwrap());
    assert!(condition.locked());
    drop(wait);
    assert!(!condition.locked());
}

#[test]
fn conditions_share_a_lock() {
    let lock = Rc::new(Lock::new(0));
    let (full, empty) = (Rc::new(Condition::with_lock(lock.clone())), Condition::with_lock(lock.clone()));
    let (executor, log) = (Executor::new(), Log::default());
    waiter(&executor, &full, &log, "full");
    executor.run();
    // A guard of the lock is one of each condition, whichever way it was acquired.
    let guard = lock.clone().try_acquire_owned().unwrap();
    assert!(full.locked() && empty.locked());
    empty.notify_all(&guard);
    full.notify_all(&guard);
    drop(guard);
    assert!(executor.finish());
    assert_eq!(log.take(), ["full"]);
}

#[test]
#[should_panic(expected = "Condition::notify: the guard is of another lock")]
fn a_guard_of_another_lock_is_refused() {
    let (condition, other) = (Condition::new(0), Lock::new(0));
    condition.notify(&other.try_acquire().unwrap(), 1);
}

#[test]
#[should_panic(expected = "Condition::wait: the guard is of another lock")]
fn waiting_with_a_guard_of_another_lock_is_refused() {
    let (condition, other) = (Condition::new(0), Lock::new(0));
    drop(condition.wait(other.try_acquire().unwrap()));
}

/// CPython: `test_timeout_in_block`. The guard that was handed in is gone, so the block has none to release.
#[test]
fn a_wait_given_up_inside_a_block_keeps_the_lock_balanced() {
    let (executor, condition, log) = setup();
    let (inside, entries) = (condition.clone(), log.clone());
    executor.spawn(async move {
        let guard = inside.acquire().await;
        let mut wait = Box::pin(inside.wait(guard));
        let gave_up = futures_util::future::select(&mut wait, Box::pin(yield_now())).await;
        entries.push(if matches!(gave_up, futures_util::future::Either::Right(_)) { "gave up" } else { "woken" });
        drop(gave_up);
        drop(wait);
        drop(inside.acquire().await);
    });
    assert!(executor.finish());
    assert_eq!(log.take(), ["gave up"]);
    assert_eq!(format!("{condition:?}"), "<Condition [unlocked]>");
}
