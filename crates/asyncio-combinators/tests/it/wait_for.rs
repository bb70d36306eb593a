//! `wait_for`.

use std::cell::Cell;
use std::future::{Future as _, IntoFuture, pending, ready};
use std::rc::Rc;

use asyncio_combinators::{gather, shield, wait, wait_for};
use asyncio_event_loop::{get_running_loop, sleep};
use asyncio_executor::{Future, catch_cancelled, create_task, current_task, with_cleanup, yield_now};

use crate::trace::{after, cancelling, fails, log, logged, note, panic_of, run, s, slow_to_end, time, turn};

#[test]
fn what_is_in_time_gives_its_value() {
    run(async {
        assert_eq!(wait_for(after(1, 'x'), s(2)).await, Ok('x'));
        assert_eq!(wait_for(after(1, 'x'), None).await, Ok('x'));
        assert_eq!(panic_of(wait_for(fails(1, "bad"), s(2))).await, "bad");
        assert_eq!(time(), 3.0);
        let future = Future::new();
        let set = future.clone();
        get_running_loop().call_soon(move || set.set_result("ok").unwrap());
        assert_eq!(wait_for(future, s(1)).await, Ok("ok"));
    });
}

#[test]
fn a_future_runs_in_the_same_task_and_may_borrow() {
    run(async {
        let mut text = String::from("a");
        let me = current_task().unwrap();
        let inside = async {
            text.push('b');
            current_task().unwrap() == me
        };
        assert_eq!(wait_for(inside, s(1)).await, Ok(true));
        assert_eq!(text, "ab");
    });
}

#[test]
fn when_the_time_is_up_the_task_is_cancelled_and_waited_for() {
    let log = logged(async {
        for delay in [1, 0] {
            let task = create_task(slow_to_end(3));
            let handle = task.handle();
            sleep(s(1)).await;
            let error = wait_for(task, s(delay)).await.unwrap_err();
            assert_eq!((handle.cancelled(), cancelling()), (true, 0));
            note(if error.location().file().ends_with("wait_for.rs") { "time is up" } else { "elsewhere" });
        }
        wait_for(slow_to_end(2), s(1)).await.unwrap_err();
        note("time is up");
    });
    assert_eq!(log, ["2:5 time is up", "3:9 time is up", "1:12 time is up"]);
}

#[test]
fn cancelling_it_waits_for_the_slow_end_of_the_inner_one() {
    run(async {
        for delay in [None, Some(s(60))] {
            let begin = time();
            let inner = create_task(slow_to_end(3));
            let handle = inner.handle();
            let task = create_task(wait_for(inner, delay));
            sleep(s(1)).await;
            task.cancel();
            wait([&task]).await;
            assert!(task.cancelled() && handle.cancelled());
            assert_eq!(time() - begin, 4.0);
        }
    });
}

#[test]
fn without_time_what_is_done_gives_its_result() {
    run(async {
        let future = Future::new();
        future.set_result('x').unwrap();
        assert_eq!(wait_for(future, s(0)).await, Ok('x'));
        let task = create_task(ready(1));
        let shared = create_task(ready(2)).shared();
        let all = gather([ready(3)]);
        let shielded = shield(ready(4));
        sleep(s(1)).await;
        let before = turn();
        assert_eq!(wait_for(task, s(0)).await, Ok(1));
        assert_eq!(wait_for(shared, s(0)).await, Ok(2));
        assert_eq!(wait_for(all, s(0)).await, Ok([3]));
        assert_eq!(wait_for(shielded, s(0)).await, Ok(4));
        assert_eq!(turn(), before);
        let task = create_task(pending::<()>());
        task.cancel();
        yield_now().await;
        assert!(catch_cancelled(wait_for(task, s(0))).await.is_err());
    });
}

#[test]
fn without_time_what_is_not_done_is_cancelled_and_waited_for() {
    run(async {
        let future = Future::<()>::new();
        assert!(wait_for(future.clone(), s(0)).await.is_err());
        assert!(future.cancelled());
        let shared = create_task(slow_to_end(1)).shared();
        yield_now().await;
        assert!(wait_for(shared.clone(), s(0)).await.is_err());
        assert!(shared.cancelled() && time() == 1.0);
        let children = [create_task(slow_to_end(1)), create_task(slow_to_end(2))];
        let handles = children.each_ref().map(|child| child.handle());
        yield_now().await;
        assert!(wait_for(gather(children), s(0)).await.is_err());
        // The gather ends with the first.
        assert_eq!((time(), handles.map(|handle| handle.cancelled())), (2.0, [true, false]));
        let inner = create_task(after(1, ()));
        let handle = inner.handle();
        assert!(wait_for(shield(inner), s(0)).await.is_err());
        assert_eq!((time(), handle.cancelling(), cancelling()), (2.0, 0, 0));
    });
}

#[test]
fn without_time_any_other_future_never_starts() {
    let started = Rc::new(Cell::new(false));
    let start = started.clone();
    let log = logged(async move {
        for eager in [false, true] {
            get_running_loop().set_task_factory(move |builder| builder.eager_start(eager));
            let start = start.clone();
            assert!(wait_for(async move { start.set(true) }, s(0)).await.is_err());
            note("time is up");
        }
    });
    // CPython takes three turns for the first; for the second, its task would run.
    assert_eq!((started.get(), &log[0][..]), (false, "3:0 time is up"));
}

#[test]
fn one_that_refuses_gives_its_value_and_one_that_fails_instead_its_failure() {
    run(async {
        let refuses = || async {
            drop(catch_cancelled(sleep(s(9))).await);
            42
        };
        assert_eq!(wait_for(refuses(), s(1)).await, Ok(42));
        let task = create_task(refuses());
        yield_now().await;
        assert_eq!(wait_for(task, s(0)).await, Ok(42));
        let breaks = async {
            drop(catch_cancelled(sleep(s(9))).await);
            panic!("instead")
        };
        assert_eq!(panic_of(wait_for(create_task(breaks), s(1))).await, "instead");
        assert_eq!(cancelling(), 0);
    });
}

#[test]
fn a_cancellation_that_comes_as_the_inner_one_ends_is_not_lost() {
    run(async {
        let inner = create_task(ready("done")).shared();
        let waited = inner.clone();
        let task = create_task(async move {
            wait_for(waited, s(100)).await.unwrap();
            sleep(s(1)).await;
            unreachable!("it was cancelled");
        });
        yield_now().await;
        task.cancel();
        assert!(task.join().await.unwrap_err().cancelled().is_some());
        assert_eq!(inner.await, "done");
    });
}

#[test]
fn a_cancellation_while_it_waits_for_the_end_leaves_that_to_itself() {
    run(async {
        let inner = create_task(slow_to_end(5));
        let handle = inner.handle();
        sleep(s(1)).await;
        let task = create_task(wait_for(inner, s(0)));
        yield_now().await;
        yield_now().await;
        assert_eq!(handle.cancelling(), 1);
        task.cancel();
        assert!(task.join().await.is_err());
        assert_eq!((time(), handle.done(), handle.cancelling()), (1.0, false, 1));
    });
}

#[test]
fn a_cleanup_inside_is_awaited() {
    let log = logged(async {
        let body = with_cleanup(sleep(s(9)), || async {
            sleep(s(1)).await;
            note("clean");
        });
        wait_for(body, s(1)).await.unwrap_err();
        note("time is up");
    });
    assert_eq!(log, ["1:2 clean", "1:2 time is up"]);
}

#[test]
fn one_that_was_never_polled_needs_no_loop() {
    drop(wait_for(ready(1), s(1)).into_future());
    let mut waiting = Box::pin(wait_for(gather(()), s(0)));
    let done = waiting.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(done.is_ready());
    let _ = log();
}
