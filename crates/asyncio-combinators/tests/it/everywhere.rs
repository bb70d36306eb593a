//! Every combinator, cancelled once at every turn; and random trees of them: nothing hangs, no task is left, no count is
//! off.

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use asyncio_combinators::{
    FIRST_COMPLETED, Timeout, as_completed, async_generator, gather, shield, task_group, timeout, try_gather,
    try_task_group, wait, wait_for,
};
use asyncio_event_loop::{get_running_loop, sleep};
use asyncio_executor::{
    Future as Promise, all_tasks, catch_cancelled, create_task, current_task, with_cleanup, yield_now,
};
use proptest::prelude::*;

use crate::programs;
use crate::trace::{after, cancelling, run, s, slow_to_end};

type Local = Pin<Box<dyn Future<Output = ()>>>;

/// A name, and what makes the future.
type Program = (&'static str, fn() -> Local);

/// Takes some turns and some time, with a cleanup that takes some as well.
async fn child() {
    let body = async {
        yield_now().await;
        sleep(s(2)).await;
    };
    with_cleanup(body, || async {
        yield_now().await;
        sleep(s(1)).await;
    })
    .await;
}

/// A program of each combinator that ends by itself, and has no task left when it has ended or was cancelled.
fn programs() -> Vec<Program> {
    vec![
        ("gather", || Box::pin(async { _ = gather([child(), child()]).await })),
        ("gather, all", || Box::pin(async { drop(gather((child(), after(1, 1))).return_exceptions().await) })),
        ("gather of gathers", || Box::pin(async { _ = gather((gather([child()]), shield(child()))).await })),
        ("gather of nothing", || Box::pin(async { gather(()).await })),
        ("try_gather", || Box::pin(async { drop(try_gather((ok(child()), err(child()), ok(child()))).await) })),
        ("shield", || Box::pin(async { shield(child()).await })),
        ("shield of a gather", || Box::pin(async { _ = shield(gather([child(), child()])).await })),
        ("shield of what is done", || Box::pin(async { shield(gather(())).await })),
        ("wait", || {
            Box::pin(async { drop(wait([create_task(child()), create_task(sleep_one())]).timeout(s(9)).await) })
        }),
        ("wait for the first", || {
            Box::pin(async {
                let tasks = [create_task(child()), create_task(sleep_one())];
                drop(wait(tasks).timeout(s(1)).return_when(FIRST_COMPLETED).await);
            })
        }),
        ("wait_for", || Box::pin(async { _ = wait_for(child(), s(1)).await })),
        ("wait_for a task", || Box::pin(async { _ = wait_for(create_task(child()), s(1)).await })),
        ("wait_for without time", || Box::pin(async { _ = wait_for(create_task(child()), s(0)).await })),
        ("wait_for without time or task", || Box::pin(async { _ = wait_for(child(), s(0)).await })),
        ("timeout", || Box::pin(async { _ = timeout(s(1), async |_| child().await).await })),
        ("timeouts", || {
            Box::pin(async {
                let outer = timeout(s(2), async |_| timeout(s(1), async |_| slow_to_end(9).await).await);
                let _ = outer.await;
            })
        }),
        ("timeout that is moved", || {
            Box::pin(async {
                let limit = timeout(s(5), async |limit| {
                    yield_now().await;
                    limit.reschedule(get_running_loop().time() + s(1));
                    child().await;
                });
                let _ = limit.await;
            })
        }),
        ("as_completed", || {
            Box::pin(async {
                let mut results = as_completed([create_task(child()), create_task(sleep_one())]);
                while results.next().await.is_some() {}
            })
        }),
        ("as_completed in time", || {
            Box::pin(async {
                let mut results = as_completed([create_task(child()), create_task(sleep_one())]).timeout(s(1));
                while results.next().await.is_some() {}
            })
        }),
        ("task_group", || {
            Box::pin(async {
                let group = task_group(async |group| {
                    let _task = group.create_task(child());
                    let siblings = group.clone();
                    let _task = group.create_task(async move {
                        yield_now().await;
                        drop(siblings.create_task(child()));
                    });
                    child().await;
                });
                drop(group.await);
            })
        }),
        ("task_group that fails", || {
            Box::pin(async {
                let group = try_task_group(async |group| {
                    let _task = group.create_task(child());
                    let _task = group.try_create_task(err(sleep_one()));
                    child().await;
                    Err::<(), _>("body")
                });
                drop(group.await);
            })
        }),
        ("task_group that is ended", || {
            Box::pin(async {
                let group = task_group(async |group| {
                    let _task = group.create_task(child());
                    yield_now().await;
                    group.cancel();
                    child().await;
                });
                drop(group.await);
            })
        }),
        ("task_groups", || {
            Box::pin(async {
                let outer = try_task_group(async |outer| {
                    let _task = outer.try_create_task(err(sleep_one()));
                    task_group(async |inner| {
                        let _task = inner.try_create_task(err(sleep_one()));
                        child().await;
                    })
                    .await
                });
                drop(outer.await);
            })
        }),
        ("async_generator", || {
            Box::pin(async {
                let mut numbers = async_generator(async |y| {
                    for i in 0..3 {
                        with_cleanup(y.emit(i), child).await;
                    }
                });
                while numbers.next().await.is_some_and(|i| i < 2) {}
                numbers.aclose().await;
            })
        }),
    ]
}

async fn sleep_one() {
    sleep(s(1)).await;
}

async fn ok(future: impl Future<Output = ()>) -> Result<(), String> {
    future.await;
    Ok(())
}

async fn err(future: impl Future<Output = ()>) -> Result<(), String> {
    future.await;
    Err("bad".into())
}

/// Runs `program` in a task that is cancelled after `turns` turns of it. Returns whether it had not ended by then.
fn cancelled_after(name: &str, program: fn() -> Local, turns: usize, refuses: bool) -> bool {
    let name = name.to_owned();
    run(async move {
        let task = create_task(async move {
            let outcome = catch_cancelled(program()).await;
            let requests = cancelling();
            yield_now().await;
            assert_eq!(cancelling(), requests, "nothing asks later");
            match outcome {
                Err(error) if !refuses => error.raise().await,
                _ => requests,
            }
        });
        // Time goes on only when nothing is ready, so turns are counted where they are taken: by another task.
        let handle = task.handle();
        for turn in 0..turns {
            if turn % 8 == 7 {
                sleep(s(1)).await;
            } else {
                yield_now().await;
            }
            if handle.done() {
                return false;
            }
        }
        assert!(handle.cancel());
        let outcome = task.join().await;
        assert_eq!(handle.cancelling(), 1, "{name}, after {turns}");
        match outcome {
            Ok(requests) => assert!(requests <= 1, "{name}, after {turns}"),
            Err(error) => {
                assert!(error.cancelled().is_some(), "{name}, after {turns}: {error:?}");
            }
        }
        // What a shield, a gather that ended early, a `wait` or a dropped `as_completed` left behind ends by itself.
        for _ in 0..10 {
            sleep(s(1)).await;
        }
        assert_eq!(all_tasks().len(), 1, "{name}, after {turns}");
        true
    })
}

#[test]
fn every_combinator_can_be_cancelled_at_every_turn() {
    for (name, program) in programs() {
        for refuses in [false, true] {
            let mut turns = 0;
            while cancelled_after(name, program, turns, refuses) {
                turns += 1;
                assert!(turns < 200, "{name} does not end");
            }
        }
    }
}

#[test]
fn every_combinator_can_be_dropped_at_every_turn() {
    for (name, program) in programs() {
        for turns in 0..40 {
            run(async move {
                let begin = cancelling();
                let mut polled = Some(program());
                let mut pause = Box::pin(async move {
                    for turn in 0..turns {
                        if turn % 8 == 7 { sleep(s(1)).await } else { yield_now().await }
                    }
                });
                std::future::poll_fn(|cx| {
                    let done = polled.as_mut().is_none_or(|program| program.as_mut().poll(cx).is_ready());
                    if done {
                        polled = None;
                    }
                    pause.as_mut().poll(cx)
                })
                .await;
                drop(polled);
                assert_eq!(cancelling(), begin, "{name}, after {turns}");
                for _ in 0..10 {
                    sleep(s(1)).await;
                }
                assert_eq!(all_tasks().len(), 1, "{name}, after {turns}");
            });
        }
    }
}

#[test]
fn pending_everywhere_at_the_end_of_the_run_leak() {
    for (_, program) in programs() {
        for turns in [0, 1, 2, 4, 9] {
            let promise = Promise::<()>::new();
            let held = promise.clone();
            run(async move {
                // Detached, and holding one another: the end of the run cancels them.
                drop(create_task(program()));
                drop(create_task(async move {
                    let all = gather([held.clone()]);
                    let mut later = as_completed([shield(held.clone())]).timeout(s(100));
                    let limit = Timeout::after(s(100));
                    let both = async { (wait_for(all, None).await, later.next().await) };
                    let _ = limit.run(both).await;
                    drop(wait([held]).await);
                }));
                for _ in 0..turns {
                    yield_now().await;
                }
            });
            assert!(promise.cancelled() || turns < 2);
        }
    }
}

#[test]
fn a_runner_dropped_in_the_middle_of_everything_leak() {
    for (_, program) in programs() {
        let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build().unwrap();
        let this = runner.get_loop();
        drop(this.create_task(program()));
        let kept = this.create_task(program());
        let _ = runner.run(async { yield_now().await });
        drop(runner);
        drop((kept, this));
    }
}

/// Trees in the language of the random programs.
fn tree() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("y".to_owned()),
        Just("e".to_owned()),
        (1..4_u32).prop_map(|seconds| format!("(s {seconds})")),
        (0..9_u32).prop_map(|task| format!("(k {task})")),
    ];
    leaf.prop_recursive(5, 40, 4, |inner| {
        let all = prop::collection::vec(inner.clone(), 1..4).prop_map(|all| all.join(" "));
        let limit = prop_oneof![Just("-".to_owned()), (0..4_u32).prop_map(|seconds| seconds.to_string())];
        prop_oneof![
            ("[;grG]", all.clone()).prop_map(|(op, all)| format!("({op} {all})")),
            ("[buh]", inner.clone()).prop_map(|(op, one)| format!("({op} {one})")),
            ("[cd]", inner.clone(), inner.clone()).prop_map(|(op, one, two)| format!("({op} {one} {two})")),
            ("[twW]", limit.clone(), inner).prop_map(|(op, limit, one)| format!("({op} {limit} {one})")),
            ("[fxa]", limit.clone(), all.clone()).prop_map(|(when, limit, all)| format!("(m {when} {limit} {all})")),
            (limit, all).prop_map(|(limit, all)| format!("(o {limit} {all})")),
        ]
    })
}

proptest! {
    #[test]
    fn random_trees_end_with_no_task_left_and_the_same_each_time(
        kind in prop_oneof![Just("results"), Just("panics"), Just("eager")],
        trees in prop::collection::vec(tree(), 1..4),
    ) {
        let trees = trees.join(" ");
        let trees = if kind == "panics" { trees.replace("(G", "(g") } else { trees };
        prop_assert_eq!(programs::execute(kind, &trees), programs::execute(kind, &trees));
    }
}

#[test]
fn what_a_combinator_needs_is_awaitable_without_a_pin() {
    run(async {
        let mut all = gather([child()]).into_future();
        (&mut all).await;
        let mut shielded = shield(child());
        (&mut shielded).await;
        let mut first = try_gather([ok(child())]);
        (&mut first).await.unwrap();
        assert!(current_task().is_some());
    });
}
