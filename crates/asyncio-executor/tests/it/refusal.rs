//! What a task does after it was asked to end: what counts, what goes on, and what whoever asks is told.

use std::future::pending;

use asyncio_executor::{
    Executor, Future, Task, TaskHandle, all_tasks, catch_cancelled, context_var, create_task, current_task, yield_now,
};

use crate::trace::{Log, OnDrop, faults, run};

/// The message of the cancellation that a task ended with.
fn message(task: Task<()>) -> Option<String> {
    task.result().unwrap_err().cancelled().unwrap().message().map(str::to_owned)
}

#[test]
fn a_request_that_was_caught_and_taken_back_leaves_no_count_and_the_next_one_works() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        assert!(catch_cancelled(pending::<()>()).await.is_err());
        current_task().unwrap().uncancel();
        pending::<()>().await;
    });
    executor.turn();
    assert_eq!((task.cancelling(), task.cancel(), task.cancelling(), task.cancelled()), (0, true, 1, false));
    run(&executor);
    assert_eq!((task.cancelling(), task.done()), (0, false));
    assert!(!format!("{task:?}").contains("cancelling"), "{task:?}");
    assert_eq!((task.cancel(), task.cancelling(), task.cancelled()), (true, 1, false));
    run(&executor);
    assert!(task.cancelled());
    // It is over: taking back changes the count at most.
    assert_eq!(task.uncancel(), 0);
    assert!(task.cancelled() && task.done());
}

#[test]
fn what_a_task_awaits_after_it_caught_a_request_is_left_alone() {
    let executor = Executor::new(|| {});
    let [first, second, third] = [(); 3].map(|()| Future::<u32>::new());
    let futures = [first.clone(), second.clone(), third.clone()];
    let task = executor.spawn(async move {
        let [first, second, third] = futures;
        first.await;
        assert!(catch_cancelled(second).await.is_err());
        third.await
    });
    executor.turn();
    first.set_result(1).unwrap();
    run(&executor);
    assert!(task.cancel() && second.cancelled(), "at once");
    run(&executor);
    assert!(!task.done() && !third.cancelled());
    third.set_result(42).unwrap();
    run(&executor);
    assert!(!third.cancelled() && !task.cancelled());
    assert_eq!(task.result().unwrap(), 42);
}

#[test]
fn a_future_and_its_awaiter_cancelled_in_one_turn_end_in_one_cancellation() {
    let executor = Executor::new(|| {});
    let promise = Future::<()>::new();
    let task = executor.spawn(promise.clone());
    executor.turn();
    assert!(promise.cancel() && task.cancel());
    run(&executor);
    assert!(promise.cancelled() && task.cancelled());
    // Caught, it is one too: nothing is delivered later.
    let promise = Future::<()>::new();
    let inner = promise.clone();
    let task = executor.spawn(async move {
        assert!(catch_cancelled(inner).await.is_err());
        yield_now().await;
        yield_now().await;
        "went on"
    });
    executor.turn();
    assert!(promise.cancel() && task.cancel());
    run(&executor);
    assert_eq!(task.result().unwrap(), "went on");
}

#[test]
fn a_task_that_asked_itself_passes_that_on_to_the_task_it_goes_on_to_await() {
    let executor = Executor::new(|| {});
    let promise = Future::<()>::new();
    let inner = executor.spawn(promise.clone());
    let handle = inner.handle();
    let outer = executor.spawn(async move {
        yield_now().await;
        current_task().unwrap().cancel_with("of myself");
        inner.await;
    });
    run(&executor);
    assert!(promise.cancelled() && handle.cancelled() && outer.cancelled());
    assert_eq!(message(outer).as_deref(), Some("of myself"));
}

#[test]
fn the_message_reaches_whoever_asks_and_without_one_there_is_none() {
    let executor = Executor::new(|| {});
    for text in [None, Some("enough")] {
        for started in [false, true] {
            let task = executor.spawn(pending::<()>());
            if started {
                executor.turn();
            }
            match text {
                Some(text) => task.cancel_with(text),
                None => task.cancel(),
            };
            let handle = task.handle();
            run(&executor);
            assert_eq!(handle.cancelled_error().unwrap().message(), text, "from the handle");
            assert_eq!(message(task).as_deref(), text, "from the result");
        }
    }
}

#[test]
fn a_request_is_delivered_at_a_bare_yield() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let to = log.clone();
    let task = executor.spawn(async move {
        to.push("first step");
        yield_now().await;
        to.push("second step");
        yield_now().await;
    });
    executor.turn();
    task.cancel();
    run(&executor);
    assert!(task.cancelled() && !task.cancel());
    assert_eq!(log.take(), ["first step"]);
}

#[test]
fn a_panic_instead_of_the_cancellation_is_how_the_task_ends() {
    let executor = Executor::new(|| {});
    let reports = faults(&executor);
    let task: Task<()> = executor.spawn(async {
        drop(catch_cancelled(pending::<()>()).await);
        panic!("instead");
    });
    let other = executor.spawn(async {
        yield_now().await;
        "went on"
    });
    executor.turn();
    task.cancel();
    run(&executor);
    assert!(task.done() && task.panicked() && !task.cancelled());
    assert_eq!(task.result().unwrap_err().panic_message(), Some("instead"));
    assert_eq!(other.result().unwrap(), "went on");
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn the_current_task_is_the_one_that_runs_before_and_after_each_suspension() {
    let executor = Executor::new(|| {});
    assert!(current_task().is_none());
    let (one, two) = (Future::<()>::new(), Future::<()>::new());
    let names = |own: &str| assert_eq!(current_task().unwrap().name(), own);
    let (wait, set) = (one.clone(), two.clone());
    let first = executor.spawn_with(Task::builder().name("first"), async move {
        names("first");
        wait.await;
        names("first");
        set.set_result(()).unwrap();
    });
    let second = executor.spawn_with(Task::builder().name("second"), async move {
        names("second");
        one.set_result(()).unwrap();
        two.await;
        names("second");
    });
    run(&executor);
    first.result().unwrap();
    second.result().unwrap();
    assert!(current_task().is_none());
}

context_var! {
    static NUMBER: u32 = 0;
}

/// Runs `main` where every task starts at once.
fn eagerly<F: std::future::Future + 'static>(main: F) -> F::Output {
    let executor = Executor::new(|| {});
    executor.set_task_factory(Some(std::rc::Rc::new(|builder| builder.eager_start(true))));
    let task = executor.spawn(main);
    run(&executor);
    task.result().unwrap()
}

#[test]
fn an_eager_task_that_is_done_refuses_and_one_that_waits_is_cancelled_there() {
    eagerly(async {
        let done = create_task(async { "without waiting" });
        assert!(done.done() && !done.cancel());
        assert_eq!(done.await, "without waiting");
        let log = Log::default();
        let tattle = log.clone();
        let waits = create_task(async move {
            let _guard = OnDrop(move || tattle.push("dropped where it waits"));
            pending::<()>().await;
        });
        assert!(waits.cancel_with("a message") && waits.cancelling() == 1);
        let error = catch_cancelled(waits).await.unwrap_err();
        assert_eq!(error.message(), Some("a message"));
        assert_eq!(log.take(), ["dropped where it waits"]);
    });
}

#[test]
fn an_eager_task_is_listed_from_its_first_step_to_its_end() {
    eagerly(async {
        let listed = |of: &[TaskHandle]| all_tasks() == of;
        let main = current_task().unwrap();
        let outside = main.clone();
        let done = create_task(async move { listed(&[outside, current_task().unwrap()]) });
        assert!(listed(std::slice::from_ref(&main)), "it has ended");
        assert!(done.await, "it was listed inside");
        let (gate, through) = (Future::<()>::new(), Future::<()>::new());
        let (wait, set, outside) = (gate.clone(), through.clone(), main.clone());
        let waits = create_task(async move {
            assert!(listed(&[outside, current_task().unwrap()]));
            wait.await;
            set.set_result(()).unwrap();
        });
        assert!(listed(&[main.clone(), waits.handle()]));
        gate.set_result(()).unwrap();
        through.await;
        assert!(listed(&[main]));
    });
}

#[test]
fn an_eager_step_runs_in_a_context_of_its_own() {
    eagerly(async {
        let _ = NUMBER.set(1);
        let steps = Log::default();
        let to = steps.clone();
        let task = create_task(async move {
            to.push(NUMBER.get().to_string());
            let _ = NUMBER.set(2);
            yield_now().await;
            to.push(NUMBER.get().to_string());
            let _ = NUMBER.set(3);
        });
        assert_eq!((steps.take(), NUMBER.get()), (vec!["1".to_owned()], 1));
        task.await;
        assert_eq!((steps.take(), NUMBER.get()), (vec!["2".to_owned()], 1));
    });
}

#[test]
fn what_an_eager_step_completes_is_complete_when_it_returns() {
    eagerly(async {
        let promise = Future::new();
        let set = promise.clone();
        let task = create_task(async move { set.set_result("set").unwrap() });
        assert!(task.done() && promise.done());
        assert_eq!(promise.await, "set");
    });
}
