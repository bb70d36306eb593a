//! Many and deep: a million tasks, long chains, nothing that grows the call stack.

use std::cell::Cell;
use std::future::pending;
use std::rc::Rc;

use asyncio_executor::{Executor, Future, Task, TaskHandle, create_task, yield_now};
use futures_util::future::join_all;

use crate::trace::run;

/// Enough to overflow a stack that is used for each; fewer under tools that are slow.
const MANY: usize = if cfg!(miri) { 100 } else { 100_000 };

#[test]
fn a_million_tasks_run_and_are_dropped() {
    let executor = Executor::new(|| {});
    let ran = Rc::new(Cell::new(0));
    for _ in 0..MANY * 10 {
        let ran = ran.clone();
        drop(executor.spawn(async move { ran.set(ran.get() + 1) }));
    }
    assert_eq!(executor.live_tasks(), MANY * 10);
    executor.turn();
    assert_eq!((ran.get(), executor.live_tasks()), (MANY * 10, 0));
}

#[test]
fn a_million_unfinished_tasks_are_dropped_with_the_executor() {
    let executor = Executor::new(|| {});
    let kept = Rc::new(());
    for _ in 0..MANY * 10 {
        let kept = kept.clone();
        drop(executor.spawn(async move {
            pending::<()>().await;
            drop(kept);
        }));
    }
    executor.turn();
    drop(executor);
    assert_eq!(Rc::strong_count(&kept), 1);
}

/// A chain of tasks, each awaiting the next; returns the outermost and all handles.
fn chain(executor: &Executor, end: Future<u32>) -> (Task<u32>, Vec<TaskHandle>) {
    let mut handles = Vec::with_capacity(MANY);
    let mut task = executor.spawn(end);
    for _ in 1..MANY {
        handles.push(task.handle());
        task = executor.spawn(task);
    }
    handles.push(task.handle());
    (task, handles)
}

#[test]
fn a_request_goes_down_a_long_chain_and_comes_up_again() {
    let executor = Executor::new(|| {});
    let end = Future::new();
    let (task, handles) = chain(&executor, end.clone());
    executor.turn();
    assert!(task.cancel_with("all the way"));
    assert!(end.cancelled());
    assert!(handles.iter().all(|handle| handle.cancelling() == 1 && !handle.done()));
    let mut turns = 0;
    while executor.turn() {
        turns += 1;
    }
    assert_eq!(turns, MANY - 1);
    assert!(handles.iter().all(TaskHandle::cancelled));
    assert_eq!(task.result().unwrap_err().cancelled().unwrap().message(), Some("all the way"));
}

#[test]
fn a_long_chain_ends_and_is_dropped() {
    let executor = Executor::new(|| {});
    let end = Future::new();
    let (task, handles) = chain(&executor, end.clone());
    executor.turn();
    end.set_result(5).unwrap();
    while executor.turn() {}
    assert_eq!(task.result().unwrap(), 5);
    assert!(handles.iter().all(TaskHandle::done));
    let unfinished = chain(&executor, Future::new());
    executor.turn();
    drop(executor);
    assert!(unfinished.1.iter().all(TaskHandle::cancelled));
}

#[test]
fn tasks_that_make_tasks_do_not_nest() {
    fn next(left: usize, ended: Rc<Cell<usize>>) {
        if left > 0 {
            drop(create_task(async move {
                next(left - 1, ended.clone());
                ended.set(ended.get() + 1);
            }));
        }
    }
    let executor = Executor::new(|| {});
    let ended = Rc::new(Cell::new(0));
    let count = ended.clone();
    executor.call_soon(move || next(MANY, count));
    while executor.turn() {}
    assert_eq!(ended.get(), MANY);
}

#[test]
fn wakes_that_wake_do_not_nest() {
    let executor = Executor::new(|| {});
    let promises: Vec<Future<()>> = (0..MANY).map(|_| Future::new()).collect();
    let tasks: Vec<Task<()>> = (1..MANY)
        .map(|index| {
            let (before, after) = (promises[index - 1].clone(), promises[index].clone());
            executor.spawn(async move {
                before.await;
                after.set_result(()).unwrap();
            })
        })
        .collect();
    executor.turn();
    promises[0].set_result(()).unwrap();
    while executor.turn() {}
    assert!(tasks.iter().all(Task::done));
    let last = promises.last().unwrap();
    assert!(last.done());
}

#[test]
fn one_task_awaits_many() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        let tasks = (0..MANY / 10).map(|index| {
            create_task(async move {
                yield_now().await;
                index
            })
        });
        join_all(tasks).await.into_iter().sum::<usize>()
    });
    run(&executor);
    let count = MANY / 10;
    assert_eq!(task.result().unwrap(), count * (count - 1) / 2);
}

#[test]
fn many_wait_for_one() {
    let executor = Executor::new(|| {});
    let promise = Future::<u32>::new();
    let shared = executor.spawn(promise.clone()).shared();
    let tasks: Vec<_> = (0..MANY / 10).map(|_| executor.spawn(shared.clone())).collect();
    executor.turn();
    promise.set_result(1).unwrap();
    run(&executor);
    assert!(tasks.into_iter().all(|task| task.result().unwrap() == 1));
}
