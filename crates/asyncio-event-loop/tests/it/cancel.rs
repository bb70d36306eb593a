//! Cancellation and time: sleeps that are cancelled, limits written by hand, runs that are stopped.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use asyncio_event_loop::{EventLoop, Instant, RunError, get_running_loop, sleep};
use asyncio_executor::{catch_cancelled, create_task, current_task, yield_now};

use crate::log::{secs, virtual_runner};

/// How many timers are armed.
fn timers(this: &EventLoop) -> usize {
    let shown = format!("{this:?}");
    let (_, rest) = shown.split_once("timers: ").unwrap();
    rest.trim_end_matches([' ', '}']).parse().unwrap()
}

#[test]
fn a_cancelled_sleep_takes_its_timer_along() {
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            let task = create_task(sleep(secs(10)));
            yield_now().await;
            assert_eq!(timers(&this), 1);
            task.cancel();
            yield_now().await;
            assert!(task.cancelled());
            assert_eq!(timers(&this), 0);
        })
        .unwrap();
}

#[test]
fn a_sleeper_that_a_timer_cancels_is_seen_cancelled_at_that_time() {
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            let sleeper = create_task(sleep(secs(5000)));
            let handle = sleeper.handle();
            this.call_later(Duration::from_millis(100), move || assert!(handle.cancel()));
            assert!(catch_cancelled(sleeper).await.is_err());
            assert_eq!(this.time(), Instant::ZERO + Duration::from_millis(100));
        })
        .unwrap();
}

/// A limit as one writes it by hand. Returns whether the time was up, and whether the body came to its end.
async fn with_limit(work: Duration, limit: Duration) -> (bool, bool) {
    let task = current_task().unwrap();
    let up = Rc::new(Cell::new(false));
    let (asked, to) = (task.clone(), up.clone());
    let timer = get_running_loop().call_later(limit, move || {
        to.set(true);
        asked.cancel();
    });
    let ended = catch_cancelled(sleep(work)).await;
    timer.cancel();
    if let Err(error) = &ended
        && !(up.get() && task.uncancel() == 0)
    {
        error.clone().raise().await
    }
    yield_now().await;
    (up.get(), ended.is_ok())
}

#[test]
fn a_limit_written_by_hand_leaves_the_task_as_it_was() {
    virtual_runner()
        .run(async {
            let late = create_task(with_limit(secs(10), Duration::from_millis(100)));
            let handle = late.handle();
            assert_eq!(late.await, (true, false));
            assert_eq!((handle.cancelling(), handle.cancelled()), (0, false));
            let in_time = create_task(with_limit(Duration::ZERO, secs(10)));
            let handle = in_time.handle();
            assert_eq!(in_time.await, (false, true));
            assert_eq!(handle.cancelling(), 0);
            assert_eq!(get_running_loop().time(), Instant::ZERO + Duration::from_millis(100));
        })
        .unwrap();
}

#[test]
fn a_task_whose_run_was_stopped_is_pending_and_can_be_ended_in_another() {
    let mut runner = virtual_runner();
    let this = runner.get_loop();
    let count = Rc::new(Cell::new(0));
    let (counted, inner) = (count.clone(), this.clone());
    let task = this.create_task(async move {
        while counted.get() < 10 {
            sleep(Duration::from_millis(100)).await;
            counted.set(counted.get() + 1);
            if counted.get() == 2 {
                inner.stop();
            }
        }
    });
    let handle = task.handle();
    let error = runner.run(task).unwrap_err();
    assert!(matches!(error, RunError::Stopped), "{error}");
    assert_eq!((count.get(), this.time()), (2, Instant::ZERO + Duration::from_millis(200)));
    assert!(!handle.done());
    assert!(handle.cancel());
    runner.run(yield_now()).unwrap();
    assert!(handle.cancelled());
    assert_eq!((count.get(), this.time()), (2, Instant::ZERO + Duration::from_millis(200)));
}

/// What a task made at each of its steps, seen from outside: nothing of one task is in another.
#[test]
fn a_hundred_tasks_in_turns_keep_their_own_values() {
    asyncio_executor::context_var! {
        static VALUE: u64 = u64::MAX;
    }
    let mut runner = virtual_runner();
    let seen = Rc::new(RefCell::new(0));
    runner
        .run(async {
            let tasks: Vec<_> = (0..100_u64)
                .map(|number| {
                    let seen = seen.clone();
                    create_task(async move {
                        for step in 0..10 {
                            let _ = VALUE.set(number + step);
                            // In an order that differs from step to step.
                            sleep(Duration::from_millis(1 + (number * 7 + step * 13) % 50)).await;
                            assert_eq!(VALUE.get(), number + step);
                            *seen.borrow_mut() += 1;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await;
            }
            assert_eq!(VALUE.get(), u64::MAX);
        })
        .unwrap();
    assert_eq!(*seen.borrow(), 1000);
}
