//! `to_thread`, `run_in_executor` and the pool.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use asyncio_event_loop::{
    Job, Pool, RemoteError, RunError, Runner, ThreadPool, get_running_loop, run, run_coroutine_threadsafe, sleep,
    to_thread,
};
use asyncio_executor::{TaskError, create_task, panic_message, yield_now};

use crate::log::{OnDrop, virtual_runner};

#[test]
fn ten_jobs_run_at_once_each_once() {
    // The pool of a small machine has five threads.
    let pool = ThreadPool::new(10);
    run(async {
        let together = Arc::new(Barrier::new(10));
        let this = get_running_loop();
        let jobs: Vec<_> = (0..10)
            .map(|i| {
                let together = together.clone();
                this.run_in_executor(&pool, move || {
                    together.wait();
                    i
                })
            })
            .collect();
        let mut sum = 0;
        for job in jobs {
            sum += job.await;
        }
        assert_eq!(sum, 45);
    });
    assert!(pool.shutdown(Duration::MAX));
}

#[test]
fn a_panic_goes_on_in_the_awaiting_task() {
    run(async {
        let task = create_task(async { to_thread(|| -> u32 { panic!("on a thread") }).await });
        let Err(TaskError::Panicked(payload)) = task.join().await else { panic!("no panic") };
        assert_eq!(panic_message(&*payload), Some("on a thread"));
        // The thread goes on.
        assert_eq!(to_thread(|| 7).await, 7);
    });
}

#[test]
fn threads_are_named_as_in_python_and_used_again() {
    let pool = ThreadPool::new(2);
    run(async {
        let name = || std::thread::current().name().map(str::to_owned);
        for _ in 0..3 {
            let name = get_running_loop().run_in_executor(&pool, name).await;
            assert!(matches!(name.as_deref(), Some("asyncio_0" | "asyncio_1")), "{name:?}");
        }
        let first = to_thread(name).await;
        assert_eq!(first.as_deref(), Some("asyncio_0"));
    });
}

#[test]
fn work_starts_at_the_call() {
    run(async {
        let (sender, receiver) = channel();
        let work = to_thread(move || sender.send(7).unwrap());
        assert_eq!(receiver.recv().unwrap(), 7);
        work.await;
    });
}

#[test]
fn work_that_is_cancelled_before_a_thread_begins_is_not_done() {
    let pool = ThreadPool::new(1);
    run(async {
        let this = get_running_loop();
        let (go, wait) = channel::<()>();
        let busy = this.run_in_executor(&pool, move || wait.recv().is_ok());
        let (sender, receiver) = channel();
        let never = this.run_in_executor(&pool, move || sender.send(()).unwrap());
        drop(never);
        go.send(()).unwrap();
        assert!(busy.await);
        assert!(this.run_in_executor(&pool, || true).await);
        assert!(receiver.try_recv().is_err());
    });
}

#[test]
fn work_that_is_cancelled_after_it_began_is_finished() {
    let pool = Rc::new(ThreadPool::new(1));
    let (began, begun) = channel();
    let (go, wait) = channel::<()>();
    let (ended, end) = channel();
    run(async {
        get_running_loop().set_default_executor(pool.clone());
        let task = create_task(async move {
            to_thread(move || {
                began.send(()).unwrap();
                wait.recv().unwrap();
                ended.send(()).unwrap();
            })
            .await;
        });
        yield_now().await;
        begun.recv().unwrap();
        task.cancel();
        assert!(matches!(task.join().await, Err(TaskError::Cancelled(_))));
        go.send(()).unwrap();
    });
    // The end of the run waited for it.
    end.try_recv().unwrap();
}

#[test]
fn the_end_of_a_run_does_what_threads_ask_of_the_loop() {
    for virtual_time in [false, true] {
        let (sender, receiver) = channel();
        let mut runner = Runner::builder().virtual_time(virtual_time).build().unwrap();
        runner
            .run(async {
                let remote = get_running_loop().remote();
                drop(to_thread(|| ()));
                drop(create_task(async move {
                    let (began, begun) = channel();
                    let work = to_thread(move || {
                        began.send(()).unwrap();
                        // It is cancelled as long as tasks are, and answered when only threads are waited for.
                        let answer = loop {
                            let answer = run_coroutine_threadsafe(&remote, || async {
                                sleep(Duration::from_millis(1)).await;
                                7
                            });
                            match answer.result(None) {
                                Err(RemoteError::Cancelled(_)) => {}
                                answer => break answer,
                            }
                        };
                        sender.send(answer).unwrap();
                    });
                    begun.recv().unwrap();
                    work.await;
                }));
                yield_now().await;
            })
            .unwrap();
        runner.close();
        assert_eq!(receiver.try_recv().unwrap().unwrap(), 7);
    }
}

#[test]
fn after_the_pool_is_shut_down_work_is_refused() {
    let pool = ThreadPool::new(1);
    assert!(pool.shutdown(Duration::ZERO));
    assert!(pool.shutdown(Duration::MAX));
    assert!(pool.submit(Box::new(|| ())).is_err());
    run(async {
        let submit = || get_running_loop().run_in_executor(&pool, || 7);
        let payload = catch_unwind(AssertUnwindSafe(submit)).unwrap_err();
        let message = panic_message(&*payload).unwrap();
        assert!(message.contains("the thread pool is shut down"), "{message}");
    });
}

#[test]
fn a_shutdown_waits_for_what_is_queued_but_no_longer_than_its_patience() {
    let pool = ThreadPool::new(1);
    let (go, wait) = channel::<()>();
    let (sender, receiver) = channel();
    let again = sender.clone();
    pool.submit(Box::new(move || {
        wait.recv().unwrap();
        sender.send(1).unwrap();
    }))
    .unwrap();
    pool.submit(Box::new(move || again.send(2).unwrap())).unwrap();
    assert!(!pool.shutdown(Duration::ZERO));
    assert!(format!("{pool:?}").contains("closed: true"), "{pool:?}");
    go.send(()).unwrap();
    assert!(pool.shutdown(Duration::MAX));
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_job_whose_panic_panics_when_dropped_does_not_end_its_thread() {
    let pool = ThreadPool::new(1);
    pool.submit(Box::new(|| std::panic::panic_any(OnDrop(|| panic!("again"))))).unwrap();
    let (sender, receiver) = channel();
    pool.submit(Box::new(move || sender.send(7).unwrap())).unwrap();
    assert_eq!(receiver.recv().unwrap(), 7);
    assert!(pool.shutdown(Duration::MAX));
}

/// Keeps jobs and never runs them, or runs them when told to.
#[derive(Default)]
struct Lazy(Cell<Vec<Job>>);

impl Pool for Lazy {
    fn submit(&self, job: Job) -> io::Result<()> {
        let mut jobs = self.0.take();
        jobs.push(job);
        self.0.set(jobs);
        Ok(())
    }

    fn shutdown(&self, _: Duration) -> bool {
        drop(self.0.take());
        true
    }
}

#[test]
fn a_job_that_is_dropped_unrun_is_a_panic_that_says_so() {
    let mut runner = virtual_runner();
    let pool = Rc::new(Lazy::default());
    runner
        .run(async {
            get_running_loop().set_default_executor(pool.clone());
            let task = create_task(async { to_thread(|| 7).await });
            yield_now().await;
            pool.shutdown(Duration::ZERO);
            let Err(TaskError::Panicked(payload)) = task.join().await else { panic!("no panic") };
            let message = panic_message(&*payload).unwrap();
            assert!(message.contains("the thread pool was shut down before the work given to it at"), "{message}");
        })
        .unwrap();
}

#[test]
fn a_pool_of_the_programs_runs_jobs_as_it_likes() {
    let mut runner = virtual_runner();
    let pool = Rc::new(Lazy::default());
    let value = runner.run(async {
        get_running_loop().set_default_executor(pool.clone());
        let work = to_thread(|| 7);
        pool.0.take().into_iter().for_each(|job| job());
        assert!(format!("{work:?}").starts_with("<ThreadFuture started at "));
        work.await
    });
    assert_eq!(value.unwrap(), 7);
}

#[test]
fn late_work_of_a_closed_loop_is_dropped_in_silence() {
    let pool = Rc::new(ThreadPool::new(1));
    let (go, wait): (Sender<()>, Receiver<()>) = channel();
    let (sender, receiver) = channel();
    let (began, begun) = channel();
    let mut runner = virtual_runner();
    let work = runner.get_loop().run_in_executor(&*pool, move || {
        began.send(()).unwrap();
        wait.recv().unwrap();
        OnDrop(move || sender.send(()).unwrap())
    });
    begun.recv().unwrap();
    runner.close();
    drop(work);
    go.send(()).unwrap();
    receiver.recv().unwrap();
    assert!(pool.shutdown(Duration::MAX));
}

#[test]
fn virtual_time_waits_for_work_that_nobody_else_could_end() {
    let mut runner = virtual_runner();
    let (go, wait) = channel::<()>();
    let result = runner.run(async {
        let work = to_thread(move || wait.recv().is_ok());
        go.send(()).unwrap();
        assert!(work.await);
        // It has ended, and is dropped only at the end: it will not wake the loop again.
        let over = to_thread(|| ());
        std::future::pending::<()>().await;
        drop(over);
    });
    assert!(matches!(result, Err(RunError::Deadlock(_))));
}

#[test]
#[should_panic(expected = "a pool of 0 threads would never run anything")]
fn a_pool_has_a_thread() {
    drop(ThreadPool::new(0));
}

#[test]
fn a_thread_can_outlast_a_sleep() {
    run(async {
        let (go, wait) = channel::<()>();
        let work = to_thread(move || wait.recv().is_ok());
        sleep(Duration::from_millis(1)).await;
        go.send(()).unwrap();
        assert!(work.await);
    });
}
