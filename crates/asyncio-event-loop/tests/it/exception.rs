//! Who is told of panics, and what they leave intact.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};

use asyncio_event_loop::{EventLoop, Timer, get_running_loop, sleep};
use asyncio_executor::{Fault, context_var, create_task};

use crate::log::{Log, OnDrop, secs, virtual_runner};

context_var! {
    static X: u32 = 0;
}

/// Writes what the exception handler is told.
fn log_faults(this: &EventLoop) -> Log {
    let log = Log::new();
    let inner = log.clone();
    this.set_exception_handler(move |_, fault: &Fault| {
        inner.add(format!("{}: {}, {}", fault.message, fault.panic_message().unwrap_or("-"), X.get()));
    });
    log
}

#[test]
fn panics_of_callbacks_reach_the_handler_in_their_context() {
    let mut runner = virtual_runner();
    let log = log_faults(&runner.get_loop());
    runner
        .run(async {
            let this = get_running_loop();
            this.call_soon(|| {
                let _ = X.set(1);
                panic!("one");
            });
            this.call_later(secs(1), || {
                let _ = X.set(2);
                panic!("two");
            });
            this.call_later(secs(1), || panic_any(3));
            sleep(secs(2)).await;
        })
        .unwrap();
    assert_eq!(
        log.take(),
        [
            "exception in a callback: one, 1",
            "exception in a timer callback: two, 2",
            "exception in a timer callback: -, 0"
        ]
    );
}

#[test]
fn a_fault_says_what_it_happened_in() {
    let mut runner = virtual_runner();
    let this = runner.get_loop();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let inner = seen.clone();
    this.set_exception_handler(move |this: &EventLoop, fault: &Fault| {
        assert!(this.is_running());
        let task = fault.task.as_ref().map(|task| task.name());
        inner.borrow_mut().push((task, fault.callback.map(|callback| callback.file().ends_with("exception.rs"))));
    });
    runner
        .run(async {
            let task = create_task(async { panic!("nobody asks") });
            task.set_name("lost");
            drop(task);
            get_running_loop().call_soon(|| panic!("here"));
            get_running_loop().remote().call_soon_threadsafe(|| panic!("there")).unwrap();
            sleep(secs(1)).await;
        })
        .unwrap();
    assert_eq!(*seen.borrow(), [(Some("lost".to_owned()), None), (None, Some(true)), (None, Some(true))]);
}

#[test]
fn the_handler_may_be_replaced_from_inside() {
    let mut runner = virtual_runner();
    let log = Log::new();
    let inner = log.clone();
    runner.get_loop().set_exception_handler(move |this: &EventLoop, _: &Fault| {
        let inner = inner.clone();
        inner.add("first");
        this.set_exception_handler(move |this: &EventLoop, _: &Fault| {
            inner.add("second");
            this.reset_exception_handler();
        });
    });
    runner
        .run(async {
            for _ in 0..2 {
                get_running_loop().call_soon(|| panic!("for the handler"));
            }
            sleep(secs(1)).await;
            assert!(get_running_loop().exception_handler().is_none());
        })
        .unwrap();
    assert_eq!(log.take(), ["first", "second"]);
}

#[test]
fn a_handler_that_panics_harms_nothing() {
    let mut runner = virtual_runner();
    runner.get_loop().set_exception_handler(|_, _| panic!("in the handler"));
    let log = Log::new();
    runner
        .run(async {
            get_running_loop().call_soon(|| panic!("for the handler"));
            get_running_loop().call_soon(log.line("goes on"));
            get_running_loop().call_exception_handler(Fault::new("by hand"));
            sleep(secs(1)).await;
        })
        .unwrap();
    assert_eq!(log.take(), ["goes on"]);
}

/// A waker whose wake panics, as one of a foreign executor may.
struct Bad;

impl Wake for Bad {
    fn wake(self: Arc<Self>) {
        panic!("bad waker");
    }
}

#[test]
fn a_waker_that_panics_does_not_end_the_run() {
    let mut runner = virtual_runner();
    let log = log_faults(&runner.get_loop());
    runner
        .run(async {
            let timer = std::pin::pin!(Timer::new());
            timer.as_ref().arm_wake_after(secs(1), &Waker::from(Arc::new(Bad)));
            get_running_loop().call_later(secs(1), || ());
            sleep(secs(2)).await;
            assert!(!timer.is_armed());
        })
        .unwrap();
    assert_eq!(log.take(), ["exception in a waker: bad waker, 0"]);
}

#[test]
fn panics_at_the_end_of_a_run_reach_the_handler_whoever_holds_the_task() {
    let mut runner = virtual_runner();
    let log = log_faults(&runner.get_loop());
    let mut kept = Vec::new();
    runner
        .run(async {
            for name in ["kept", "dropped"] {
                let task = create_task(async move {
                    let _ = asyncio_executor::catch_cancelled(std::future::pending::<()>()).await;
                    panic!("{name}");
                });
                if name == "kept" {
                    kept.push(task);
                }
            }
            sleep(secs(1)).await;
        })
        .unwrap();
    runner.close();
    assert_eq!(
        log.take(),
        ["task exception was never retrieved: dropped, 0", "unhandled exception during the end of the run: kept: -, 0"]
    );
}

#[test]
fn panics_of_destructors_at_the_end_reach_the_handler() {
    let mut runner = virtual_runner();
    let this = runner.get_loop();
    let log = log_faults(&this);
    let value = OnDrop(|| panic!("in a destructor"));
    this.call_later(secs(1), move || drop(value));
    runner.close();
    assert!(this.is_closed());
    assert_eq!(log.take(), ["exception in a destructor: in a destructor, 0"]);
}

#[test]
fn a_panic_of_main_goes_on_after_the_cleanup_of_others() {
    let log = Log::new();
    let inner = log.clone();
    let result = catch_unwind(AssertUnwindSafe(|| {
        // Dropped while the thread panics.
        let mut runner = virtual_runner();
        let _ = runner.run(async {
            drop(create_task(async move {
                let error = asyncio_executor::catch_cancelled(std::future::pending::<()>()).await.unwrap_err();
                sleep(secs(1)).await;
                inner.add("cleaned");
                drop(create_task(async { panic!("while panicking") }));
                error.raise().await
            }));
            sleep(secs(1)).await;
            panic!("main");
        });
    }));
    assert_eq!(*result.unwrap_err().downcast::<&str>().unwrap(), "main");
    assert_eq!(log.take(), ["cleaned"]);
}

#[test]
fn the_handler_hears_of_a_lost_task_in_the_context_of_that_task() {
    let mut runner = virtual_runner();
    let log = log_faults(&runner.get_loop());
    runner
        .run(async {
            let _ = X.set(1);
            drop(create_task(async {
                let _ = X.set(2);
                panic!("lost");
            }));
            sleep(secs(1)).await;
        })
        .unwrap();
    assert_eq!(log.take(), ["task exception was never retrieved: lost, 2"]);
}

#[cfg(unix)]
#[test]
pub fn without_a_handler_standard_error_hears_what_happened_and_in_what() {
    use crate::child::{Child, in_child};

    if in_child() {
        let mut runner = virtual_runner();
        let this = runner.get_loop();
        runner
            .run(async {
                this.call_soon(|| panic!("in a callback"));
                asyncio_executor::Task::builder().name("lost one").spawn(async { panic!("in a task") });
                sleep(secs(1)).await;
                this.set_exception_handler(|_, _| panic!("in the handler"));
                this.call_soon(|| panic!("what it was called with"));
                sleep(secs(1)).await;
            })
            .unwrap();
        return;
    }
    let child = Child::spawn("exception::without_a_handler_standard_error_hears_what_happened_and_in_what");
    let output = child.rest();
    let reports: Vec<&str> = output.split("asyncio: ").skip(1).collect();
    let has = |texts: &[&str]| reports.iter().any(|report| texts.iter().all(|text| report.contains(text)));
    assert!(has(&["exception in a callback: in a callback", "callback: scheduled at", "exception.rs:"]), "{output}");
    assert!(has(&["task exception was never retrieved: in a task", "name=\"lost one\""]), "{output}");
    assert!(has(&["the exception handler panicked: in the handler", "what it was called with"]), "{output}");
}
