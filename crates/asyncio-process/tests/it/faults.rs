//! Children that die at any time, a thousand at once, cancellation in any turn, and a status that somebody else took.

use std::future::poll_fn;
use std::path::Path;
use std::pin::pin;
use std::time::Duration;

use asyncio::{create_task, gather, sleep, yield_now};
use asyncio_process::{DEVNULL, PIPE, create_subprocess_exec, create_subprocess_shell, subprocess_exec};
use rustix::process::{Pid, Resource, WaitOptions, getrlimit, waitpid};

use crate::support::{Recorder, children, record_faults, run, run_without_leak, turns, until};

/// How many children at once: a thousand, or what the descriptors allow, of which each takes two at most.
fn many() -> usize {
    getrlimit(Resource::Nofile)
        .current
        .map_or(1000, |limit| usize::try_from(limit.saturating_sub(100) / 2).unwrap().min(1000))
}

#[test]
fn a_thousand_children_at_once_leave_nothing() {
    run_without_leak(async || {
        let children = (0..many()).map(|number| async move {
            let child = create_subprocess_shell(format!("exit {}", number % 200)).stdin(DEVNULL).await.unwrap();
            assert_eq!(child.wait().await.unwrap(), number as i32 % 200);
        });
        gather(children).await;
    });
}

#[test]
fn a_thousand_children_that_nobody_waits_for_leave_nothing() {
    run_without_leak(async || {
        for _ in 0..many() {
            drop(create_subprocess_exec("true", ()).await.unwrap());
        }
        until(|| children().is_empty()).await;
    });
}

#[test]
fn a_child_may_die_before_during_and_after_the_wait_begins() {
    run_without_leak(async || {
        let before = create_subprocess_exec("true", ()).await.unwrap();
        until(|| before.returncode().is_some()).await;
        assert_eq!(before.wait().await.unwrap(), 0);
        let waiting = create_subprocess_exec("sleep", ["3600"]).await.unwrap();
        let task = create_task(waiting.wait());
        yield_now().await;
        waiting.kill().unwrap();
        assert_eq!(task.await.unwrap(), -9);
        let killed = create_subprocess_exec("sleep", ["3600"]).await.unwrap();
        killed.kill().unwrap();
        assert_eq!(killed.wait().await.unwrap(), -9);
    });
}

/// CPython's `subprocess_send_signal_race`.
#[test]
fn signals_around_the_end_never_spoil_the_return_code() {
    run_without_leak(async || {
        for round in 0..100 {
            let child = create_subprocess_exec("sleep", ["0.001"]).await.unwrap();
            sleep(Duration::from_micros(round * 30)).await;
            match child.send_signal(1) {
                Ok(()) => {}
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
            }
            assert!(matches!(child.wait().await.unwrap(), 0 | -1));
            assert!(child.send_signal(1).is_err());
        }
    });
}

#[test]
fn signals_are_silent_between_the_end_and_its_notice() {
    run(async {
        let (read, write) = std::io::pipe().unwrap();
        let child = create_subprocess_exec("cat", ()).stdin(read).await.unwrap();
        let zombie = format!("{} (cat) Z", child.pid());
        // It ends, and no turn is given meanwhile, so the loop cannot notice.
        drop(write);
        while Path::new("/proc/self/stat").exists() && !children().contains(&zombie) {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        assert_eq!(child.returncode(), None);
        assert_eq!(child.wait().await.unwrap(), 0);
    });
}

#[test]
fn a_status_that_somebody_else_took_is_reported_and_unknown() {
    run_without_leak(async || {
        let faults = record_faults();
        let (read, write) = std::io::pipe().unwrap();
        let child = create_subprocess_shell("cat; exit 3").stdin(read).await.unwrap();
        drop(write);
        let pid = Pid::from_raw(child.pid() as i32).unwrap();
        waitpid(Some(pid), WaitOptions::empty()).unwrap();
        assert_eq!(child.wait().await.unwrap(), 255);
        assert_eq!(child.returncode(), Some(255));
        let faults = faults.borrow();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains(&format!("the exit status of process {} was taken", child.pid())), "{faults:?}");
    });
}

/// What a program does, step by step; each step waits at least once.
async fn program() {
    let mut cat = create_subprocess_exec("cat", ()).stdin(PIPE).stdout(PIPE).stderr(PIPE).await.unwrap();
    cat.stdin().write("line\nrest");
    cat.stdin().drain().await.unwrap();
    cat.stdout().readline().await.unwrap();
    cat.communicate(Some(&[b'x'; 200_000])).await.unwrap();
    cat.wait().await.unwrap();
    let (transport, protocol) = subprocess_exec(Recorder::default, "cat", ()).await.unwrap();
    let closing = Finally(|| transport.close());
    transport.pipe_transport(0).unwrap().write("data");
    transport.pipe_transport(0).unwrap().close();
    protocol.exited.clone().await;
    protocol.lost.clone().await;
    drop(closing);
    let child = create_subprocess_exec("sleep", ["0.001"]).await.unwrap();
    child.wait().await.unwrap();
}

/// A dropped transport stops nothing, so this does what a program would.
struct Finally<F: Fn()>(F);

impl<F: Fn()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Runs `program` and has its task cancelled when it has suspended for this many times. Says whether it came to that.
async fn cancelled_at(suspension: usize, program: impl Future<Output = ()> + 'static) -> bool {
    let task = create_task(async move {
        let mut program = pin!(program);
        let mut suspended = 0;
        poll_fn(|cx| {
            let polled = program.as_mut().poll(cx);
            suspended += usize::from(polled.is_pending());
            if polled.is_pending() && suspended == suspension {
                asyncio::current_task().unwrap().cancel();
            }
            polled
        })
        .await;
    });
    match task.join().await {
        Ok(()) => false,
        Err(error) => error.cancelled().is_some(),
    }
}

#[test]
fn a_program_may_be_cancelled_wherever_it_waits() {
    run_without_leak(async || {
        let mut suspension = 1;
        while cancelled_at(suspension, program()).await {
            // Those that were made go on, to their end.
            until(|| children().is_empty()).await;
            turns().await;
            assert_eq!(asyncio::all_tasks().len(), 1, "{:?}", asyncio::all_tasks());
            suspension += 1;
        }
        assert!(suspension > 20, "{suspension}");
    });
}

#[test]
fn a_creation_that_is_cancelled_has_killed_and_waited_for_the_child() {
    let create = async |with_protocol: bool| {
        if with_protocol {
            drop(subprocess_exec(Recorder::default, "sleep", ["3600"]).await.unwrap());
        } else {
            let child = create_subprocess_exec("sleep", ["3600"]).stdin(PIPE).stdout(PIPE).stderr(PIPE);
            drop(child.await.unwrap());
        }
    };
    for with_protocol in [false, true] {
        run_without_leak(async || {
            // As many turns as it takes; the last creation succeeds.
            for turn in 0.. {
                let task = create_task(create(with_protocol));
                for _ in 0..turn {
                    yield_now().await;
                }
                assert_eq!(children().len(), usize::from(turn > 0));
                let done = task.done();
                task.cancel();
                let ended = task.join().await;
                assert_eq!(children().len(), usize::from(done), "turn {turn}");
                if done {
                    ended.unwrap();
                    assert!(turn > 6, "{turn}");
                    break;
                }
            }
        });
    }
}
