//! `as_completed`.

use std::future::{pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::task::Poll;

use asyncio_combinators::{as_completed, gather, shield};
use asyncio_event_loop::sleep;
use asyncio_executor::{Future, all_tasks, catch_cancelled, create_task, yield_now};
use futures_util::{Stream, StreamExt};

use crate::trace::{after, call, cancelling, fails, log_reports, logged, note, panic_of, run, s, say, time};

#[test]
fn values_come_in_the_order_of_completion() {
    let log = logged(async {
        let mut results = as_completed([after(3, 'a'), after(1, 'b'), after(2, 'c')]);
        assert_eq!(results.size_hint(), (3, Some(3)));
        while let Some(value) = results.next().await {
            note(value);
        }
        assert_eq!(results.next().await, None);
        let all: Vec<_> = as_completed([after(2, 'd'), after(1, 'e')]).collect().await;
        note(format_args!("{all:?}"));
        assert!(as_completed(Vec::<std::future::Ready<()>>::new()).timeout(s(1)).next().await.is_none());
    });
    assert_eq!(log, ["3:1 b", "3:2 c", "3:3 a", "3:5 ['e', 'd']"]);
}

#[test]
fn what_ended_while_nobody_asked_is_kept_and_tasks_stay_tasks() {
    run(async {
        let task = create_task(after(2, 1));
        let handle = task.handle();
        let live = all_tasks().len();
        let mut results = as_completed([task, create_task(after(1, 2))]);
        assert_eq!(all_tasks().len(), live + 1);
        sleep(s(5)).await;
        assert!(handle.done());
        assert_eq!((results.next().await, results.next().await, results.next().await), (Some(2), Some(1), None));
        assert_eq!(time(), 5.0);
    });
}

#[test]
fn breaking_off_and_going_on_gives_the_rest() {
    run(async {
        let mut results = as_completed([after(1, 1), after(2, 2), after(3, 3)]);
        let mut seen = Vec::new();
        while let Some(value) = results.next().await {
            seen.push(value);
            if value == 1 {
                break;
            }
        }
        seen.extend(results.by_ref().collect::<Vec<_>>().await);
        assert_eq!(seen, [1, 2, 3]);
    });
}

#[test]
fn what_did_not_make_it_is_an_error_each_and_runs_on() {
    let log = logged(async {
        let late = create_task(async {
            sleep(s(9)).await;
            note("late");
        });
        let tasks = [create_task(sleep(s(1))), late, create_task(sleep(s(8)))];
        let mut results = as_completed(tasks).timeout(s(2));
        assert_eq!(results.size_hint().0, 3);
        while let Some(item) = results.next().await {
            note(if item.is_ok() { "in time" } else { "time is up" });
        }
        sleep(s(9)).await;
    });
    assert_eq!(log, ["3:1 in time", "1:2 time is up", "1:2 time is up", "1:9 late"]);
}

#[test]
fn a_time_that_was_not_needed_leaves_no_trace() {
    run(async {
        let mut results = as_completed([after(1, ())]).timeout(s(100));
        assert!(results.next().await.unwrap().is_ok());
        drop(results);
        drop(as_completed([after(1, ())]).timeout(s(100)));
        // On virtual time nothing but the sleep moves the clock.
        sleep(s(1)).await;
        assert_eq!(time(), 2.0);
        assert_eq!(as_completed([ready(1)]).timeout(None).next().await, Some(Ok(1)));
    });
}

#[test]
fn a_failure_goes_on_where_its_turn_comes_and_the_rest_follow() {
    let log = logged(async {
        log_reports();
        let mut results = as_completed([create_task(fails(1, "bad")), create_task(sleep(s(2)))]);
        say(panic_of(results.next()).await);
        results.next().await.unwrap();
        note("next");
        let task = create_task(sleep(s(9)));
        task.cancel_with("why");
        let mut results = as_completed([task, create_task(sleep(s(1)))]);
        let error = catch_cancelled(results.next()).await.unwrap_err();
        note(error.message().unwrap());
        results.next().await.unwrap();
        note("next");
    });
    assert_eq!(log, ["bad", "3:2 next", "6:2 why", "3:3 next"]);
}

#[test]
fn a_cancelled_wait_loses_nothing_and_cancels_nobody() {
    run(async {
        let tasks = [create_task(after(1, 1)), create_task(after(2, 2))];
        let handles = tasks.each_ref().map(|task| task.handle());
        let task = create_task(async {
            let mut results = as_completed(tasks);
            assert_eq!(results.next().await, Some(1));
            assert!(catch_cancelled(results.next()).await.is_err());
            assert_eq!(results.next().await, Some(2));
            cancelling()
        });
        let handle = task.handle();
        sleep(s(1)).await;
        yield_now().await;
        yield_now().await;
        yield_now().await;
        handle.cancel();
        assert_eq!(task.await, 1);
        assert!(handles.iter().all(|handle| handle.cancelling() == 0));
    });
}

#[test]
fn a_next_that_was_given_up_wakes_nobody() {
    let log = logged(async {
        let mut results = as_completed([after(1, 1)]);
        {
            let mut next = pin!(results.next());
            assert!(poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx).is_pending())).await);
        }
        let mut polls = 0;
        let mut pause = pin!(sleep(s(3)));
        poll_fn(|cx| {
            polls += 1;
            pause.as_mut().poll(cx)
        })
        .await;
        say(polls);
        say(results.next().await.unwrap());
    });
    assert_eq!(log, ["2", "1"]);
}

#[test]
fn a_shared_task_given_twice_comes_twice_and_runs_once() {
    let log = logged(async {
        let task = create_task(async {
            note("runs");
            7
        })
        .shared();
        let mut results = as_completed([task.clone(), task]);
        assert_eq!((results.next().await, results.next().await), (Some(7), Some(7)));
    });
    assert_eq!(log, ["1:0 runs"]);
}

#[test]
fn futures_gathers_and_shields_are_watched_themselves() {
    run(async {
        let live = all_tasks().len();
        let future = Future::new();
        let set = future.clone();
        call(1, move || set.set_result('x').unwrap());
        assert_eq!(as_completed([future]).next().await, Some('x'));
        let child = create_task(after(1, 1));
        let mut results = as_completed([gather([child])]);
        assert_eq!(all_tasks().len(), live + 1);
        assert_eq!(results.next().await, Some([1]));
        assert_eq!(as_completed([shield(after(1, 2))]).next().await, Some(2));
        drop(as_completed([Future::<()>::new()]));
    });
}

#[test]
#[should_panic(expected = "no running event loop")]
fn a_future_of_no_task_needs_a_running_loop() {
    drop(as_completed([pending::<()>()]));
}

#[test]
fn an_eager_child_comes_in_its_order() {
    run(async {
        let eager = asyncio_executor::Task::builder().eager_start(true).spawn(ready(1));
        let mut results = Box::pin(as_completed([create_task(after(1, 2)), eager]));
        assert_eq!(results.next().await, Some(1));
        assert_eq!(Pin::new(&mut results).next().await, Some(2));
    });
}
