//! Handles of callbacks, and what they do with what callbacks captured.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant as RealInstant};

use asyncio_event_loop::{Instant, TimerHandle, get_running_loop, run, sleep, sleep_until};

use crate::log::{Dropped, Log, OnDrop, secs, virtual_runner};

#[test]
fn a_cancelled_callback_is_not_called_and_is_dropped_at_once() {
    let log = Log::new();
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            let (value, dropped) = Dropped::new();
            let inner = log.clone();
            let handle = this.call_soon(move || {
                inner.add("called");
                drop(value);
            });
            assert!(!handle.cancelled());
            handle.cancel();
            assert!(handle.cancelled() && dropped.get());

            let (value, dropped) = Dropped::new();
            let inner = log.clone();
            let timer = this.call_later(secs(1), move || {
                inner.add("called");
                drop(value);
            });
            timer.cancel();
            timer.cancel();
            assert!(timer.cancelled() && dropped.get());
            sleep(secs(2)).await;
        })
        .unwrap();
    assert!(log.take().is_empty());
}

/// In CPython, `cancelled()` is true after a `cancel()` that came too late.
#[test]
fn a_callback_can_cancel_those_that_are_due_with_it() {
    let log = Log::new();
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            let victims: Rc<RefCell<Vec<TimerHandle>>> = Rc::default();
            let inner = (log.clone(), victims.clone());
            let killer = this.call_later(secs(1), move || {
                inner.0.add("killer");
                inner.1.borrow().iter().for_each(TimerHandle::cancel);
            });
            for delay in [1, 2] {
                victims.borrow_mut().push(this.call_later(secs(delay), log.line("victim")));
            }
            sleep(secs(3)).await;
            assert!(victims.borrow().iter().all(TimerHandle::cancelled));
            killer.cancel();
            assert!(!killer.cancelled());
        })
        .unwrap();
    assert_eq!(log.take(), ["killer"]);
}

#[test]
fn what_a_called_callback_captured_is_dropped_with_the_call() {
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            let (value, dropped) = Dropped::new();
            let timer = this.call_later(secs(1), move || {
                let _value = value;
            });
            sleep(secs(1)).await;
            assert!(dropped.get());
            assert_eq!(timer.when(), this.time());
        })
        .unwrap();
}

#[test]
fn a_cancelled_timer_does_not_hold_up_time() {
    let mut runner = virtual_runner();
    let this = runner.get_loop();
    this.call_later(secs(10), || ()).cancel();
    runner.run(sleep(secs(20))).unwrap();
    assert_eq!(this.time(), Instant::ZERO + secs(20));
}

#[test]
fn destructors_of_cancelled_callbacks_may_use_the_loop() {
    let log = Log::new();
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            let own: Rc<RefCell<Option<TimerHandle>>> = Rc::default();
            let inner = (log.clone(), own.clone());
            let value = OnDrop(move || {
                let this = get_running_loop();
                this.call_soon(inner.0.line("soon of destructor"));
                this.call_later(secs(1), inner.0.line("later of destructor"));
                if let Some(own) = &*inner.1.borrow() {
                    own.cancel();
                }
            });
            let handle = this.call_later(secs(1), move || drop(value));
            *own.borrow_mut() = Some(handle.clone());
            handle.cancel();
            sleep(secs(2)).await;
            own.take();
        })
        .unwrap();
    assert_eq!(log.take(), ["soon of destructor", "later of destructor"]);
}

#[test]
fn the_longest_delay_is_for_ever() {
    let mut runner = virtual_runner();
    let this = runner.get_loop();
    let log = Log::new();
    let timer = this.call_later(Duration::MAX, log.line("never"));
    assert_eq!(timer.when(), Instant::FAR_FUTURE);
    for _ in 0..100 {
        this.call_later(Duration::MAX, log.line("never"));
    }
    runner
        .run(async {
            drop(asyncio_executor::create_task(sleep(Duration::MAX)));
            drop(asyncio_executor::create_task(sleep_until(Instant::FAR_FUTURE)));
            sleep(secs(1)).await;
        })
        .unwrap();
    assert_eq!(this.time(), Instant::ZERO + secs(1));
    runner.close();
    assert!(log.take().is_empty());
}

#[test]
fn a_deadline_that_is_past_is_due_in_the_next_turn() {
    virtual_runner()
        .run(async {
            sleep(secs(1)).await;
            let before = get_running_loop().time();
            sleep_until(Instant::ZERO).await;
            assert_eq!(get_running_loop().time(), before);
        })
        .unwrap();
}

/// The only test that looks at the machine's clock.
#[test]
fn a_sleep_is_never_early() {
    run(async {
        for micros in [1, 10, 100, 1000, 5000] {
            let delay = Duration::from_micros(micros);
            let begin = RealInstant::now();
            let loop_begin = get_running_loop().time();
            sleep(delay).await;
            assert!(get_running_loop().time() >= loop_begin + delay);
            assert!(begin.elapsed() >= delay);
        }
    });
}

#[test]
fn handles_say_where_they_were_scheduled() {
    let runner = virtual_runner();
    let this = runner.get_loop();
    let handle = this.call_soon(|| ());
    assert!(format!("{handle:?}").starts_with("<Handle scheduled at "), "{handle:?}");
    assert!(format!("{handle:?}").contains("callbacks.rs:"), "{handle:?}");
    let timer = this.call_later(secs(3), || ());
    assert!(format!("{timer:?}").contains("callbacks.rs:"), "{timer:?}");
    timer.cancel();
    assert!(format!("{timer:?}").starts_with("<TimerHandle cancelled when=Instant(3s)"), "{timer:?}");
    assert_eq!(
        format!("{this:?}"),
        "EventLoop { running: false, closed: false, debug: false, virtual_time: true, tasks: 0, timers: 0 }"
    );
}
