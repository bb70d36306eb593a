//! `TaskGroup::cancel`, groups that are dropped, late and eager children.

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::rc::Rc;

use asyncio_combinators::{TaskGroup, task_group, try_task_group};
use asyncio_event_loop::{get_running_loop, sleep};
use asyncio_executor::{Task, TaskHandle, all_tasks, catch_cancelled, create_task, current_task, yield_now};
use futures_util::future::{Either, select};

use crate::task_group::{errs, texts};
use crate::trace::{
    after, call, cancelling, fails, log_reports, logged, note, panic_of, run, s, say, slow_to_end, time,
};

#[test]
fn from_the_body_it_ends_the_group_without_an_error() {
    run(async {
        let child = Rc::new(Cell::new(None));
        let made = child.clone();
        let ended = task_group(async |group| {
            made.set(Some(group.create_task(slow_to_end(1))));
            sleep(s(1)).await;
            group.cancel();
            group.cancel();
            sleep(s(9)).await;
        })
        .await
        .unwrap_err();
        assert!(ended.is_empty() && child.take().unwrap().cancelled());
        assert_eq!((time(), cancelling()), (2.0, 0));
        sleep(s(1)).await;
    });
}

#[test]
fn a_body_that_completes_all_the_same_gives_its_value() {
    run(async {
        let value = task_group(async |group| {
            let _task = group.create_task(pending::<()>());
            group.cancel();
            'x'
        });
        assert_eq!(value.await.unwrap(), 'x');
        let value = task_group(async |group| {
            group.cancel();
            catch_cancelled(yield_now()).await.is_err()
        });
        assert!(value.await.unwrap());
        assert_eq!(cancelling(), 0);
        yield_now().await;
    });
}

#[test]
fn a_child_may_end_the_group_while_it_waits() {
    run(async {
        let value = task_group(async |group| {
            let inside = group.clone();
            let _task = group.create_task(async move {
                sleep(s(1)).await;
                inside.cancel();
                assert!(catch_cancelled(yield_now()).await.is_err(), "it is cancelled as well");
            });
            let _task = group.create_task(pending::<()>());
            'x'
        });
        assert_eq!((value.await.unwrap(), time(), cancelling()), ('x', 1.0, 0));
    });
}

#[test]
fn after_the_end_it_does_nothing() {
    run(async {
        let group = task_group(async |group| group).await.unwrap();
        group.cancel();
        assert_eq!(cancelling(), 0);
        yield_now().await;
        assert_eq!(format!("{group:?}"), "<TaskGroup tasks=0 errors=0 over>");
    });
}

#[test]
fn failures_of_children_count_nevertheless() {
    run(async {
        let errors = task_group(async |group| {
            let _task = group.try_create_task(async {
                assert!(catch_cancelled(sleep(s(9))).await.is_err());
                Err::<(), _>("bad")
            });
            yield_now().await;
            group.cancel();
        });
        assert_eq!((texts(&errors.await.unwrap_err()), cancelling()), ("[bad]".into(), 0));
    });
}

#[test]
fn in_a_nested_group_it_leaves_the_outer_one_alone() {
    let log = logged(async {
        task_group(async |outer| {
            let _task = outer.create_task(async {
                sleep(s(2)).await;
                note("outer child");
            });
            let inner = task_group(async |inner| {
                inner.cancel();
                sleep(s(9)).await;
            });
            assert!(inner.await.unwrap_err().is_empty());
            sleep(s(1)).await;
            note("outer body");
        })
        .await
        .unwrap();
        note(cancelling());
    });
    assert_eq!(log, ["1:1 outer body", "1:2 outer child", "3:2 0"]);
}

#[test]
fn a_cancellation_from_outside_is_not_swallowed() {
    // The request comes before, in the same turn as, and after that of the group, while the body or the wait is active.
    for (group_at, outside_at) in [(1, 2), (1, 1), (2, 1)] {
        for waits in [false, true] {
            run(async move {
                let task = create_task(async move {
                    let ended = task_group(async |group| {
                        let _task = group.create_task(slow_to_end(5));
                        call(group_at, move || group.cancel());
                        if !waits {
                            sleep(s(9)).await;
                        }
                    });
                    drop(ended.await);
                    unreachable!("it was cancelled");
                });
                let handle = task.handle();
                call(outside_at, move || assert!(handle.cancel()));
                let handle = task.handle();
                assert!(task.join().await.unwrap_err().cancelled().is_some(), "{group_at} {outside_at} {waits}");
                assert_eq!((handle.cancelling(), time()), (1, 6.0));
            });
        }
    }
}

#[test]
fn a_cancellation_that_the_body_swallowed_stays_swallowed() {
    run(async {
        let value = task_group(async |group| {
            current_task().unwrap().cancel();
            assert!(catch_cancelled(yield_now()).await.is_err());
            let inside = group.clone();
            let _task = group.create_task(async move {
                yield_now().await;
                inside.cancel();
            });
            7
        });
        assert_eq!((value.await.unwrap(), cancelling()), (7, 1));
        yield_now().await;
    });
}

#[test]
fn a_group_that_ends_makes_no_tasks() {
    let log = logged(async {
        let late = Rc::new(RefCell::new(Vec::new()));
        let made = late.clone();
        let group = task_group(async |group| {
            let inside = group.clone();
            let _task = group.create_task(async move {
                assert!(catch_cancelled(sleep(s(9))).await.is_err());
                for task in
                    [inside.create_task(async { note("runs") }), inside.try_create_task(ready(Ok::<_, String>(())))]
                {
                    assert!(task.cancelled());
                    made.borrow_mut().push(task);
                }
            });
            yield_now().await;
            let outer = group.clone();
            group.cancel();
            outer
        })
        .await
        .unwrap();
        let task = group.create_task_with(Task::builder().eager_start(true), async { note("runs") });
        late.borrow_mut().push(task);
        for task in late.take() {
            assert!(catch_cancelled(task).await.is_err());
        }
    });
    assert_eq!(log, Vec::<String>::new());
}

#[test]
fn a_group_that_is_dropped_cancels_its_children_and_takes_its_request_back() {
    let log = logged(async {
        log_reports();
        let interrupted = Box::pin(async {
            drop(
                task_group(async |group| {
                    let _task = group.try_create_task(errs(1, "first"));
                    let _task = group.try_create_task(async {
                        assert!(catch_cancelled(sleep(s(9))).await.is_err());
                        yield_now().await;
                        Err::<(), _>("unheard")
                    });
                    let _task = group.create_task(async {
                        assert!(catch_cancelled(sleep(s(9))).await.is_err());
                        yield_now().await;
                        fails(0, "unheard panic").await;
                    });
                    assert!(catch_cancelled(sleep(s(9))).await.is_err());
                    pending::<()>().await;
                })
                .await,
            );
        });
        match select(interrupted, Box::pin(sleep(s(2)))).await {
            Either::Right((_, group)) => {
                assert_eq!(cancelling(), 1);
                drop(group);
            }
            Either::Left(_) => unreachable!("it waits for ever"),
        }
        assert_eq!(cancelling(), 0);
        let dropped = Box::pin(task_group(async |group| {
            let _task = group.create_task(slow_to_end(1));
            pending::<()>().await;
        }));
        drop(select(dropped, Box::pin(yield_now())).await);
        sleep(s(5)).await;
        assert_eq!((cancelling(), all_tasks().len()), (0, 1));
    });
    assert_eq!(
        log,
        [
            "an error in a task group that was dropped: first: -",
            "an error in a task group that was dropped: unheard: -",
            "exception in a task group that was dropped: unheard panic",
        ]
    );
}

#[test]
fn a_failure_in_a_group_that_is_gone_is_reported() {
    let log = logged(async {
        log_reports();
        let dropped = Box::pin(task_group(async |group| {
            let _task = group.try_create_task(async {
                assert!(catch_cancelled(sleep(s(9))).await.is_err());
                Err::<(), _>("bad")
            });
            pending::<()>().await;
        }));
        let _ = select(dropped, Box::pin(sleep(s(1)))).await;
        sleep(s(1)).await;
    });
    assert_eq!(log, ["an error in a task group that was dropped: bad: -"]);
}

#[test]
fn an_eager_child_is_like_any_other() {
    let log = logged(async {
        get_running_loop().set_task_factory(|builder| builder.eager_start(true));
        let errors: Result<(), _> = task_group(async |group| {
            let _task = group.try_create_task(async {
                note("child");
                Err::<(), _>("bad")
            });
            // Its failure is heard of in the next turn, not here.
            note("body");
            let _task = group.create_task(slow_to_end(0));
            yield_now().await;
            note("body again");
            sleep(s(9)).await;
        })
        .await;
        note(format_args!("{} {}", texts(&errors.unwrap_err()), cancelling()));
    });
    assert_eq!(log, ["0:0 child", "0:0 body", "5:0 [bad] 0"]);
}

#[test]
fn an_eager_child_that_ends_the_group_is_cancelled_itself() {
    run(async {
        let child: Rc<Cell<Option<TaskHandle>>> = Rc::default();
        let made = child.clone();
        let ended = task_group(async |group: TaskGroup| {
            let inside = group.clone();
            let task = group.create_task_with(Task::builder().eager_start(true), async move {
                inside.cancel();
                pending::<()>().await;
            });
            made.set(Some(task.handle()));
            yield_now().await;
        });
        assert!(ended.await.unwrap_err().is_empty());
        assert!(child.take().unwrap().cancelled() && cancelling() == 0);
    });
}

#[test]
fn a_destructor_of_the_body_may_use_the_group() {
    struct OnDrop(TaskGroup);
    impl Drop for OnDrop {
        fn drop(&mut self) {
            self.0.cancel();
            drop(self.0.create_task(ready(())));
        }
    }
    run(async {
        current_task().unwrap().cancel();
        assert!(catch_cancelled(yield_now()).await.is_err());
        for panics in [false, true] {
            let group = task_group(async |group| {
                let _guard = OnDrop(group.clone());
                let _task = group.create_task(after(1, ()));
                if panics {
                    fails(0, "boom").await;
                }
            });
            if panics {
                assert_eq!(panic_of(group).await, "boom");
            } else {
                group.await.unwrap();
            }
            assert_eq!(cancelling(), 1, "the group takes back no more than it asked for");
        }
    });
}

#[test]
fn errors_are_sorted_by_type_through_groups() {
    run(async {
        let errors = try_task_group(async |outer| {
            let _task = outer.try_create_task(async { Err::<(), _>(std::io::Error::other("io")) });
            let _task = outer.try_create_task(ready(Err::<(), _>("text")));
            task_group(async |inner| {
                let _task = inner.try_create_task(async { Err::<(), _>(std::io::Error::other("inner io")) });
                let _task = inner.try_create_task(async { Err::<(), _>("1x".parse::<u32>().unwrap_err()) });
            })
            .await
        })
        .await
        .unwrap_err();
        say(&errors);
        assert_eq!(std::error::Error::source(&errors).unwrap().to_string(), "io");
        let (io, rest) = errors.split::<std::io::Error>();
        assert_eq!(io.iter().map(ToString::to_string).collect::<Vec<_>>(), ["io", "inner io"]);
        let rest = rest.unwrap();
        assert_eq!((texts(&rest), rest.len()), ("[text,[invalid digit found in string]]".into(), 2));
        let (numbers, rest) = rest.split::<std::num::ParseIntError>();
        assert_eq!((numbers.len(), rest.unwrap().into_errors().len()), (1, 1));
        assert_eq!(
            crate::trace::log(),
            [
                "unhandled errors in a task group (3 errors: io; text; unhandled errors in a task group (2 errors: inner io; \
             invalid digit found in string))"
            ]
        );
    });
}
