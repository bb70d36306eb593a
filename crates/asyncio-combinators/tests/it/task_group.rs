//! `task_group` and `try_task_group`: values, failures, cancellations.

use std::cell::Cell;
use std::future::{IntoFuture, pending, ready};
use std::rc::Rc;

use asyncio_combinators::{ExceptionGroup, TaskGroup, task_group, try_task_group, wait};
use asyncio_event_loop::sleep;
use asyncio_executor::{
    CancelKind, ContextVar, Task, TaskHandle, catch_cancelled, copy_context, create_task, current_task, with_cleanup,
    yield_now,
};

use crate::trace::{
    after, cancelling, fails, log_reports, logged, note, panic_of, run, s, say, slow_to_end, time, try_run,
};

/// Sleeps, then fails with `text`.
pub async fn errs(seconds: u64, text: &'static str) -> Result<(), &'static str> {
    sleep(s(seconds)).await;
    Err(text)
}

/// Sleeps for long, and fails with `text` in the cleanup after a cancellation.
async fn errs_in_cleanup(text: &'static str) -> Result<(), &'static str> {
    drop(catch_cancelled(sleep(s(10))).await);
    Err(text)
}

/// The texts of errors, groups in brackets.
pub fn texts(errors: &ExceptionGroup) -> String {
    let texts: Vec<String> = errors
        .iter()
        .map(|error| error.downcast_ref::<ExceptionGroup>().map_or_else(|| error.to_string(), texts))
        .collect();
    format!("[{}]", texts.join(","))
}

/// A body that adds children and sleeps.
async fn fill(
    group: TaskGroup,
    children: usize,
    child: impl AsyncFn(usize) -> Result<(), &'static str> + Clone + 'static,
) {
    for number in 0..children {
        let child = child.clone();
        let _task = group.try_create_task(async move { child(number).await });
    }
    sleep(s(10)).await;
}

#[test]
fn it_waits_for_all_and_handles_give_values() {
    run(async {
        let (a, b) = task_group(async |group| {
            let a = group.create_task(after(1, 42));
            sleep(s(1)).await;
            (a, group.create_task(after(2, 11)))
        })
        .await
        .unwrap();
        assert_eq!((a.result().unwrap(), b.result().unwrap(), time()), (42, 11, 3.0));
        assert_eq!(task_group(async |_| 'x').await.unwrap(), 'x');
    });
}

#[test]
fn a_child_that_is_cancelled_is_no_failure() {
    run(async {
        let (a, b) = task_group(async |group| {
            let a = group.create_task(after(3, 42));
            sleep(s(1)).await;
            a.cancel();
            (a, group.create_task(after(2, 11)))
        })
        .await
        .unwrap();
        assert!(a.cancelled());
        assert_eq!((b.result().unwrap(), time(), cancelling()), (11, 3.0, 0));
    });
}

#[test]
fn a_child_that_fails_cancels_its_siblings_and_the_body() {
    let log = logged(async {
        let errors: Result<(), _> = task_group(async |group| {
            for _ in 0..3 {
                let _task = group.try_create_task(errs(1, "bad"));
            }
            let _task = group.create_task(async {
                let error = catch_cancelled(sleep(s(5))).await.unwrap_err();
                note(format_args!("{:?} {:?}", error.kind(), error.message()));
                error.raise().await
            });
            let error = catch_cancelled(sleep(s(10))).await.unwrap_err();
            note(format_args!("body {:?} {}", error.kind(), cancelling()));
            error.raise().await
        })
        .await;
        note(format_args!("{} {}", texts(&errors.unwrap_err()), cancelling()));
    });
    assert_eq!(log, ["3:1 TaskGroup None", "3:1 body TaskGroup 1", "5:1 [bad,bad,bad] 0"]);
}

#[test]
fn a_cancellation_of_the_parent_reaches_all_and_is_raised_when_they_have_ended() {
    let log = logged(async {
        for sleeps in [false, true] {
            let task = create_task(async move {
                task_group(async |group| {
                    for _ in 0..2 {
                        let _task = group.create_task(async {
                            let error = catch_cancelled(sleep(s(5))).await.unwrap_err();
                            note(format_args!("child {:?}", error.kind()));
                            sleep(s(1)).await;
                            error.raise().await
                        });
                    }
                    if sleeps {
                        let error = catch_cancelled(sleep(s(10))).await.unwrap_err();
                        note("body");
                        error.raise().await
                    }
                })
                .await
                .unwrap();
            });
            sleep(s(1)).await;
            task.cancel_with("why");
            let error = task.join().await.unwrap_err();
            note(error.cancelled().unwrap().message().unwrap());
        }
    });
    let expected = [
        "3:1 child TaskGroup",
        "3:1 child TaskGroup",
        "4:2 why",
        "2:3 body",
        "3:3 child TaskGroup",
        "3:3 child TaskGroup",
        "4:4 why",
    ];
    assert_eq!(log, expected);
}

#[test]
fn children_that_fail_in_their_cleanup_win_over_the_cancellation() {
    run(async {
        let task = create_task(async {
            let errors = task_group(async |group| fill(group, 2, async |_| errs_in_cleanup("bad").await).await).await;
            assert_eq!((texts(&errors.unwrap_err()), cancelling()), ("[bad,bad]".into(), 1));
            sleep(s(1)).await;
            unreachable!("the request is delivered here");
        });
        sleep(s(1)).await;
        task.cancel();
        let error = task.join().await.unwrap_err();
        assert_eq!(error.cancelled().unwrap().kind(), CancelKind::Explicit);
        assert_eq!(time(), 1.0);
    });
}

#[test]
fn an_err_of_the_body_cancels_the_children_and_is_in_the_group() {
    run(async {
        for waits in [false, true] {
            let children: Rc<Cell<[Option<TaskHandle>; 2]>> = Rc::default();
            let made = children.clone();
            let errors = try_task_group(async |group| {
                made.set([1, 2].map(|seconds| Some(group.create_task(after(seconds, ())).handle())));
                if waits {
                    sleep(s(1)).await;
                    yield_now().await;
                }
                Err::<(), _>("body")
            })
            .await
            .unwrap_err();
            assert_eq!(texts(&errors), "[body]");
            assert_eq!(children.take().map(|task| task.unwrap().cancelled()), [!waits, true]);
        }
    });
}

#[test]
fn an_error_of_an_inner_group_is_a_group_in_the_outer_one() {
    run(async {
        for outer_has_a_child in [false, true] {
            let task = create_task(async move {
                try_task_group(async |outer| {
                    if outer_has_a_child {
                        let _task = outer.create_task(sleep(s(10)));
                    }
                    task_group(async |group| fill(group, 2, async |_| errs_in_cleanup("bad").await).await).await
                })
                .await
                .map_err(|errors| say_texts(&errors))
            });
            sleep(s(1)).await;
            task.cancel();
            // Without another suspension the request ends the task: its value is dropped.
            assert!(task.join().await.unwrap_err().cancelled().is_some());
            assert_eq!(crate::trace::log(), ["[[bad,bad]]"]);
        }
    });
}

fn say_texts(errors: &ExceptionGroup) {
    say(texts(errors));
}

#[test]
fn the_group_whose_child_fails_first_has_the_error() {
    let log = logged(async {
        for (outer_fails, inner_fails) in [(1, 10), (10, 1)] {
            let errors = try_task_group(async |outer| {
                let _task = outer.try_create_task(errs(outer_fails, "outer"));
                task_group(async |inner| {
                    let _task = inner.try_create_task(errs(inner_fails, "inner"));
                })
                .await
            })
            .await;
            note(format_args!("{} {}", texts(&errors.unwrap_err()), cancelling()));
        }
    });
    assert_eq!(log, ["6:1 [outer] 0", "6:2 [[inner]] 0"]);
}

#[test]
fn a_child_that_fails_while_the_cancelled_body_cleans_up_wins() {
    run(async {
        let nested = || async {
            let errors = task_group(async |group| {
                let _task = group.try_create_task(errs(3, "late"));
                slow_to_end(5).await;
            })
            .await;
            say_texts(&errors.unwrap_err());
        };
        let direct = create_task(nested());
        let through_another = create_task(async move { create_task(nested()).await });
        sleep(s(1)).await;
        direct.cancel();
        through_another.cancel();
        wait([direct, through_another]).await;
        assert_eq!((crate::trace::log(), time()), (vec!["[late]".to_owned(), "[late]".to_owned()], 3.0));
    });
}

#[test]
fn a_body_without_children_passes_a_cancellation_on_or_turns_it_into_an_error() {
    run(async {
        let task = create_task(task_group(async |_| sleep(s(10)).await).into_future());
        let turns = create_task(try_task_group(async |_| catch_cancelled(sleep(s(10))).await.map_err(|_| "instead")));
        let both = create_task(async {
            let errors = try_task_group(async |group| {
                let _task = group.try_create_task(errs(1, "child"));
                catch_cancelled(sleep(s(10))).await.map_err(|_| "body")
            })
            .await;
            assert_eq!((texts(&errors.unwrap_err()), cancelling()), ("[child,body]".into(), 0));
        });
        sleep(s(1)).await;
        task.cancel();
        turns.cancel();
        assert!(task.join().await.unwrap_err().cancelled().is_some());
        both.await;
        // Its error is dropped with the value: the request was not delivered before the end.
        assert!(turns.join().await.unwrap_err().cancelled().is_some());
    });
}

#[test]
fn a_cancellation_right_after_the_start_is_raised() {
    run(async {
        let task = create_task(task_group(async |group| {
            let _a = group.create_task(after(1, ()));
            let _b = group.create_task(after(2, ()));
        }));
        yield_now().await;
        task.cancel();
        assert!(task.join().await.unwrap_err().cancelled().is_some());
        let task = create_task(task_group(async |_| ()));
        task.cancel();
        assert!(task.join().await.unwrap_err().cancelled().is_some());
        assert_eq!(time(), 0.0);
    });
}

#[test]
fn children_that_have_ended_are_released_while_it_is_open() {
    run(async {
        let value = Rc::new(());
        let held = value.clone();
        task_group(async |group| {
            for _ in 0..500 {
                let held = held.clone();
                let _task = group.create_task(async move {
                    yield_now().await;
                    drop(held);
                });
                yield_now().await;
                let shown = format!("{group:?}");
                assert!(["=1 ", "=2 ", "=3 "].iter().any(|tasks| shown.contains(tasks)), "{shown}");
            }
            sleep(s(1)).await;
            assert!(format!("{group:?}").starts_with("<TaskGroup tasks=0 errors=0 entered>"));
            // One that stays does not keep the places of those that go.
            let _stays = group.create_task(sleep(s(1)));
            for _ in 0..100 {
                let _task = group.create_task(ready(()));
            }
        })
        .await
        .unwrap();
        drop(held);
        assert_eq!(Rc::strong_count(&value), 1);
    });
}

#[test]
fn children_may_add_children_after_the_body_has_ended() {
    run(async {
        task_group(async |group| {
            let siblings = group.clone();
            let _task = group.create_task(async move {
                sleep(s(1)).await;
                let _a = siblings.create_task(after(1, ()));
                let _b = siblings.create_task(after(2, ()));
            });
        })
        .await
        .unwrap();
        assert_eq!(time(), 3.0);
    });
}

#[test]
fn children_that_multiply_stop_when_one_fails() {
    fn hydra(group: TaskGroup, heads: Rc<Cell<u32>>) -> std::pin::Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(async move {
            heads.set(heads.get() + 1);
            sleep(s(1)).await;
            for _ in 0..2 {
                let _task = group.create_task(hydra(group.clone(), heads.clone()));
            }
        })
    }
    run(async {
        let heads = Rc::new(Cell::new(0));
        let seen = heads.clone();
        let errors = task_group(async |group| {
            let _task = group.create_task(hydra(group.clone(), heads.clone()));
            let _task = group.try_create_task(async move {
                while heads.get() < 10 {
                    sleep(s(1)).await;
                }
                Err::<(), _>("hercules")
            });
        })
        .await;
        assert_eq!(texts(&errors.unwrap_err()), "[hercules]");
        assert!((10..40).contains(&seen.get()));
    });
}

#[test]
fn name_and_context_pass_through() {
    static NUMBER: ContextVar<u32> = ContextVar::new("NUMBER", || 0);
    run(async {
        let context = copy_context();
        let inside = context.clone();
        task_group(async move |group| {
            let task = group.create_task_with(Task::builder().name("yolo").context(inside.clone()), async {
                let _ = NUMBER.set(1);
            });
            assert_eq!(task.name(), "yolo");
            task.await;
            let builder = Task::builder().context(inside);
            assert_eq!(group.create_task_with(builder, async { NUMBER.get() }).await, 1);
            assert_eq!(group.create_task(async { NUMBER.get() }).await, 0);
        })
        .await
        .unwrap();
        assert_eq!(context.run(|| NUMBER.get()), 1);
    });
}

#[test]
fn the_count_of_requests_is_as_before_whatever_fails_at_once() {
    let log = logged(async {
        let errors = try_task_group(async |outer| {
            let inner = task_group(async |inner| {
                let _task = inner.try_create_task(errs(0, "inner"));
                let _task = outer.try_create_task(errs(0, "outer"));
            })
            .await;
            note(format_args!("{} {}", texts(&inner.unwrap_err()), cancelling()));
            Ok::<_, String>(())
        })
        .await;
        note(format_args!("{} {}", texts(&errors.unwrap_err()), cancelling()));
        yield_now().await;
        let errors = task_group(async |group| {
            let body = async {
                let _task = group.try_create_task(errs(0, "child"));
                sleep(s(1)).await;
            };
            with_cleanup(body, || async { note("exit") }).await;
        })
        .await;
        note(format_args!("{} {}", texts(&errors.unwrap_err()), cancelling()));
    });
    assert_eq!(log, ["4:0 [inner] 1", "4:0 [outer] 0", "9:0 exit", "9:0 [child] 0"]);
}

#[test]
fn with_a_failure_and_a_cancellation_the_group_comes_first_and_then_the_request() {
    let log = logged(async {
        let task = create_task(async {
            let errors: Result<(), _> = task_group(async |group| {
                let _task = group.try_create_task(errs(0, "bad"));
                sleep(s(1)).await;
                unreachable!("it is cancelled");
            })
            .await;
            note(format_args!("{} {}", texts(&errors.unwrap_err()), cancelling()));
            sleep(s(1)).await;
            unreachable!("it is cancelled");
        });
        yield_now().await;
        yield_now().await;
        assert_eq!(task.cancelling(), 0);
        task.cancel();
        let handle = task.handle();
        assert!(task.join().await.is_err());
        note(handle.cancelled());
    });
    assert_eq!(log, ["5:0 [bad] 1", "7:0 true"]);
}

#[test]
fn a_panic_of_a_child_cancels_the_others_and_goes_on_when_they_have_ended() {
    let log = logged(async {
        log_reports();
        let group = task_group(async |group| {
            let _task = group.create_task(fails(1, "boom"));
            let _task = group.create_task(slow_to_end(3));
            let _task = group.try_create_task(errs_in_cleanup("beside it"));
            let _task = group.create_task(with_cleanup(pending::<()>(), || fails(0, "second")));
            sleep(s(9)).await;
        });
        say(panic_of(group).await);
        note(cancelling());
    });
    assert_eq!(
        log,
        [
            "task exception was never retrieved: second",
            "an error in a task group that a panic ended: beside it: -",
            "boom",
            "3:4 0"
        ]
    );
}

#[test]
fn a_panic_of_the_body_goes_on_when_the_children_have_ended() {
    let log = logged(async {
        log_reports();
        let group = task_group(async |group| {
            let _task = group.create_task(slow_to_end(3));
            fails(1, "body").await;
        });
        say(panic_of(group).await);
        note(cancelling());
        let group = task_group(async |group| {
            let _task = group.create_task(fails(0, "child"));
            with_cleanup(sleep(s(9)), || fails(0, "because of it")).await;
        });
        say(panic_of(group).await);
    });
    assert_eq!(
        log,
        ["body", "3:4 0", "exception in the body of a task group that had failed already: because of it", "child"]
    );
}

#[test]
fn awaiting_the_handle_of_a_failed_child_raises() {
    run(async {
        let errors = try_task_group(async |group| {
            let child = group.try_create_task(errs(1, "bad"));
            let error = catch_cancelled(child).await.unwrap_err();
            assert_eq!(error.kind(), CancelKind::TaskGroup);
            error.raise().await as Result<(), String>
        })
        .await;
        assert_eq!(texts(&errors.unwrap_err()), "[bad]");
        let value = task_group(async |group| group.try_create_task(async { Ok::<_, String>(7) }).await).await;
        assert_eq!(value.unwrap(), 7);
    });
}

#[test]
fn repeated_cancellations_do_not_cut_the_wait_short() {
    run(async {
        let child = Rc::new(Cell::new(None));
        let made = child.clone();
        let task = create_task(async move {
            let _ = task_group(async |group| made.set(Some(group.create_task(slow_to_end(5))))).await;
        });
        for _ in 0..4 {
            sleep(s(1)).await;
            task.cancel();
        }
        assert_eq!(task.cancelling(), 4);
        assert!(task.join().await.unwrap_err().cancelled().is_some());
        assert!(child.take().unwrap().cancelled() && time() == 6.0);
    });
}

#[test]
fn it_works_in_a_task_that_counts_requests_already() {
    let outcome = try_run(async {
        let me = current_task().unwrap();
        me.cancel();
        assert!(catch_cancelled(yield_now()).await.is_err());
        task_group(async |group| {
            let _task = group.create_task(after(1, ()));
        })
        .await
        .unwrap();
        assert_eq!(cancelling(), 1);
        // As in CPython, a failure delivers the swallowed request again.
        let errors = task_group(async |group| {
            let _task = group.try_create_task(errs(0, "bad"));
        })
        .await;
        assert_eq!((texts(&errors.unwrap_err()), cancelling()), ("[bad]".into(), 1));
        yield_now().await;
    });
    assert!(outcome.unwrap_err().cancelled().is_some());
}

/// The group takes the panic of a child in an entry of the ready queue; a handle dropped before that must not lose it.
#[test]
fn a_panic_is_the_groups_though_the_handle_is_dropped_right_after_it() {
    let reports = std::rc::Rc::new(std::cell::Cell::new(0));
    let seen = reports.clone();
    let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build().unwrap();
    runner.get_loop().set_exception_handler(move |_, _| seen.set(seen.get() + 1));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runner.run(asyncio_combinators::task_group(async |group| {
            let child = group.create_task(async { panic!("the child's") });
            while !child.done() {
                asyncio_executor::yield_now().await;
            }
            drop::<asyncio_executor::Task<()>>(child);
            std::future::pending::<()>().await;
        }))
    }));
    let payload = ended.unwrap_err();
    assert_eq!(asyncio_executor::panic_message(&*payload), Some("the child's"));
    assert_eq!(reports.get(), 0);
}
