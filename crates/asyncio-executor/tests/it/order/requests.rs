//! Traces of cancellation, compared with CPython's.

use std::future::{Future, pending};

use asyncio_executor::{
    CancelledError, Future as Promise, Task, TaskHandle, catch_cancelled, create_task, current_task, with_cleanup,
    yield_now,
};

use super::{ticker, trace};
use crate::trace::Log;

fn message(error: &CancelledError) -> &str {
    error.message().unwrap_or("-")
}

/// A task whose future is watched for a cancellation, which is logged and raised again.
fn link<F: Future + 'static>(log: &Log, name: &'static str, future: F) -> Task<()> {
    let log = log.clone();
    create_task(async move {
        if let Err(error) = catch_cancelled(future).await {
            log.push(name);
            error.raise().await
        }
    })
}

#[test]
fn a_request_goes_down_a_chain_at_once_and_comes_up_a_turn_at_a_time() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 7));
        let leaf = link(&log, "leaf", Promise::<()>::new());
        let l = leaf.handle();
        let mid = link(&log, "mid", leaf);
        let m = mid.handle();
        let outer = link(&log, "mid", mid);
        yield_now().await;
        yield_now().await;
        log.push(format!("cancel {}", outer.cancel()));
        let all = [l, m, outer.handle()];
        for _ in 0..5 {
            log.push(format!(
                "{:?} {:?}",
                all.each_ref().map(TaskHandle::done),
                all.each_ref().map(TaskHandle::cancelling)
            ));
            yield_now().await;
        }
        ticks.await;
    });
    let expected = [
        "tick 0",
        "tick 1",
        "cancel true",
        "[false, false, false] [1, 1, 1]",
        "tick 2",
        "leaf",
        "[true, false, false] [1, 1, 1]",
        "tick 3",
        "mid",
        "[true, true, false] [1, 1, 1]",
        "tick 4",
        "mid",
        "[true, true, true] [1, 1, 1]",
        "tick 5",
        "[true, true, true] [1, 1, 1]",
        "tick 6",
    ];
    assert_eq!(got, expected);
}

#[test]
fn who_awaits_a_task_that_refuses_goes_on_with_its_value() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 7));
        let leaf = create_task(async {
            let _ = catch_cancelled(Promise::<()>::new()).await;
            yield_now().await;
            7
        });
        let (l, to) = (leaf.handle(), log.clone());
        let mid = create_task(async move {
            let value = leaf.await;
            to.push(format!("mid {value}"));
            value
        });
        yield_now().await;
        yield_now().await;
        mid.cancel();
        for _ in 0..5 {
            log.push(format!("{} {}", l.done(), mid.done()));
            yield_now().await;
        }
        let cancelling = mid.cancelling();
        log.push(format!("{} {cancelling}", mid.result().unwrap()));
        ticks.await;
    });
    let expected = [
        "tick 0",
        "tick 1",
        "false false",
        "tick 2",
        "false false",
        "tick 3",
        "true false",
        "tick 4",
        "mid 7",
        "true true",
        "tick 5",
        "true true",
        "tick 6",
        "7 1",
    ];
    assert_eq!(got, expected);
}

#[test]
fn a_task_that_has_not_started_ends_on_its_next_turn() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 4));
        let task = create_task(async { unreachable!("it is cancelled before") });
        let to = log.clone();
        task.add_done_callback(move |task| to.push(format!("callback {}", task.cancelled())));
        let handle = task.handle();
        let requests = (task.cancel_with("a"), task.cancel_with("b"), task.done(), task.cancelling());
        log.push(format!("{requests:?}"));
        let error = catch_cancelled(task).await.unwrap_err();
        log.push(format!("main {}", message(&error)));
        log.push(format!("{} {}", handle.cancel(), handle.cancelling()));
        ticks.await;
    });
    let expected =
        ["(true, true, false, 2)", "tick 0", "tick 1", "callback true", "main b", "false 2", "tick 2", "tick 3"];
    assert_eq!(got, expected);
}

#[test]
fn a_request_beats_a_result_that_is_on_its_way() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 5));
        let promise = Promise::<u32>::new();
        let (inner, to) = (promise.clone(), log.clone());
        let task = create_task(async move {
            let error = catch_cancelled(inner).await.unwrap_err();
            to.push(format!("cancelled {}", message(&error)));
            error.raise().await
        });
        yield_now().await;
        promise.set_result(1).unwrap();
        log.push(format!("{}", task.cancel_with("late")));
        yield_now().await;
        log.push(format!("{} {}", task.done(), task.cancelled()));
        ticks.await;
    });
    let expected = ["tick 0", "true", "tick 1", "cancelled late", "true true", "tick 2", "tick 3", "tick 4"];
    assert_eq!(got, expected);
}

#[test]
fn a_task_may_cancel_itself() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 5));
        let to = log.clone();
        let first = create_task(async move {
            current_task().unwrap().cancel_with("me");
            to.push("still");
            let error = catch_cancelled(yield_now()).await.unwrap_err();
            to.push(format!("caught {}", message(&error)));
            yield_now().await;
            to.push("s1 end");
            3
        });
        let second = create_task(async {
            current_task().unwrap().cancel_with("me");
            5
        });
        let error = catch_cancelled(second).await.unwrap_err();
        log.push(format!("y {}", message(&error)));
        let handle = first.handle();
        let value = first.await;
        log.push(format!("x {value} {}", handle.cancelling()));
        ticks.await;
    });
    let expected = ["tick 0", "still", "tick 1", "caught me", "y me", "tick 2", "s1 end", "tick 3", "x 3 1", "tick 4"];
    assert_eq!(got, expected);
}

#[test]
fn a_request_of_a_running_task_reaches_what_it_goes_on_to_await_at_once() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 5));
        let promise = Promise::<()>::new();
        let (inner, to) = (promise.clone(), log.clone());
        let task = create_task(async move {
            current_task().unwrap().cancel();
            let _ = catch_cancelled(inner).await.unwrap_err();
            to.push("caught");
        });
        for _ in 0..2 {
            yield_now().await;
            log.push(format!("{} {}", promise.cancelled(), task.done()));
        }
        ticks.await;
    });
    let expected = ["tick 0", "true false", "tick 1", "caught", "true true", "tick 2", "tick 3", "tick 4"];
    assert_eq!(got, expected);
}

#[test]
fn requests_before_a_delivery_are_one_and_after_it_another() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 8));
        let to = log.clone();
        let task = create_task(async move {
            for _ in 0..2 {
                let error = catch_cancelled(pending::<()>()).await.unwrap_err();
                to.push(format!("caught {}", message(&error)));
            }
            "ok"
        });
        yield_now().await;
        task.cancel_with("1");
        task.cancel_with("2");
        log.push(format!("{}", task.cancelling()));
        yield_now().await;
        yield_now().await;
        task.cancel_with("3");
        yield_now().await;
        task.cancel_with("4");
        let handle = task.handle();
        let value = task.await;
        log.push(format!("{value} {}", handle.cancelling()));
        ticks.await;
    });
    let expected = [
        "tick 0", "2", "tick 1", "caught 1", "tick 2", "tick 3", "caught 3", "ok 3", "tick 4", "tick 5", "tick 6",
        "tick 7",
    ];
    assert_eq!(got, expected);
}

#[test]
fn of_two_requests_that_are_one_the_first_counts() {
    let got = trace(|log| async move {
        let awaiter = |name: &'static str, task: Task<()>| {
            let log = log.clone();
            create_task(async move {
                let error = catch_cancelled(task).await.unwrap_err();
                log.push(format!("{name} {}", message(&error)));
                error.raise().await
            })
        };
        let to = log.clone();
        let future = || {
            let to = to.clone();
            create_task(async move {
                let error = catch_cancelled(Promise::<()>::new()).await.unwrap_err();
                to.push(format!("future {}", message(&error)));
                error.raise().await
            })
        };
        let (x, y): (Task<()>, Task<()>) = (future(), awaiter("task", future()));
        yield_now().await;
        yield_now().await;
        for message in ["1", "2"] {
            x.cancel_with(message);
            y.cancel_with(message);
        }
        yield_now().await;
        yield_now().await;
    });
    assert_eq!(got, ["future 1", "future 1", "task 1"]);
}

#[test]
fn uncancel_at_zero_withdraws_what_is_only_a_flag() {
    let got = trace(|log| async move {
        let make = || {
            create_task(async {
                yield_now().await;
                1
            })
        };
        let x = make();
        yield_now().await;
        x.cancel();
        log.push(format!("{} {} {}", x.cancelling(), x.uncancel(), x.uncancel()));
        log.push(format!("{}", x.await));
        let y = make();
        y.cancel();
        y.cancel();
        log.push(format!("{}", y.uncancel()));
        match catch_cancelled(y).await {
            Ok(value) => log.push(format!("{value}")),
            Err(_) => log.push("y cancelled"),
        }
        let z = make();
        z.cancel();
        log.push(format!("{}", z.uncancel()));
        log.push(format!("{}", z.await));
    });
    assert_eq!(got, ["1 0 0", "1", "1", "y cancelled", "0", "1"]);
}

#[test]
fn an_awaiter_that_is_cancelled_cancels_the_future_for_all() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 6));
        let promise = Promise::<()>::new();
        let awaiter = |name: &'static str| {
            let (promise, log) = (promise.clone(), log.clone());
            create_task(async move {
                let error = catch_cancelled(promise).await.unwrap_err();
                log.push(format!("{name} {}", message(&error)));
                error.raise().await
            })
        };
        let (x, y): (Task<()>, Task<()>) = (awaiter("x"), awaiter("y"));
        let to = log.clone();
        promise.add_done_callback(move |promise| to.push(format!("callback {}", promise.cancelled())));
        yield_now().await;
        log.push(format!("{} {} {}", x.cancel_with("m"), promise.cancelled(), promise.cancel()));
        yield_now().await;
        log.push(format!("{} {} {}", x.done(), y.done(), y.cancelling()));
        yield_now().await;
        ticks.await;
    });
    let expected = [
        "tick 0",
        "true true false",
        "tick 1",
        "callback true",
        "x m",
        "y m",
        "true true 0",
        "tick 2",
        "tick 3",
        "tick 4",
        "tick 5",
    ];
    assert_eq!(got, expected);
}

/// The one difference: in CPython the second awaiter gets the error without its message.
#[test]
fn an_awaiter_that_is_cancelled_cancels_a_shared_task_for_all() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 8));
        let shared = {
            let log = log.clone();
            create_task(async move {
                let error = catch_cancelled(Promise::<()>::new()).await.unwrap_err();
                log.push(format!("shared {}", message(&error)));
                error.raise().await
            })
        };
        let shared: asyncio_executor::SharedTask<()> = shared.shared();
        let awaiter = |name: &'static str| {
            let (shared, log) = (shared.clone(), log.clone());
            create_task(async move {
                let error = catch_cancelled(shared).await.unwrap_err();
                log.push(format!("{name} {}", message(&error)));
                error.raise().await
            })
        };
        let (x, y): (Task<()>, Task<()>) = (awaiter("x"), awaiter("y"));
        yield_now().await;
        yield_now().await;
        x.cancel_with("m");
        for _ in 0..4 {
            log.push(format!("{} {} {} {}", shared.done(), x.done(), y.done(), y.cancelling()));
            yield_now().await;
        }
        ticks.await;
    });
    let expected = [
        "tick 0",
        "tick 1",
        "false false false 0",
        "tick 2",
        "shared m",
        "true false false 0",
        "tick 3",
        "x m",
        "y m",
        "true true true 0",
        "tick 4",
        "true true true 0",
        "tick 5",
        "tick 6",
        "tick 7",
    ];
    assert_eq!(got, expected);
}

#[test]
fn cleanup_may_wait_and_gets_further_requests() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 9));
        let to = log.clone();
        let task = create_task(with_cleanup(pending::<()>(), move || async move {
            to.push("cleanup 0");
            yield_now().await;
            to.push("cleanup 1");
            let error = catch_cancelled(pending::<()>()).await.unwrap_err();
            to.push(format!("in cleanup {}", message(&error)));
        }));
        yield_now().await;
        task.cancel_with("1");
        for _ in 0..3 {
            yield_now().await;
        }
        task.cancel_with("2");
        yield_now().await;
        yield_now().await;
        let handle = task.handle();
        let error = catch_cancelled(task).await.unwrap_err();
        log.push(format!("end {} {}", message(&error), handle.cancelling()));
        ticks.await;
    });
    let expected = [
        "tick 0",
        "tick 1",
        "cleanup 0",
        "tick 2",
        "cleanup 1",
        "tick 3",
        "tick 4",
        "in cleanup 2",
        "tick 5",
        "end 1 2",
        "tick 6",
        "tick 7",
        "tick 8",
    ];
    assert_eq!(got, expected);
}
