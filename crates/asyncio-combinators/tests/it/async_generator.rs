//! `async_generator`.

use std::cell::Cell;
use std::future::{pending, ready};
use std::pin::pin;
use std::rc::Rc;

use asyncio_combinators::{async_generator, task_group, timeout};
use asyncio_event_loop::sleep;
use asyncio_executor::{all_tasks, catch_cancelled, create_task, current_task, with_cleanup, yield_now};
use futures_util::future::select;
use futures_util::{FutureExt, StreamExt};

use crate::trace::{after, cancelling, fails, logged, note, panic_of, run, s, say, time};

struct OnDrop(&'static str);

impl Drop for OnDrop {
    fn drop(&mut self) {
        say(self.0);
    }
}

#[test]
fn values_come_when_they_are_asked_for() {
    let log = logged(async {
        let mut numbers = async_generator(async |y| {
            note("begins");
            for i in 0..2 {
                y.emit(i).await;
                sleep(s(1)).await;
            }
            note("ends");
        });
        note("made");
        while let Some(number) = numbers.next().await {
            note(number);
        }
        assert_eq!(numbers.next().await, None);
        let words: Vec<_> = async_generator(async |y| y.emit("a").await).collect().await;
        assert_eq!(words, ["a"]);
    });
    assert_eq!(log, ["0:0 made", "0:0 begins", "0:0 0", "1:1 1", "1:2 ends"]);
}

#[test]
fn it_may_borrow_and_runs_in_the_task_that_asks() {
    run(async {
        let words = vec!["a".to_owned(), "b".to_owned()];
        let mut letters = async_generator(async |y| {
            for word in &words {
                y.emit((word.as_str(), current_task().unwrap())).await;
            }
        });
        let (word, task) = letters.next().await.unwrap();
        assert!(word == "a" && Some(task) == current_task());
        drop(letters);
        drop(words);
    });
}

#[test]
fn closing_raises_at_the_yield_and_lets_it_clean_up() {
    let log = logged(async {
        let mut numbers = async_generator(async |y| {
            let _guard = OnDrop("dropped");
            let body = async {
                y.emit(1).await;
                unreachable!("it is closed there");
            };
            with_cleanup(body, || async {
                sleep(s(1)).await;
                note("clean");
            })
            .await;
        });
        assert_eq!(numbers.next().await, Some(1));
        numbers.aclose().await;
        note("closed");
        numbers.aclose().await;
        assert_eq!((numbers.next().await, cancelling()), (None, 0));
    });
    assert_eq!(log, ["1:1 clean", "dropped", "1:1 closed"]);
}

#[test]
fn closing_one_that_has_not_begun_runs_nothing() {
    let log = logged(async {
        let mut numbers = async_generator(async |y| {
            say("runs");
            y.emit(1).await;
        });
        numbers.aclose().await;
        assert_eq!(numbers.next().await, None);
    });
    assert_eq!(log, Vec::<String>::new());
}

#[test]
fn dropping_drops_the_frame_without_an_await() {
    let log = logged(async {
        let mut numbers = async_generator(async |y| {
            let _guard = OnDrop("dropped");
            with_cleanup(y.emit(1), || async { say("clean") }).await;
        });
        numbers.next().await;
        drop(numbers);
        say("after");
    });
    assert_eq!(log, ["dropped", "after"]);
}

#[test]
fn one_that_yields_while_it_is_closed_is_told_off_by_a_panic() {
    run(async {
        let mut numbers = async_generator(async |y| {
            let _ = catch_cancelled(y.emit(1)).await;
            y.emit(2).await;
        });
        numbers.next().await;
        assert!(panic_of(numbers.aclose()).await.contains("yielded a value although it was being closed"));
        drop(numbers);
    });
}

#[test]
fn one_that_refuses_to_end_by_an_error_ends_by_itself() {
    run(async {
        let mut numbers = async_generator(async |y| {
            let _ = catch_cancelled(y.emit(1)).await;
            sleep(s(1)).await;
        });
        numbers.next().await;
        numbers.aclose().await;
        assert_eq!((numbers.next().await, time()), (None, 1.0));
    });
}

#[test]
fn a_panic_goes_on_and_ends_it() {
    run(async {
        let mut numbers = async_generator(async |y| {
            y.emit(1).await;
            fails(1, "bad").await;
        });
        numbers.next().await;
        assert_eq!(panic_of(numbers.next()).await, "bad");
        assert_eq!(numbers.next().await, None);
        let mut numbers = async_generator(async |y| with_cleanup(y.emit(1), || fails(0, "cleanup")).await);
        numbers.next().await;
        assert_eq!(panic_of(numbers.aclose()).await, "cleanup");
        numbers.aclose().await;
    });
}

#[test]
fn a_cancellation_while_it_is_asked_is_raised_inside_and_goes_on() {
    let log = logged(async {
        let task = create_task(async {
            let mut numbers = async_generator(async |y| {
                y.emit(1).await;
                let error = catch_cancelled(sleep(s(9))).await.unwrap_err();
                note(error.message().unwrap());
                y.emit(2).await;
                sleep(s(9)).await;
            });
            assert_eq!((numbers.next().await, numbers.next().await), (Some(1), Some(2)));
            let error = catch_cancelled(numbers.next()).await.unwrap_err();
            assert_eq!(numbers.next().await, None);
            error.raise().await
        });
        for message in ["first", "second"] {
            sleep(s(1)).await;
            task.cancel_with(message);
        }
        note(task.join().await.unwrap_err().cancelled().unwrap().message().unwrap());
    });
    assert_eq!(log, ["2:1 first", "3:2 second"]);
}

#[test]
fn a_cancellation_between_two_values_is_not_its_own() {
    run(async {
        let mut numbers = async_generator(async |y| {
            for i in 0.. {
                y.emit(i).await;
            }
        });
        numbers.next().await;
        current_task().unwrap().cancel();
        assert!(catch_cancelled(sleep(s(1))).await.is_err());
        assert_eq!(numbers.next().await, Some(1));
    });
}

#[test]
fn a_cancellation_while_it_is_closed_is_delivered_into_its_cleanup() {
    let log = logged(async {
        let task = create_task(async {
            let mut numbers = async_generator(async |y| {
                with_cleanup(y.emit(1), || async {
                    let error = catch_cancelled(sleep(s(9))).await.unwrap_err();
                    note(error.message().unwrap());
                    error.raise().await
                })
                .await;
            });
            numbers.next().await;
            numbers.aclose().await;
            unreachable!("the cancellation goes on");
        });
        sleep(s(1)).await;
        task.cancel_with("outside");
        note(task.join().await.unwrap_err().cancelled().unwrap().message().unwrap());
    });
    assert_eq!(log, ["2:1 outside", "3:1 outside"]);
}

#[test]
fn one_whose_next_was_dropped_goes_on_from_there() {
    run(async {
        let mut numbers = async_generator(async |y| y.emit(after(2, 'x').await).await);
        let _ = select(pin!(numbers.next()), pin!(sleep(s(1)))).await;
        assert_eq!((numbers.next().await, time()), (Some('x'), 2.0));
    });
}

#[test]
fn closing_one_whose_next_was_dropped_raises_where_it_waits() {
    let log = logged(async {
        let mut numbers = async_generator(async |y| {
            if catch_cancelled(sleep(s(1))).await.is_err() {
                note("closed there");
                return;
            }
            y.emit(1).await;
        });
        let _ = select(pin!(numbers.next()), pin!(yield_now())).await;
        // By now it could go on to its yield.
        sleep(s(2)).await;
        numbers.aclose().await;
    });
    assert_eq!(log, ["1:2 closed there"]);
}

#[test]
fn limits_and_groups_work_inside() {
    run(async {
        let mut results = async_generator(async |y| {
            y.emit(timeout(s(1), async |_| pending::<()>().await).await.is_err()).await;
            let group = task_group(async |group| group.create_task(ready(true)).await);
            y.emit(group.await.unwrap()).await;
        });
        assert_eq!((results.next().await, results.next().await, results.next().await), (Some(true), Some(true), None));
        assert_eq!((time(), cancelling()), (1.0, 0));
    });
}

#[test]
fn generators_nest_and_close_what_they_close() {
    let log = logged(async {
        let mut outer = async_generator(async |y| {
            let mut inner = async_generator(async |y| {
                with_cleanup(y.emit('x'), || async { say("inner clean") }).await;
            });
            let value = inner.next().await.unwrap();
            let closing = catch_cancelled(y.emit(value)).await.unwrap_err();
            inner.aclose().await;
            say("outer clean");
            closing.raise().await
        });
        assert_eq!(outer.next().await, Some('x'));
        outer.aclose().await;
    });
    assert_eq!(log, ["inner clean", "outer clean"]);
}

#[test]
fn it_works_without_a_loop_and_two_yields_at_once_are_an_error() {
    let mut numbers = async_generator(async |y| {
        y.emit(1).await;
        y.emit(2).await;
    });
    assert_eq!(numbers.next().now_or_never(), Some(Some(1)));
    assert_eq!(numbers.aclose().now_or_never(), Some(()));
    let mut numbers = async_generator(async |y| {
        futures_util::join!(y.emit(1), y.emit(2));
    });
    run(async move { assert!(panic_of(numbers.next()).await.contains("two values were yielded at once")) });
}

#[test]
fn one_that_moves_between_tasks_goes_on_in_each() {
    run(async {
        let seen = Rc::new(Cell::new(0));
        let count = seen.clone();
        let mut numbers = Box::new(async_generator(async move |y| {
            for i in 0..4 {
                sleep(s(1)).await;
                count.set(count.get() + 1);
                y.emit(i).await;
            }
        }));
        for i in 0..4 {
            numbers = create_task(async move {
                assert_eq!(numbers.next().await, Some(i));
                numbers
            })
            .await;
        }
        assert_eq!((seen.get(), all_tasks().len()), (4, 1));
    });
}
