//! Requests for cancellation: delivered, forwarded, caught, raised again, refused.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use asyncio_executor::{
    CancelKind, Executor, TaskError, catch_cancelled, create_task, current_task, with_cleanup, yield_now,
};

type Log = Rc<RefCell<Vec<String>>>;

fn log(log: &Log, line: impl Into<String>) {
    log.borrow_mut().push(line.into());
}

fn run(executor: &Executor) -> usize {
    let mut turns = 1;
    while executor.turn() {
        turns += 1;
    }
    turns
}

#[test]
fn a_suspended_task_is_cancelled_on_its_next_turn() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(pending::<()>());
    executor.turn();
    assert!(task.cancel_with("enough"));
    assert!(!task.done());
    assert_eq!(task.cancelling(), 1);
    executor.turn();
    assert!(task.cancelled());
    let error = task.result().unwrap_err();
    assert_eq!(error.cancelled().unwrap().message(), Some("enough"));
    assert_eq!(error.cancelled().unwrap().kind(), CancelKind::Explicit);
}

#[test]
fn a_task_that_has_not_started_never_runs() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async { panic!("must not run") });
    task.cancel();
    executor.turn();
    assert!(task.cancelled());
}

#[test]
fn a_request_goes_to_the_awaited_task_first() {
    let executor = Executor::new(|| {});
    let order: Log = Log::default();
    let (o1, o2) = (order.clone(), order.clone());
    let outer = executor.spawn(async move {
        let inner = create_task(async move {
            let error = catch_cancelled(pending::<()>()).await.unwrap_err();
            log(&o1, "inner caught");
            yield_now().await;
            log(&o1, "inner cleaned up");
            error.raise().await
        });
        match catch_cancelled(inner).await {
            Ok(()) => unreachable!(),
            Err(error) => {
                log(&o2, format!("outer caught {:?}", error.message()));
                7
            }
        }
    });
    executor.turn();
    executor.turn();
    outer.cancel_with("m");
    run(&executor);
    assert_eq!(*order.borrow(), ["inner caught", "inner cleaned up", "outer caught Some(\"m\")"]);
    assert_eq!(outer.result().unwrap(), 7);
}

#[test]
fn a_task_that_cancels_itself_is_cancelled_at_its_next_suspension() {
    let executor = Executor::new(|| {});
    let order: Log = Log::default();
    let o = order.clone();
    let task = executor.spawn(async move {
        current_task().unwrap().cancel();
        log(&o, "still here");
        yield_now().await;
        log(&o, "never");
    });
    run(&executor);
    assert!(task.cancelled());
    assert_eq!(*order.borrow(), ["still here"]);
    let task = executor.spawn(async {
        current_task().unwrap().cancel();
        5
    });
    run(&executor);
    assert!(matches!(task.result(), Err(TaskError::Cancelled(_))));
}

#[test]
fn cleanup_runs_to_its_end() {
    let executor = Executor::new(|| {});
    let order: Log = Log::default();
    let o = order.clone();
    let task = executor.spawn(with_cleanup(pending::<()>(), move || async move {
        yield_now().await;
        yield_now().await;
        log(&o, "cleaned");
    }));
    executor.turn();
    task.cancel();
    assert_eq!(run(&executor), 3);
    assert!(task.cancelled());
    assert_eq!(*order.borrow(), ["cleaned"]);
}

#[test]
fn uncancel_withdraws_a_flag_only() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        yield_now().await;
        1
    });
    executor.turn();
    task.cancel();
    assert_eq!(task.uncancel(), 0);
    run(&executor);
    assert_eq!(task.result().unwrap(), 1);
    let task = executor.spawn(pending::<()>());
    executor.turn();
    task.cancel();
    task.uncancel();
    run(&executor);
    assert!(task.cancelled());
}
