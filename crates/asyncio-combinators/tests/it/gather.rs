//! `gather` and `try_gather`.

use std::future::{IntoFuture, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};

use asyncio_combinators::{ensure_future, gather, shield, try_gather};
use asyncio_event_loop::sleep;
use asyncio_executor::{CancelKind, Future, catch_cancelled, create_task, yield_now};

use crate::trace::{
    after, call, cancelling, fails, log, log_reports, logged, note, panic_of, run, s, say, slow_to_end, time,
};

#[test]
fn values_come_in_the_order_of_the_arguments() {
    run(async {
        let values = gather((after(3, 'a'), after(1, 2), after(2, "c"))).await;
        assert_eq!((values, time()), (('a', 2, "c"), 3.0));
        let values = gather([after(3, 'a'), after(1, 'b')]).return_exceptions().await;
        assert_eq!((values.map(Result::unwrap), time()), (['a', 'b'], 6.0));
    });
}

#[test]
fn an_empty_gather_is_done_at_once() {
    run(async {
        let all = gather(Vec::<std::future::Ready<()>>::new());
        assert!(all.done() && !all.cancel());
        assert_eq!(all.await, []);
        let () = gather(()).await;
        assert_eq!(gather(std::iter::empty::<std::future::Ready<()>>()).return_exceptions().await.len(), 0);
    });
}

#[test]
fn children_are_made_at_the_call_and_run_before_the_await() {
    let log = logged(async {
        let all = gather((async { note("a") }, async { note("b") }));
        note("called");
        sleep(s(1)).await;
        assert!(all.done());
        all.await;
        note("done");
    });
    assert_eq!(log, ["0:0 called", "1:0 a", "1:0 b", "1:1 done"]);
}

#[test]
fn the_first_failure_ends_it_and_the_others_run_on() {
    let log = logged(async {
        log_reports();
        let other = async {
            sleep(s(2)).await;
            note("other");
        };
        let all = gather((other, fails(1, "first"), fails(3, "second")));
        say(panic_of(all.into_future()).await);
        note("failed");
        sleep(s(4)).await;
    });
    // The second failure is known: it is not reported.
    assert_eq!(log, ["first", "3:1 failed", "1:2 other"]);
}

#[test]
fn return_exceptions_gives_failures_in_place() {
    run(async {
        let cancelled = create_task(sleep(s(9)));
        let handle = cancelled.handle();
        call(2, move || assert!(handle.cancel_with("why")));
        let (a, b, c) = gather((fails(1, "one"), cancelled, after(3, 3))).return_exceptions().await;
        assert_eq!(time(), 3.0);
        assert_eq!(a.unwrap_err().panic_message(), Some("one"));
        assert_eq!(b.unwrap_err().cancelled().unwrap().message(), Some("why"));
        assert_eq!(c.unwrap(), 3);
    });
}

#[test]
fn return_exceptions_after_the_children_ended_counts_each_once() {
    let log = logged(async {
        log_reports();
        let all = gather((async {}, fails(0, "x"), after(2, ())));
        // The first two have ended, and their notices are on their way.
        yield_now().await;
        let all = all.return_exceptions();
        assert!(!all.done());
        let (_, b, _) = all.await;
        assert_eq!((b.unwrap_err().panic_message(), time()), (Some("x"), 2.0));
        let all = gather((fails(0, "x"), fails(0, "y")));
        sleep(s(1)).await;
        assert!(all.done());
        assert!(all.return_exceptions().done());
    });
    assert_eq!(log, Vec::<String>::new());
}

#[test]
fn a_cancelled_child_fails_it_and_cancels_nobody_else() {
    run(async {
        let children = [create_task(slow_to_end(0)), create_task(sleep(s(5)))];
        let handles = children.each_ref().map(|child| child.handle());
        let first = handles[0].clone();
        call(1, move || assert!(first.cancel_with("why")));
        let error = catch_cancelled(gather(children).into_future()).await.unwrap_err();
        assert_eq!((error.message(), error.kind(), time()), (Some("why"), CancelKind::Explicit, 1.0));
        assert_eq!((cancelling(), handles[1].done()), (0, false));
        sleep(s(5)).await;
        assert!(handles[1].done() && !handles[1].cancelled());
    });
}

#[test]
fn a_shared_task_given_twice_runs_once() {
    let log = logged(async {
        let task = create_task(async {
            note("runs");
            7
        })
        .shared();
        assert_eq!(gather([task.clone(), task.clone(), task]).await, [7, 7, 7]);
    });
    assert_eq!(log, ["1:0 runs"]);
}

#[test]
fn a_cancellation_of_the_awaiter_reaches_every_child_and_their_futures() {
    run(async {
        let futures: [Future<()>; 2] = [Future::new(), Future::new()];
        let children = futures.clone().map(|future| create_task(future));
        let handles = children.each_ref().map(|child| child.handle());
        let outer = create_task(async move {
            let mut all = gather(children).into_future();
            let error = catch_cancelled(&mut all).await.unwrap_err();
            assert_eq!((error.kind(), error.message(), cancelling()), (CancelKind::Gather, Some("why"), 1));
            assert!(all.done() && !all.cancel());
            error.raise().await
        });
        yield_now().await;
        yield_now().await;
        assert!(outer.cancel_with("why"));
        assert!(futures.iter().all(Future::cancelled), "at once");
        assert!(outer.join().await.unwrap_err().cancelled().is_some());
        assert!(handles.iter().all(|handle| handle.cancelled() && handle.cancelling() == 1));
    });
}

#[test]
fn a_cancelled_gather_ends_with_the_first_child_and_with_return_exceptions_with_the_last() {
    let log = logged(async {
        for exceptions in [false, true] {
            let task = create_task(async move {
                let children = [slow_to_end(3), slow_to_end(1)];
                let error = if exceptions {
                    catch_cancelled(gather(children).return_exceptions().into_future()).await.unwrap_err()
                } else {
                    catch_cancelled(gather(children).into_future()).await.unwrap_err()
                };
                note(error.message().unwrap());
            });
            let handle = task.handle();
            call(1, move || assert!(handle.cancel_with("why")));
            task.await;
            sleep(s(5)).await;
        }
    });
    assert_eq!(log, ["3:2 why", "3:11 why"]);
}

#[test]
fn a_gather_whose_children_are_all_done_refuses_a_cancellation() {
    run(async {
        let all = gather([ready(1), ready(2)]);
        yield_now().await;
        // Done, but the gather has not been told.
        assert!(!all.done() && !all.cancel());
        assert_eq!(all.await, [1, 2]);
        let all = gather([ready(1), ready(2)]);
        let task = create_task(all.into_future());
        let handle = task.handle();
        yield_now().await;
        // It waits for a gather that takes no request: the request waits for it.
        assert!(handle.cancel());
        assert!(task.join().await.unwrap_err().cancelled().is_some());
    });
}

#[test]
fn a_cancelled_gather_raises_although_its_children_refused() {
    async fn refuses() {
        drop(catch_cancelled(sleep(s(9))).await);
    }
    run(async {
        let all = gather([refuses(), refuses()]);
        yield_now().await;
        assert!(all.cancel());
        let error = catch_cancelled(all.into_future()).await.unwrap_err();
        assert_eq!((error.kind(), cancelling()), (CancelKind::Gather, 0));
        let all = try_gather([async {
            refuses().await;
            Ok::<(), ()>(())
        }]);
        yield_now().await;
        assert!(all.cancel());
        assert!(catch_cancelled(all).await.is_err());
    });
}

#[test]
fn a_gather_inside_a_gather_fails_it_at_once() {
    let log = logged(async {
        log_reports();
        let inner = gather((fails(1, "inner"), after(3, ()), fails(4, "late")));
        say(panic_of(gather((inner, after(9, ()))).into_future()).await);
        note("failed");
        let inner = gather((create_task(fails(1, "deep")), after(3, ())));
        let shielded = shield(inner);
        say(panic_of(gather((shielded, after(9, ()))).into_future()).await);
        note("failed");
        let child = create_task(sleep(s(9)));
        child.cancel();
        let inner = gather([child]);
        assert!(catch_cancelled(gather((inner, after(9, ()))).into_future()).await.is_err());
        note("cancelled");
        sleep(s(9)).await;
    });
    assert_eq!(log, ["inner", "4:1 failed", "deep", "5:2 failed", "9:2 cancelled"]);
}

#[test]
fn children_in_a_gather_inside_a_failed_gather_fail_unheard() {
    let log = logged(async {
        log_reports();
        let inner = gather((fails(2, "unheard"), after(3, ())));
        say(panic_of(gather((inner, fails(1, "heard"))).into_future()).await);
        sleep(s(9)).await;
    });
    assert_eq!(log, ["heard"]);
}

#[test]
fn cancelling_a_gather_of_shields_leaves_what_they_shield() {
    run(async {
        let inner = create_task(after(2, 'x'));
        let task = inner.shared();
        let all = gather([shield(task.clone()), shield(task.clone())]);
        assert!(all.cancel());
        assert!(catch_cancelled(all.into_future()).await.is_err());
        assert_eq!((time(), task.await), (0.0, 'x'));
    });
}

#[test]
fn a_dropped_gather_lets_its_children_run_on_and_reports_a_panic_once() {
    let log = logged(async {
        log_reports();
        drop(gather((
            async {
                sleep(s(1)).await;
                note("runs on");
            },
            fails(2, "lost"),
            fails(3, "after it"),
        )));
        sleep(s(4)).await;
    });
    assert_eq!(log, ["1:1 runs on", "task exception was never retrieved: lost"]);
}

#[test]
fn a_dropped_gather_and_its_futures_do_not_hold_each_other_leak() {
    run(async {
        let future: Future<()> = Future::new();
        drop(gather([future.clone()]));
        drop(gather([future.clone()]).into_future());
        drop(gather([future.clone()]).return_exceptions());
        drop(gather([gather([future.clone()]), gather([future.clone()])]));
        drop(shield(gather([future.clone()])));
    });
}

#[test]
fn tasks_and_gathers_that_are_done_are_counted_at_the_call() {
    run(async {
        let task = create_task(async { 1 });
        let all = gather([async { 2 }]);
        sleep(s(1)).await;
        let all = gather((task, all, ensure_future(ready(3))));
        assert!(!all.done());
        assert_eq!(all.await, (1, [2], 3));
        let eager = || asyncio_executor::Task::builder().eager_start(true);
        let all = gather([eager().spawn(ready(1)), eager().spawn(ready(2))]);
        assert!(all.done());
        assert_eq!(all.await, [1, 2]);
    });
}

#[test]
fn the_first_err_of_a_try_gather_comes_at_once_and_the_others_run_on() {
    let log = logged(async {
        let late = async {
            sleep(s(2)).await;
            note("late");
            Ok::<_, String>(1)
        };
        let failing = async {
            sleep(s(1)).await;
            Err::<(), _>("bad".to_owned())
        };
        assert_eq!(try_gather((late, failing)).await, Err("bad".to_owned()));
        note("failed");
        sleep(s(2)).await;
        let both: Result<_, String> = try_gather((async { Ok(1) }, async { Ok("b") })).await;
        assert_eq!(both, Ok((1, "b")));
        assert_eq!(try_gather([ready(Ok::<_, ()>(1)), ready(Ok(2))]).await, Ok([1, 2]));
        assert_eq!(try_gather(Vec::<std::future::Ready<Result<(), ()>>>::new()).await, Ok(vec![]));
        say(panic_of(try_gather([async { panic!("oh") as Result<(), ()> }])).await);
    });
    assert_eq!(log, ["3:1 failed", "1:2 late", "oh"]);
}

#[test]
fn a_future_of_no_task_needs_a_running_loop() {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(gather([async {}])))).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().starts_with("no running event loop"));
    let _ = log();
}
