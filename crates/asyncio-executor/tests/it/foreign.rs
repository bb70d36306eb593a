//! Futures of this crate under executors of others, and those of others under this one.

use std::future::{Future as _, pending, poll_fn};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use asyncio_executor::{
    CancelKind, CancelledError, Executor, Future, catch_cancelled, current_task, panic_message, with_cleanup, yield_now,
};
use futures_util::future::{FutureExt, join, join3};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::trace::{CountWakes, Leader, Log, Next, run};

/// An executor that knows nothing of this crate: polls as long as it was woken.
fn drive<F: std::future::Future>(future: F) -> Option<F::Output> {
    let (count, waker) = CountWakes::new();
    let mut future = Box::pin(future);
    let mut seen = 0;
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(value);
        }
        if count.get() == seen {
            return None;
        }
        seen = count.get();
    }
}

#[test]
fn scopes_work_under_other_executors() {
    assert_eq!(drive(catch_cancelled(async { 5 })).unwrap().unwrap(), 5);
    let caught = catch_cancelled(async {
        yield_now().await;
        CancelledError::with_message(CancelKind::Explicit, "mine").raise().await
    });
    assert_eq!(drive(caught).unwrap().unwrap_err().message(), Some("mine"));
    assert!(drive(catch_cancelled(pending::<()>())).is_none());
    let log = Log::default();
    let to = log.clone();
    let cleaned = with_cleanup(async { 7 }, || async move {
        yield_now().await;
        to.push("cleaned");
    });
    assert_eq!(drive(cleaned), Some(7));
    assert_eq!(log.take(), ["cleaned"]);
}

#[test]
fn futures_work_under_other_executors() {
    let promise = Future::<u32>::new();
    let set = promise.clone();
    let both = join(promise.clone(), async move {
        yield_now().await;
        set.set_result(3).unwrap();
    });
    assert_eq!(drive(both), Some((3, ())));
    let cancelled = Future::<u32>::new();
    cancelled.cancel_with("gone");
    assert_eq!(drive(catch_cancelled(cancelled.clone())).unwrap().unwrap_err().message(), Some("gone"));
    let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drive(cancelled))).unwrap_err();
    assert!(panic_message(&*payload).unwrap().contains("no cancel scope is around"));
}

#[test]
fn tasks_are_awaited_from_other_executors() {
    let executor = Executor::new(|| {});
    let mut task = executor.spawn(async {
        yield_now().await;
        9
    });
    let shared = executor.spawn(async { 1 }).shared();
    let (count, waker) = CountWakes::new();
    let mut cx = Context::from_waker(&waker);
    assert!(task.poll_unpin(&mut cx).is_pending());
    assert!(shared.clone().poll_unpin(&mut cx).is_pending());
    run(&executor);
    assert_eq!(count.get(), 1, "the other awaiter is gone");
    assert_eq!(task.poll_unpin(&mut cx), Poll::Ready(9));
    assert_eq!(drive(shared), Some(1));
    let cancelled = executor.spawn(pending::<()>());
    cancelled.cancel();
    run(&executor);
    assert!(drive(cancelled.join()).unwrap().is_err());
}

#[test]
fn what_the_executor_of_another_polls_is_in_the_scope_that_polls_that() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let to = log.clone();
    let task = executor.spawn(async move {
        let all = FuturesUnordered::new();
        for index in 0..3 {
            let to = to.clone();
            all.push(async move {
                let error = catch_cancelled(pending::<()>()).await.unwrap_err();
                yield_now().await;
                to.push(format!("{index} {:?}", error.kind()));
                current_task().unwrap().name()
            });
        }
        let names: Vec<String> = all.collect().await;
        assert!(names.iter().all(|name| *name == current_task().unwrap().name()));
    });
    executor.turn();
    task.cancel();
    run(&executor);
    assert_eq!(log.take(), ["0 Explicit", "1 Explicit", "2 Explicit"]);
    task.result().unwrap();
}

#[test]
fn another_executor_inside_a_task_wakes_its_own_way() {
    let executor = Executor::new(|| {});
    let leader = Leader::default();
    let future = leader.future();
    let task = executor.spawn(async move {
        // A foreign executor that is driven by this task, and polls with a waker of its own.
        let mut inner = Box::pin(catch_cancelled(future));
        let mut outcome = None;
        poll_fn(|cx| {
            let waker: Waker = Rc::new(cx.waker().clone()).as_ref().clone();
            match inner.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(result) => {
                    outcome = Some(result.is_ok());
                    Poll::Ready(())
                }
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        outcome
    });
    executor.turn();
    leader.next(Next::Value);
    leader.waker().wake();
    run(&executor);
    assert_eq!(task.result().unwrap(), Some(true));
}

#[test]
fn an_executor_can_be_stepped_inside_a_task_of_another() {
    let (outer, inner) = (Executor::new(|| {}), Rc::new(Executor::new(|| {})));
    let stepped = inner.clone();
    let log = Log::default();
    let to = log.clone();
    let inside = inner.spawn(async move {
        to.push(current_task().unwrap().name());
        yield_now().await;
        pending::<()>().await;
    });
    inside.handle().set_name("inside");
    let to = log.clone();
    let task = Task::spawn_named(&outer, "outside", async move {
        stepped.turn();
        to.push(current_task().unwrap().name());
        let me = current_task().unwrap();
        inside.cancel();
        stepped.turn();
        assert!(inside.cancelled());
        to.push(format!("{} {}", me.name(), me.cancelling()));
    });
    run(&outer);
    task.result().unwrap();
    assert_eq!(log.take(), ["inside", "outside", "outside 0"]);
}

/// Spawns with a name.
struct Task;

impl Task {
    fn spawn_named<F: std::future::Future + 'static>(
        executor: &Executor,
        name: &str,
        future: F,
    ) -> asyncio_executor::Task<F::Output> {
        executor.spawn_with(asyncio_executor::Task::builder().name(name), future)
    }
}

#[test]
fn combinators_of_others_work_inside_tasks() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        let tasks = [1, 2, 3].map(|value| {
            asyncio_executor::create_task(async move {
                yield_now().await;
                value
            })
        });
        let [a, b, c] = tasks;
        join3(a, b.map(|value| value * 10), c.join().map(Result::unwrap)).await
    });
    run(&executor);
    assert_eq!(task.result().unwrap(), (1, 20, 3));
}

#[test]
fn all_tasks_awaited_side_by_side_get_the_request() {
    let executor = Executor::new(|| {});
    let handles = Rc::new(std::cell::RefCell::new(Vec::new()));
    let keep = handles.clone();
    let task = executor.spawn(async move {
        let make = || asyncio_executor::create_task(pending::<()>());
        let (a, b, c) = (make(), make(), make());
        keep.borrow_mut().extend([a.handle(), b.handle(), c.handle()]);
        join3(a, b, c).await;
    });
    executor.turn();
    executor.turn();
    assert_eq!(task.handle().awaited_tasks(), *handles.borrow());
    task.cancel_with("all");
    run(&executor);
    assert!(task.cancelled() && handles.borrow().iter().all(|handle| handle.cancelled() && handle.cancelling() == 1));
    assert_eq!(task.cancelling(), 1);
}
