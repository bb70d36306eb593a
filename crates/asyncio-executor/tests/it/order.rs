//! Who runs when: traces compared with those of the same programs on CPython 3.13, of which the literal lists are records.
//!
//! `tick n` is written by a task that does so each turn, so the traces show turns as well as order.

mod requests;

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;

use asyncio_executor::{
    Entry, Executor, Future as Promise, Task, TaskHandle, call_soon, create_task, current_task, yield_now,
};

use crate::trace::{Leader, Log, Next, run};

/// Runs a program and returns its trace.
fn trace<F: Future<Output = ()> + 'static>(program: impl FnOnce(Log) -> F) -> Vec<String> {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let main = executor.spawn(program(log.clone()));
    run(&executor);
    main.result().unwrap();
    log.take()
}

async fn ticker(log: Log, count: usize) {
    for index in 0..count {
        log.push(format!("tick {index}"));
        yield_now().await;
    }
}

async fn steps(log: Log, name: &'static str, count: usize) {
    for index in 0..count {
        log.push(format!("{name}{index}"));
        yield_now().await;
    }
    log.push(format!("{name} ends"));
}

fn says<T>(log: &Log, line: &'static str) -> impl FnOnce(&T) + use<T> {
    let log = log.clone();
    move |_| log.push(line)
}

#[test]
fn tasks_and_callbacks_share_one_queue() {
    let got = trace(|log| async move {
        drop(create_task(steps(log.clone(), "a", 3)));
        let to = log.clone();
        call_soon(move || to.push("cb1"));
        drop(create_task(steps(log.clone(), "b", 2)));
        let to = log.clone();
        call_soon(move || {
            to.push("cb2");
            let again = to.clone();
            call_soon(move || again.push("cb3"));
            drop(create_task(steps(to, "c", 1)));
        });
        steps(log, "main", 4).await;
    });
    let expected = [
        "main0",
        "a0",
        "cb1",
        "b0",
        "cb2",
        "main1",
        "a1",
        "b1",
        "cb3",
        "c0",
        "main2",
        "a2",
        "b ends",
        "c ends",
        "main3",
        "a ends",
        "main ends",
    ];
    assert_eq!(got, expected);
}

#[test]
fn who_awaits_a_task_runs_one_turn_after_its_end() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 6));
        let task = create_task(steps(log.clone(), "a", 1));
        log.push("main waits");
        task.await;
        log.push("main has it");
        ticks.await;
    });
    let expected =
        ["main waits", "tick 0", "a0", "tick 1", "a ends", "tick 2", "main has it", "tick 3", "tick 4", "tick 5"];
    assert_eq!(got, expected);
}

#[test]
fn awaiting_a_task_that_is_done_does_not_suspend() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 5));
        let task = create_task(steps(log.clone(), "a", 0));
        yield_now().await;
        yield_now().await;
        log.push("main waits");
        task.await;
        log.push("main has it");
        ticks.await;
    });
    let expected = ["tick 0", "a ends", "tick 1", "main waits", "main has it", "tick 2", "tick 3", "tick 4"];
    assert_eq!(got, expected);
}

#[test]
fn an_awaiter_that_came_first_runs_before_callbacks() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 6));
        let task = create_task(steps(log.clone(), "a", 1));
        let (handle, to) = (task.handle(), log.clone());
        drop(create_task(async move {
            task.await;
            to.push("awaiter");
        }));
        yield_now().await;
        handle.add_done_callback(says(&log, "callback1"));
        handle.add_done_callback(says(&log, "callback2"));
        ticks.await;
    });
    let expected = [
        "tick 0",
        "a0",
        "tick 1",
        "a ends",
        "tick 2",
        "awaiter",
        "callback1",
        "callback2",
        "tick 3",
        "tick 4",
        "tick 5",
    ];
    assert_eq!(got, expected);
}

#[test]
fn callbacks_around_an_awaiter_keep_their_places() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 6));
        let task = create_task(steps(log.clone(), "a", 1));
        let (handle, to) = (task.handle(), log.clone());
        handle.add_done_callback(move |_| {
            to.push("callback1");
            call_soon(move || to.push("from callback"));
        });
        let to = log.clone();
        drop(create_task(async move {
            task.await;
            to.push("awaiter");
        }));
        yield_now().await;
        handle.add_done_callback(says(&log, "callback2"));
        ticks.await;
    });
    let expected = [
        "tick 0",
        "a0",
        "tick 1",
        "a ends",
        "tick 2",
        "callback1",
        "awaiter",
        "callback2",
        "tick 3",
        "from callback",
        "tick 4",
        "tick 5",
    ];
    assert_eq!(got, expected);
}

#[test]
fn a_callback_added_to_a_task_that_is_done_is_scheduled() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 4));
        let task = create_task(steps(log.clone(), "a", 0));
        let handle = task.handle();
        task.await;
        handle.add_done_callback(says(&log, "callback"));
        log.push("added");
        ticks.await;
    });
    assert_eq!(got, ["tick 0", "a ends", "tick 1", "added", "tick 2", "callback", "tick 3"]);
}

#[test]
fn callbacks_are_added_and_removed_while_they_run() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 5));
        let task = create_task(steps(log.clone(), "a", 0));
        let gone = Rc::new(Cell::new(None));
        let (to, id) = (log.clone(), gone.clone());
        task.add_done_callback(move |task| {
            to.push("first");
            to.push(format!("removed {}", u8::from(task.remove_done_callback(id.get().unwrap()))));
            task.add_done_callback(says(&to, "late"));
        });
        gone.set(Some(task.add_done_callback(says(&log, "gone"))));
        let never = task.add_done_callback(says(&log, "never"));
        log.push(format!("removed {}", u8::from(task.remove_done_callback(never))));
        ticks.await;
    });
    let expected =
        ["removed 1", "tick 0", "a ends", "tick 1", "first", "removed 0", "gone", "tick 2", "late", "tick 3", "tick 4"];
    assert_eq!(got, expected);
}

#[test]
fn a_future_tells_all_in_the_order_of_registration() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 6));
        let promise = Promise::<u32>::new();
        let awaiter = |name: &'static str| {
            let (promise, log) = (promise.clone(), log.clone());
            drop(create_task(async move {
                promise.await;
                log.push(name);
            }));
        };
        awaiter("x");
        yield_now().await;
        promise.add_done_callback(says(&log, "callback"));
        awaiter("y");
        yield_now().await;
        promise.set_result(1).unwrap();
        log.push("set");
        promise.add_done_callback(says(&log, "after"));
        ticks.await;
    });
    let expected = ["tick 0", "tick 1", "set", "tick 2", "x", "callback", "y", "after", "tick 3", "tick 4", "tick 5"];
    assert_eq!(got, expected);
}

#[test]
fn eager_tasks_run_their_first_step_at_once() {
    let got = trace(|log| async move {
        let ticks = create_task(ticker(log.clone(), 5));
        let eager = || Task::builder().eager_start(true);
        log.push("before");
        let to = log.clone();
        let now = eager().spawn(async move { to.push("now") });
        log.push(format!("done {}", now.done()));
        let to = log.clone();
        let later = eager().spawn(async move {
            to.push("later 0");
            yield_now().await;
            to.push("later 1");
        });
        log.push(format!("done {}", later.done()));
        now.add_done_callback(says(&log, "callback"));
        now.await;
        log.push("awaited now");
        later.await;
        log.push("awaited later");
        ticks.await;
    });
    let expected = [
        "before",
        "now",
        "done true",
        "later 0",
        "done false",
        "awaited now",
        "tick 0",
        "later 1",
        "callback",
        "tick 1",
        "awaited later",
        "tick 2",
        "tick 3",
        "tick 4",
    ];
    assert_eq!(got, expected);
}

#[test]
fn eager_tasks_are_the_current_task_while_they_run() {
    let got = trace(|log| async move {
        let name = || current_task().unwrap().name();
        current_task().unwrap().set_name("main");
        let to = log.clone();
        let outer = Task::builder().eager_start(true).name("o").spawn(async move {
            to.push(format!("outer {}", name()));
            let again = to.clone();
            let inner = Task::builder().eager_start(true).name("i").spawn(async move {
                again.push(format!("inner {}", name()));
                yield_now().await;
                again.push(format!("inner again {}", name()));
            });
            to.push(format!("outer still {}", name()));
            inner.await;
            to.push("outer end");
        });
        log.push(format!("main {}", name()));
        outer.await;
    });
    let expected = ["outer o", "inner i", "outer still o", "main main", "inner again i", "outer end"];
    assert_eq!(got, expected);
}

/// No counterpart in CPython, whose tasks cannot be woken but by what they wait for.
#[test]
fn a_task_that_wakes_itself_and_ends_is_not_stepped_again() {
    let executor = Executor::new(|| {});
    let (leader, log) = (Leader::default(), Log::default());
    let task = executor.spawn(leader.future());
    executor.turn();
    let waker = leader.waker();
    leader.next(Next::Value);
    waker.wake_by_ref();
    let other = executor.spawn(std::future::poll_fn(move |_| {
        // The task has ended in this turn, before this step.
        waker.wake_by_ref();
        std::task::Poll::Ready(())
    }));
    task.add_done_callback(says(&log, "callback1"));
    let to = log.clone();
    drop(executor.spawn(async move {
        let _ = task.await;
        to.push("awaiter");
    }));
    run(&executor);
    assert!(other.done());
    assert_eq!(leader.polls.get(), 2);
    assert_eq!(log.take(), ["awaiter", "callback1"]);
}

#[test]
fn callbacks_run_also_if_the_task_is_in_the_queue_when_it_ends() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let task = executor.spawn(std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        std::task::Poll::Ready(())
    }));
    task.add_done_callback(says(&log, "1"));
    task.add_done_callback(says(&log, "2"));
    assert_eq!(executor.collect_ready(), 1);
    executor.turn();
    assert_eq!(executor.collect_ready(), 2, "the entry of the task, and one for its callbacks");
    run(&executor);
    assert_eq!(log.take(), ["1", "2"]);
}

/// A `gather` looks at the outcome of a child whose handle is gone.
#[test]
fn watchers_find_the_outcome_wherever_they_run() {
    struct Look(Log, TaskHandle);
    impl asyncio_executor::Watcher for Look {
        fn finished(self: Rc<Self>, index: usize) {
            self.0.push(format!("{index} {:?}", self.1.panic_text()));
        }
    }
    for self_wake in [false, true] {
        let executor = Executor::new(|| {});
        let log = Log::default();
        executor.set_reporter(Some(Rc::new(drop)));
        let task = executor.spawn(std::future::poll_fn(move |cx| {
            if self_wake {
                cx.waker().wake_by_ref();
            }
            panic!("why");
            #[expect(unreachable_code, reason = "gives the closure its type")]
            std::task::Poll::Ready(())
        }));
        let handle = task.handle();
        drop(task);
        for index in 0..2 {
            handle.watch(Rc::new(Look(log.clone(), handle.clone())), index);
        }
        run(&executor);
        assert_eq!(log.take(), ["0 Some(\"why\")", "1 Some(\"why\")"]);
        assert_eq!(handle.panic_text(), None, "nobody can take it any more");
    }
}

#[test]
fn observed_entries_are_what_they_are_and_run_once() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let task = executor.spawn(steps(log.clone(), "a", 1));
    let to = log.clone();
    executor.call_soon(move || to.push("called"));
    let to = log.clone();
    executor.call_soon(move || to.push("never"));
    let mut index = 0;
    let count = executor.collect_ready();
    executor.run_ready_observed(count, |entry, run| {
        match entry {
            Entry::Task(handle) => assert_eq!(handle, task.handle()),
            Entry::Callback(location) => assert!(location.file().ends_with("order.rs")),
            other => unreachable!("{other:?}"),
        }
        if index < 2 {
            run();
            run();
        }
        index += 1;
    });
    assert_eq!(log.take(), ["a0", "called"]);
    run(&executor);
    assert_eq!(log.take(), ["a ends"]);
}

#[test]
fn what_a_turn_makes_ready_waits_for_the_next() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        loop {
            yield_now().await;
        }
    });
    let other = executor.spawn(async {});
    assert!(executor.turn());
    assert!(other.done() && !task.done());
    executor.run_ready(0);
    assert_eq!(executor.collect_ready(), 1);
}
