//! Signal handlers and streams: in child processes, on their main threads, with real signals.

use std::cell::Cell;
use std::future::pending;
use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::rc::Rc;

use asyncio_event_loop::{Runner, get_running_loop, run, signal, sleep};

use crate::child::{Child, in_child, is_default, raise, say};
use crate::log::{Log, virtual_runner};

/// Runs `body` in a child, which must come to its end.
fn in_process(name: &str, body: impl FnOnce()) {
    if in_child() {
        body();
        return say("to the end");
    }
    let mut child = Child::spawn(&format!("signal::{name}"));
    child.expect("to the end");
    assert!(child.wait().success());
}

#[test]
pub fn a_handler_ends_a_wait_and_runs_in_the_loop() {
    if in_child() {
        run(async {
            let this = get_running_loop();
            let main = asyncio_executor::current_task().unwrap();
            this.add_signal_handler(libc::SIGTERM, move || {
                assert!(get_running_loop().is_running());
                assert!(asyncio_executor::current_task().is_none());
                main.cancel();
            })
            .unwrap();
            say("ready");
            let _ = asyncio_executor::catch_cancelled(pending::<()>()).await;
            say("handled");
        });
        assert!(is_default(libc::SIGTERM));
        return;
    }
    let mut child = Child::spawn("signal::a_handler_ends_a_wait_and_runs_in_the_loop");
    child.expect("ready");
    child.kill(libc::SIGTERM);
    child.expect("handled");
    assert!(child.wait().success());
}

#[test]
pub fn removing_a_handler_restores_the_default() {
    if in_child() {
        run(async {
            let this = get_running_loop();
            this.add_signal_handler(libc::SIGTERM, || say("handled")).unwrap();
            raise(libc::SIGTERM);
            sleep(std::time::Duration::from_millis(1)).await;
            assert!(this.remove_signal_handler(libc::SIGTERM));
            assert!(!this.remove_signal_handler(libc::SIGTERM));
            say("removed");
            pending::<()>().await;
        });
    }
    let mut child = Child::spawn("signal::removing_a_handler_restores_the_default");
    child.expect("handled");
    child.expect("removed");
    child.kill(libc::SIGTERM);
    assert_eq!(child.wait().signal(), Some(libc::SIGTERM));
}

#[test]
pub fn handlers_can_replace_and_remove_themselves_and_one_another() {
    in_process("handlers_can_replace_and_remove_themselves_and_one_another", || {
        let log = Log::new();
        run(async {
            let this = get_running_loop();
            let inner = log.clone();
            this.add_signal_handler(libc::SIGUSR1, move || {
                let this = get_running_loop();
                inner.add("first");
                let again = inner.clone();
                this.add_signal_handler(libc::SIGUSR1, move || {
                    again.add("second");
                    assert!(get_running_loop().remove_signal_handler(libc::SIGUSR1));
                    again.add("alive");
                })
                .unwrap();
                // It came too, but is not called any more.
                assert!(this.remove_signal_handler(libc::SIGUSR2));
            })
            .unwrap();
            this.add_signal_handler(libc::SIGUSR2, log_line(&log, "other")).unwrap();
            raise(libc::SIGUSR1);
            raise(libc::SIGUSR2);
            sleep(std::time::Duration::from_millis(1)).await;
            raise(libc::SIGUSR1);
            sleep(std::time::Duration::from_millis(1)).await;
            assert!(is_default(libc::SIGUSR1) && is_default(libc::SIGUSR2));
        });
        assert_eq!(log.take(), ["first", "second", "alive"]);
    });
}

fn log_line(log: &Log, line: &'static str) -> impl FnMut() + 'static {
    let log = log.clone();
    move || log.add(line)
}

#[test]
pub fn streams_hear_each_signal_and_share_it_with_the_handler() {
    in_process("streams_hear_each_signal_and_share_it_with_the_handler", || {
        let log = Log::new();
        run(async {
            let this = get_running_loop();
            this.add_signal_handler(libc::SIGHUP, log_line(&log, "handler")).unwrap();
            let mut first = signal(libc::SIGHUP).unwrap();
            let mut second = signal(libc::SIGHUP).unwrap();
            raise(libc::SIGHUP);
            first.recv().await;
            second.recv().await;
            raise(libc::SIGHUP);
            // Not lost when the wait is dropped.
            drop(first.recv());
            first.recv().await;
            drop(first);
            drop(second);
            assert!(!is_default(libc::SIGHUP));
            assert!(this.remove_signal_handler(libc::SIGHUP));
            assert!(is_default(libc::SIGHUP));
        });
        assert_eq!(log.take(), ["handler", "handler"]);
    });
}

#[test]
pub fn a_panic_of_a_handler_is_reported_and_the_handler_stays() {
    in_process("a_panic_of_a_handler_is_reported_and_the_handler_stays", || {
        let count = Rc::new(Cell::new(0));
        run(async {
            let this = get_running_loop();
            let faults = Rc::new(Cell::new(0));
            let inner = faults.clone();
            this.set_exception_handler(move |_, fault| {
                assert_eq!(fault.message, "exception in a signal handler");
                inner.set(inner.get() + 1);
            });
            let inner = count.clone();
            this.add_signal_handler(libc::SIGUSR1, move || {
                inner.set(inner.get() + 1);
                panic!("in a handler");
            })
            .unwrap();
            for _ in 0..2 {
                raise(libc::SIGUSR1);
                sleep(std::time::Duration::from_millis(1)).await;
            }
            assert_eq!(faults.get(), 2);
        });
        assert_eq!(count.get(), 2);
    });
}

#[test]
pub fn a_signal_for_a_loop_that_does_not_run_is_heard_when_it_does() {
    in_process("a_signal_for_a_loop_that_does_not_run_is_heard_when_it_does", || {
        let log = Log::new();
        let mut first = Runner::new().unwrap();
        first.get_loop().add_signal_handler(libc::SIGUSR1, log_line(&log, "first")).unwrap();
        let mut second = Runner::new().unwrap();
        second.get_loop().add_signal_handler(libc::SIGUSR2, log_line(&log, "second")).unwrap();
        raise(libc::SIGUSR1);
        raise(libc::SIGUSR2);
        // Takes the bell, but not the other's signal.
        second.run(sleep(std::time::Duration::from_millis(1))).unwrap();
        assert_eq!(log.take(), ["second"]);
        first.run(sleep(std::time::Duration::from_millis(1))).unwrap();
        assert_eq!(log.take(), ["first"]);
    });
}

#[test]
pub fn bad_signals_and_closed_loops_are_refused() {
    in_process("bad_signals_and_closed_loops_are_refused", || {
        let mut runner = virtual_runner();
        let this = runner.get_loop();
        for number in [-1, 0, 127, 1000, libc::SIGKILL, libc::SIGSTOP] {
            let error = this.add_signal_handler(number, || ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{number}: {error}");
            assert!(!this.remove_signal_handler(number));
        }
        this.add_signal_handler(libc::SIGUSR1, || ()).unwrap();
        assert!(!is_default(libc::SIGUSR1));
        runner.close();
        assert!(is_default(libc::SIGUSR1));
        assert!(!this.remove_signal_handler(libc::SIGUSR1));
        let add = std::panic::AssertUnwindSafe(|| this.add_signal_handler(libc::SIGUSR1, || ()));
        assert!(std::panic::catch_unwind(add).is_err());
    });
}

#[test]
fn handlers_are_refused_on_other_threads() {
    let thread = std::thread::spawn(|| {
        run(async {
            let error = get_running_loop().add_signal_handler(libc::SIGUSR1, || ()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(signal(libc::SIGUSR1).unwrap_err().kind(), ErrorKind::Unsupported);
        });
    });
    thread.join().unwrap();
}

#[test]
pub fn a_stream_may_outlive_its_loop() {
    in_process("a_stream_may_outlive_its_loop", || {
        let stream = run(async { signal(libc::SIGUSR1).unwrap() });
        assert!(is_default(libc::SIGUSR1));
        assert_eq!(format!("{stream:?}"), format!("Signal {{ number: {}, .. }}", libc::SIGUSR1));
        drop(stream);
        assert!(is_default(libc::SIGUSR1));
    });
}

#[test]
pub fn on_virtual_time_a_signal_is_waited_for() {
    if in_child() {
        virtual_runner()
            .run(async {
                let mut stream = signal(libc::SIGUSR1).unwrap();
                say("ready");
                stream.recv().await;
            })
            .unwrap();
        return;
    }
    let mut child = Child::spawn("signal::on_virtual_time_a_signal_is_waited_for");
    child.expect("ready");
    child.kill(libc::SIGUSR1);
    assert!(child.wait().success());
}
