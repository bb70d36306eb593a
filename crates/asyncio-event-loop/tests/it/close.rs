//! The end: of a run, of a runner, of a loop; and what is refused after it, or in the wrong place.

use std::cell::RefCell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use asyncio_event_loop::{RunError, Runner, ThreadPool, get_running_loop, run, sleep, to_thread, try_get_running_loop};
use asyncio_executor::{catch_cancelled, create_task, panic_message, yield_now};

use crate::log::{Dropped, Log, OnDrop, secs, virtual_runner};

/// The message of the panic of `f`.
fn refusal<R>(f: impl FnOnce() -> R) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it was not refused"),
        Err(payload) => panic_message(&*payload).unwrap().to_owned(),
    }
}

#[test]
fn a_run_inside_a_run_is_refused() {
    run(async {
        let message = refusal(|| run(async { 7 }));
        assert!(message.contains("`run` was called from inside a running event loop"), "{message}");
        let mut runner = virtual_runner();
        let message = refusal(|| runner.run(async { 7 }));
        assert!(message.contains("`run` was called from inside a running event loop"), "{message}");
        let message = refusal(|| runner.close());
        assert!(message.contains("a runner was closed from inside a running event loop"), "{message}");
    });
}

#[test]
fn a_runner_dropped_inside_another_loop_drops_its_tasks() {
    let log = Log::new();
    let mut runner = virtual_runner();
    let (value, dropped) = Dropped::new();
    let inner = log.clone();
    drop(runner.get_loop().create_task(async move {
        let _value = value;
        let _ = catch_cancelled(pending::<()>()).await;
        inner.add("not run");
    }));
    runner.run(yield_now()).unwrap();
    let this = runner.get_loop();
    run(async move {
        drop(runner);
        assert!(get_running_loop().is_running());
    });
    assert!(dropped.get() && this.is_closed());
    assert!(log.take().is_empty());
}

#[test]
fn after_the_end_all_is_refused() {
    let mut runner = virtual_runner();
    let this = runner.get_loop();
    runner.close();
    runner.close();
    assert!(this.is_closed() && !this.is_running());
    let message = refusal(|| runner.run(async {}));
    assert_eq!(message, "the runner is closed: make another one");
    for message in [
        refusal(|| this.call_soon(|| ())),
        refusal(|| this.call_later(secs(1), || ())),
        refusal(|| this.call_at(this.time(), || ())),
        refusal(|| this.create_task(async {})),
        refusal(|| this.run_in_executor(&ThreadPool::new(1), || ())),
        refusal(|| this.process_ready()),
        refusal(|| this.poll_events(Some(Duration::ZERO))),
    ] {
        assert!(message.starts_with("the event loop is closed: "), "{message}");
    }
    assert!(this.all_tasks().is_empty());
    assert!(format!("{this:?}").contains("closed: true"), "{this:?}");
}

#[test]
fn there_is_a_running_loop_only_inside() {
    assert!(try_get_running_loop().is_none());
    let message = refusal(get_running_loop);
    assert!(message.contains("no running event loop"), "{message}");
    let message = refusal(|| to_thread(|| ()));
    assert!(message.contains("no running event loop"), "{message}");
    let mut runner = virtual_runner();
    runner.run(async { assert!(get_running_loop().is_running()) }).unwrap();
    assert!(try_get_running_loop().is_none());
    assert!(!runner.get_loop().is_running());
}

#[test]
fn several_runs_share_a_loop_and_its_tasks() {
    let log = Log::new();
    let mut runner = virtual_runner();
    let inner = log.clone();
    let task = runner.get_loop().create_task(async move {
        for i in 0..3 {
            inner.add(format!("task {i}"));
            sleep(secs(1)).await;
        }
        7
    });
    runner.run(yield_now()).unwrap();
    log.add("between");
    assert_eq!(runner.run(task).unwrap(), 7);
    assert_eq!(log.take(), ["task 0", "between", "task 1", "task 2"]);
}

#[test]
fn tasks_made_during_the_end_are_cancelled_too() {
    let log = Log::new();
    let mut runner = virtual_runner();
    let inner = log.clone();
    runner
        .run(async {
            drop(create_task(async move {
                let _ = catch_cancelled(pending::<()>()).await;
                let again = inner.clone();
                drop(create_task(async move {
                    let _ = catch_cancelled(sleep(Duration::MAX)).await;
                    again.add("second cancelled");
                    let last = again.clone();
                    drop(create_task(async move {
                        let _ = catch_cancelled(pending::<()>()).await;
                        last.add("third cancelled");
                    }));
                    yield_now().await;
                }));
                // It is not cancelled while those that were there before clean up.
                sleep(secs(5)).await;
                inner.add("first over");
            }));
            yield_now().await;
        })
        .unwrap();
    runner.close();
    assert_eq!(log.take(), ["first over", "second cancelled", "third cancelled"]);
}

#[test]
fn a_stop_during_the_end_cancels_nobody_twice() {
    let log = Log::new();
    let mut runner = virtual_runner();
    for name in ["a", "b"] {
        let inner = log.clone();
        drop(runner.get_loop().create_task(async move {
            let _ = catch_cancelled(pending::<()>()).await;
            get_running_loop().stop();
            match catch_cancelled(sleep(secs(1))).await {
                Ok(()) => inner.add(format!("{name} cleaned")),
                Err(_) => inner.add(format!("{name} cancelled again")),
            }
        }));
    }
    runner.run(yield_now()).unwrap();
    runner.get_loop().stop();
    runner.close();
    assert_eq!(log.take(), ["a cleaned", "b cleaned"]);
}

#[test]
fn callbacks_left_over_run_in_the_last_turns_or_are_dropped() {
    let log = Log::new();
    let mut runner = virtual_runner();
    let this = runner.get_loop();
    let (value, dropped) = Dropped::new();
    this.call_later(secs(1), move || drop(value));
    runner.run(async { this.call_soon(log.line("soon")) }).unwrap();
    runner.close();
    assert_eq!(log.take(), ["soon"]);
    assert!(dropped.get());
}

#[test]
fn destructors_at_the_end_find_the_loop_but_schedule_nothing() {
    let log = Log::new();
    let mut runner = virtual_runner();
    let faults = Log::new();
    let inner = faults.clone();
    runner.get_loop().set_exception_handler(move |_, fault| {
        inner.add(fault.panic_message().unwrap_or("-"));
    });
    let inner = log.clone();
    let value = OnDrop(move || {
        let this = get_running_loop();
        inner.add(format!("closed: {}", this.is_closed()));
        this.call_soon(|| ());
    });
    runner.get_loop().call_later(secs(1), move || drop(value));
    runner.close();
    assert_eq!(log.take(), ["closed: true"]);
    assert_eq!(faults.take(), ["the event loop is closed: no callback can be scheduled on it any more"]);
}

#[test]
fn a_main_that_is_dropped_finds_the_loop_in_its_destructors() {
    let log = Log::new();
    let mut runner = virtual_runner();
    let result = runner.run(async {
        let _value = OnDrop(|| log.add(format!("running: {}", get_running_loop().is_running())));
        pending::<()>().await;
    });
    assert!(matches!(result, Err(RunError::Deadlock(_))));
    assert_eq!(log.take(), ["running: true"]);
}

#[test]
fn a_cancelled_main_is_a_panic_of_run_and_an_error_of_the_runner() {
    let cancel = || async {
        asyncio_executor::current_task().unwrap().cancel_with("enough");
        yield_now().await;
    };
    let message = refusal(|| run(cancel()));
    assert!(message.starts_with("the main task, \"Task-1\", was cancelled at "), "{message}");
    let error = Runner::new().unwrap().run(cancel()).unwrap_err();
    assert!(error.to_string().starts_with("the main task was cancelled at "), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_loop_cannot_be_closed_from_inside_one_of_its_callbacks() {
    let runner = Rc::new(RefCell::new(virtual_runner()));
    let this = runner.borrow().get_loop();
    let log = Log::new();
    let inner = (runner.clone(), log.clone());
    this.call_later(Duration::ZERO, move || inner.1.add(refusal(|| inner.0.borrow_mut().close())));
    for _ in 0..2 {
        this.poll_events(Some(Duration::ZERO)).unwrap();
        this.process_events();
        this.process_ready();
    }
    assert_eq!(log.take(), ["a runner was closed from inside a running event loop: close it where it is run"]);
    assert!(!this.is_closed());
}
