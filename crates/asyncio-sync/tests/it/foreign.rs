//! Under other executors, where no probe says anything and futures are polled when nothing has happened.

use std::cell::{Cell, RefCell};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use asyncio_context::{ProbeCell, set_probe_source, take_wait};
use asyncio_sync::{Barrier, Condition, Event, Lock, Queue, Semaphore};
use futures_executor::{LocalPool, block_on};
use futures_util::future::{Either, join, join_all, select};
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::task::LocalSpawnExt;

use crate::executor::yield_now;

#[test]
fn all_primitives_work_under_a_local_pool() {
    let mut pool = LocalPool::new();
    let spawner = pool.spawner();
    let done = Rc::new(Cell::new(0));
    let lock = Rc::new(Lock::new(0));
    let (semaphore, barrier) = (Rc::new(Semaphore::new(2)), Rc::new(Barrier::new(5)));
    let (condition, event, queue) = (Rc::new(Condition::new(0)), Rc::new(Event::new()), Rc::new(Queue::new(1)));
    for number in 0..5 {
        let (done, lock, semaphore, barrier) = (done.clone(), lock.clone(), semaphore.clone(), barrier.clone());
        let (condition, event, queue) = (condition.clone(), event.clone(), queue.clone());
        spawner
            .spawn_local(async move {
                for _ in 0..10 {
                    let _permit = semaphore.acquire().await;
                    let mut guard = lock.acquire().await;
                    let before = *guard;
                    yield_now().await;
                    *guard = before + 1;
                }
                barrier.wait().await.unwrap();
                let mut guard = condition.acquire().await;
                *guard += 1;
                condition.notify_all(&guard);
                drop(condition.wait_for(guard, |all| *all == 5).await);
                queue.put(number).await.unwrap();
                event.wait().await;
                done.set(done.get() + 1);
            })
            .unwrap();
    }
    let items = pool.run_until(async { join_all((0..5).map(|_| queue.get())).await });
    assert_eq!(items.len(), 5);
    pool.run_until_stalled();
    event.set();
    pool.run();
    assert_eq!(done.get(), 5);
    assert_eq!(*lock.try_acquire().unwrap(), 50);
}

#[test]
fn many_waiters_in_one_task_are_served_in_order() {
    block_on(async {
        let lock = Lock::new(Vec::new());
        let guard = lock.acquire().await;
        let mut waiters: FuturesUnordered<_> = (0..100)
            .map(|number| {
                let lock = &lock;
                async move {
                    lock.acquire().await.push(number);
                }
            })
            .collect();
        assert!(futures_util::poll!(waiters.next()).is_pending());
        drop(guard);
        while waiters.next().await.is_some() {}
        drop(waiters);
        assert!(lock.into_inner().into_iter().eq(0..100));
    });
}

#[test]
fn a_lost_branch_of_a_select_passes_its_turn_on() {
    block_on(async {
        let lock = Lock::new(0);
        let guard = lock.acquire().await;
        let mut first = Box::pin(lock.acquire());
        let mut second = Box::pin(lock.acquire());
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(guard);
        // The first is woken by now; the other branch wins all the same.
        match select(pin!(async {}), first).await {
            Either::Left(((), lost)) => drop(lost),
            Either::Right(_) => unreachable!(),
        }
        *second.await += 1;
        assert_eq!(lock.into_inner(), 1);
    });
}

#[test]
fn a_poll_for_another_reason_changes_nothing() {
    block_on(async {
        let queue = Queue::new(0);
        let (item, ()) = join(queue.get(), async {
            for _ in 0..5 {
                yield_now().await;
            }
            queue.put(7).await.unwrap();
        })
        .await;
        assert_eq!(item, Ok(7));
    });
}

#[test]
fn a_hundred_thousand_waiters_leave_from_anywhere() {
    let semaphore = Semaphore::new(0);
    let count = if cfg!(miri) { 100 } else { 100_000 };
    let mut waiters: Vec<_> = (0..count).map(|_| Box::pin(semaphore.acquire())).collect();
    let mut cx = Context::from_waker(Waker::noop());
    for waiter in &mut waiters {
        assert!(waiter.as_mut().poll(&mut cx).is_pending());
    }
    // From the middle outwards: if leaving looked for its place, this would take minutes.
    while !waiters.is_empty() {
        let middle = waiters.len() / 2;
        drop(waiters.swap_remove(middle));
    }
    assert_eq!(format!("{semaphore:?}"), "<Semaphore [locked]>");
}

/// An executor that takes a cancellation back after it was told. Nobody should, and nothing may hang if one does.
#[test]
fn a_waiter_that_was_passed_by_and_is_polled_all_the_same_gets_its_turn() {
    thread_local!(static CELL: ProbeCell = const { ProbeCell::new() });
    set_probe_source(Some(|| CELL.with(ProbeCell::probe)));
    let cancelled = |cancelled| CELL.with(|cell| cell.set_cancelled(cancelled));
    let mut cx = Context::from_waker(Waker::noop());

    let lock = Lock::new(());
    let guard = lock.try_acquire();
    let mut acquire = pin!(lock.acquire());
    assert!(acquire.as_mut().poll(&mut cx).is_pending());
    cancelled(true);
    drop(guard);
    cancelled(false);
    assert!(acquire.as_mut().poll(&mut cx).is_ready());

    let semaphore = Semaphore::new(0);
    let mut acquire = pin!(semaphore.acquire());
    assert!(acquire.as_mut().poll(&mut cx).is_pending());
    cancelled(true);
    semaphore.release();
    assert_eq!(semaphore.value(), 1);
    cancelled(false);
    assert!(acquire.as_mut().poll(&mut cx).is_ready());

    let queue = Queue::new(1);
    let mut get = pin!(queue.get());
    assert!(get.as_mut().poll(&mut cx).is_pending());
    cancelled(true);
    queue.put_nowait(1).unwrap();
    cancelled(false);
    assert_eq!(get.as_mut().poll(&mut cx), Poll::Ready(Ok(1)));
    set_probe_source(None);
}

#[test]
fn a_wait_reports_where_it_was_called() {
    let event = Event::new();
    let line = line!() + 1;
    let mut wait = pin!(event.wait());
    assert!(wait.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let wait = take_wait().unwrap();
    assert_eq!(wait.kind.name(), "Event.wait");
    assert_eq!(wait.location.map(|at| (at.file(), at.line())), Some((file!(), line)));
}

/// A waker that runs the waiter at once, inside the wake, as a foreign executor may.
#[test]
fn a_waker_may_poll_other_waiters_inside_the_wake() {
    struct Inline;
    thread_local!(static OTHER: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>> = const { RefCell::new(None) });
    impl Wake for Inline {
        fn wake(self: Arc<Self>) {
            if let Some(mut other) = OTHER.take() {
                assert!(other.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                OTHER.set(Some(other));
            }
        }
    }
    let lock = Rc::new(Lock::new(()));
    let inside = lock.clone();
    OTHER.set(Some(Box::pin(async move { drop(inside.acquire().await) })));
    let guard = lock.try_acquire();
    let waker = Waker::from(Arc::new(Inline));
    let mut acquire = pin!(lock.acquire());
    assert!(acquire.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    // Wakes the waiter, whose waker has a newcomer try its luck: it queues behind.
    drop(guard);
    assert_eq!(format!("{lock:?}"), "<Lock [unlocked, waiters:2]>");
    assert!(acquire.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    // The guard of that poll is dropped, so it is the newcomer's turn.
    let mut other = OTHER.take().unwrap();
    assert!(other.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    assert_eq!(format!("{lock:?}"), "<Lock [unlocked]>");
}
