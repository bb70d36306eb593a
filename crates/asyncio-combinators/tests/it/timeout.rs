//! `timeout`, `timeout_at` and `Timeout`.

use std::cell::Cell;
use std::future::{Future as _, pending, ready};
use std::rc::Rc;

use asyncio_combinators::{Timeout, task_group, timeout, timeout_at, try_task_group};
use asyncio_event_loop::{get_running_loop, sleep};
use asyncio_executor::{CancelKind, Task, catch_cancelled, create_task, current_task, with_cleanup, yield_now};
use futures_util::future::{Either, select};

use crate::trace::{
    after, call, cancelling, fails, logged, note, panic_of, run, s, say, slow_to_end, time, try_run, turn,
};

#[test]
fn it_expires() {
    run(async {
        let limit = Timeout::after(s(1));
        assert_eq!(limit.run(sleep(s(10))).await.unwrap_err().location().line(), line!() - 1);
        assert!(limit.expired() && (time(), turn(), cancelling()) == (1.0, 1, 0));
        let deadline = get_running_loop().time() + s(1);
        let limit = Timeout::at(deadline);
        assert!(limit.run(sleep(s(10))).await.is_err());
        assert_eq!((limit.expired(), limit.when(), time()), (true, Some(deadline), 2.0));
        assert!(timeout_at(deadline + s(1), async |_| sleep(s(10)).await).await.is_err());
        assert!(timeout(s(1), async |_| slow_to_end(2).await).await.is_err());
        assert_eq!(time(), 6.0);
    });
}

#[test]
fn what_is_in_time_gives_its_value() {
    run(async {
        let limit = Timeout::after(s(10));
        assert_eq!(limit.run(after(1, 'x')).await, Ok('x'));
        assert!(!limit.expired() && limit.when().unwrap() > get_running_loop().time());
        for limit in [Timeout::after(None), Timeout::at(None)] {
            assert_eq!((limit.run(after(1, 'x')).await, limit.expired(), limit.when()), (Ok('x'), false, None));
        }
        assert_eq!(panic_of(Timeout::after(s(1)).run(fails(0, "bad"))).await, "bad");
    });
}

#[test]
fn without_time_it_fires_at_the_first_suspension() {
    run(async {
        let now = get_running_loop().time();
        for limit in [Timeout::after(s(0)), Timeout::at(now)] {
            assert!(limit.run(yield_now()).await.is_err());
            assert!(limit.expired() && limit.when() == Some(now));
        }
        assert!(timeout(s(0), async |_| sleep(s(9)).await).await.is_err());
        assert_eq!((timeout(s(0), async |_| 1).await, time(), cancelling()), (Ok(1), 0.0, 0));
        sleep(s(1)).await;
        assert!(timeout_at(now, async |_| yield_now().await).await.is_err());
    });
}

#[test]
fn a_body_that_catches_it_completes_and_the_limit_has_expired() {
    run(async {
        let limit = Timeout::after(s(1));
        let body = async {
            let error = catch_cancelled(sleep(s(9))).await.unwrap_err();
            assert_eq!((error.kind(), limit.expired(), cancelling()), (CancelKind::Timeout, true, 1));
            sleep(s(1)).await;
            'x'
        };
        assert_eq!(limit.run(body).await, Ok('x'));
        assert_eq!((limit.expired(), cancelling(), time()), (true, 0, 2.0));
    });
}

#[test]
fn an_error_of_the_body_while_it_expires_wins() {
    run(async {
        let limit = Timeout::after(s(1));
        let crash = async {
            drop(catch_cancelled(sleep(s(9))).await);
            Err::<(), _>("crash")
        };
        assert_eq!(limit.run(crash).await, Ok(Err("crash")));
        let limit = Timeout::after(s(1));
        let crash = with_cleanup(sleep(s(9)), || async { panic!("crash") });
        assert_eq!(panic_of(limit.run(crash)).await, "crash");
        assert_eq!((limit.expired(), cancelling()), (true, 0));
    });
}

#[test]
fn equal_nested_limits_expire_together_and_the_outer_one_says_so() {
    let log = logged(async {
        let deadline = get_running_loop().time() + s(1);
        let (outer, inner) = (Timeout::at(deadline), Timeout::at(deadline));
        let body = async {
            let inside = catch_cancelled(inner.run(sleep(s(9)))).await;
            note(if inside.is_err() { "cancelled" } else { "time is up" });
            inside.unwrap_err().raise().await
        };
        assert!(outer.run(body).await.is_err());
        note(format_args!("{} {} {}", outer.expired(), inner.expired(), cancelling()));
    });
    assert_eq!(log, ["1:1 cancelled", "1:1 true true 0"]);
}

#[test]
fn nested_limits_that_passed_while_the_loop_was_busy_expire_at_once_and_the_outer_one_says_so() {
    let log = logged(async {
        let now = get_running_loop().time();
        sleep(s(5)).await;
        let outer = timeout_at(now + s(2), async |_| {
            let inner = timeout_at(now + s(1), async |_| sleep(s(9)).await);
            match catch_cancelled(inner).await {
                Ok(_) => note("the inner one says so"),
                Err(error) => {
                    note("cancelled");
                    error.raise().await
                }
            }
        });
        note(outer.await.is_err());
        note(cancelling());
    });
    assert_eq!(log, ["3:5 cancelled", "3:5 true", "3:5 0"]);
}

#[test]
fn a_nested_limit_that_is_up_first_leaves_the_outer_one_alone() {
    let log = logged(async {
        let outer = timeout(s(2), async |_| {
            note(timeout(s(1), async |_| sleep(s(9)).await).await.is_err());
            sleep(s(9)).await;
        });
        note(outer.await.is_err());
    });
    assert_eq!(log, ["1:1 true", "1:2 true"]);
}

#[test]
fn a_cancellation_from_outside_stays_one() {
    let outcome = try_run(async {
        let limit = Timeout::after(s(10));
        let body = async {
            current_task().unwrap().cancel_with("outside");
            sleep(s(10)).await;
        };
        let error = catch_cancelled(limit.run(body)).await.unwrap_err();
        assert!(!limit.expired() && cancelling() == 1);
        error.raise().await
    });
    assert_eq!(outcome.unwrap_err().cancelled().unwrap().message(), Some("outside"));
}

#[test]
fn a_cancellation_from_outside_as_it_expires_wins() {
    run(async {
        let task = create_task(async {
            let limit = Timeout::after(s(1));
            let error = catch_cancelled(limit.run(slow_to_end(2))).await.unwrap_err();
            assert!(limit.expired() && cancelling() == 1);
            error.raise().await
        });
        sleep(s(2)).await;
        assert_eq!(task.cancelling(), 1);
        task.cancel();
        assert!(task.join().await.unwrap_err().cancelled().is_some());
        assert_eq!(time(), 2.0);
    });
}

#[test]
fn after_it_the_task_ends_as_if_nothing_had_been() {
    run(async {
        let task = create_task(async { assert!(timeout(s(1), async |_| pending::<()>().await).await.is_err()) });
        let handle = task.handle();
        task.await;
        assert!(!handle.cancelled() && handle.cancelling() == 0);
    });
}

#[test]
fn the_deadline_can_be_moved_while_it_is_active() {
    run(async {
        let limit = Rc::new(Timeout::after(s(10)));
        let inside = limit.clone();
        let task = create_task(async move { inside.run(sleep(s(50))).await });
        yield_now().await;
        let deadline = get_running_loop().time() + s(30);
        limit.reschedule(deadline);
        assert_eq!(limit.when(), Some(deadline));
        sleep(s(20)).await;
        assert!(!limit.expired());
        limit.reschedule(None);
        assert_eq!(limit.when(), None);
        sleep(s(20)).await;
        task.cancel();
        assert!(task.join().await.unwrap_err().cancelled().is_some());
        assert!(!limit.expired());
    });
}

#[test]
fn the_deadline_can_be_moved_from_inside_and_from_none() {
    run(async {
        let body = async |limit: &Timeout| {
            sleep(s(1)).await;
            limit.reschedule(get_running_loop().time() + s(2));
            sleep(s(9)).await;
        };
        assert!(timeout(s(5), body).await.is_err());
        assert_eq!(time(), 3.0);
        assert!(timeout(None, body).await.is_err());
        assert_eq!(time(), 6.0);
        let limit = timeout(s(5), async |limit| {
            limit.reschedule(limit.when().map(|_| get_running_loop().time()));
            yield_now().await;
        });
        assert!(limit.await.is_err());
        assert_eq!((time(), cancelling()), (6.0, 0));
    });
}

#[test]
fn a_deadline_that_came_before_the_task_was_polled_again_cannot_be_moved() {
    run(async {
        let limit = Rc::new(Timeout::after(s(1)));
        let (inside, other) = (limit.clone(), limit.clone());
        let refused = Rc::new(Cell::new(false));
        let said = refused.clone();
        let task = create_task(async move { inside.run(sleep(s(9))).await.is_err() });
        yield_now().await;
        // In the turn of the deadline, after it.
        call(1, move || {
            assert!(other.expired());
            let moved = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| other.reschedule(None)));
            said.set(moved.is_err());
        });
        assert!(task.await, "the time is up all the same");
        assert!(refused.get() && limit.expired());
    });
}

#[test]
fn a_run_that_is_dropped_as_it_expires_takes_its_request_back() {
    run(async {
        for _ in 0..2 {
            let quick = Box::pin(sleep(s(1)));
            let limit = Timeout::after(s(1));
            // Both are woken in the same turn, and the first one wins.
            match select(quick, Box::pin(limit.run(pending::<()>()))).await {
                Either::Left(_) => {}
                Either::Right(_) => unreachable!("the other is polled first"),
            }
            assert!(limit.expired());
            assert_eq!(cancelling(), 0);
        }
        yield_now().await;
    });
}

#[test]
fn a_run_that_panics_as_it_expires_takes_its_request_back() {
    run(async {
        let limit = Timeout::after(s(1));
        let crash = with_cleanup(sleep(s(9)), || async { panic!("crash") });
        assert_eq!(panic_of(limit.run(crash)).await, "crash");
        assert_eq!(cancelling(), 0);
    });
}

#[test]
fn a_limit_works_in_the_cleanup_of_another() {
    run(async {
        let limit = timeout(s(1), async |_| {
            let error = catch_cancelled(sleep(s(9))).await.unwrap_err();
            assert!(timeout(s(1), async |_| sleep(s(9)).await).await.is_err());
            assert_eq!(cancelling(), 1);
            error.raise().await
        });
        assert!(limit.await.is_err());
        assert_eq!((time(), cancelling()), (2.0, 0));
    });
}

#[test]
fn a_limit_works_after_a_cancellation_that_was_swallowed() {
    run(async {
        let me = current_task().unwrap();
        me.cancel();
        assert!(catch_cancelled(sleep(s(1))).await.is_err());
        assert!(timeout(s(0), async |_| sleep(s(1)).await).await.is_err());
        assert_eq!(cancelling(), 1);
        let limit = timeout(s(1), async |_| {
            me.cancel();
            sleep(s(2)).await;
        });
        assert!(catch_cancelled(limit).await.is_err(), "a new cancellation is no timeout");
        assert_eq!((cancelling(), time()), (2, 0.0));
    });
}

#[test]
fn a_group_that_crashes_in_its_cleanup_wins() {
    run(async {
        let limit = timeout(s(1), async |_| {
            try_task_group(async |group| {
                let _task = group.try_create_task(async {
                    drop(catch_cancelled(sleep(s(2))).await);
                    Err::<(), _>("crash")
                });
                sleep(s(9)).await;
                Ok::<(), String>(())
            })
            .await
        });
        let errors = limit.await.unwrap().unwrap_err();
        assert_eq!(errors.iter().map(ToString::to_string).collect::<Vec<_>>(), ["crash"]);
        assert_eq!(cancelling(), 0);
        let limit = timeout(s(1), async |_| {
            task_group(async |group| {
                let _task = group.create_task(sleep(s(9)));
                sleep(s(9)).await;
            })
            .await
        });
        assert!(limit.await.is_err());
        assert_eq!((time(), cancelling()), (2.0, 0));
    });
}

#[test]
fn misuse_in_every_state_is_an_error() {
    run(async {
        let limit = Rc::new(Timeout::after(s(1)));
        let moved = |limit: Rc<Timeout>| panic_of(async move { limit.reschedule(None) });
        assert!(moved(limit.clone()).await.contains("when it is not in use yet"));
        let inside = limit.clone();
        let body = async move {
            assert!(panic_of(inside.run(ready(()))).await.contains("that is active was run"));
            drop(catch_cancelled(sleep(s(9))).await);
            assert!(moved(inside.clone()).await.contains("when it is expiring"));
        };
        limit.run(body).await.unwrap();
        assert!(panic_of(limit.run(ready(()))).await.contains("that is expired was run"));
        assert!(moved(limit.clone()).await.contains("when it is expired"));
        let limit = Rc::new(Timeout::after(s(1)));
        limit.run(ready(())).await.unwrap();
        assert!(panic_of(limit.run(ready(()))).await.contains("that is over was run"));
        assert!(moved(limit.clone()).await.contains("when it is over"));
    });
}

#[test]
fn a_run_that_was_never_polled_leaves_the_limit_unused() {
    run(async {
        let limit = Timeout::after(s(1));
        drop(limit.run(ready(())));
        assert_eq!(limit.run(ready(1)).await, Ok(1));
    });
}

#[test]
fn reports_show_its_state() {
    let log = logged(async {
        let limit = Timeout::after(s(1));
        say(format_args!("{limit:?}"));
        let body = async { say(format_args!("{limit:?}")) };
        limit.run(body).await.unwrap();
        say(format_args!("{limit:?}"));
        let limit = Timeout::after(s(0));
        let error = limit.run(yield_now()).await.unwrap_err();
        say(format_args!("{limit:?}"));
        say(format_args!("{:?}", Timeout::after(None)));
        say(error.to_string().starts_with("the time set at crates/asyncio-combinators"));
    });
    let state = |state| format!("<Timeout [{state}] when=");
    for (line, start) in log.iter().zip(["not in use yet", "active", "over", "expired"]) {
        assert!(line.starts_with(&state(start)), "{line}");
    }
    assert_eq!(log[4..], ["<Timeout [not in use yet]>", "true"]);
}

#[test]
fn a_task_is_waited_for_until_it_has_ended() {
    run(async {
        let task = create_task(slow_to_end(2));
        let handle = task.handle();
        assert!(Timeout::after(s(1)).run(task).await.is_err());
        assert!(handle.cancelled() && time() == 3.0);
        let limit = Timeout::after(s(1));
        let eager = Task::builder().eager_start(true).spawn(async { timeout(s(1), async |_| 1).await });
        assert_eq!(limit.run(eager).await, Ok(Ok(1)));
    });
}

#[test]
#[should_panic(expected = "no running event loop")]
fn a_limit_needs_a_running_loop() {
    drop(Timeout::after(s(1)));
}

#[test]
fn a_future_that_borrows_may_be_limited() {
    run(async {
        let mut text = String::new();
        timeout(s(1), async |_| text.push('x')).await.unwrap();
        let len = timeout(s(1), async |_| text.len()).await;
        assert_eq!(len, Ok(1));
        let mut limit = Box::pin(timeout(s(1), async |_| ()));
        assert!(limit.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready());
    });
}
