//! Handles: equality, names, texts, outcomes, lists of tasks.

use std::collections::HashSet;
use std::future::pending;
use std::rc::Rc;

use asyncio_executor::{
    CancelKind, CancelledError, Executor, Future, InvalidStateError, Task, TaskError, TaskHandle, all_tasks, call_soon,
    create_task, current_task, yield_now,
};

use crate::trace::{Log, run};

#[test]
fn handles_of_one_task_are_equal() {
    let executor = Executor::new(|| {});
    let (a, b) = (executor.spawn(pending::<()>()), executor.spawn(pending::<()>()));
    assert_eq!(a.handle(), a.handle().clone());
    assert_ne!(a.handle(), b.handle());
    let set: HashSet<TaskHandle> = [a.handle(), b.handle(), a.handle()].into_iter().collect();
    assert_eq!(set.len(), 2);
    assert_ne!(a.id(), b.id());
    assert!(a.id() < b.id());
    let handle: TaskHandle = a.into();
    assert!(set.contains(&handle));
}

#[test]
fn names_are_numbered_unless_they_are_given() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(pending::<()>());
    assert_eq!(task.name(), format!("Task-{}", task.id()));
    task.set_name("other");
    assert_eq!((task.name(), task.handle().name()), ("other".into(), "other".into()));
    let named = executor.spawn_with(Task::builder().name("given"), pending::<()>());
    assert_eq!(named.name(), "given");
}

#[test]
fn texts_say_what_a_task_is_and_waits_for() {
    let executor = Executor::new(|| {});
    let file = file!();
    let promise = Future::<u32>::new();
    let inner = executor.spawn_with(Task::builder().name("inner"), promise.clone());
    let (handle, line) = (inner.handle(), line!() - 1);
    assert_eq!(format!("{inner:?}"), format!("<Task pending name=\"inner\" spawned at {file}:{line}:26>"));
    let outer = executor.spawn_with(Task::builder().name("outer"), inner);
    executor.turn();
    executor.turn();
    let text = format!("{outer:?}");
    assert!(text.starts_with("<Task pending name=\"outer\"") && text.ends_with("waits for task \"inner\">"), "{text}");
    let text = format!("{handle:?}");
    assert!(text.contains("waits for a future made at ") && text.contains("handles.rs:"), "{text}");
    assert_eq!(
        (outer.handle().awaits(), outer.handle().awaited_tasks()),
        (vec!["task \"inner\"".into()], vec![handle.clone()])
    );
    assert_eq!(handle.wait().unwrap().to_string(), "a future");
    assert!(format!("{promise:?}").starts_with("<Future pending made at "));
    outer.cancel();
    assert!(format!("{outer:?}").starts_with("<Task cancelling name=\"outer\""));
    assert!(format!("{promise:?}").starts_with("<Future cancelled made at "));
    run(&executor);
    assert!(format!("{handle:?}").starts_with("<Task cancelled name=\"inner\""));
    assert_eq!((handle.awaits().len(), handle.awaited_tasks().len()), (0, 0));
    let sleeps = executor.spawn(async {
        yield_now().await;
        panic!("end")
    });
    executor.turn();
    assert!(format!("{sleeps:?}").ends_with("waits for its next turn>"));
    run(&executor);
    let text = format!("{:?}", sleeps.shared());
    assert!(text.starts_with("<Task panicked"), "{text}");
    let value = executor.spawn(async { 1 });
    run(&executor);
    assert!(format!("{value:?}").starts_with("<Task finished"));
    let handle = executor.call_soon(|| {});
    assert!(format!("{handle:?}").starts_with("<Handle scheduled at "));
    handle.cancel();
    assert!(format!("{handle:?}").starts_with("<Handle cancelled scheduled at ") && handle.cancelled());
    assert_eq!(format!("{executor:?}"), "Executor { tasks: 0, ready: 1, closed: false }");
}

#[test]
fn errors_say_who_where_and_why() {
    let line = line!() + 1;
    let error = CancelledError::with_message(CancelKind::Explicit, "enough");
    let place = format!("{}:{line}:17", file!());
    assert_eq!(error.to_string(), format!("cancelled at {place}: enough"));
    assert_eq!(
        format!("{error:?}"),
        format!("CancelledError {{ kind: Explicit, message: Some(\"enough\"), location: {place} }}")
    );
    let by = |kind| CancelledError::new(kind).to_string();
    for (kind, text) in [
        (CancelKind::Timeout, "cancelled by a timeout at "),
        (CancelKind::TaskGroup, "cancelled by its task group at "),
        (CancelKind::Gather, "cancelled by a gather at "),
        (CancelKind::Signal, "cancelled by a signal at "),
        (CancelKind::Shutdown, "cancelled at the end of the run at "),
    ] {
        assert!(by(kind).starts_with(text));
    }
    let other = error.clone().with_kind(CancelKind::Gather);
    assert_eq!(
        (other.kind(), other.message(), other.location()),
        (CancelKind::Gather, Some("enough"), error.location())
    );
    let cancelled = TaskError::from(error);
    assert!(cancelled.cancelled().is_some() && cancelled.panic_message().is_none());
    assert!(std::error::Error::source(&cancelled).is_some());
    let panicked = TaskError::Panicked(Box::new("why"));
    assert_eq!(
        (panicked.to_string().as_str(), format!("{panicked:?}").as_str()),
        ("panicked: why", "Panicked(\"why\")")
    );
    assert_eq!(TaskError::Panicked(Box::new(1)).to_string(), "panicked");
}

#[test]
fn requests_carry_the_place_of_the_call() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(pending::<()>());
    executor.turn();
    let line = line!() + 1;
    task.cancel();
    run(&executor);
    let error = task.result().unwrap_err();
    let location = error.cancelled().unwrap().location();
    assert_eq!((location.file(), location.line()), (file!(), line));
}

#[test]
fn an_outcome_is_taken_once() {
    let executor = Executor::new(|| {});
    let mut task = executor.spawn(async { "value" });
    assert!(task.try_result().is_none());
    let not_done: InvalidStateError = match executor.spawn(pending::<()>()).result() {
        Err(TaskError::InvalidState(error)) => error,
        other => unreachable!("{other:?}"),
    };
    assert!(not_done.to_string().contains("not ready"));
    run(&executor);
    assert_eq!(task.try_result().unwrap().unwrap(), "value");
    assert!(task.try_result().is_none());
    let awaits = executor.spawn(async move {
        let mut task = task;
        (&mut task).await
    });
    run(&executor);
    assert!(awaits.result().unwrap_err().panic_message().unwrap().contains("was taken before"));
}

#[test]
fn a_task_cannot_await_itself() {
    let executor = Executor::new(|| {});
    let slot: Rc<std::cell::RefCell<Option<Task<()>>>> = Rc::default();
    let itself = slot.clone();
    let task = executor.spawn(async move {
        let itself = itself.take().unwrap();
        itself.await;
    });
    let handle = task.handle();
    *slot.borrow_mut() = Some(task);
    run(&executor);
    assert!(handle.panicked());
}

#[test]
fn tasks_are_listed_in_order_of_creation_until_they_end() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        let a = create_task(pending::<()>());
        let b = create_task(async {});
        let listed = all_tasks();
        assert_eq!(listed, [current_task().unwrap(), a.handle(), b.handle()]);
        b.await;
        assert_eq!(all_tasks(), [current_task().unwrap(), a.handle()]);
    });
    assert_eq!((executor.live_tasks(), executor.all_tasks()), (1, vec![task.handle()]));
    run(&executor);
    task.result().unwrap();
    assert_eq!(executor.live_tasks(), 1);
    assert!(current_task().is_none());
}

#[test]
fn without_a_loop_there_is_a_remedy() {
    for f in [|| drop(create_task(async {})), || drop(call_soon(|| {})), || drop(all_tasks())] {
        let payload = std::panic::catch_unwind(f).unwrap_err();
        assert!(asyncio_executor::panic_message(&*payload).unwrap().contains("no running event loop"));
    }
}

#[test]
fn a_factory_changes_how_tasks_are_made() {
    let executor = Executor::new(|| {});
    executor.set_task_factory(Some(Rc::new(|builder| builder.name("made").eager_start(true))));
    let log = Log::default();
    let to = log.clone();
    // As in CPython, there is nothing to start in before the loop runs.
    assert!(!executor.spawn(async {}).done());
    let entered = executor.enter();
    let task = executor.spawn(async move {
        to.push("at once");
        create_task(async {}).name()
    });
    drop(entered);
    assert_eq!(log.take(), ["at once"]);
    assert!(task.done());
    assert_eq!(task.name(), "made");
    assert_eq!(task.result().unwrap(), "made");
    executor.set_task_factory(None);
    assert!(!executor.spawn(async {}).done());
}

#[test]
fn callbacks_can_be_cancelled() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let (kept, to) = (crate::trace::Tattle(log.clone(), "dropped"), log.clone());
    let handle = executor.call_soon(move || {
        let _kept = &kept;
        to.push("ran");
    });
    assert!(!handle.done());
    handle.cancel();
    assert_eq!(log.take(), ["dropped"]);
    assert!(handle.cancelled() && handle.done());
    let ran = executor.call_soon(|| {});
    run(&executor);
    ran.cancel();
    assert!(!ran.cancelled() && ran.done());
    assert_eq!(log.take(), [""; 0]);
}

#[test]
fn a_scope_ends_its_task_before_what_it_borrows() {
    let executor = Executor::new(|| {});
    let text = String::from("borrowed");
    let (task, turns) = executor.scope(Task::builder().name("scoped"), async { text.as_str() }, |handle| {
        assert_eq!(handle.name(), "scoped");
        run(&executor)
    });
    assert_eq!((task.result().unwrap(), turns), ("borrowed", 1));
    let log = Log::default();
    let unfinished = async {
        let _tattle = crate::trace::Tattle(log.clone(), "dropped");
        pending::<()>().await;
        text.len()
    };
    let (task, more) = executor.scope(Task::builder(), unfinished, |_| executor.turn());
    assert_eq!(log.take(), ["dropped"]);
    assert!(task.cancelled() && !more);
    let borrowing = async { drop(text.clone()) };
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        executor.scope(Task::builder(), borrowing, |_| panic!("drive"))
    }));
    assert!(panicked.is_err());
    assert_eq!(executor.live_tasks(), 0);
    run(&executor);
}
