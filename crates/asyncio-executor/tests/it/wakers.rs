//! Wakers: at home and abroad, before and after the end of their task and of their executor.

use std::future::poll_fn;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use asyncio_executor::{Executor, create_task, yield_now};

use crate::trace::{Leader, Next, abroad, run};

/// An executor that counts how often it was notified.
fn counted() -> (Executor, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let to = count.clone();
    let notify = move || {
        to.fetch_add(1, SeqCst);
    };
    (Executor::new(notify), count)
}

#[test]
fn a_wake_at_home_schedules_once_and_notifies_nobody() {
    let (executor, notices) = counted();
    let leader = Leader::default();
    drop(executor.spawn(leader.future()));
    executor.turn();
    for _ in 0..3 {
        leader.waker().wake();
    }
    leader.waker().wake_by_ref();
    assert_eq!(executor.collect_ready(), 1);
    run(&executor);
    assert_eq!((leader.polls.get(), notices.load(SeqCst)), (2, 0));
}

#[test]
fn a_wake_abroad_notifies_once_until_the_owner_looks() {
    let (executor, notices) = counted();
    let leaders = [Leader::default(), Leader::default()];
    leaders.iter().for_each(|leader| drop(executor.spawn(leader.future())));
    executor.turn();
    let wakers = leaders.each_ref().map(Leader::waker);
    assert!(!executor.has_ready());
    abroad(|| {
        for waker in &wakers {
            waker.wake_by_ref();
            waker.wake_by_ref();
        }
    });
    assert_eq!(notices.load(SeqCst), 1);
    assert!(executor.has_ready());
    run(&executor);
    assert_eq!(leaders.each_ref().map(|leader| leader.polls.get()), [2, 2]);
    abroad(|| wakers[0].wake_by_ref());
    assert_eq!(notices.load(SeqCst), 2);
    run(&executor);
    assert_eq!(leaders.each_ref().map(|leader| leader.polls.get()), [3, 2]);
}

#[test]
fn wakes_from_abroad_keep_their_order() {
    let executor = Executor::new(|| {});
    let order = Rc::new(std::cell::RefCell::new(Vec::new()));
    let wakers: Arc<Mutex<Vec<Waker>>> = Arc::default();
    for index in 0..5 {
        let (order, wakers) = (order.clone(), wakers.clone());
        drop(executor.spawn(async move {
            let mut first = true;
            poll_fn(|cx| {
                if std::mem::take(&mut first) {
                    wakers.lock().unwrap().push(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
            .await;
            order.borrow_mut().push(index);
        }));
    }
    executor.turn();
    abroad(|| {
        let wakers = wakers.lock().unwrap();
        [3, 1, 4, 0, 2].iter().for_each(|&index| Waker::wake_by_ref(&wakers[index]));
    });
    run(&executor);
    assert_eq!(*order.borrow(), [3, 1, 4, 0, 2]);
}

/// References made abroad that come home and are dropped there use up the count of those made at home.
#[test]
fn a_live_task_is_woken_from_abroad_whatever_came_home() {
    let executor = Executor::new(|| {});
    let leader = Leader::default();
    drop(executor.spawn(leader.future()));
    executor.turn();
    let waker = leader.take_waker().unwrap();
    let clones = abroad(|| [waker.clone(), waker.clone(), waker.clone()]);
    let [first, second, third] = clones;
    drop(first);
    drop(second);
    drop(waker);
    assert_eq!(executor.live_tasks(), 1);
    assert_eq!(executor.all_tasks().len(), 1);
    leader.next(Next::Value);
    abroad(move || third.wake());
    run(&executor);
    assert_eq!((leader.polls.get(), leader.future_drops.get(), executor.live_tasks()), (2, 1, 0));
}

#[test]
fn a_task_is_freed_when_its_wakers_made_at_home_are_dropped_abroad_leak() {
    let executor = Executor::new(|| {});
    let leader = Leader::default();
    drop(executor.spawn(leader.future()));
    executor.turn();
    let wakers: Vec<Waker> = (0..8).map(|_| leader.waker()).collect();
    leader.next(Next::Value);
    leader.waker().wake();
    run(&executor);
    assert_eq!(leader.output_drops.get(), 1);
    abroad(move || drop(wakers));
    run(&executor);
}

#[test]
fn a_waker_of_a_task_that_ended_does_nothing() {
    let executor = Executor::new(|| {});
    let leader = Leader::default();
    drop(executor.spawn(leader.future()));
    executor.turn();
    let waker = leader.waker();
    leader.next(Next::Value);
    waker.wake_by_ref();
    run(&executor);
    waker.wake_by_ref();
    assert!(!executor.has_ready());
    abroad(move || waker.wake());
    run(&executor);
    assert_eq!(leader.polls.get(), 2);
}

#[test]
fn wakers_of_one_task_wake_the_same() {
    let executor = Executor::new(|| {});
    let leaders = [Leader::default(), Leader::default()];
    leaders.iter().for_each(|leader| drop(executor.spawn(leader.future())));
    executor.turn();
    let [a, b] = leaders.each_ref().map(Leader::waker);
    assert!(a.will_wake(&a.clone()) && a.will_wake(&leaders[0].waker()) && !a.will_wake(&b));
    assert!(abroad(|| a.clone().will_wake(&a)));
}

/// Threads that clone, wake and drop while the owner polls, ends the task, and closes.
#[test]
fn threads_and_owner_at_the_same_time_leak() {
    for round in 0..40 {
        let executor = Executor::new(|| {});
        let polls = Rc::new(std::cell::Cell::new(0));
        let (slot, count): (Arc<Mutex<Option<Waker>>>, _) = (Arc::default(), polls.clone());
        let from = slot.clone();
        let end = round % 3 == 0;
        drop(executor.spawn(poll_fn(move |cx| {
            count.set(count.get() + 1);
            *slot.lock().unwrap() = Some(cx.waker().clone());
            if end && count.get() > 3 { Poll::Ready(()) } else { Poll::Pending }
        })));
        executor.turn();
        let waker = from.lock().unwrap().take().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let waker = waker.clone();
                scope.spawn(move || {
                    for _ in 0..20 {
                        let (first, second) = (waker.clone(), waker.clone());
                        first.wake_by_ref();
                        second.wake();
                        drop(first);
                    }
                });
            }
            for _ in 0..50 {
                executor.turn();
                from.lock().unwrap().take();
            }
            if round % 2 == 0 {
                executor.close();
            }
        });
        let before = polls.get();
        if !executor.is_closed() {
            run(&executor);
            if !end {
                abroad(|| waker.wake_by_ref());
                run(&executor);
                assert!(polls.get() > before, "the last wake is never lost");
            }
        }
    }
}

#[test]
fn closures_from_abroad_run_in_the_order_of_sending() {
    let (executor, notices) = counted();
    let remote = executor.remote();
    let got: Arc<Mutex<Vec<u32>>> = Arc::default();
    let to = got.clone();
    abroad(move || {
        assert!(!remote.is_home() && !remote.is_closed());
        for index in 0..5 {
            let to = to.clone();
            remote.call_soon_threadsafe(move || to.lock().unwrap().push(index)).unwrap();
        }
        remote.notify();
    });
    assert!(executor.remote().is_home());
    assert!(executor.has_ready());
    run(&executor);
    assert_eq!(*got.lock().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(notices.load(SeqCst), 6);
}

#[test]
fn a_waker_may_be_used_inside_another_executor_of_the_thread() {
    let (first, second) = (Executor::new(|| {}), Executor::new(|| {}));
    let leader = Leader::default();
    drop(first.spawn(leader.future()));
    first.turn();
    let waker = leader.waker();
    drop(second.spawn(async move {
        yield_now().await;
        waker.wake();
        create_task(async {}).await;
    }));
    run(&second);
    assert_eq!(leader.polls.get(), 1);
    run(&first);
    assert_eq!(leader.polls.get(), 2);
}
