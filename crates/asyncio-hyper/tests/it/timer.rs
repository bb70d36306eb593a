//! The timer and the executor, on virtual time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use asyncio_hyper::{AsyncioExecutor, AsyncioTimer};
use hyper::rt::{Executor, Timer};

const SECOND: Duration = Duration::from_secs(1);

#[asyncio::test(virtual_time)]
async fn sleeps_are_exact_on_the_loops_clock() {
    let this_loop = asyncio::get_running_loop();
    asyncio::sleep(SECOND).await;
    let timer = AsyncioTimer::new();
    let (begin, now) = (this_loop.time(), timer.now());
    timer.sleep(SECOND * 5).await;
    assert_eq!((this_loop.time() - begin, timer.now() - now), (SECOND * 5, SECOND * 5));
    timer.sleep_until(now + SECOND * 7).await;
    assert_eq!((this_loop.time() - begin, timer.now() - now), (SECOND * 7, SECOND * 7));
    timer.sleep_until(now).await; // has passed
    assert_eq!(timer.now() - now, SECOND * 7);
}

#[asyncio::test(virtual_time)]
async fn a_sleep_that_is_reset_ends_at_the_new_deadline_only() {
    let timer = AsyncioTimer::new();
    let begin = timer.now();
    let mut sleep = timer.sleep(SECOND);
    assert!(asyncio::wait_for(sleep.as_mut(), SECOND / 2).await.is_err());
    timer.reset(&mut sleep, begin + SECOND * 3);
    sleep.as_mut().await;
    assert_eq!(timer.now() - begin, SECOND * 3);
    // Also one that is over.
    timer.reset(&mut sleep, begin + SECOND * 4);
    sleep.await;
    assert_eq!(timer.now() - begin, SECOND * 4);
}

/// A timer of somebody else's is not known here, and is replaced.
#[asyncio::test(virtual_time)]
async fn a_foreign_sleep_is_reset_by_replacing_it() {
    struct Never;
    impl Future for Never {
        type Output = ();
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<()> {
            std::task::Poll::Pending
        }
    }
    impl hyper::rt::Sleep for Never {}

    let timer = AsyncioTimer::new();
    let begin = timer.now();
    let mut sleep: std::pin::Pin<Box<dyn hyper::rt::Sleep>> = Box::pin(Never);
    timer.reset(&mut sleep, begin + SECOND);
    sleep.await;
    assert_eq!(timer.now() - begin, SECOND);
}

#[asyncio::test(virtual_time)]
async fn what_is_executed_runs_as_a_task_in_the_order_of_the_calls() {
    let log = Rc::new(RefCell::new(Vec::new()));
    for number in 0..3 {
        let log = log.clone();
        AsyncioExecutor.execute(async move {
            let task = asyncio::current_task().expect("it is a task");
            assert!(!task.name().is_empty());
            log.borrow_mut().push(number);
        });
    }
    assert!(log.borrow().is_empty(), "nothing runs before the next turn");
    asyncio::yield_now().await;
    assert_eq!(*log.borrow(), [0, 1, 2]);
}
