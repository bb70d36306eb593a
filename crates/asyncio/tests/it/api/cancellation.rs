//! Catching, raising, cleaning up, shielding.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use asyncio::{CancelKind, CancelledError, TaskError};

const SECOND: Duration = Duration::from_secs(1);

#[asyncio::test(virtual_time)]
async fn a_cancellation_is_caught_and_raised_again() {
    let task = asyncio::create_task(async {
        let fut = asyncio::sleep(SECOND);
        let caught: Result<(), CancelledError> = asyncio::catch_cancelled(fut).await;
        match caught {
            Ok(()) => "done",
            Err(cancelled) => {
                let message: Option<&str> = cancelled.message();
                assert_eq!(message, Some("enough"));
                let kind: CancelKind = cancelled.kind();
                assert_eq!(kind, CancelKind::Explicit);
                assert_eq!(cancelled.location().file(), file!());
                asyncio::sleep(SECOND).await;
                cancelled.raise().await
            }
        }
    });
    asyncio::yield_now().await;
    task.cancel_with("enough");
    assert!(matches!(task.join().await, Err(TaskError::Cancelled(_))));
}

#[asyncio::test(virtual_time)]
async fn kinds_say_who_asked() {
    let kinds = [
        CancelKind::Explicit,
        CancelKind::Timeout,
        CancelKind::TaskGroup,
        CancelKind::Gather,
        CancelKind::Signal,
        CancelKind::Shutdown,
    ];
    let seen = Rc::new(Cell::new(None));
    let note = seen.clone();
    let body = async move {
        let cancelled = asyncio::catch_cancelled(asyncio::sleep(SECOND)).await.unwrap_err();
        note.set(Some(cancelled.kind()));
        cancelled.raise().await
    };
    assert!(asyncio::timeout(SECOND / 2, async |_| body.await).await.is_err());
    assert_eq!(seen.get(), Some(kinds[1]));
}

#[asyncio::test(virtual_time)]
async fn a_cleanup_runs_however_the_body_ends() {
    let l = asyncio::get_running_loop();
    let start = l.time();
    let value = asyncio::with_cleanup(async { 7 }, || async { asyncio::sleep(SECOND).await }).await;
    assert_eq!((value, l.time() - start), (7, SECOND));

    let cleaned = Rc::new(Cell::new(false));
    let clean = cleaned.clone();
    let task = asyncio::create_task(asyncio::with_cleanup(asyncio::sleep(SECOND), || async move {
        asyncio::sleep(SECOND).await;
        clean.set(true);
    }));
    asyncio::yield_now().await;
    task.cancel();
    assert!(matches!(task.join().await, Err(TaskError::Cancelled(_))));
    assert!(cleaned.get());
}

#[asyncio::test(virtual_time)]
async fn a_shield_keeps_cancellations_away() {
    assert_eq!(asyncio::shield(async { 7 }).await, 7);

    let inner = asyncio::create_task(async {
        asyncio::sleep(SECOND).await;
        7
    })
    .shared();
    let outer = asyncio::create_task(asyncio::shield(inner.clone()));
    asyncio::yield_now().await;
    outer.cancel();
    assert!(matches!(outer.join().await, Err(TaskError::Cancelled(_))));
    assert_eq!(inner.await, 7);
}
