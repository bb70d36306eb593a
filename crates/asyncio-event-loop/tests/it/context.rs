//! Context variables in callbacks, tasks, threads and runs.

use asyncio_event_loop::{ThreadPool, get_running_loop, run, run_coroutine_threadsafe, sleep, to_thread};
use asyncio_executor::{Context, context_var, create_task, yield_now};

use crate::log::{Log, secs, virtual_runner};

context_var! {
    static X: u32 = 0;
}

#[test]
fn each_callback_and_task_has_a_copy_from_when_it_was_made() {
    let log = Log::new();
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            let report = |what: &'static str| {
                let log = log.clone();
                move || {
                    log.add(format!("{what} {}", X.get()));
                    let _ = X.set(50);
                }
            };
            let _ = X.set(1);
            this.call_soon(report("soon"));
            this.call_soon(report("soon 2"));
            this.call_later(secs(1), report("later"));
            let _ = X.set(2);
            this.call_later(secs(1), report("later 2"));
            let inner = log.clone();
            drop(create_task(async move {
                inner.add(format!("child {}", X.get()));
                let _ = X.set(9);
                yield_now().await;
                inner.add(format!("child {}", X.get()));
            }));
            let _ = X.set(3);
            sleep(secs(2)).await;
            log.add(format!("main {}", X.get()));
        })
        .unwrap();
    assert_eq!(log.take(), ["soon 1", "soon 2 1", "child 2", "child 9", "later 1", "later 2 2", "main 3"]);
}

#[test]
fn timers_do_not_share_a_context_if_none_was_set_before() {
    let log = Log::new();
    virtual_runner()
        .run(async {
            for name in ["a", "b"] {
                let log = log.clone();
                get_running_loop().call_later(secs(1), move || {
                    log.add(format!("{name} {}", X.get()));
                    let _ = X.set(5);
                });
            }
            sleep(secs(2)).await;
            log.add(format!("main {}", X.get()));
        })
        .unwrap();
    assert_eq!(log.take(), ["a 0", "b 0", "main 0"]);
}

#[test]
fn to_thread_takes_the_context_along_and_run_in_executor_does_not() {
    run(async {
        let _ = X.set(3);
        assert_eq!(to_thread(|| X.get()).await, 3);
        let changed = to_thread(|| {
            let _ = X.set(4);
            X.get()
        });
        assert_eq!(changed.await, 4);
        assert_eq!(X.get(), 3);
        let pool = ThreadPool::new(1);
        assert_eq!(get_running_loop().run_in_executor(&pool, || X.get()).await, 0);
    });
}

#[test]
fn runs_of_a_runner_share_a_context_that_began_as_a_copy_of_the_makers() {
    let _ = X.set(1);
    let mut runner = virtual_runner();
    runner
        .run(async {
            assert_eq!(X.get(), 1);
            let _ = X.set(2);
        })
        .unwrap();
    assert_eq!(X.get(), 1);
    runner.run(async { assert_eq!(X.get(), 2) }).unwrap();
    let own = Context::new();
    runner
        .run_in(own.clone(), async {
            assert_eq!(X.get(), 0);
            let _ = X.set(7);
        })
        .unwrap();
    assert_eq!(own.run(|| X.get()), 7);
    runner.run(async { assert_eq!(X.get(), 2) }).unwrap();
}

#[test]
fn what_another_thread_sends_runs_in_a_copy_of_its_context() {
    let mut runner = virtual_runner();
    let remote = runner.get_loop().remote();
    let thread = std::thread::spawn(move || {
        let _ = X.set(8);
        remote.call_soon_threadsafe(|| assert_eq!(X.get(), 8)).unwrap();
        run_coroutine_threadsafe(&remote, || async {
            let value = X.get();
            let _ = X.set(9);
            value
        })
        .result(None)
        .unwrap()
    });
    // The thread holds a remote until it is done, so this ends then.
    let _ = runner.run(std::future::pending::<()>());
    assert_eq!(thread.join().unwrap(), 8);
    assert_eq!(X.get(), 0);
}
