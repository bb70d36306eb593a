//! SIGINT while a run runs: in child processes, on their main threads, with real signals.

use std::future::pending;
use std::os::unix::process::ExitStatusExt;

use asyncio_event_loop::{RunError, Runner, get_running_loop, run, signal, sleep, to_thread};
use asyncio_executor::{catch_cancelled, current_task, with_cleanup, yield_now};

use crate::child::{Child, in_child, is_default, is_ignored, raise, say};
use crate::log::secs;

const SIGINT: i32 = libc::SIGINT;

#[test]
pub fn sigint_cancels_main_which_cleans_up_and_then_kills() {
    if in_child() {
        run(with_cleanup(
            async {
                say("running");
                pending::<()>().await;
            },
            || async {
                say("cleaning");
                sleep(secs(0)).await;
                assert_eq!(to_thread(|| 7).await, 7);
                say("cleaned");
            },
        ));
        say("not reached");
        return;
    }
    let mut child = Child::spawn("interrupt::sigint_cancels_main_which_cleans_up_and_then_kills");
    child.expect("running");
    child.kill(SIGINT);
    child.expect("cleaning");
    child.expect("cleaned");
    let status = child.wait();
    assert_eq!(status.signal(), Some(SIGINT));
}

#[test]
pub fn sigint_interrupts_a_main_that_is_busy() {
    if in_child() {
        let result = Runner::new().unwrap().run(async {
            say("running");
            loop {
                yield_now().await;
            }
        });
        assert!(matches!(result, Err(RunError::Interrupted)));
        assert!(is_default(SIGINT));
        say("interrupted");
        return;
    }
    let mut child = Child::spawn("interrupt::sigint_interrupts_a_main_that_is_busy");
    child.expect("running");
    child.kill(SIGINT);
    child.expect("interrupted");
    assert!(child.wait().success());
}

#[test]
pub fn a_second_sigint_kills_while_the_cleanup_hangs() {
    if in_child() {
        run(async {
            say("running");
            let _ = catch_cancelled(pending::<()>()).await;
            say("hanging");
            pending::<()>().await;
        });
    }
    let mut child = Child::spawn("interrupt::a_second_sigint_kills_while_the_cleanup_hangs");
    child.expect("running");
    child.kill(SIGINT);
    child.expect("hanging");
    child.kill(SIGINT);
    assert_eq!(child.wait().signal(), Some(SIGINT));
}

#[test]
pub fn a_second_sigint_kills_while_the_loop_is_stuck() {
    if in_child() {
        run(async {
            assert!(!is_default(SIGINT));
            say("stuck");
            while !is_default(SIGINT) {
                std::hint::spin_loop();
            }
            say("still stuck");
            loop {
                std::hint::spin_loop();
            }
        });
    }
    let mut child = Child::spawn("interrupt::a_second_sigint_kills_while_the_loop_is_stuck");
    child.expect("stuck");
    child.kill(SIGINT);
    child.expect("still stuck");
    child.kill(SIGINT);
    assert_eq!(child.wait().signal(), Some(SIGINT));
}

#[test]
pub fn a_sigint_kills_while_the_end_of_a_run_hangs() {
    if in_child() {
        run(async {
            drop(asyncio_executor::create_task(async {
                let _ = catch_cancelled(pending::<()>()).await;
                say("hanging");
                pending::<()>().await;
            }));
            yield_now().await;
        });
    }
    let mut child = Child::spawn("interrupt::a_sigint_kills_while_the_end_of_a_run_hangs");
    child.expect("hanging");
    child.kill(SIGINT);
    assert_eq!(child.wait().signal(), Some(SIGINT));
}

#[test]
pub fn a_main_that_refuses_sigint_has_its_value_and_the_default_is_restored() {
    if in_child() {
        let mut runner = Runner::new().unwrap();
        for _ in 0..2 {
            let value = runner.run(async {
                raise(SIGINT);
                let error = catch_cancelled(pending::<()>()).await.unwrap_err();
                assert_eq!(error.kind(), asyncio_executor::CancelKind::Signal);
                assert!(is_default(SIGINT));
                7
            });
            assert_eq!(value.unwrap(), 7);
            assert!(is_default(SIGINT));
        }
        say("refused");
        return;
    }
    let mut child = Child::spawn("interrupt::a_main_that_refuses_sigint_has_its_value_and_the_default_is_restored");
    child.expect("refused");
    assert!(child.wait().success());
}

#[test]
pub fn a_main_that_was_cancelled_besides_is_cancelled_not_interrupted() {
    if in_child() {
        let result = Runner::new().unwrap().run(async {
            raise(SIGINT);
            current_task().unwrap().cancel_with("by hand");
            pending::<()>().await;
        });
        assert!(matches!(result, Err(RunError::Cancelled(_))), "{result:?}");
        say("cancelled");
        return;
    }
    let mut child = Child::spawn("interrupt::a_main_that_was_cancelled_besides_is_cancelled_not_interrupted");
    child.expect("cancelled");
    assert!(child.wait().success());
}

#[test]
pub fn a_sigint_in_the_last_step_of_main_is_not_lost() {
    if in_child() {
        let result = Runner::new().unwrap().run(async { raise(SIGINT) });
        assert!(matches!(result, Err(RunError::Interrupted)));
        say("interrupted");
        run(async { raise(SIGINT) });
        say("not reached");
    }
    let mut child = Child::spawn("interrupt::a_sigint_in_the_last_step_of_main_is_not_lost");
    child.expect("interrupted");
    assert_eq!(child.wait().signal(), Some(SIGINT));
}

#[test]
pub fn sigint_that_somebody_else_handles_is_left_alone() {
    if in_child() {
        crate::child::ignore(SIGINT);
        run(async {
            assert!(is_ignored(SIGINT));
            raise(SIGINT);
            yield_now().await;
        });
        assert!(is_ignored(SIGINT));
        say("left alone");
        return;
    }
    let mut child = Child::spawn("interrupt::sigint_that_somebody_else_handles_is_left_alone");
    child.expect("left alone");
    assert!(child.wait().success());
}

#[test]
pub fn a_disposition_that_was_changed_during_the_run_stays() {
    if in_child() {
        run(async { crate::child::ignore(SIGINT) });
        assert!(is_ignored(SIGINT));
        say("stays");
        return;
    }
    let mut child = Child::spawn("interrupt::a_disposition_that_was_changed_during_the_run_stays");
    child.expect("stays");
    assert!(child.wait().success());
}

#[test]
pub fn a_run_on_another_thread_leaves_sigint_alone() {
    if in_child() {
        std::thread::spawn(|| {
            run(async {
                assert!(is_default(SIGINT));
                assert!(get_running_loop().add_signal_handler(SIGINT, || ()).is_err());
                say("running");
                pending::<()>().await;
            });
        })
        .join()
        .unwrap();
    }
    let mut child = Child::spawn("interrupt::a_run_on_another_thread_leaves_sigint_alone");
    child.expect("running");
    child.kill(SIGINT);
    assert_eq!(child.wait().signal(), Some(SIGINT));
}

#[test]
pub fn a_handler_or_stream_of_the_program_takes_sigint_over_for_as_long_as_it_is_there() {
    if in_child() {
        let result = Runner::new().unwrap().run(async {
            let this = get_running_loop();
            // Refused once, after which the default is back.
            raise(SIGINT);
            let _ = catch_cancelled(pending::<()>()).await;
            current_task().unwrap().uncancel();
            let mut stream = signal(SIGINT).unwrap();
            for _ in 0..3 {
                raise(SIGINT);
                stream.recv().await;
            }
            this.add_signal_handler(SIGINT, || say("handled")).unwrap();
            drop(stream);
            raise(SIGINT);
            sleep(std::time::Duration::from_millis(1)).await;
            assert!(this.remove_signal_handler(SIGINT));
            assert!(is_default(SIGINT));
            7
        });
        assert_eq!(result.unwrap(), 7);
        say("over");
        return;
    }
    let mut child =
        Child::spawn("interrupt::a_handler_or_stream_of_the_program_takes_sigint_over_for_as_long_as_it_is_there");
    child.expect("handled");
    child.expect("over");
    assert!(child.wait().success());
}
