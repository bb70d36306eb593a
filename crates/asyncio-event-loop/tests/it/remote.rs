//! What other threads do with a loop.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use asyncio_event_loop::{
    ConcurrentFuture, LoopRemote, RemoteError, Runner, get_running_loop, run, run_coroutine_threadsafe, sleep,
    to_thread,
};
use asyncio_executor::{catch_cancelled, create_task, panic_message, yield_now};

use crate::log::{Log, virtual_runner};

/// Runs `f` on another thread, beside a loop that runs until it returns.
fn beside<T: Send + 'static>(f: impl FnOnce(LoopRemote) -> T + Send + 'static) -> T {
    run(async {
        let remote = get_running_loop().remote();
        to_thread(move || f(remote)).await
    })
}

#[test]
fn calls_of_a_thread_keep_their_order_and_wake_the_loop() {
    let seen = beside(|remote| {
        let (sender, receiver) = channel();
        for i in 0..100 {
            let sender = sender.clone();
            remote.call_soon_threadsafe(move || sender.send(i).unwrap()).unwrap();
        }
        drop(sender);
        receiver.iter().collect::<Vec<_>>()
    });
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_call_from_a_thread_comes_before_a_later_call_soon() {
    let (sender, receiver) = channel();
    let mut runner = Runner::new().unwrap();
    let this = runner.get_loop();
    let remote = this.remote();
    let inner = sender.clone();
    thread::spawn(move || remote.call_soon_threadsafe(move || inner.send("hello").unwrap()).unwrap()).join().unwrap();
    let inner = sender.clone();
    this.call_soon(move || inner.send("world").unwrap());
    // The same on the loop's own thread.
    let inner = sender.clone();
    this.remote().call_soon_threadsafe(move || inner.send("hello").unwrap()).unwrap();
    this.call_soon(move || sender.send("again").unwrap());
    runner.run(yield_now()).unwrap();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), ["hello", "world", "hello", "again"]);
}

#[test]
fn after_the_end_calls_are_refused_and_dropped() {
    let mut runner = virtual_runner();
    let remote = runner.get_loop().remote();
    assert!(!remote.is_closed());
    runner.close();
    assert!(remote.is_closed());
    let (sender, receiver) = channel::<()>();
    let error = remote.call_soon_threadsafe(move || drop(sender)).unwrap_err();
    assert!(error.to_string().contains("the event loop is closed"), "{error}");
    assert!(receiver.recv().is_err());
    let future = run_coroutine_threadsafe(&remote, || async { 7 });
    assert!(future.done() && !future.cancel());
    assert!(matches!(future.result(None), Err(RemoteError::Closed(_))));
}

#[test]
fn calls_that_never_ran_are_dropped_with_the_loop() {
    let mut runner = virtual_runner();
    let remote = runner.get_loop().remote();
    let future = run_coroutine_threadsafe(&remote, || async { 7 });
    let other = run_coroutine_threadsafe(&remote, pending::<u32>);
    // The turns of the end run the first, and cancel the second.
    runner.close();
    assert_eq!(future.result(None).unwrap(), 7);
    assert!(matches!(other.result(None), Err(RemoteError::Cancelled(_))));
}

#[test]
fn a_coroutine_gives_its_value_to_the_thread() {
    let value = beside(|remote| {
        let future = run_coroutine_threadsafe(&remote, || async {
            // What is not `Send` stays on the loop's thread.
            let value = Rc::new(7);
            sleep(Duration::from_millis(1)).await;
            *value
        });
        future.result(None)
    });
    assert_eq!(value.unwrap(), 7);
}

#[test]
fn a_coroutine_that_panics_gives_its_panic_to_the_thread() {
    fn message(future: &ConcurrentFuture<u32>) -> String {
        match future.result(None) {
            Err(RemoteError::Panicked(payload)) => panic_message(&*payload).unwrap().to_owned(),
            other => panic!("{other:?}"),
        }
    }
    let messages = beside(|remote| {
        let late = run_coroutine_threadsafe(&remote, || async {
            yield_now().await;
            panic!("late")
        });
        // Before there is a future.
        let early = run_coroutine_threadsafe(&remote, || -> std::future::Ready<u32> { panic!("early") });
        [message(&late), message(&early)]
    });
    assert_eq!(messages, ["late", "early"]);
}

#[test]
fn a_timeout_ends_the_wait_only_and_cancel_ends_the_coroutine() {
    let log = beside(|remote| {
        let (sender, receiver) = channel();
        let (began, begun) = channel();
        let future = run_coroutine_threadsafe(&remote, move || async move {
            began.send(()).unwrap();
            let error = catch_cancelled(pending::<()>()).await.unwrap_err();
            sleep(Duration::from_millis(1)).await;
            sender.send("cleaned").unwrap();
            error.raise().await
        });
        begun.recv().unwrap();
        let patience = Duration::from_millis(1);
        assert!(matches!(future.result(Some(patience)), Err(RemoteError::TimedOut(after)) if after == patience));
        assert!(!future.done());
        assert!(future.cancel());
        assert!(matches!(future.result(None), Err(RemoteError::Cancelled(_))));
        assert!(future.done() && !future.cancel());
        receiver.iter().collect::<Vec<_>>()
    });
    assert_eq!(log, ["cleaned"]);
}

#[test]
fn a_coroutine_that_cancels_itself_is_cancelled_for_the_thread() {
    let outcome = beside(|remote| {
        let future = run_coroutine_threadsafe(&remote, || async {
            asyncio_executor::current_task().unwrap().cancel_with("of itself");
            yield_now().await;
            7
        });
        future.result(None)
    });
    assert!(matches!(&outcome, Err(RemoteError::Cancelled(text)) if text.contains("of itself")), "{outcome:?}");
}

#[test]
fn a_task_that_the_factory_cannot_make_is_a_failure_for_the_thread_and_the_handler() {
    let messages = beside(|remote| {
        let (made, making) = channel();
        let (told, heard) = channel();
        remote
            .call_soon_threadsafe(move || {
                let this = get_running_loop();
                this.set_task_factory(|_| panic!("no task today"));
                this.set_exception_handler(move |_, fault| {
                    told.send(fault.panic_message().map(str::to_owned)).unwrap();
                });
                made.send(()).unwrap();
            })
            .unwrap();
        making.recv().unwrap();
        let future = run_coroutine_threadsafe(&remote, || async { 7 });
        let outcome = future.result(None);
        let Err(RemoteError::Panicked(payload)) = outcome else { panic!("{outcome:?}") };
        // The loop goes on.
        let (again, ran) = channel();
        remote.call_soon_threadsafe(move || again.send(()).unwrap()).unwrap();
        ran.recv().unwrap();
        (panic_message(&*payload).map(str::to_owned), heard.try_iter().collect::<Vec<_>>())
    });
    let text = Some("no task today".to_owned());
    assert_eq!(messages, (text.clone(), vec![text]));
}

#[test]
fn a_coroutine_may_refuse_to_be_cancelled() {
    let value = beside(|remote| {
        let (began, begun) = channel();
        let future = run_coroutine_threadsafe(&remote, move || async move {
            began.send(()).unwrap();
            let _ = catch_cancelled(pending::<()>()).await;
            7
        });
        begun.recv().unwrap();
        assert!(future.cancel());
        future.result(Some(Duration::MAX))
    });
    assert_eq!(value.unwrap(), 7);
}

#[test]
fn a_coroutine_that_is_cancelled_before_it_starts_is_not_made() {
    let mut runner = virtual_runner();
    let remote = runner.get_loop().remote();
    let (sender, receiver) = channel::<()>();
    let future = run_coroutine_threadsafe(&remote, move || async move { sender.send(()).unwrap() });
    assert!(future.cancel());
    assert!(future.cancel());
    runner.run(yield_now()).unwrap();
    let error = future.result(None).unwrap_err();
    assert_eq!(error.to_string(), "cancelled before it started");
    assert!(receiver.recv().is_err());
}

#[test]
fn a_coroutine_goes_on_without_its_handle() {
    let value = beside(|remote| {
        let (sender, receiver) = channel();
        drop(run_coroutine_threadsafe(&remote, move || async move {
            yield_now().await;
            sender.send(7).unwrap();
        }));
        receiver.recv().unwrap()
    });
    assert_eq!(value, 7);
}

#[test]
fn a_thread_that_waits_is_told_when_the_loop_ends() {
    let (sender, receiver) = channel();
    let (began, begun) = channel();
    run(async {
        let remote = get_running_loop().remote();
        thread::spawn(move || {
            let future = run_coroutine_threadsafe(&remote, move || {
                began.send(()).unwrap();
                pending::<()>()
            });
            sender.send(future.result(None)).unwrap();
        });
        to_thread(move || begun.recv().unwrap()).await;
    });
    assert!(matches!(receiver.recv().unwrap(), Err(RemoteError::Cancelled(_))));
}

#[test]
fn to_wait_on_the_loops_own_thread_is_refused() {
    run(async {
        let remote = get_running_loop().remote();
        let future = run_coroutine_threadsafe(&remote, || async { 7 });
        assert_eq!(format!("{future:?}"), "ConcurrentFuture { done: false }");
        let payload = catch_unwind(AssertUnwindSafe(|| future.result(None))).unwrap_err();
        let message = panic_message(&*payload).unwrap();
        assert!(message.contains("make a task and `await` it"), "{message}");
        while !future.done() {
            yield_now().await;
        }
        assert_eq!(future.result(None).unwrap(), 7);
        let payload = catch_unwind(AssertUnwindSafe(|| future.result(None))).unwrap_err();
        assert!(panic_message(&*payload).unwrap().contains("taken before"));
    });
}

#[test]
fn many_threads_and_one_loop() {
    let log = Log::new();
    run(async {
        let remote = get_running_loop().remote();
        let threads: Vec<_> = (0..4u64)
            .map(|i| {
                let remote = remote.clone();
                thread::spawn(move || {
                    let mut sum = 0;
                    for j in 0..50 {
                        let future = run_coroutine_threadsafe(&remote, move || async move {
                            yield_now().await;
                            i * j
                        });
                        sum += future.result(None).unwrap();
                    }
                    sum
                })
            })
            .collect();
        let spin = create_task(async {
            loop {
                yield_now().await;
            }
        });
        let sum = to_thread(move || threads.into_iter().map(|thread| thread.join().unwrap()).sum::<u64>()).await;
        spin.cancel();
        log.add(sum.to_string());
    });
    assert_eq!(log.take(), [(6 * 49 * 25).to_string()]);
}
