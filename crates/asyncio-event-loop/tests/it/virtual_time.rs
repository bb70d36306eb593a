//! Virtual time: it jumps, and knows when nothing can ever happen again.

use std::future::{pending, poll_fn};
use std::sync::mpsc::channel;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use asyncio_event_loop::{Instant, RunError, get_running_loop, run_coroutine_threadsafe, sleep, to_thread};
use asyncio_executor::{Task, create_task};

use crate::log::{Log, secs, virtual_runner};

fn deadlocks(main: impl Future) -> bool {
    matches!(virtual_runner().run(main), Err(RunError::Deadlock(_)))
}

#[test]
fn a_wait_for_nothing_is_a_deadlock() {
    assert!(deadlocks(pending::<()>()));
    assert!(deadlocks(async {
        sleep(secs(1)).await;
        pending::<()>().await;
    }));
    assert!(deadlocks(sleep(Duration::MAX)));
    assert!(!deadlocks(sleep(secs(1 << 33))));
}

#[test]
fn time_does_not_pass_before_a_deadlock() {
    let mut runner = virtual_runner();
    for _ in 0..100 {
        // Many, so that the queue knows only a bound.
        runner.get_loop().call_later(Duration::MAX, || ());
        runner.get_loop().call_at(Instant::FAR_FUTURE - secs(0), || ());
    }
    assert!(matches!(runner.run(pending::<()>()), Err(RunError::Deadlock(_))));
    assert_eq!(runner.get_loop().time(), Instant::ZERO);
    // The loop can be run again.
    runner.run(sleep(secs(1))).unwrap();
    assert_eq!(runner.get_loop().time(), Instant::ZERO + secs(1));
}

#[test]
fn a_deadlock_names_the_tasks() {
    let mut runner = virtual_runner();
    let error = runner
        .run(async {
            let child = Task::builder().name("child").spawn(sleep(Duration::MAX));
            child.await;
        })
        .unwrap_err();
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "nothing can wake the event loop again: 2 tasks are waiting, for ever:");
    assert!(lines[1].contains("waits for task \"child\""), "{text}");
    assert!(lines[2].contains("name=\"child\" spawned at") && lines[2].contains("waits for sleep"), "{text}");
    let RunError::Deadlock(deadlock) = error else { panic!("{error}") };
    assert_eq!(format!("{deadlock:?}"), deadlock.to_string());
    // What is left is dropped at the end, which does not hang.
    runner.close();
}

#[test]
fn the_end_of_a_run_drops_what_deadlocks_and_ends_the_rest() {
    let log = Log::new();
    let mut runner = virtual_runner();
    let inner = log.clone();
    runner
        .run(async {
            drop(create_task(async {
                let _ = asyncio_executor::catch_cancelled(pending::<()>()).await;
                pending::<()>().await;
            }));
            drop(create_task(async move {
                let _ = asyncio_executor::catch_cancelled(pending::<()>()).await;
                sleep(secs(5)).await;
                inner.add("ended");
            }));
            sleep(secs(1)).await;
        })
        .unwrap();
    runner.close();
    assert_eq!(log.take(), ["ended"]);
}

#[test]
fn a_remote_is_waited_for_until_it_is_gone() {
    let mut runner = virtual_runner();
    let remote = runner.get_loop().remote();
    let (go, wait) = channel::<()>();
    let thread = thread::spawn(move || {
        wait.recv().unwrap();
        let value = run_coroutine_threadsafe(&remote, || async {
            sleep(secs(3600)).await;
            7
        });
        let value = value.result(None).unwrap();
        drop(remote);
        value
    });
    let result = runner.run(async {
        go.send(()).unwrap();
        pending::<()>().await;
    });
    assert!(matches!(result, Err(RunError::Deadlock(_))));
    assert_eq!(thread.join().unwrap(), 7);
}

/// A thread that sends and lets go at once must not be overtaken by the verdict.
#[test]
fn what_was_sent_last_is_done_before_the_verdict() {
    for _ in 0..300 {
        let mut runner = virtual_runner();
        let remote = runner.get_loop().remote();
        let (go, wait) = channel::<()>();
        let value = runner.run(async {
            let future = asyncio_executor::Future::new();
            let key = future.clone();
            // The future is no `Send`, so it stays in a task that the thread wakes.
            let inbox = std::sync::Arc::new(std::sync::Mutex::new((false, None)));
            let outbox = inbox.clone();
            drop(create_task(async move {
                poll_fn(|cx| {
                    let mut inbox = inbox.lock().unwrap();
                    inbox.1 = Some(cx.waker().clone());
                    if inbox.0 { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                key.set_result(7).unwrap();
            }));
            thread::spawn(move || {
                wait.recv().unwrap();
                let wake = move || {
                    let mut outbox = outbox.lock().unwrap();
                    outbox.0 = true;
                    outbox.1.take()
                };
                if let Some(waker) = wake() {
                    waker.wake();
                }
                drop(remote);
            });
            sleep(secs(1)).await;
            go.send(()).unwrap();
            future.await
        });
        assert_eq!(value.unwrap(), 7);
    }
}

#[test]
fn work_on_a_thread_is_waited_for_and_its_end_is_noticed() {
    for _ in 0..100 {
        let mut runner = virtual_runner();
        assert_eq!(runner.run(async { to_thread(|| 7).await }).unwrap(), 7);
        let result = runner.run(async {
            drop(to_thread(|| ()));
            pending::<()>().await;
        });
        assert!(matches!(result, Err(RunError::Deadlock(_))));
    }
}

#[cfg(unix)]
#[test]
fn a_watched_descriptor_is_waited_for() {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    let (near, mut far) = UnixStream::pair().unwrap();
    let mut runner = virtual_runner();
    let (go, wait) = channel::<()>();
    let thread = thread::spawn(move || {
        wait.recv().unwrap();
        far.write_all(b"x").unwrap();
        far
    });
    let result = runner.run(async {
        let copy = near.try_clone().unwrap();
        let this = get_running_loop();
        let near = std::rc::Rc::new(near);
        let inner = near.clone();
        this.add_reader(&*near, move || assert!(get_running_loop().remove_reader(&*inner))).unwrap();
        go.send(()).unwrap();
        drop(copy);
        pending::<()>().await;
    });
    // Nothing is watched any more.
    assert!(matches!(result, Err(RunError::Deadlock(_))));
    drop(thread.join().unwrap());
}

#[test]
fn days_take_no_time() {
    let mut runner = virtual_runner();
    runner
        .run(async {
            for day in 1..=1000u64 {
                sleep(secs(24 * 3600)).await;
                assert_eq!(get_running_loop().time(), Instant::ZERO + secs(day * 24 * 3600));
            }
        })
        .unwrap();
    assert!(runner.get_loop().is_virtual());
}
