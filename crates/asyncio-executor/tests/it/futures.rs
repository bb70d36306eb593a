//! `Future<T>` and `SharedTask<T>`: promises and tasks with many awaiters.

use std::future::pending;
use std::rc::Rc;

use asyncio_executor::{
    CancelKind, CancelledError, Executor, Future, InvalidStateError, SharedTask, Task, TaskError, Watcher,
    catch_cancelled, create_task, current_task,
};
use futures_util::future::join_all;

use crate::trace::{CountWakes, Log, run};

#[test]
fn a_value_is_set_once() {
    let promise = Future::<u32>::new();
    assert!(!promise.done() && !promise.cancelled());
    assert!(matches!(promise.result(), Err(TaskError::InvalidState(_))));
    promise.set_result(1).unwrap();
    let error: InvalidStateError = promise.set_result(2).unwrap_err();
    assert!(error.to_string().contains("already been set"));
    assert!(!promise.cancel());
    assert_eq!(promise.result().unwrap(), 1);
    assert!(promise.done() && !promise.cancelled());
}

#[test]
fn a_cancelled_future_stays_cancelled() {
    let promise = Future::<u32>::new();
    let line = line!() + 1;
    assert!(promise.cancel_with("m"));
    assert!(promise.set_result(1).is_err());
    let error = promise.result().unwrap_err();
    let error = error.cancelled().unwrap();
    assert_eq!((error.kind(), error.message()), (CancelKind::Explicit, Some("m")));
    assert_eq!((error.location().file(), error.location().line()), (file!(), line));
    assert!(promise.done() && promise.cancelled());
    let other = Future::<u32>::new();
    assert!(other.cancel_for(&CancelledError::new(CancelKind::Timeout)));
    assert_eq!(other.result().unwrap_err().cancelled().unwrap().kind(), CancelKind::Timeout);
}

#[test]
fn every_handle_is_an_awaiter_of_its_own() {
    let executor = Executor::new(|| {});
    let promise = Future::<String>::new();
    let all = executor.spawn(join_all((0..4).map(|_| promise.clone())));
    let one = executor.spawn(promise.clone());
    executor.turn();
    let mut dropped = Box::pin(promise.clone());
    let (count, waker) = CountWakes::new();
    assert!(std::future::Future::poll(dropped.as_mut(), &mut std::task::Context::from_waker(&waker)).is_pending());
    drop(dropped);
    promise.set_result("value".into()).unwrap();
    assert_eq!(count.get(), 0, "an awaiter that is gone is not woken");
    run(&executor);
    assert_eq!(all.result().unwrap(), ["value"; 4]);
    assert_eq!(one.result().unwrap(), "value");
}

/// What a button of a GUI does: nothing is entered when it is pressed.
#[test]
fn callbacks_and_watchers_run_also_if_the_value_comes_from_outside_a_turn() {
    struct Watch(Log);
    impl Watcher for Watch {
        fn finished(self: Rc<Self>, index: usize) {
            self.0.push(format!("watched {index}"));
        }
    }
    let executor = Executor::new(|| {});
    let log = Log::default();
    let promise = Future::<u32>::new();
    {
        let _enter = executor.enter();
        let to = log.clone();
        promise.add_done_callback(move |promise| to.push(format!("callback {}", promise.result().unwrap())));
        promise.observable().watch(Rc::new(Watch(log.clone())), 7);
    }
    promise.set_result(1).unwrap();
    run(&executor);
    assert_eq!(log.take(), ["callback 1", "watched 7"]);
}

#[test]
fn a_future_that_nobody_completes_does_not_keep_itself_alive_leak() {
    let kept = Rc::new(());
    let promise = Future::<Rc<()>>::new();
    let in_callback = kept.clone();
    promise.add_done_callback(move |_| drop(in_callback));
    assert_eq!(Rc::strong_count(&kept), 2);
    drop(promise);
    assert_eq!(Rc::strong_count(&kept), 1);
    // One that is completed lives until its callbacks have run.
    let executor = Executor::new(|| {});
    let _enter = executor.enter();
    let (promise, log) = (Future::<Rc<()>>::new(), Log::default());
    let to = log.clone();
    promise.add_done_callback(move |promise| to.push(format!("{}", Rc::strong_count(&promise.result().unwrap()))));
    promise.set_result(kept.clone()).unwrap();
    drop(promise);
    run(&executor);
    assert_eq!(log.take(), ["3"]);
    assert_eq!(Rc::strong_count(&kept), 1);
}

#[test]
fn callbacks_go_to_the_loop_they_were_added_in() {
    let (first, second) = (Executor::new(|| {}), Executor::new(|| {}));
    let log = Log::default();
    let promise = Future::<u32>::new();
    {
        let _enter = first.enter();
        let to = log.clone();
        promise.add_done_callback(move |_| to.push("callback"));
    }
    let set = promise.clone();
    drop(second.spawn(async move { set.set_result(1).unwrap() }));
    run(&second);
    assert_eq!(log.take(), [""; 0]);
    run(&first);
    assert_eq!(log.take(), ["callback"]);
}

#[test]
fn watchers_and_callbacks_can_be_removed() {
    struct Never;
    impl Watcher for Never {
        fn finished(self: Rc<Self>, _: usize) {
            unreachable!("it was removed");
        }
    }
    let executor = Executor::new(|| {});
    let _enter = executor.enter();
    let watcher: Rc<dyn Watcher> = Rc::new(Never);
    let (promise, task) = (Future::<u32>::new(), executor.spawn(async {}));
    for index in 0..3 {
        promise.observable().watch(watcher.clone(), index);
        task.handle().watch(watcher.clone(), index);
    }
    promise.observable().unwatch(&watcher);
    task.handle().unwatch(&watcher);
    assert_eq!(Rc::strong_count(&watcher), 1);
    let id = promise.add_done_callback(|_| unreachable!("it was removed"));
    assert!(promise.remove_done_callback(id) && !promise.remove_done_callback(id));
    promise.set_result(1).unwrap();
    run(&executor);
    assert!(!promise.remove_done_callback(id));
}

#[test]
fn a_watcher_of_a_task_that_is_done_is_told() {
    struct Told(Log);
    impl Watcher for Told {
        fn finished(self: Rc<Self>, index: usize) {
            self.0.push(index.to_string());
        }
    }
    let executor = Executor::new(|| {});
    let (log, task) = (Log::default(), executor.spawn(async {}));
    run(&executor);
    task.handle().watch(Rc::new(Told(log.clone())), 3);
    assert_eq!(log.take(), [""; 0]);
    run(&executor);
    assert_eq!(log.take(), ["3"]);
}

#[test]
fn a_shared_task_gives_each_awaiter_a_clone() {
    let executor = Executor::new(|| {});
    let shared = executor.spawn(async { vec![1, 2] }).shared();
    let awaiters: Vec<_> = (0..3).map(|_| executor.spawn(shared.clone())).collect();
    assert!(shared.try_result().is_none());
    run(&executor);
    for awaiter in awaiters {
        assert_eq!(awaiter.result().unwrap(), [1, 2]);
    }
    let late = executor.spawn(shared.clone());
    run(&executor);
    assert_eq!(late.result().unwrap(), [1, 2]);
    assert_eq!(shared.try_result().unwrap().unwrap(), [1, 2]);
    assert_eq!(shared.handle(), shared.clone().handle());
}

#[test]
fn a_cancellation_of_a_shared_task_keeps_its_message_when_somebody_else_asks_first() {
    let executor = Executor::new(|| {});
    let main = executor.spawn(async {
        let shared = create_task(async { assert!(current_task().unwrap().cancel_with("m")) }).shared();
        let waiting = shared.clone();
        // It waits before the task makes its first step, and is cancelled when that has ended and another has asked.
        let eager = Task::builder().eager_start(true);
        let first = eager.spawn(async move { catch_cancelled(waiting).await.unwrap_err() });
        let other = create_task(shared);
        let handle = first.handle();
        create_task(async move { assert!(handle.cancel()) });
        let error = first.await;
        assert!(other.cancelled());
        error
    });
    run(&executor);
    assert_eq!(main.result().unwrap().message(), Some("m"));
}

#[test]
fn a_shared_task_cannot_await_itself() {
    let executor = Executor::new(|| {});
    let slot: Rc<std::cell::RefCell<Option<SharedTask<()>>>> = Rc::default();
    let itself = slot.clone();
    let task = executor
        .spawn(async move {
            let itself = itself.borrow().clone().unwrap();
            itself.await;
        })
        .shared();
    *slot.borrow_mut() = Some(task.clone());
    run(&executor);
    slot.take();
    let error = task.try_result().unwrap().unwrap_err();
    assert!(error.panic_message().unwrap().contains("awaits itself"));
}

#[test]
fn tasks_of_another_loop_cannot_be_awaited() {
    let (first, second) = (Executor::new(|| {}), Executor::new(|| {}));
    let foreign = first.spawn(pending::<()>());
    let shared = first.spawn(pending::<()>()).shared();
    let tasks = [second.spawn(foreign), second.spawn(shared)];
    run(&second);
    for task in tasks {
        assert!(task.result().unwrap_err().panic_message().unwrap().contains("belongs to another event loop"));
    }
}

#[test]
fn a_shared_task_whose_awaiters_are_gone_goes_on() {
    let executor = Executor::new(|| {});
    let promise = Future::<u32>::new();
    let shared = executor.spawn(promise.clone()).shared();
    let awaiters = [(); 3].map(|()| {
        let shared = shared.clone();
        executor.spawn(async move { catch_cancelled(shared).await.ok() })
    });
    executor.turn();
    executor.turn();
    drop(awaiters);
    let handle = shared.handle();
    drop(shared);
    promise.set_result(1).unwrap();
    run(&executor);
    assert!(handle.done() && !handle.cancelled());
    assert_eq!(executor.live_tasks(), 0);
}

#[test]
fn callbacks_that_were_removed_do_not_run_and_the_others_keep_their_order() {
    let executor = Executor::new(|| {});
    let _enter = executor.enter();
    for (removed, left) in [(&[0, 0][..], vec!["1", "2"]), (&[0, 1, 0], vec!["2"]), (&[2, 2], vec!["0", "1"])] {
        let (promise, log) = (Future::<u32>::new(), Log::default());
        let ids = ["0", "1", "2"].map(|name| {
            let to = log.clone();
            promise.add_done_callback(move |_| to.push(name))
        });
        let mut gone = Vec::new();
        for &index in removed {
            assert_eq!(promise.remove_done_callback(ids[index]), !gone.contains(&index), "a second time is harmless");
            gone.push(index);
        }
        promise.set_result(1).unwrap();
        run(&executor);
        assert_eq!((log.take(), promise.result().unwrap()), (left.into_iter().map(String::from).collect(), 1));
    }
}

#[test]
fn a_future_that_is_done_is_awaited_again_without_a_suspension() {
    let executor = Executor::new(|| {});
    let promise = Future::<u32>::new();
    let (mut first, second) = (promise.clone(), promise.clone());
    let task = executor.spawn(async move { ((&mut first).await, first.await, second.await) });
    executor.turn();
    promise.set_result(42).unwrap();
    executor.turn();
    assert_eq!(task.result().unwrap(), (42, 42, 42));
}

#[test]
fn a_future_is_dropped_in_silence_whatever_is_in_it() {
    let executor = Executor::new(|| {});
    let reports = crate::trace::faults(&executor);
    let _enter = executor.enter();
    drop(Future::<u32>::new());
    let [unread, read, cancelled] = [(); 3].map(|()| Future::<u32>::new());
    unread.set_result(1).unwrap();
    read.set_result(1).unwrap();
    assert_eq!(read.result().unwrap(), 1);
    cancelled.cancel();
    drop((unread, read, cancelled));
    run(&executor);
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn the_text_of_a_future_says_its_state_and_where_it_was_made() {
    struct NoText;
    let (promise, line) = (Future::new(), line!());
    let place = format!("made at {}:{line}:28>", file!());
    assert_eq!(format!("{promise:?}"), format!("<Future pending {place}"));
    promise.set_result(NoText).unwrap();
    assert_eq!(format!("{promise:?}"), format!("<Future finished {place}"));
    let (promise, line) = (Future::<NoText>::new(), line!());
    promise.cancel();
    assert_eq!(format!("{promise:?}"), format!("<Future cancelled made at {}:{line}:28>", file!()));
}
