//! Who waits for whom, through every combinator.

use std::future::{Future, pending};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use asyncio_combinators::{as_completed, gather, shield, task_group, try_gather, wait, wait_for};
use asyncio_event_loop::{Runner, sleep};
use asyncio_executor::{
    SharedTask, Task, TaskHandle, capture_call_graph, create_task, current_task, format_call_graph, yield_now,
};

/// Runs a body on virtual time, in a task named `main`.
fn run<T>(body: impl Future<Output = T>) -> T {
    let mut runner = Runner::builder().virtual_time(true).build().unwrap();
    let named = async {
        current_task().unwrap().set_name("main");
        body.await
    };
    runner.run(named).unwrap()
}

/// A task that waits for ever, and its name.
fn leaf() -> SharedTask<()> {
    Task::builder().name("leaf").spawn(pending()).shared()
}

/// The names in a task's graph, each with its depth.
fn names(task: &SharedTask<()>) -> Vec<(usize, String)> {
    capture_call_graph(task).entries().iter().map(|entry| (entry.depth(), entry.task().name())).collect()
}

/// What the graph of a leaf is when `waiting`, made of it, is awaited in a task named `outer` that `main` does not await.
async fn graph_of<F: Future + 'static>(waiting: impl FnOnce(SharedTask<()>) -> F) -> Vec<(usize, String)> {
    let leaf = leaf();
    let outer = Task::builder().name("outer").spawn(waiting(leaf.clone()));
    sleep(Duration::from_secs(1)).await;
    let names = names(&leaf);
    drop(outer);
    names
}

fn expected() -> Vec<(usize, String)> {
    vec![(0, "leaf".into()), (1, "outer".into())]
}

#[test]
fn an_awaiter_is_found_through_every_combinator() {
    run(async {
        assert_eq!(graph_of(|leaf| leaf).await, expected());
        assert_eq!(
            graph_of(|leaf| async move {
                let _ = gather((leaf, async {})).await;
            })
            .await,
            expected()
        );
        assert_eq!(
            graph_of(|leaf| async move {
                let _ = gather([leaf]).return_exceptions().await;
            })
            .await,
            expected()
        );
        assert_eq!(graph_of(|leaf| async move { shield(leaf).await }).await, expected());
        assert_eq!(
            graph_of(|leaf| async move {
                let _ = wait([leaf]).await;
            })
            .await,
            expected()
        );
        let limit = Duration::from_secs(9);
        assert_eq!(
            graph_of(|leaf| async move {
                let _ = wait([leaf]).timeout(limit).await;
            })
            .await,
            expected()
        );
        assert_eq!(
            graph_of(|leaf| async move {
                let _ = wait_for(leaf, limit).await;
            })
            .await,
            expected()
        );
        assert_eq!(
            graph_of(|leaf| async move {
                let _ = as_completed([leaf]).next().await;
            })
            .await,
            expected()
        );
        assert_eq!(graph_of(|leaf| async move { shield(gather([shield(leaf)])).await[0] }).await, expected());
    });
}

#[test]
fn the_children_of_a_group_are_awaited_by_its_task() {
    run(async {
        let graph = task_group(async |group| {
            let child = group.create_task(async {
                yield_now().await;
                capture_call_graph(current_task().unwrap())
            });
            child.handle().set_name("child");
            child.await
        });
        let graph = graph.await.unwrap();
        let names: Vec<_> = graph.entries().iter().map(|entry| entry.task().name()).collect();
        assert_eq!(names, ["child", "main"], "the group and the body's await are one awaiter");
    });
}

#[test]
fn children_that_a_combinator_made_are_found() {
    run(async {
        let child = async {
            yield_now().await;
            Ok::<_, ()>(capture_call_graph(current_task().unwrap()).entries().last().unwrap().task().name())
        };
        assert_eq!(try_gather([child]).await.unwrap(), ["main"]);
    });
}

#[test]
fn a_chain_is_followed_to_its_end_and_a_diamond_is_told_once() {
    run(async {
        let leaf = leaf();
        let named = |name: &str, task: SharedTask<()>| Task::builder().name(name).spawn(task).shared();
        let (left, right) = (named("left", leaf.clone()), named("right", leaf.clone()));
        let top = Task::builder().name("top").spawn(gather((left, right)).into_future());
        yield_now().await;
        yield_now().await;
        let graph = capture_call_graph(&leaf);
        let shown: Vec<_> = graph.entries().iter().map(|e| (e.depth(), e.task().name(), e.is_repeated())).collect();
        let expected =
            [(0, "leaf", false), (1, "left", false), (2, "top", false), (1, "right", false), (2, "top", true)];
        assert_eq!(shown, expected.map(|(depth, name, repeated)| (depth, name.to_owned(), repeated)));
        drop(top);
    });
}

#[test]
fn what_is_over_is_awaited_by_nobody() {
    run(async {
        let done = create_task(async {}).shared();
        let awaiter = create_task(done.clone());
        awaiter.await;
        assert!(done.handle().awaited_by().is_empty());
        let leaf = leaf();
        let given_up = create_task(wait_for(leaf.clone(), Duration::from_secs(1)));
        let waiting = create_task(wait([leaf.clone()]).timeout(Duration::from_secs(1)).into_future());
        assert!(given_up.await.is_err());
        waiting.await;
        assert!(leaf.handle().awaited_by().is_empty());
    });
}

#[test]
fn the_text_says_who_waits_for_what_and_where() {
    run(async {
        let gate = asyncio_executor::Future::<()>::new();
        let leaf = Task::builder().name("leaf").spawn(gate.clone()).shared();
        let waiting = leaf.clone();
        let outer = Task::builder().name("outer").spawn(async move { gather((waiting,)).await });
        sleep(Duration::from_secs(1)).await;
        let text = format_call_graph(&leaf);
        let lines: Vec<&str> = text.lines().map(|line| line.split(" at ").next().unwrap()).collect();
        assert_eq!(lines[0], "* task \"leaf\" spawned");
        assert!(lines[1].starts_with("  + waits for a future made"), "{text}");
        assert_eq!(lines[2], "  + awaited by:");
        assert_eq!(lines[3], "    * task \"outer\" spawned");
        assert_eq!(lines[4], "      + waits for a gather of 1 (1 pending) made");
        assert!(text.contains("call_graph.rs:"), "{text}");
        gate.set_result(()).unwrap();
        outer.await;
    });
}

#[test]
fn a_waker_of_another_kind_is_nobodys() {
    let foreign = Waker::noop();
    assert!(TaskHandle::of_waker(foreign).is_none());
    run(async {
        let leaf = leaf();
        {
            // Polled under a waker that is not a task's.
            let mut polled = pin!(leaf.clone());
            assert!(polled.as_mut().poll(&mut Context::from_waker(foreign)).is_pending());
            assert!(leaf.handle().awaited_by().is_empty());
        }
        std::future::poll_fn(|cx| {
            assert_eq!(TaskHandle::of_waker(cx.waker()), current_task());
            let waker = cx.waker().clone();
            std::thread::scope(|threads| {
                threads.spawn(move || assert!(TaskHandle::of_waker(&waker).is_none(), "not on another thread"));
            });
            Poll::Ready(())
        })
        .await;
    });
}

#[test]
fn a_long_chain_is_no_deep_recursion() {
    run(async {
        let mut last = leaf();
        let first = last.clone();
        for _ in 0..500 {
            last = create_task(last).shared();
        }
        for _ in 0..3 {
            yield_now().await;
        }
        let graph = capture_call_graph(&first);
        assert_eq!(graph.entries().len(), 501);
        assert_eq!(graph.entries().last().unwrap().depth(), 500);
    });
}
