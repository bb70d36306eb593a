//! Requests for cancellation: delivered, forwarded, caught, raised again, refused.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use asyncio_executor::{
    CancelKind, CancelledError, Executor, Future, Task, TaskError, catch_cancelled, create_task, current_task,
    with_cleanup, yield_now,
};
use futures_util::FutureExt;
use futures_util::future::select;

use crate::trace::{Leader, Log, Next, Tattle, run};

fn log(log: &Log, line: impl Into<String>) {
    log.push(line);
}

/// The message of the cancellation that a task ended with.
fn cancelled_with<T>(task: Task<T>) -> String {
    match task.result() {
        Err(TaskError::Cancelled(error)) => error.message().unwrap_or("-").to_owned(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it ended with a value"),
    }
}

#[test]
fn a_suspended_task_is_cancelled_on_its_next_turn() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(pending::<()>());
    executor.turn();
    assert!(task.cancel_with("enough"));
    assert!(!task.done());
    assert_eq!(task.cancelling(), 1);
    executor.turn();
    assert!(task.cancelled());
    let error = task.result().unwrap_err();
    assert_eq!(error.cancelled().unwrap().message(), Some("enough"));
    assert_eq!(error.cancelled().unwrap().kind(), CancelKind::Explicit);
}

#[test]
fn a_task_that_has_not_started_never_runs() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async { panic!("must not run") });
    task.cancel();
    executor.turn();
    assert!(task.cancelled());
}

#[test]
fn a_request_goes_to_the_awaited_task_first() {
    let executor = Executor::new(|| {});
    let order: Log = Log::default();
    let (o1, o2) = (order.clone(), order.clone());
    let outer = executor.spawn(async move {
        let inner = create_task(async move {
            let error = catch_cancelled(pending::<()>()).await.unwrap_err();
            log(&o1, "inner caught");
            yield_now().await;
            log(&o1, "inner cleaned up");
            error.raise().await
        });
        match catch_cancelled(inner).await {
            Ok(()) => unreachable!(),
            Err(error) => {
                log(&o2, format!("outer caught {:?}", error.message()));
                7
            }
        }
    });
    executor.turn();
    executor.turn();
    outer.cancel_with("m");
    run(&executor);
    assert_eq!(order.take(), ["inner caught", "inner cleaned up", "outer caught Some(\"m\")"]);
    assert_eq!(outer.result().unwrap(), 7);
}

#[test]
fn a_task_that_cancels_itself_is_cancelled_at_its_next_suspension() {
    let executor = Executor::new(|| {});
    let order: Log = Log::default();
    let o = order.clone();
    let task = executor.spawn(async move {
        current_task().unwrap().cancel();
        log(&o, "still here");
        yield_now().await;
        log(&o, "never");
    });
    run(&executor);
    assert!(task.cancelled());
    assert_eq!(order.take(), ["still here"]);
    let task = executor.spawn(async {
        current_task().unwrap().cancel();
        5
    });
    run(&executor);
    assert!(matches!(task.result(), Err(TaskError::Cancelled(_))));
}

#[test]
fn cleanup_runs_to_its_end() {
    let executor = Executor::new(|| {});
    let order: Log = Log::default();
    let o = order.clone();
    let task = executor.spawn(with_cleanup(pending::<()>(), move || async move {
        yield_now().await;
        yield_now().await;
        log(&o, "cleaned");
    }));
    executor.turn();
    task.cancel();
    assert_eq!(run(&executor), 3);
    assert!(task.cancelled());
    assert_eq!(order.take(), ["cleaned"]);
}

#[test]
fn uncancel_withdraws_a_flag_only() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        yield_now().await;
        1
    });
    executor.turn();
    task.cancel();
    assert_eq!(task.uncancel(), 0);
    run(&executor);
    assert_eq!(task.result().unwrap(), 1);
    let task = executor.spawn(pending::<()>());
    executor.turn();
    task.cancel();
    task.uncancel();
    run(&executor);
    assert!(task.cancelled());
}

#[test]
fn destructors_run_inner_first_before_the_error_is_seen() {
    let executor = Executor::new(|| {});
    let order = Log::default();
    let o = order.clone();
    let task = executor.spawn(async move {
        let _outer = Tattle(o.clone(), "root");
        let inner = async {
            let _middle = Tattle(o.clone(), "middle");
            async {
                let _inner = Tattle(o.clone(), "inner");
                pending::<()>().await;
            }
            .await;
        };
        let error = catch_cancelled(inner).await.unwrap_err();
        o.push("caught");
        error.raise().await
    });
    executor.turn();
    task.cancel_with("m");
    run(&executor);
    assert_eq!(order.take(), ["inner", "middle", "caught", "root"]);
    assert_eq!(cancelled_with(task), "m");
}

#[test]
fn a_task_may_refuse() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        for _ in 0..3 {
            let _ = catch_cancelled(pending::<()>()).await;
        }
        "refused"
    });
    for index in 1..=3 {
        executor.turn();
        assert!(!task.done() && task.cancel());
        assert_eq!(task.cancelling(), index);
        executor.turn();
    }
    assert_eq!((task.cancelled(), task.cancelling()), (false, 3));
    assert_eq!(task.result().unwrap(), "refused");
}

#[test]
fn scopes_raise_again_one_by_one() {
    let executor = Executor::new(|| {});
    let order = Log::default();
    let o = order.clone();
    let task = executor.spawn(async move {
        let first = async {
            let error = catch_cancelled(pending::<()>()).await.unwrap_err();
            o.push("1");
            yield_now().await;
            error.raise().await
        };
        let second = async {
            let error: CancelledError = catch_cancelled(first).await.unwrap_err();
            o.push("2");
            error.with_kind(CancelKind::Gather).raise().await
        };
        let error: CancelledError = catch_cancelled(second).await.unwrap_err();
        o.push(format!("3 {:?}", error.kind()));
        error.raise().await
    });
    executor.turn();
    task.cancel_with("m");
    assert_eq!(run(&executor), 2);
    assert_eq!(order.take(), ["1", "2", "3 Gather"]);
    let task: Task<()> = task;
    assert_eq!(cancelled_with(task), "m");
}

#[test]
fn raising_out_of_the_root_scope_ends_the_task() {
    let executor = Executor::new(|| {});
    let task: Task<()> =
        executor.spawn(async { CancelledError::with_message(CancelKind::Explicit, "of my own").raise().await });
    run(&executor);
    assert!(task.cancelled());
    assert_eq!(task.cancelling(), 0);
    assert_eq!(cancelled_with(task), "of my own");
}

#[test]
fn a_cancellation_of_the_awaited_is_raised_in_the_awaiter() {
    let executor = Executor::new(|| {});
    let inner = executor.spawn(pending::<()>());
    let handle = inner.handle();
    let outer = executor.spawn(inner);
    executor.turn();
    handle.cancel_with("inner only");
    run(&executor);
    assert_eq!(outer.cancelling(), 0, "nobody asked the awaiter");
    assert_eq!(cancelled_with(outer), "inner only");
}

#[test]
fn join_tells_whose_cancellation_it_is() {
    let executor = Executor::new(|| {});
    let make = || {
        let inner = executor.spawn(pending::<()>());
        let handle = inner.handle();
        let outer = executor.spawn(async move { inner.join().await.unwrap_err().to_string() });
        executor.turn();
        (handle, outer)
    };
    let (inner, outer) = make();
    inner.cancel_with("of the inner one");
    run(&executor);
    assert!(outer.result().unwrap().contains("of the inner one"));
    let (inner, outer) = make();
    outer.cancel_with("of the outer one");
    run(&executor);
    assert!(inner.cancelled());
    assert_eq!(cancelled_with(outer), "of the outer one");
    // Both: the inner one had been asked already, and so the outer one passes its request on to it, too.
    let (inner, outer) = make();
    inner.cancel_with("first");
    outer.cancel_with("second");
    run(&executor);
    assert_eq!(inner.cancelling(), 2);
    assert_eq!(cancelled_with(outer), "first");
}

#[test]
fn a_task_that_ends_before_it_takes_the_request_gives_its_value() {
    let executor = Executor::new(|| {});
    let leader = Leader::default();
    let inner = executor.spawn(leader.future());
    let outer = executor.spawn(async move {
        drop(inner.await);
        "value"
    });
    executor.turn();
    // The inner task has ended when the outer one is asked, and the outer one is on its way.
    leader.next(Next::Value);
    leader.waker().wake();
    executor.turn();
    outer.cancel_with("late");
    run(&executor);
    assert_eq!(cancelled_with(outer), "late", "the value is dropped");
    assert_eq!(leader.output_drops.get(), 1);
}

#[test]
fn a_wake_between_request_and_delivery_changes_nothing() {
    let executor = Executor::new(|| {});
    let leader = Leader::default();
    let task = executor.spawn(leader.future());
    executor.turn();
    task.cancel();
    leader.next(Next::Value);
    leader.waker().wake();
    run(&executor);
    assert!(task.cancelled());
    assert_eq!((leader.polls.get(), leader.output_drops.get()), (1, 0));
    let leader = Leader::default();
    let task = executor.spawn(leader.future());
    executor.turn();
    leader.next(Next::Value);
    leader.waker().wake();
    task.cancel();
    run(&executor);
    assert!(task.cancelled());
    assert_eq!((leader.polls.get(), leader.output_drops.get()), (1, 0));
}

#[test]
fn cleanup_runs_after_a_value_too() {
    let executor = Executor::new(|| {});
    let order = Log::default();
    let o = order.clone();
    let task = executor.spawn(with_cleanup(async { 3 }, move || async move {
        yield_now().await;
        o.push("cleaned");
    }));
    run(&executor);
    assert_eq!((order.take(), task.result().unwrap()), (vec!["cleaned".to_owned()], 3));
}

#[test]
fn a_request_that_cleanup_does_not_catch_ends_it() {
    let executor = Executor::new(|| {});
    let order = Log::default();
    let o = order.clone();
    let task = executor.spawn(with_cleanup(pending::<()>(), move || async move {
        let _dropped = Tattle(o.clone(), "dropped");
        o.push("cleaning");
        pending::<()>().await;
        o.push("never");
    }));
    executor.turn();
    task.cancel_with("1");
    run(&executor);
    assert!(!task.done());
    task.cancel_with("2");
    run(&executor);
    assert_eq!(order.take(), ["cleaning", "dropped"]);
    assert_eq!(cancelled_with(task), "2");
}

#[test]
fn cleanup_after_a_panic_may_be_cancelled() {
    let executor = Executor::new(|| {});
    let task: Task<()> = executor.spawn(with_cleanup(async { panic!("body") }, pending::<()>));
    executor.turn();
    task.cancel_with("instead");
    run(&executor);
    assert_eq!(cancelled_with(task), "instead");
}

#[test]
fn cleanup_does_not_run_when_there_is_nobody_to_await_it() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        let cleaned = Rc::new(Cell::new(false));
        let to = cleaned.clone();
        let lost = with_cleanup(pending::<()>(), move || async move { to.set(true) });
        select(Box::pin(lost), Box::pin(yield_now())).await;
        yield_now().await;
        cleaned.get()
    });
    run(&executor);
    assert!(!task.result().unwrap());
}

#[test]
fn branches_of_macros_are_scopes_side_by_side() {
    let executor = Executor::new(|| {});
    let order = Log::default();
    let o = order.clone();
    let task = executor.spawn(async move {
        let branch = |name: &'static str| {
            let o = o.clone();
            async move {
                let error = catch_cancelled(pending::<()>()).await.unwrap_err();
                o.push(format!("{name} {}", error.message().unwrap()));
            }
        };
        futures_util::join!(branch("join a"), branch("join b"));
        let (mut a, mut b) = (Box::pin(branch("select a").fuse()), Box::pin(branch("select b").fuse()));
        futures_util::select_biased! {
            () = a => {}
            () = b => {}
        }
        o.push("selected");
        yield_now().await;
        // What was asked of the lost branch was heard by the other.
        "end"
    });
    executor.turn();
    task.cancel_with("1");
    run(&executor);
    task.cancel_with("2");
    run(&executor);
    assert_eq!(order.take(), ["join a 1", "join b 1", "select a 2", "selected"]);
    assert_eq!(task.result().unwrap(), "end");
}

#[test]
fn a_raise_in_one_branch_ends_the_others() {
    let executor = Executor::new(|| {});
    let order = Log::default();
    let o = order.clone();
    let task = executor.spawn(async move {
        let kept = Tattle(o.clone(), "other branch dropped");
        let both = async {
            futures_util::join!(
                async {
                    let _kept = kept;
                    pending::<()>().await;
                },
                async {
                    let promise = Future::<()>::new();
                    promise.cancel_with("a future");
                    promise.await;
                }
            )
        };
        let error = catch_cancelled(both).await.unwrap_err();
        o.push(error.message().unwrap());
    });
    run(&executor);
    assert_eq!(order.take(), ["other branch dropped", "a future"]);
    task.result().unwrap();
}

#[test]
fn a_request_that_a_task_made_of_its_awaiter_is_delivered() {
    let executor = Executor::new(|| {});
    let outer = executor.spawn(async {
        let me = current_task().unwrap();
        let inner = create_task(async move {
            // The awaiter waits for this very task, which is running: the request comes back as a flag.
            assert!(me.cancel_with("to my awaiter"));
            yield_now().await;
            "never"
        });
        inner.await
    });
    run(&executor);
    assert_eq!(cancelled_with(outer), "to my awaiter");
}

#[test]
fn requests_of_tasks_that_ended_are_refused_for_ever() {
    let executor = Executor::new(|| {});
    let (value, cancelled) = (executor.spawn(async {}), executor.spawn(pending::<()>()));
    cancelled.cancel();
    run(&executor);
    for task in [value, cancelled] {
        let before = task.cancelling();
        assert!(!task.cancel() && !task.cancel_with("m"));
        assert_eq!(task.cancelling(), before);
    }
}
