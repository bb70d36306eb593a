//! The end of an executor: what is dropped, when, on which thread, and what may be called meanwhile and after.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Poll;

use asyncio_executor::{Executor, ExecutorClosed, Future, Task, TaskError, call_soon, create_task, yield_now};

use crate::trace::{Leader, Log, Next, OnDrop, Tattle, abroad, faults, run};

#[test]
fn unfinished_tasks_are_dropped_in_order_of_creation() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    for name in ["a", "b", "c"] {
        let tattle = Tattle(log.clone(), name);
        drop(executor.spawn(async move {
            let _tattle = tattle;
            pending::<()>().await;
        }));
    }
    executor.turn();
    drop(executor);
    assert_eq!(log.take(), ["a", "b", "c"]);
}

#[test]
fn a_task_that_is_queued_and_watched_is_dropped_once() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let (future, callback) = (Tattle(log.clone(), "future"), Tattle(log.clone(), "callback"));
    let task = executor.spawn(async move { drop(future) });
    task.add_done_callback(move |_| drop(callback));
    let other = executor.spawn(async {});
    drop(executor);
    assert_eq!(log.take(), ["future", "callback"]);
    assert!(task.cancelled() && other.cancelled());
}

#[test]
fn a_destructor_may_wake_its_own_task_while_the_executor_closes() {
    for queued in [false, true] {
        let executor = Executor::new(|| {});
        let leader = Leader::default();
        let future = leader.future();
        let task = executor.spawn(async move {
            let mut future = future;
            let mut waker = None;
            poll_fn(|cx| {
                waker = Some(cx.waker().clone());
                Poll::Ready(())
            })
            .await;
            let _wake = OnDrop(move || waker.as_ref().unwrap().wake_by_ref());
            (&mut future).await
        });
        executor.turn();
        if queued {
            leader.waker().wake();
        }
        drop(executor);
        assert!(task.cancelled());
        assert_eq!((leader.polls.get(), leader.future_drops.get()), (1, 1));
    }
}

#[test]
fn a_destructor_cannot_step_the_executor_while_it_closes() {
    let executor = Rc::new(Executor::new(|| {}));
    let reports = faults(&executor);
    let stepped = Rc::new(Cell::new(false));
    let (again, polled) = (executor.clone(), Rc::new(Cell::new(0)));
    let count = polled.clone();
    let did = stepped.clone();
    let guard = OnDrop(move || {
        if !std::thread::panicking() {
            again.turn();
            did.set(true);
        }
    });
    drop(executor.spawn(async move {
        let _guard = guard;
        poll_fn(|cx| {
            count.set(count.get() + 1);
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
    }));
    executor.turn();
    executor.close();
    assert!(!stepped.get());
    assert_eq!(polled.get(), 1);
    let reports = reports.take();
    assert!(reports.len() == 1 && reports[0].contains("cannot be stepped"), "{reports:?}");
}

#[test]
fn the_future_of_a_scope_is_not_stepped_while_it_is_dropped() {
    let executor = Executor::new(|| {});
    let polled = Cell::new(0);
    let result = {
        let guard = OnDrop(|| {
            if catch_unwind(AssertUnwindSafe(|| executor.turn())).is_ok() {
                polled.set(100);
            }
        });
        let future = async {
            let _guard = guard;
            poll_fn(|cx| {
                polled.set(polled.get() + 1);
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            })
            .await;
        };
        executor.scope(Task::builder(), future, |_| executor.turn()).0
    };
    assert_eq!(polled.get(), 1);
    assert!(result.cancelled());
    run(&executor);
}

#[test]
fn a_destructor_may_use_what_is_left_while_the_executor_closes() {
    let executor = Rc::new(Executor::new(|| {}));
    let reports = faults(&executor);
    let log = Log::default();
    let (inside, remote, to) = (executor.clone(), executor.remote(), log.clone());
    let other = executor.spawn(pending::<()>());
    let handle = other.handle();
    let guard = OnDrop(move || {
        to.push(format!("cancel: {}", handle.cancel()));
        handle.add_done_callback(|_| unreachable!("no turn comes any more"));
        to.push(format!("closed: {}", inside.is_closed()));
        inside.close();
        to.push(format!("remote: {:?}", remote.call_soon_threadsafe(|| unreachable!())));
        let spawned = catch_unwind(AssertUnwindSafe(|| drop(inside.spawn(async {}))));
        to.push(format!("spawned: {}", spawned.is_ok()));
        let called = catch_unwind(AssertUnwindSafe(|| drop(inside.call_soon(|| {}))));
        to.push(format!("called: {}", called.is_ok()));
    });
    drop(executor.spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    }));
    executor.turn();
    executor.close();
    let expected = ["cancel: false", "closed: true", "remote: Ok(())", "spawned: false", "called: false"];
    assert_eq!(log.take(), expected);
    assert!(other.cancelled());
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn nothing_can_be_scheduled_on_an_executor_that_is_closed() {
    let executor = Executor::new(|| {});
    let handle = executor.spawn(async {}).handle();
    executor.close();
    executor.close();
    assert!(executor.is_closed());
    let log = Log::default();
    let kept = Tattle(log.clone(), "callback");
    let text = |result: std::thread::Result<()>| *result.unwrap_err().downcast::<&str>().unwrap();
    let spawned = catch_unwind(AssertUnwindSafe(|| drop(executor.spawn(async {}))));
    assert!(text(spawned).contains("the event loop is closed"));
    let called = catch_unwind(AssertUnwindSafe(|| drop(executor.call_soon(|| {}))));
    assert!(text(called).contains("the event loop is closed"));
    handle.add_done_callback(move |_| drop(kept));
    assert_eq!(log.take(), ["callback"]);
    assert_eq!(executor.remote().call_soon_threadsafe(|| {}), Err(ExecutorClosed));
    assert!(executor.remote().is_closed());
    assert!(!executor.turn());
}

#[test]
fn panics_of_destructors_do_not_keep_the_executor_from_closing() {
    struct Boom(&'static str);
    impl Drop for Boom {
        fn drop(&mut self) {
            panic!("{}", self.0);
        }
    }
    let executor = Executor::new(|| {});
    let reports = faults(&executor);
    let leader = Leader::default();
    let future = leader.future();
    let task = executor.spawn(future);
    let (in_future, in_callback, in_done) = (Boom("future"), Boom("callback"), Boom("done-callback"));
    drop(executor.spawn(async move {
        let _boom = in_future;
        pending::<()>().await;
    }));
    executor.turn();
    executor.call_soon(move || drop(in_callback));
    task.add_done_callback(move |_| drop(in_done));
    let remote = Boom("remote");
    executor.remote().call_soon_threadsafe(move || drop(remote)).unwrap();
    let waker = leader.waker();
    drop(executor);
    assert_eq!(
        reports.take(),
        [
            "exception in a destructor: done-callback",
            "task exception was never retrieved: future",
            "exception in a destructor: callback",
            "exception in a destructor: remote",
        ]
    );
    waker.wake_by_ref();
    drop(task);
    waker.wake();
}

#[test]
fn what_belongs_to_this_thread_is_dropped_on_it() {
    let executor = Executor::new(|| {});
    let home = std::thread::current().id();
    let seen = Rc::new(Cell::new(None));
    let leader = Leader::default();
    let task = executor.spawn(leader.future());
    executor.turn();
    let waker = leader.waker();
    leader.next(Next::Value);
    let to = seen.clone();
    let where_dropped = OnDrop(move || to.set(Some(std::thread::current().id())));
    task.add_done_callback(move |_| drop(where_dropped));
    waker.wake_by_ref();
    executor.turn();
    // The callback is in the queue, with the task. The last reference to that is abroad.
    assert!(task.done());
    let _ = task.context();
    drop(task);
    drop(executor);
    abroad(move || drop(waker));
    assert_eq!(seen.get(), Some(home));
}

#[test]
fn an_output_that_waits_for_watchers_is_dropped_here_too() {
    for handle in [false, true] {
        let executor = Executor::new(|| {});
        let home = std::thread::current().id();
        let seen = Rc::new(Cell::new(None));
        let to = seen.clone();
        let output = OnDrop(move || to.set(Some(std::thread::current().id())));
        let slot = Rc::new(Cell::new(None));
        let waker = slot.clone();
        let task = executor.spawn(async move {
            poll_fn(|cx| {
                waker.set(Some(cx.waker().clone()));
                Poll::Ready(())
            })
            .await;
            output
        });
        task.add_done_callback(|_| {});
        let kept = handle.then(|| task.handle());
        drop(task);
        executor.turn();
        assert_eq!(seen.get(), None, "the callback has not run");
        drop(executor);
        drop(kept);
        let waker = slot.take().unwrap();
        abroad(move || drop(waker));
        assert_eq!(seen.get(), Some(home));
    }
}

#[test]
fn a_guard_that_was_forgotten_or_dropped_late_leaves_no_dangling_executor() {
    let (first, second) = (Executor::new(|| {}), Executor::new(|| {}));
    let a = first.enter();
    let b = second.enter();
    drop(a);
    drop(b);
    drop(second);
    // `first` is current again, as it was when `b` was made.
    drop(first);
    let spawned = catch_unwind(|| drop(create_task(async {})));
    let message = spawned.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("no running event loop"));
    let third = Executor::new(|| {});
    std::mem::forget(third.enter());
    drop(third);
    assert!(catch_unwind(|| drop(call_soon(|| {}))).is_err());
}

#[test]
fn handles_wakers_and_futures_outlive_the_executor() {
    let executor = Executor::new(|| {});
    let leader = Leader::default();
    let promise = Future::<u32>::new();
    let waiting = executor.spawn(promise.clone());
    let led = executor.spawn(leader.future());
    let shared = executor.spawn(async { 5 }).shared();
    let done = executor.spawn(async { 7 });
    executor.turn();
    let waker = leader.waker();
    let handle = led.handle();
    drop(executor);
    waker.wake_by_ref();
    drop(waker.clone());
    assert!(!handle.cancel() && handle.cancelled() && handle.name().starts_with("Task-"));
    assert_eq!(handle.uncancel(), 0);
    assert!(handle.awaits().is_empty() && format!("{handle:?}").contains("cancelled"));
    assert!(matches!(led.result(), Err(TaskError::Cancelled(_))));
    assert_eq!(promise.set_result(1), Ok(()));
    assert!(waiting.cancelled());
    assert_eq!(shared.try_result().unwrap().unwrap(), 5);
    assert_eq!(done.result().unwrap(), 7);
    abroad(move || waker.wake());
}

#[test]
fn the_last_handle_abroad_frees_after_the_executor_is_gone_leak() {
    let executor = Executor::new(|| {});
    let leaders: Vec<Leader> = (0..10).map(|_| Leader::default()).collect();
    for leader in &leaders {
        drop(executor.spawn(leader.future()));
    }
    executor.turn();
    let wakers: Vec<_> = leaders.iter().map(Leader::waker).collect();
    drop(executor);
    abroad(move || {
        for waker in wakers {
            waker.wake_by_ref();
            waker.wake();
        }
    });
    assert!(leaders.iter().all(|leader| leader.future_drops.get() == 1));
}

#[test]
fn dropping_an_executor_with_everything_pending_leaks_nothing_leak() {
    let executor = Executor::new(|| {});
    let promise = Future::<String>::new();
    let leader = Leader::default();
    let inner = executor.spawn(leader.future());
    let chain = (0..20).fold(executor.spawn(async { "end".to_owned() }), |inner, _| {
        executor.spawn(async move {
            yield_now().await;
            pending::<()>().await;
            inner.await
        })
    });
    let shared = executor.spawn(promise.clone()).shared();
    for _ in 0..3 {
        let (shared, promise) = (shared.clone(), promise.clone());
        drop(executor.spawn(async move { asyncio_executor::catch_cancelled(shared).await.unwrap().len() }));
        drop(executor.spawn(asyncio_executor::with_cleanup(promise, pending::<()>)));
    }
    chain.add_done_callback(|_| {});
    promise.add_done_callback(|_| {});
    let outer = executor.spawn(async move {
        inner.join().await.ok();
    });
    executor.turn();
    executor.turn();
    outer.cancel_with("a message on the heap");
    chain.cancel_with("another");
    executor.call_soon(|| {});
    executor.remote().call_soon_threadsafe(|| {}).unwrap();
    let wakers = [leader.waker(), leader.waker()];
    let wakers = abroad(move || wakers.map(|waker| (waker.clone(), waker)));
    abroad(move || {
        for (first, second) in wakers {
            first.wake();
            drop(second);
        }
    });
    drop(executor);
}
