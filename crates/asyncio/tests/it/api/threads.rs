//! Threads. Signals need the process's main thread, which tests do not get: the guide's example of them is run there.

use std::sync::mpsc;
use std::time::Duration;

use asyncio::{LoopClosed, RemoteError, ThreadPool};

#[test]
fn to_thread_runs_a_closure_and_takes_its_result() {
    let id = asyncio::run(async { asyncio::to_thread(|| std::thread::current().id()).await });
    assert_ne!(id, std::thread::current().id());
}

#[test]
fn a_pool_can_be_named() {
    let pool = ThreadPool::new(1);
    let f = || 7;
    let value = asyncio::run(async {
        let l = asyncio::get_running_loop();
        l.run_in_executor(&pool, f).await
    });
    assert_eq!(value, 7);
}

#[test]
fn another_thread_runs_a_coroutine_on_the_loop() {
    asyncio::run(async {
        let remote = asyncio::get_running_loop().remote();
        let value = asyncio::to_thread(move || {
            let fut = async {
                asyncio::yield_now().await;
                7
            };
            let handle = asyncio::run_coroutine_threadsafe(&remote, || fut);
            handle.result(None)
        })
        .await;
        assert!(matches!(value, Ok(7)));
    });
}

#[test]
fn another_thread_has_a_limited_patience_and_can_cancel() {
    asyncio::run(async {
        let remote = asyncio::get_running_loop().remote();
        asyncio::to_thread(move || {
            let handle = asyncio::run_coroutine_threadsafe(&remote, std::future::pending::<()>);
            assert!(matches!(handle.result(Some(Duration::from_millis(1))), Err(RemoteError::TimedOut(_))));
            assert!(handle.cancel());
            assert!(matches!(handle.result(None), Err(RemoteError::Cancelled(_))));
            assert!(handle.done());
        })
        .await;
    });
}

#[test]
fn other_threads_send_closures() {
    let (sender, receiver) = mpsc::channel();
    let remote = asyncio::run(async {
        let l = asyncio::get_running_loop();
        let remote = l.remote();
        let other = remote.clone();
        asyncio::to_thread(move || other.call_soon_threadsafe(move || sender.send(7).unwrap())).await.unwrap();
        asyncio::yield_now().await;
        remote
    });
    assert_eq!(receiver.recv(), Ok(7));
    let late: Result<(), LoopClosed> = remote.call_soon_threadsafe(|| ());
    assert!(late.is_err());
}
