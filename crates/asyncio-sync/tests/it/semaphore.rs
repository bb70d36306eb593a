//! Semaphore and BoundedSemaphore, case by case as CPython's `test_locks`.

use std::rc::Rc;

use asyncio_sync::{BoundedSemaphore, Semaphore};

use crate::executor::{Executor, Log, Status, yield_now};

/// Spawns a task that uses a permit up and says so.
fn taker(executor: &Executor, semaphore: &Rc<Semaphore>, log: &Log, name: &'static str) -> usize {
    let (semaphore, log) = (semaphore.clone(), log.clone());
    executor.spawn(async move {
        semaphore.acquire().await.forget();
        log.push(name);
    })
}

fn setup(value: usize) -> (Executor, Rc<Semaphore>, Log) {
    (Executor::new(), Rc::new(Semaphore::new(value)), Log::default())
}

#[test]
fn it_starts_with_the_value_given() {
    assert!(Semaphore::new(0).locked());
    assert_eq!(Semaphore::default().value(), 1);
    assert_eq!(format!("{:?}", Semaphore::new(0)), "<Semaphore [locked]>");
    assert_eq!(format!("{:?}", BoundedSemaphore::default()), "<BoundedSemaphore [unlocked, value:1]>");
}

#[test]
fn it_counts_down_and_two_releases_wake_two() {
    let (executor, semaphore, log) = setup(3);
    for name in ["a", "b", "c", "d"] {
        taker(&executor, &semaphore, &log, name);
    }
    let last = taker(&executor, &semaphore, &log, "e");
    executor.run();
    assert_eq!(log.take(), ["a", "b", "c"]);
    assert_eq!(executor.status(last), Status::Pending(Some("Semaphore.acquire")));
    assert_eq!(format!("{semaphore:?}"), "<Semaphore [locked, waiters:2]>");
    semaphore.release();
    semaphore.release();
    assert_eq!(semaphore.value(), 0, "the permits went straight to the waiters");
    assert_eq!(format!("{semaphore:?}"), "<Semaphore [locked, waiters:2]>");
    assert!(executor.finish());
    assert_eq!(log.take(), ["d", "e"]);
}

#[test]
fn cancelled_waiters_leave_the_queue_clean() {
    let (executor, semaphore, log) = setup(0);
    let task = taker(&executor, &semaphore, &log, "a");
    executor.run();
    executor.cancel(task);
    executor.run();
    assert_eq!(format!("{semaphore:?}"), "<Semaphore [locked]>");
}

#[test]
fn a_release_passes_cancelled_waiters_by() {
    let (executor, semaphore, log) = setup(0);
    let tasks = ["a", "b", "c", "d"].map(|name| taker(&executor, &semaphore, &log, name));
    executor.run();
    executor.cancel(tasks[0]);
    executor.cancel(tasks[1]);
    semaphore.release();
    executor.run();
    assert_eq!(log.take(), ["c"]);
    assert!(semaphore.locked());
    assert_eq!(executor.status(tasks[3]), Status::Pending(Some("Semaphore.acquire")));
}

#[test]
fn a_cancellation_and_a_release_in_one_turn_do_not_hang() {
    let (executor, semaphore, log) = setup(0);
    let a = taker(&executor, &semaphore, &log, "a");
    taker(&executor, &semaphore, &log, "b");
    executor.run();
    executor.cancel(a);
    semaphore.release();
    executor.run();
    assert_eq!(log.take(), ["b"]);
    assert!(semaphore.locked());
}

#[test]
fn a_permit_given_to_a_waiter_that_is_then_cancelled_comes_back() {
    let (executor, semaphore, log) = setup(1);
    let (inside, entries) = (semaphore.clone(), log.clone());
    executor.spawn(async move {
        let permit = inside.acquire().await;
        yield_now().await;
        drop(permit);
        entries.push("released");
    });
    let a = taker(&executor, &semaphore, &log, "a");
    executor.turn();
    executor.turn();
    assert_eq!(log.take(), ["released"]);
    executor.cancel(a);
    executor.run();
    assert!(!semaphore.locked());
    taker(&executor, &semaphore, &log, "b");
    assert!(executor.finish());
    assert_eq!(log.take(), ["b"]);
}

#[test]
fn a_bounded_one_refuses_a_release_too_many() {
    let semaphore = Rc::new(BoundedSemaphore::new(2));
    let error = semaphore.release().unwrap_err();
    assert_eq!((error.value(), error.bound()), (2, 2));
    let permit = semaphore.clone().try_acquire_owned().unwrap();
    assert_eq!(semaphore.value(), 1);
    semaphore.release().unwrap();
    // Misuse: the permit was released already. It does not make a third.
    drop(permit);
    assert_eq!(semaphore.value(), 2);
    let executor = Executor::new();
    let inside = semaphore.clone();
    let first = (semaphore.try_acquire().unwrap(), semaphore.try_acquire().unwrap());
    executor.spawn(async move { drop(inside.acquire_owned().await) });
    executor.run();
    assert!(semaphore.locked());
    drop(first);
    assert!(executor.finish());
    assert_eq!((semaphore.value(), semaphore.bound()), (2, 2));
}

#[test]
fn a_release_without_waiters_unlocks() {
    let semaphore = Semaphore::new(1);
    let permit = semaphore.try_acquire().unwrap();
    assert_eq!(format!("{permit:?}"), "SemaphorePermit(Some(<Semaphore [locked]>))");
    assert!(semaphore.try_acquire().is_none());
    drop(permit);
    assert!(!semaphore.locked());
}

/// CPython: `test_acquire_fifo_order`, run there for the list.
#[test]
fn who_acquires_again_goes_to_the_end() {
    let (executor, semaphore, log) = setup(1);
    for tag in ["c1", "c2", "c3"] {
        let (semaphore, log) = (semaphore.clone(), log.clone());
        executor.spawn(async move {
            for round in 1..=2 {
                let permit = semaphore.acquire().await;
                log.push(format!("{tag}_{round}"));
                yield_now().await;
                drop(permit);
            }
        });
    }
    assert!(executor.finish());
    assert_eq!(log.take(), ["c1_1", "c2_1", "c3_1", "c1_2", "c2_2", "c3_2"]);
}

/// CPython: `test_acquire_fifo_order_2` and `_3`.
#[test]
fn a_newcomer_queues_though_the_value_is_positive() {
    let (executor, semaphore, log) = setup(0);
    let a = taker(&executor, &semaphore, &log, "a");
    let b = taker(&executor, &semaphore, &log, "b");
    executor.run();
    semaphore.release();
    executor.cancel(a);
    semaphore.release();
    // One permit is on its way back from "a", one was given to "b"; "c" waits behind both.
    taker(&executor, &semaphore, &log, "c");
    executor.run();
    assert_eq!(executor.status(b), Status::Done);
    assert!(executor.finish());
    assert_eq!(log.take(), ["b", "c"]);
    assert_eq!(semaphore.value(), 0);
}

/// CPython: `test_acquire_fifo_order_4`: a permit that nobody was there for goes to who queued behind a woken waiter.
#[test]
fn a_woken_waiter_gives_out_what_came_meanwhile() {
    let (executor, semaphore, log) = setup(0);
    taker(&executor, &semaphore, &log, "a");
    executor.run();
    // "b" runs before "a", and yet has to queue behind it.
    taker(&executor, &semaphore, &log, "b");
    semaphore.release();
    semaphore.release();
    assert_eq!(semaphore.value(), 1);
    assert!(semaphore.locked(), "the woken waiter has not run yet");
    assert!(executor.finish());
    assert_eq!(log.take(), ["a", "b"]);
    assert_eq!(semaphore.value(), 0);
}
