//! Waits without a link: a task that one scope awaits alone behaves as any other.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use asyncio_executor::{Executor, Task, TaskHandle, catch_cancelled, create_task, current_task, yield_now};
use proptest::prelude::*;

use crate::trace::{Log, run};

/// Suspends `times` times, and returns `times`.
async fn after(times: u32) -> u32 {
    for _ in 0..times {
        yield_now().await;
    }
    times
}

/// Polls a future that it holds by reference once, whatever comes out.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut future = Pin::new(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Some(value)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[test]
fn the_awaiter_is_known_from_both_sides() {
    let executor = Executor::new(|| {});
    let child = executor.spawn(after(2));
    let child_handle = child.handle();
    let parent = executor.spawn(child);
    executor.turn();
    assert_eq!(child_handle.awaited_by(), [parent.handle()]);
    assert_eq!(parent.handle().awaited_tasks(), std::slice::from_ref(&child_handle));
    assert_eq!(child_handle.awaited_by(), [parent.handle()], "a look changes nothing");
    run(&executor);
    assert_eq!(child_handle.awaited_by(), []);
    assert_eq!(parent.result().unwrap(), 2);
}

#[test]
fn a_second_wait_of_the_scope_comes_after_the_first() {
    let executor = Executor::new(|| {});
    let (first, second) = (executor.spawn(after(3)), executor.spawn(after(1)));
    let expected = [first.handle(), second.handle()];
    let parent = executor.spawn(async move {
        let (mut first, mut second) = (pin!(first), pin!(second));
        let mut left = 2;
        poll_fn(|cx| {
            left -= usize::from(first.as_mut().try_poll(cx)) + usize::from(second.as_mut().try_poll(cx));
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    });
    executor.turn();
    assert_eq!(parent.handle().awaited_tasks(), expected);
    run(&executor);
    parent.result().unwrap();
}

/// Polls what may be done already.
trait TryPoll {
    fn try_poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool;
}

impl TryPoll for Task<u32> {
    fn try_poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        let this = self.get_mut();
        let taken = this.done() && this.handle().cancelled_error().is_none() && this.try_result().is_some();
        taken || !this.done() && Pin::new(this).poll(cx).is_ready()
    }
}

#[test]
fn the_end_of_a_scope_does_not_lose_the_wake() {
    let executor = Executor::new(|| {});
    let mut child = executor.spawn(after(3));
    let parent = executor.spawn(async move {
        {
            let mut scope = pin!(catch_cancelled(&mut child));
            poll_fn(|cx| Poll::Ready(scope.as_mut().poll(cx).is_pending())).await;
        }
        // It was polled last with the waker of this task, and is not polled again before that has been woken.
        let mut polled = false;
        poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
        child.await
    });
    run(&executor);
    assert_eq!(parent.result().unwrap(), 3);
}

#[test]
fn to_look_for_the_result_does_not_lose_the_wake() {
    let executor = Executor::new(|| {});
    let mut child = executor.spawn(after(3));
    let parent = executor.spawn(async move {
        assert!(poll_once(&mut child).await.is_none());
        assert!(child.try_result().is_none());
        let mut polled = false;
        poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
        child.result().unwrap()
    });
    run(&executor);
    assert_eq!(parent.result().unwrap(), 3);
}

#[test]
fn a_task_that_goes_to_another_task_wakes_that_one() {
    let executor = Executor::new(|| {});
    let mut child = executor.spawn(after(5));
    let heirs = Rc::new(RefCell::new(Vec::new()));
    let to = heirs.clone();
    let parent = executor.spawn(async move {
        assert!(poll_once(&mut child).await.is_none());
        to.borrow_mut().push(create_task(child));
        yield_now().await;
    });
    executor.turn();
    executor.turn();
    executor.turn();
    parent.result().unwrap();
    let heir = heirs.take().remove(0);
    assert_eq!(heir.handle().awaited_tasks()[0].awaited_by(), [heir.handle()]);
    run(&executor);
    assert_eq!(heir.result().unwrap(), 5);
}

#[test]
fn a_scope_that_goes_to_another_task_wakes_that_one() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let child = executor.spawn(after(6));
    let scope = Rc::new(RefCell::new(Box::pin(catch_cancelled(child))));
    let body = |name: &'static str| {
        let (scope, log) = (scope.clone(), log.clone());
        async move {
            let mut polls = 0;
            poll_fn(|cx| {
                polls += 1;
                log.push(format!("{name} {polls}"));
                // The first one polls it only once, and would see a second wake.
                if polls == 1 || name == "second" {
                    scope.borrow_mut().as_mut().poll(cx).map(drop)
                } else {
                    Poll::Ready(())
                }
            })
            .await;
        }
    };
    let (first, second) = (executor.spawn(body("first")), executor.spawn(body("second")));
    run(&executor);
    assert!(second.done());
    assert!(!first.done());
    assert_eq!(log.take(), ["first 1", "second 1", "second 2"]);
}

#[test]
fn the_awaiter_is_woken_before_later_callbacks_run() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let child = executor.spawn(after(2));
    let handle = child.handle();
    let to = log.clone();
    let parent = executor.spawn(async move {
        child.await;
        to.push("awaiter");
    });
    executor.turn();
    let to = log.clone();
    handle.add_done_callback(move |_| to.push("callback"));
    run(&executor);
    assert_eq!(log.take(), ["awaiter", "callback"]);
    parent.result().unwrap();
}

#[test]
fn a_forgotten_handle_keeps_nobody_waiting_for_what_is_gone() {
    let executor = Executor::new(|| {});
    let child = executor.spawn(after(4));
    let handle = child.handle();
    let parent = executor.spawn(async move {
        let mut child = child;
        assert!(poll_once(&mut child).await.is_none());
        std::mem::forget(child);
    });
    executor.turn();
    parent.result().unwrap();
    assert!(handle.awaited_by().iter().all(TaskHandle::done));
    run(&executor);
    assert!(handle.done());
}

#[test]
fn a_foreign_waker_is_woken() {
    let executor = Executor::new(|| {});
    let mut child = executor.spawn(after(1));
    // Outside any task and scope.
    assert!(Pin::new(&mut child).poll(&mut Context::from_waker(Waker::noop())).is_pending());
    run(&executor);
    assert_eq!(child.result().unwrap(), 1);
}

/// What a worker of the property test does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Makes the task with this number anew.
    Spawn(usize, u32),
    Await(usize),
    Join(usize),
    PollOnce(usize),
    PollInScope(usize),
    /// Awaits two at a time, until one is done.
    AwaitEither(usize, usize),
    TryResult(usize),
    Callback(usize),
    Look(usize),
    Drop(usize),
    CancelChild(usize),
    CancelWorker(usize),
    Yield,
}

const WORKERS: usize = 3;
const CHILDREN: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let child = 0..CHILDREN;
    prop_oneof![
        4 => (child.clone(), 0..4u32).prop_map(|(child, times)| Step::Spawn(child, times)),
        3 => child.clone().prop_map(Step::Await),
        1 => child.clone().prop_map(Step::Join),
        2 => child.clone().prop_map(Step::PollOnce),
        2 => child.clone().prop_map(Step::PollInScope),
        2 => (child.clone(), child.clone()).prop_map(|(a, b)| Step::AwaitEither(a, b)),
        1 => child.clone().prop_map(Step::TryResult),
        1 => child.clone().prop_map(Step::Callback),
        2 => child.clone().prop_map(Step::Look),
        1 => child.clone().prop_map(Step::Drop),
        1 => child.prop_map(Step::CancelChild),
        1 => (0..WORKERS).prop_map(Step::CancelWorker),
        2 => Just(Step::Yield),
    ]
}

/// What the workers share.
struct Table {
    children: RefCell<[Option<Task<u32>>; CHILDREN]>,
    workers: RefCell<Vec<TaskHandle>>,
    log: Log,
    /// Whether tasks have a name, with which a wait for them has a link.
    named: bool,
}

impl Table {
    fn take(&self, child: usize) -> Option<Task<u32>> {
        self.children.borrow_mut()[child].take()
    }

    fn put(&self, child: usize, task: Option<Task<u32>>) {
        let before = std::mem::replace(&mut self.children.borrow_mut()[child], task);
        drop(before);
    }

    fn number(&self, handle: &TaskHandle) -> String {
        self.workers.borrow().iter().position(|worker| worker == handle).map_or("?".into(), |at| at.to_string())
    }
}

async fn work(table: Rc<Table>, me: usize, steps: Vec<Step>) {
    for step in steps {
        let done = catch_cancelled(take_step(&table, me, step)).await;
        match done {
            Ok(said) => table.log.push(format!("{me} {step:?}: {said}")),
            Err(_) => table.log.push(format!("{me} {step:?}: cancelled")),
        }
    }
}

async fn take_step(table: &Rc<Table>, me: usize, step: Step) -> String {
    match step {
        Step::Spawn(child, times) => {
            let task = create_task(after(times));
            if table.named {
                task.set_name("named");
            }
            table.put(child, Some(task));
            String::new()
        }
        Step::Await(child) => match table.take(child) {
            Some(task) => task.await.to_string(),
            None => "none".into(),
        },
        Step::Join(child) => match table.take(child) {
            Some(task) => format!("{:?}", task.join().await.ok()),
            None => "none".into(),
        },
        Step::PollOnce(child) => match table.take(child) {
            Some(mut task) if !task.done() => {
                let value = poll_once(&mut task).await;
                table.put(child, Some(task));
                format!("{value:?}")
            }
            task => {
                table.put(child, task);
                "none".into()
            }
        },
        Step::PollInScope(child) => match table.take(child) {
            Some(mut task) if !task.done() => {
                {
                    let mut scope = pin!(catch_cancelled(&mut task));
                    poll_fn(|cx| Poll::Ready(scope.as_mut().poll(cx).is_ready())).await;
                }
                table.put(child, Some(task));
                "polled".into()
            }
            task => {
                table.put(child, task);
                "none".into()
            }
        },
        Step::AwaitEither(a, b) => match (table.take(a), table.take(b)) {
            (Some(mut a), Some(mut b)) => {
                poll_fn(|cx| {
                    let first = !a.done() && Pin::new(&mut a).poll(cx).is_pending();
                    let second = !b.done() && Pin::new(&mut b).poll(cx).is_pending();
                    if first && second { Poll::Pending } else { Poll::Ready(format!("{first} {second}")) }
                })
                .await
            }
            _ => "none".into(),
        },
        Step::TryResult(child) => {
            let mut children = table.children.borrow_mut();
            format!("{:?}", children[child].as_mut().and_then(|task| task.try_result()).map(|outcome| outcome.ok()))
        }
        Step::Callback(child) => {
            let to = table.clone();
            if let Some(task) = &table.children.borrow()[child] {
                task.add_done_callback(move |_| to.log.push(format!("callback of {me}")));
            }
            String::new()
        }
        Step::Look(child) => {
            let children = table.children.borrow();
            let seen = children[child].as_ref().map(|task| {
                let by: Vec<_> = task.handle().awaited_by().iter().map(|handle| table.number(handle)).collect();
                format!("{by:?} {}", task.done())
            });
            let own = current_task().map(|task| task.awaited_tasks().len());
            let others: Vec<_> = table.workers.borrow().iter().map(|worker| worker.awaited_tasks().len()).collect();
            format!("{seen:?} {own:?} {others:?}")
        }
        Step::Drop(child) => {
            table.put(child, None);
            String::new()
        }
        Step::CancelChild(child) => {
            format!("{:?}", table.children.borrow()[child].as_ref().map(Task::cancel))
        }
        Step::CancelWorker(worker) => {
            let worker = table.workers.borrow().get(worker).cloned();
            format!("{:?}", worker.map(|worker| worker.cancel()))
        }
        Step::Yield => {
            yield_now().await;
            String::new()
        }
    }
}

/// What happened, turn by turn.
fn play(scripts: &[Vec<Step>], named: bool) -> Vec<String> {
    let executor = Executor::new(|| {});
    let table =
        Rc::new(Table { children: RefCell::default(), workers: RefCell::default(), log: Log::default(), named });
    let workers: Vec<_> =
        scripts.iter().enumerate().map(|(me, steps)| executor.spawn(work(table.clone(), me, steps.clone()))).collect();
    table.workers.borrow_mut().extend(workers.iter().map(Task::handle));
    for turn in 0..200 {
        table.log.push(format!("turn {turn}"));
        if !executor.turn() {
            break;
        }
    }
    let ends = workers.iter().map(|worker| worker.done().to_string());
    let mut log = table.log.take();
    log.extend(ends);
    // Before the loop closes.
    table.children.borrow_mut().iter_mut().for_each(|child| drop(child.take()));
    log
}

proptest! {
    #[test]
    fn a_wait_without_a_link_is_as_one_with_a_link(
        scripts in prop::collection::vec(prop::collection::vec(step(), 0..14), WORKERS)
    ) {
        prop_assert_eq!(play(&scripts, false), play(&scripts, true));
    }
}
