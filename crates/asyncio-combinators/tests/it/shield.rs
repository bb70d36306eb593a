//! `shield`.

use std::future::{IntoFuture, ready};

use asyncio_combinators::{gather, shield, wait_for};
use asyncio_event_loop::sleep;
use asyncio_executor::{Future, Task, catch_cancelled, create_task, yield_now};

use crate::trace::{after, call, cancelling, fails, log_reports, logged, note, panic_of, run, s, say, time};

#[test]
fn it_gives_what_the_inner_one_ends_with() {
    run(async {
        assert_eq!((shield(after(1, 'x')).await, time()), ('x', 1.0));
        assert_eq!(panic_of(shield(fails(1, "bad"))).await, "bad");
    });
}

#[test]
fn an_inner_one_that_is_cancelled_cancels_it() {
    run(async {
        let inner = create_task(sleep(s(9)));
        let handle = inner.handle();
        call(1, move || assert!(handle.cancel_with("why")));
        let error = catch_cancelled(shield(inner)).await.unwrap_err();
        assert_eq!((error.message(), cancelling(), time()), (Some("why"), 0, 1.0));
    });
}

#[test]
fn cancelling_it_leaves_the_inner_one() {
    let log = logged(async {
        let inner = create_task(after(3, 'x')).shared();
        let mut outer = shield(inner.clone());
        assert!(!outer.done());
        assert!(outer.cancel() && outer.done() && !outer.cancel());
        assert!(catch_cancelled(&mut outer).await.is_err());
        note("cancelled");
        say(inner.await);
        note("done");
    });
    assert_eq!(log, ["0:0 cancelled", "x", "2:3 done"]);
}

#[test]
fn a_cancelled_awaiter_goes_on_at_once_and_the_inner_one_runs_on() {
    let log = logged(async {
        let inner = create_task(async {
            sleep(s(3)).await;
            note("inner");
        });
        let handle = inner.handle();
        let task = create_task(async {
            let error = catch_cancelled(shield(inner)).await.unwrap_err();
            note(error.message().unwrap());
            error.raise().await
        });
        sleep(s(1)).await;
        task.cancel_with("why");
        assert!(task.join().await.is_err());
        assert!(!handle.done() && handle.cancelling() == 0);
        sleep(s(3)).await;
    });
    assert_eq!(log, ["2:1 why", "1:3 inner"]);
}

#[test]
fn what_is_done_is_passed_through() {
    run(async {
        let task = create_task(async { 'x' });
        yield_now().await;
        let shielded = shield(task);
        assert!(shielded.done() && !shielded.cancel());
        assert_eq!(shielded.await, 'x');
        let future = Future::new();
        future.set_result(1).unwrap();
        assert_eq!(shield(shield(future)).await, 1);
        let task = create_task(sleep(s(9)));
        task.cancel();
        yield_now().await;
        assert!(catch_cancelled(shield(task)).await.is_err());
        let task = create_task(fails(0, "bad"));
        yield_now().await;
        yield_now().await;
        assert!(task.done());
        assert_eq!(panic_of(shield(task)).await, "bad");
    });
}

#[test]
fn a_shielded_gather_finishes_although_the_awaiter_was_cancelled() {
    let log = logged(async {
        let child = |name| async move {
            sleep(s(2)).await;
            note(name);
        };
        let outer = create_task(shield(gather([child("a"), child("b")])).into_future());
        sleep(s(1)).await;
        outer.cancel();
        assert!(outer.join().await.is_err());
        note("cancelled");
        sleep(s(2)).await;
    });
    assert_eq!(log, ["3:1 cancelled", "1:2 a", "1:2 b"]);
}

#[test]
fn an_inner_failure_after_the_cancellation_is_reported_once_and_a_value_is_not() {
    let log = logged(async {
        log_reports();
        for inner in [create_task(fails(2, "lost")), create_task(after(2, ()))] {
            let outer = create_task(shield(inner));
            sleep(s(1)).await;
            outer.cancel();
            assert!(outer.join().await.is_err());
        }
        sleep(s(3)).await;
    });
    assert_eq!(log, ["task exception was never retrieved: lost"]);
}

#[test]
fn a_cancellation_and_the_end_of_the_inner_one_at_once_cancel() {
    let log = logged(async {
        let inner = create_task(yield_now());
        let outer = create_task(shield(inner));
        yield_now().await;
        yield_now().await;
        // The inner one has ended; its notice is on its way.
        outer.cancel();
        assert!(outer.join().await.unwrap_err().cancelled().is_some());
        note("cancelled");
    });
    assert_eq!(log, ["4:0 cancelled"]);
}

#[test]
fn a_limit_on_a_shield_leaves_the_inner_one() {
    run(async {
        let task = create_task(after(3, 'x')).shared();
        assert!(wait_for(shield(task.clone()), s(1)).await.is_err());
        assert!(wait_for(shield(task.clone()), s(0)).await.is_err());
        assert!(!task.done() && time() == 1.0);
        assert_eq!(wait_for(shield(task), None).await, Ok('x'));
        assert_eq!(time(), 3.0);
    });
}

#[test]
#[should_panic(expected = "no running event loop")]
fn a_future_of_no_task_needs_a_running_loop() {
    drop(shield(ready(1)));
}

#[test]
fn an_eager_inner_one_is_passed_through() {
    run(async {
        let shielded = shield(Task::builder().eager_start(true).spawn(ready(1)));
        assert!(shielded.done());
        assert_eq!(shielded.await, 1);
    });
}
