//! The primitives in tasks of this library, whose cancellations and limits reach them.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use asyncio::{BoundedSemaphore, Condition, Lock, Semaphore, catch_cancelled, create_task, sleep, wait_for, yield_now};

const SECOND: Duration = Duration::from_secs(1);

/// A task that waits at the condition, and gives the message of the cancellation that it got there.
fn waiter(condition: &Rc<Condition<()>>) -> asyncio::Task<Option<String>> {
    let condition = condition.clone();
    create_task(async move {
        let guard = condition.acquire().await;
        let error = catch_cancelled(condition.wait(guard)).await.map(drop).unwrap_err();
        error.message().map(str::to_owned)
    })
}

#[asyncio::test(virtual_time)]
async fn a_cancelled_wait_at_a_condition_gives_the_reason() {
    let condition = Rc::new(Condition::new(()));
    let task = waiter(&condition);
    yield_now().await;
    task.cancel_with("enough");
    assert_eq!(task.await.as_deref(), Some("enough"));
    assert!(!condition.locked());
}

#[asyncio::test(virtual_time)]
async fn so_does_one_that_is_cancelled_while_it_waits_for_the_lock_again() {
    let condition = Rc::new(Condition::new(()));
    let task = waiter(&condition);
    yield_now().await;
    let guard = condition.acquire().await;
    condition.notify(&guard, 1);
    sleep(SECOND).await;
    assert!(!task.done(), "it was notified, and the lock is held");
    task.cancel_with("too late");
    assert_eq!(task.await.as_deref(), Some("too late"));
    assert!(condition.locked());
    drop(guard);
    assert!(!condition.locked());
}

#[asyncio::test(virtual_time)]
async fn a_limit_on_a_wait_leaves_the_lock_to_be_had() {
    let condition = Condition::new(());
    let guard = condition.acquire().await;
    assert!(wait_for(condition.wait(guard), SECOND).await.is_err());
    assert!(!condition.locked());
    let guard = condition.acquire().await;
    assert!(condition.locked());
    drop(guard);
    assert!(!condition.locked());
}

#[asyncio::test(virtual_time)]
async fn what_is_acquired_is_released_at_the_end_of_its_block() {
    let (lock, condition) = (Lock::new(()), Condition::new(()));
    let (semaphore, bounded) = (Semaphore::new(1), BoundedSemaphore::new(1));
    let locked = || [lock.locked(), condition.locked(), semaphore.locked(), bounded.locked()];
    for ended_by_panic in [false, true] {
        let block = async {
            let _all =
                (lock.acquire().await, condition.acquire().await, semaphore.acquire().await, bounded.acquire().await);
            yield_now().await;
            assert_eq!(locked(), [true; 4]);
            assert!(!ended_by_panic, "out of the block");
        };
        let ended = futures_util::FutureExt::catch_unwind(std::panic::AssertUnwindSafe(block)).await;
        assert_eq!((ended.is_err(), locked()), (ended_by_panic, [false; 4]));
    }
    let task = catch_cancelled(async {
        let _guard = lock.acquire().await;
        asyncio::current_task().unwrap().cancel();
        yield_now().await;
    });
    assert!(task.await.is_err());
    assert_eq!(locked(), [false; 4]);
}

/// One after the other, each a second, however they queue.
#[asyncio::test(virtual_time)]
async fn a_lock_is_had_by_one_at_a_time() {
    let (lock, log) = (Rc::new(Lock::new(())), Rc::new(RefCell::new(Vec::new())));
    let tasks: Vec<_> = ["a", "b", "c"]
        .into_iter()
        .map(|name| {
            let (lock, log) = (lock.clone(), log.clone());
            create_task(async move {
                let _guard = lock.acquire().await;
                sleep(SECOND).await;
                log.borrow_mut().push((name, asyncio::get_running_loop().time().as_secs_f64()));
            })
        })
        .collect();
    asyncio::gather(tasks).await;
    assert_eq!(*log.borrow(), [("a", 1.0), ("b", 2.0), ("c", 3.0)]);
}
