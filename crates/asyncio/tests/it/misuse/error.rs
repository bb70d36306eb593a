//! Misuse that is an error of a type of its own, whose text says what to do.

use std::cmp::Ordering;
use std::time::Duration;

use asyncio::{
    Barrier, BoundedSemaphore, Event, InvalidStateError, LoopClosed, Queue, ReleaseError, RemoteError, Runner,
    TaskDoneError, TaskError, ZeroPartiesError,
};

#[asyncio::test(virtual_time)]
async fn the_result_of_what_is_not_done() {
    let task = asyncio::create_task(async { 7 });
    let error: TaskError = task.result().unwrap_err();
    assert_eq!(error.to_string(), "the result is not ready: await it, or ask `done()` first");
    let error = asyncio::Future::<u32>::new().result().unwrap_err();
    assert_eq!(error.to_string(), "the result is not ready: await it, or ask `done()` first");
}

#[asyncio::test(virtual_time)]
async fn a_result_that_is_taken_twice() {
    let mut task = asyncio::create_task(async { 7 });
    asyncio::yield_now().await;
    assert!(matches!(task.try_result(), Some(Ok(7))));
    assert!(task.try_result().is_none());
    assert_eq!(task.result().unwrap_err().to_string(), "the result has already been taken");
}

#[asyncio::test(virtual_time)]
async fn a_second_result() {
    let future = asyncio::Future::new();
    future.set_result(1).unwrap();
    let error: InvalidStateError = future.set_result(2).unwrap_err();
    assert!(error.to_string().ends_with("ask `done()` first"), "{error}");
    assert_eq!(future.await, 1);

    let future = asyncio::Future::new();
    future.cancel();
    assert!(future.set_result(1).is_err());
}

#[asyncio::test(virtual_time)]
async fn a_semaphore_released_too_often() {
    let semaphore = BoundedSemaphore::new(1);
    let error: ReleaseError = semaphore.release().unwrap_err();
    assert_eq!(error.to_string(), "cannot release a bounded semaphore whose value is 1 and bound is 1");
    assert_eq!(semaphore.value(), 1);
}

#[asyncio::test(virtual_time)]
async fn a_task_of_a_queue_done_too_often() {
    let queue = Queue::new(0);
    queue.put(1).await.unwrap();
    queue.task_done().unwrap();
    let error: TaskDoneError = queue.task_done().unwrap_err();
    assert!(error.to_string().ends_with("it was called more often than items were put"), "{error}");
}

#[test]
fn a_barrier_for_nobody() {
    let error: ZeroPartiesError = Barrier::try_new(0).unwrap_err();
    assert_eq!(error.to_string(), "cannot make a barrier of 0 parties: at least 1 is needed");
}

#[test]
fn a_loop_that_is_closed_under_another_thread() {
    let remote = asyncio::run(async { asyncio::get_running_loop().remote() });
    assert!(remote.is_closed());
    let error: LoopClosed = remote.call_soon_threadsafe(|| ()).unwrap_err();
    assert_eq!(error.to_string(), "the event loop is closed: nothing can be scheduled on it any more");
    let outcome = asyncio::run_coroutine_threadsafe(&remote, || async {}).result(None);
    assert!(matches!(outcome, Err(RemoteError::Closed(_))), "{outcome:?}");
}

#[test]
fn a_program_that_can_only_wait() {
    let mut runner = Runner::builder().virtual_time(true).build().unwrap();
    let error = runner
        .run(async {
            let task = asyncio::Task::builder().name("listener").spawn(async { Event::new().wait().await });
            task.await;
        })
        .unwrap_err();
    let message = error.to_string();
    assert!(message.starts_with("nothing can wake the event loop again: 2 tasks are waiting"), "{message}");
    assert!(message.contains("name=\"listener\"") && message.contains("Event.wait at"), "{message}");
    assert!(message.contains(file!()), "{message}");
}

/// The storage of a queue is in use while it compares its items.
#[test]
fn a_queue_that_is_used_by_the_order_of_its_items() {
    use std::rc::{Rc, Weak};

    use asyncio::PriorityQueue;

    struct Item(Weak<PriorityQueue<Item>>);

    impl Ord for Item {
        fn cmp(&self, _: &Self) -> Ordering {
            if let Some(queue) = self.0.upgrade() {
                let _ = queue.put_nowait(Item(Weak::new()));
            }
            Ordering::Equal
        }
    }

    impl PartialOrd for Item {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl PartialEq for Item {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other) == Ordering::Equal
        }
    }

    impl Eq for Item {}

    let queue = Rc::new(PriorityQueue::new(0));
    let put = || queue.put_nowait(Item(Rc::downgrade(&queue))).is_ok();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| put() && put()));
    let message = *result.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("a queue was used by its own storage"), "{message}");
}

#[asyncio::test(virtual_time)]
async fn a_timeout_names_its_place() {
    let error = asyncio::wait_for(std::future::pending::<()>(), Duration::from_secs(1)).await.unwrap_err();
    let line = line!() - 1;
    assert_eq!(error.to_string(), format!("the time set at {}:{line}:17 was up", file!()));
    assert_eq!(error.location().line(), line);
}
