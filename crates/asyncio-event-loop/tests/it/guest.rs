//! The three parts of a turn, run by a foreign loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use asyncio_event_loop::{EventLoop, Instant, Runner, get_running_loop, sleep, to_thread, try_get_running_loop};
use asyncio_executor::{panic_message, yield_now};

use crate::log::{Log, secs, virtual_runner};

fn turn(this: &EventLoop, timeout: Option<Duration>) {
    this.poll_events(timeout).unwrap();
    this.process_events();
    this.process_ready();
}

#[test]
fn a_guest_steps_tasks_and_timers() {
    let log = Log::new();
    let runner = virtual_runner();
    let this = runner.get_loop();
    let inner = log.clone();
    let mut task = this.create_task(async move {
        inner.add("first");
        yield_now().await;
        inner.add("second");
        sleep(secs(3600)).await;
        inner.add("third");
        7
    });
    this.call_soon(log.line("soon"));
    let mut turns = 0;
    while !task.done() {
        turn(&this, None);
        turns += 1;
        log.add("turn");
        assert!(try_get_running_loop().is_none() && !this.is_running());
    }
    // Without the first part: one step, one, one for the timer, one for the task that it woke.
    assert_eq!(log.take(), ["first", "soon", "turn", "second", "turn", "turn", "third", "turn"]);
    assert_eq!(turns, 4);
    assert_eq!(this.time(), Instant::ZERO + secs(3600));
    assert_eq!(task.try_result().unwrap().unwrap(), 7);
}

#[test]
fn a_poll_of_a_guest_ends_with_the_first_timer_or_word_from_a_thread() {
    let runner = Runner::new().unwrap();
    let this = runner.get_loop();
    let mut task = this.create_task(async {
        sleep(Duration::from_millis(1)).await;
        to_thread(|| 7).await
    });
    while !task.done() {
        turn(&this, None);
    }
    assert_eq!(task.try_result().unwrap().unwrap(), 7);
    let remote = this.remote();
    let thread = thread::spawn(move || remote.call_soon_threadsafe(|| ()).unwrap());
    turn(&this, None);
    thread.join().unwrap();
}

#[test]
fn a_guest_has_its_own_loop_inside_another() {
    let log = Log::new();
    let outer = log.clone();
    let mut runner = virtual_runner();
    runner
        .run(async {
            let guest = virtual_runner();
            let this = guest.get_loop();
            let outside = get_running_loop();
            let inner = outer.clone();
            let copy = this.clone();
            this.call_soon(move || {
                assert!(get_running_loop().is_running() && copy.is_running());
                get_running_loop().call_soon(inner.line("soon of guest"));
                inner.add("guest");
            });
            turn(&this, None);
            assert!(outside.is_running());
            yield_now().await;
            outer.add("outer");
            turn(&this, None);
        })
        .unwrap();
    assert_eq!(log.take(), ["guest", "outer", "soon of guest"]);
}

#[test]
fn a_guest_cannot_be_stepped_from_inside_itself() {
    let log = Log::new();
    let runner = virtual_runner();
    let this = runner.get_loop();
    for later in [false, true] {
        let inner = (log.clone(), this.clone());
        let nested = move || {
            for f in [&(|| inner.1.process_ready()) as &dyn Fn(), &|| drop(inner.1.poll_events(None))] {
                let payload = catch_unwind(AssertUnwindSafe(f)).unwrap_err();
                inner.0.add(panic_message(&*payload).unwrap());
            }
        };
        if later {
            this.call_later(secs(1), nested);
        } else {
            this.call_soon(nested);
        }
    }
    turn(&this, None);
    turn(&this, None);
    let refusals = log.take();
    assert_eq!(refusals.len(), 4);
    assert!(refusals.iter().all(|text| text.starts_with("an event loop cannot be run from inside")), "{refusals:?}");
}

/// The wait is never rounded down, so that a loop does not come back again and again too early.
#[test]
fn short_sleeps_take_few_turns() {
    let runner = Runner::new().unwrap();
    let this = runner.get_loop();
    let task = this.create_task(async {
        for nanos in [10_000_000, 100_000, 1000, 10, 1] {
            sleep(Duration::from_nanos(nanos)).await;
        }
    });
    let mut turns = 0;
    while !task.done() {
        turn(&this, None);
        turns += 1;
    }
    assert!(turns <= 20, "{turns}");
}
