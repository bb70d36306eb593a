//! How many tasks are made, and what is taken for one.

use std::cell::Cell;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_combinators::{ensure_future, gather, task_group};
use asyncio_event_loop::{get_running_loop, sleep};
use asyncio_executor::{all_tasks, create_task};

use crate::trace::{after, run, s};

/// Counts the tasks that are made from here on, all of them eager if `eager`.
fn count_tasks(eager: bool) -> Rc<Cell<usize>> {
    let count = Rc::new(Cell::new(0));
    let made = count.clone();
    get_running_loop().set_task_factory(move |builder| {
        made.set(made.get() + 1);
        builder.eager_start(eager)
    });
    count
}

fn chain(depth: usize) -> Pin<Box<dyn Future<Output = usize>>> {
    Box::pin(async move { if depth == 0 { 0 } else { 1 + chain(depth - 1).await } })
}

type Local = Pin<Box<dyn Future<Output = ()>>>;

fn groups(width: usize, depth: usize) -> Local {
    Box::pin(async move {
        if depth == 0 {
            return;
        }
        let all = task_group(async |group| {
            for _ in 0..width {
                let _task = group.create_task(groups(width, depth - 1));
            }
        });
        all.await.unwrap();
    })
}

fn gathers(width: usize, depth: usize) -> Local {
    Box::pin(async move {
        if depth > 0 {
            gather((0..width).map(|_| gathers(width, depth - 1))).await;
        }
    })
}

#[test]
fn awaiting_makes_no_tasks() {
    for eager in [false, true] {
        run(async move {
            let count = count_tasks(eager);
            assert_eq!((chain(100).await, count.get()), (100, 0));
            assert_eq!((create_task(chain(100)).await, count.get()), (100, 1));
        });
    }
}

/// CPython counts the outermost one as well, which makes 781.
#[test]
fn a_tree_of_children_makes_a_task_for_each_and_eager_ones_need_no_turn() {
    let trees: [fn(usize, usize) -> Local; 2] = [groups, gathers];
    for tree in trees {
        run(async move {
            let count = count_tasks(false);
            tree(5, 4).await;
            assert_eq!(count.get(), 5 + 25 + 125 + 625);
        });
    }
    run(async {
        let count = count_tasks(true);
        let mut all = gathers(5, 4);
        let ready = std::future::poll_fn(|cx| Poll::Ready(all.as_mut().poll(cx).is_ready())).await;
        assert!(ready, "no child waits, and so nobody does");
        assert_eq!(count.get(), 780);
        assert_eq!(all_tasks().len(), 1);
    });
}

/// Ready the second time it is polled.
struct Custom(bool);

impl Future for Custom {
    type Output = &'static str;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<&'static str> {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut self.0, true) { Poll::Ready("custom") } else { Poll::Pending }
    }
}

/// What can be awaited and is no future itself.
struct Awaitable;

impl IntoFuture for Awaitable {
    type Output = &'static str;
    type IntoFuture = Custom;

    fn into_future(self) -> Custom {
        Custom(false)
    }
}

#[test]
fn whatever_can_be_awaited_becomes_a_task_and_a_task_stays_itself() {
    run(async {
        let task = create_task(after(1, 'x'));
        let (id, live) = (task.id(), all_tasks().len());
        let same = ensure_future(task);
        assert_eq!((same.id(), all_tasks().len(), same.await), (id, live, 'x'));
        assert_eq!(ensure_future(after(1, 'y')).await, 'y');
        assert_eq!((ensure_future(Custom(false)).await, ensure_future(Awaitable).await), ("custom", "custom"));
        assert_eq!(create_task(Custom(false)).await, "custom");
        let done = ensure_future(create_task(async { 1 }));
        sleep(s(1)).await;
        assert!(done.done());
        assert_eq!(done.result().unwrap(), 1);
    });
}

#[test]
fn without_a_loop_nothing_becomes_a_task() {
    let outside = std::panic::catch_unwind(|| drop(ensure_future(async {}))).unwrap_err();
    assert!(outside.downcast_ref::<String>().unwrap().starts_with("no running event loop"));
}
