//! A time that reaches past the end of the clock is for ever: it neither overflows nor is up at once.

use std::future::pending;
use std::time::Duration;

use asyncio::{FIRST_COMPLETED, Instant, Timeout};

const FOREVER: Duration = Duration::MAX;
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Whether `future` is pending for centuries, until virtual time ends it.
async fn lasts<T>(future: impl IntoFuture<Output = T>) -> bool {
    asyncio::timeout(YEAR * 200, async |_| future.await).await.is_err()
}

#[asyncio::test(virtual_time)]
async fn sleep() {
    assert!(lasts(asyncio::sleep(FOREVER)).await);
    assert!(lasts(asyncio::sleep_until(Instant::FAR_FUTURE)).await);
}

#[asyncio::test(virtual_time)]
async fn call_later_and_call_at() {
    let l = asyncio::get_running_loop();
    let later = l.call_later(FOREVER, || panic!("called"));
    let at = l.call_at(Instant::FAR_FUTURE, || panic!("called"));
    assert!(lasts(pending::<()>()).await);
    assert!(!later.done() && !at.done());
    later.cancel();
    at.cancel();
}

#[asyncio::test(virtual_time)]
async fn timeout() {
    assert_eq!(asyncio::timeout(FOREVER, async |_| asyncio::sleep(YEAR).await).await, Ok(()));
    assert!(lasts(asyncio::timeout(FOREVER, async |_| pending::<()>().await)).await);
    let limit = Timeout::after(FOREVER);
    assert_eq!(limit.when(), Some(Instant::FAR_FUTURE));
    assert_eq!(limit.run(async { limit.reschedule(Instant::FAR_FUTURE) }).await, Ok(()));
}

#[asyncio::test(virtual_time)]
async fn wait_for() {
    assert_eq!(asyncio::wait_for(asyncio::sleep(YEAR), FOREVER).await, Ok(()));
    assert!(lasts(asyncio::wait_for(pending::<()>(), FOREVER)).await);
}

#[asyncio::test(virtual_time)]
async fn wait() {
    let slow = asyncio::create_task(pending::<()>());
    assert!(lasts(asyncio::wait([&slow]).timeout(FOREVER)).await);
    let fast = asyncio::create_task(asyncio::sleep(YEAR));
    let (done, pending) = asyncio::wait([slow, fast]).timeout(FOREVER).return_when(FIRST_COMPLETED).await;
    assert_eq!((done.len(), pending.len()), (1, 1));
}

#[asyncio::test(virtual_time)]
async fn as_completed() {
    let mut results = asyncio::as_completed([asyncio::sleep(YEAR)]).timeout(FOREVER);
    assert_eq!(results.next().await, Some(Ok(())));
    let mut results = asyncio::as_completed([pending::<()>()]).timeout(FOREVER);
    assert!(lasts(results.next()).await);
}

#[asyncio::test(virtual_time)]
async fn the_patience_of_another_thread() {
    let remote = asyncio::get_running_loop().remote();
    let outcome =
        asyncio::to_thread(move || asyncio::run_coroutine_threadsafe(&remote, || async { 7 }).result(Some(FOREVER)));
    assert!(matches!(outcome.await, Ok(7)));
}

#[test]
fn the_real_clock() {
    asyncio::run(async {
        let forever = asyncio::create_task(asyncio::sleep(FOREVER));
        let (done, pending) = asyncio::wait([forever]).timeout(Duration::from_millis(1)).await;
        assert_eq!((done.len(), pending.len()), (0, 1));
    });
}

#[asyncio::test(virtual_time)]
async fn slow_callbacks() {
    let l = asyncio::get_running_loop();
    l.set_debug(true);
    l.set_slow_callback_duration(FOREVER);
    asyncio::yield_now().await;
}
