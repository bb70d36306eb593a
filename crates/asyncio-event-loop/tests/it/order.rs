//! The order of a turn, on virtual time, against CPython.

use std::time::Duration;

use asyncio_event_loop::{RunError, get_running_loop, sleep};
use asyncio_executor::{catch_cancelled, create_task, current_task};
use std::future::pending;

use crate::log::{Log, secs, virtual_runner};

#[test]
fn a_turn_runs_what_is_ready_then_timers_by_deadline() {
    let log = Log::new();
    let mut runner = virtual_runner();
    runner
        .run(async {
            let this = get_running_loop();
            sleep(secs(10)).await;
            let now = this.time();
            this.call_later(Duration::ZERO, log.line("later 0"));
            this.call_at(now - secs(1), log.line("at -1"));
            this.call_at(now - secs(2), log.line("at -2"));
            this.call_soon(log.line("soon"));
            let inner = log.clone();
            drop(create_task(async move {
                for i in 0..3 {
                    inner.add(format!("task {i}"));
                    sleep(Duration::ZERO).await;
                }
            }));
            for i in 0..4 {
                log.add(format!("main {i}"));
                sleep(Duration::ZERO).await;
            }
        })
        .unwrap();
    assert_eq!(
        log.take(),
        ["main 0", "soon", "task 0", "main 1", "at -2", "at -1", "later 0", "task 1", "main 2", "task 2", "main 3"]
    );
}

#[test]
fn what_timer_callbacks_schedule_waits_for_the_next_turn() {
    let log = Log::new();
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            let now = this.time();
            let inner = log.clone();
            this.call_at(now + secs(1), move || {
                let this = get_running_loop();
                inner.add("first");
                this.call_soon(inner.line("soon of first"));
                this.call_later(Duration::ZERO, inner.line("later 0 of first"));
                this.call_at(now + secs(1), inner.line("at 1 of first"));
                this.call_later(secs(1), inner.line("later 1 of first"));
            });
            this.call_at(now + secs(1), log.line("second"));
            let inner = log.clone();
            drop(create_task(async move {
                sleep(secs(1)).await;
                inner.add("sleeper");
                sleep(Duration::ZERO).await;
                inner.add("sleeper again");
            }));
            this.call_at(now + secs(2), log.line("at 2"));
            sleep(secs(3)).await;
            log.add(format!("main at {:?}", this.time() - now));
        })
        .unwrap();
    assert_eq!(
        log.take(),
        [
            "first",
            "second",
            "soon of first",
            "sleeper",
            "later 0 of first",
            "at 1 of first",
            "sleeper again",
            "at 2",
            "later 1 of first",
            "main at 3s"
        ]
    );
}

/// In CPython the tasks are cancelled in the order of a set.
#[test]
fn the_end_of_a_run_cancels_in_the_order_of_creation() {
    let log = Log::new();
    let mut runner = virtual_runner();
    let leftover = |name: &'static str| {
        let log = log.clone();
        async move {
            let error = catch_cancelled(pending::<()>()).await.unwrap_err();
            log.add(format!("{name} cancelled"));
            sleep(secs(1)).await;
            log.add(format!("{name} cleaned"));
            error.raise().await
        }
    };
    runner
        .run(async {
            let this = get_running_loop();
            ["a", "b", "c"].iter().for_each(|name| drop(create_task(leftover(name))));
            sleep(Duration::ZERO).await;
            let inner = log.clone();
            drop(create_task(async move {
                inner.add("first step");
                sleep(Duration::ZERO).await;
                inner.add("second step");
            }));
            this.call_soon(log.line("soon"));
            let inner = log.clone();
            this.call_soon(move || drop(get_running_loop().call_soon(inner.line("soon of soon"))));
            let inner = log.clone();
            current_task().unwrap().add_done_callback(move |_| inner.add("done callback"));
            log.add("main over");
        })
        .unwrap();
    assert_eq!(log.take(), ["main over", "first step", "soon", "done callback"]);
    runner.close();
    assert_eq!(
        log.take(),
        ["soon of soon", "a cancelled", "b cancelled", "c cancelled", "a cleaned", "b cleaned", "c cleaned"]
    );
}

#[test]
fn stop_ends_the_run_after_its_turn_and_keeps_the_rest_for_the_next() {
    let log = Log::new();
    let mut runner = virtual_runner();
    let this = runner.get_loop();
    // Before the run: one turn.
    this.stop();
    let inner = log.clone();
    this.call_soon(move || {
        inner.add("soon");
        get_running_loop().call_soon(inner.line("kept"));
    });
    let result = runner.run(async {
        log.add("starts");
        sleep(secs(5)).await;
    });
    assert!(matches!(result, Err(RunError::Stopped)));
    log.add("between");
    runner.run(async { log.add("main") }).unwrap();
    assert_eq!(log.take(), ["soon", "starts", "between", "kept", "main"]);

    let task = this.create_task({
        let log = log.clone();
        async move {
            log.add("stops");
            get_running_loop().stop();
            get_running_loop().call_soon(log.line("after stop"));
            sleep(Duration::ZERO).await;
            log.add("not in this run");
        }
    });
    assert!(matches!(runner.run(pending::<()>()), Err(RunError::Stopped)));
    assert_eq!(log.take(), ["stops"]);
    runner.run(async { log.add("main") }).unwrap();
    assert_eq!(log.take(), ["after stop", "not in this run", "main"]);
    drop(task);
}

#[test]
fn a_main_task_that_stops_the_loop_and_ends_has_its_value_and_harms_no_other_run() {
    let mut runner = virtual_runner();
    let value = runner.run(async {
        get_running_loop().stop();
        7
    });
    assert_eq!(value.unwrap(), 7);
    // In CPython the callback of the first run stops this one.
    let value = runner.run(async {
        sleep(secs(1)).await;
        sleep(secs(1)).await;
        8
    });
    assert_eq!(value.unwrap(), 8);
}

#[test]
fn due_timers_run_in_the_turn_of_a_stop() {
    let log = Log::new();
    let mut runner = virtual_runner();
    runner.run(sleep(secs(5))).unwrap();
    let this = runner.get_loop();
    this.call_at(this.time() - secs(1), log.line("due"));
    this.call_later(secs(1), log.line("not due"));
    this.stop();
    assert!(matches!(runner.run(pending::<()>()), Err(RunError::Stopped)));
    assert_eq!(log.take(), ["due"]);
}

#[test]
fn timers_with_equal_deadlines_fire_in_the_order_of_arming() {
    let log = Log::new();
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            let when = this.time() + secs(1);
            for name in ["a", "b", "c", "d"] {
                this.call_at(when, log.line(name));
            }
            this.call_later(secs(1), log.line("e"));
            sleep(secs(1)).await;
            log.add("main");
        })
        .unwrap();
    assert_eq!(log.take(), ["a", "b", "c", "d", "e", "main"]);
}

#[test]
fn a_sleep_of_zero_is_one_turn() {
    let log = Log::new();
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            this.call_soon(log.line("before"));
            sleep(Duration::ZERO).await;
            log.add("after");
            this.call_soon(log.line("never"));
        })
        .unwrap();
    assert_eq!(log.take(), ["before", "after", "never"]);
}
