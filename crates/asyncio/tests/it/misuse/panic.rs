//! Misuse that panics: the message names the remedy.

use std::cell::RefCell;
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use asyncio::{Barrier, Runner, Task};

/// The message of the panic that `f` ends with.
#[track_caller]
fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("this did not panic"),
        Err(payload) => match payload.downcast::<String>() {
            Ok(message) => *message,
            Err(payload) => (*payload.downcast::<&str>().unwrap()).to_owned(),
        },
    }
}

#[track_caller]
fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

#[test]
fn a_task_that_awaits_itself() {
    let message = panic_of(|| {
        asyncio::run(async {
            let own: Rc<RefCell<Option<Task<()>>>> = Rc::default();
            let given = own.clone();
            let task = asyncio::create_task(async move {
                let task = given.take().unwrap();
                task.await;
            });
            let handle = task.handle();
            handle.set_name("ouroboros");
            *own.borrow_mut() = Some(task);
            let done = asyncio::Future::new();
            let tell = done.clone();
            handle.add_done_callback(move |task| tell.set_result(task.panic_text()).unwrap());
            panic!("{}", done.await.unwrap());
        })
    });
    assert_says(&message, &["ouroboros", "awaits itself", "await another task, or return"]);
}

#[test]
fn a_task_of_another_loop() {
    let runner = Runner::new().unwrap();
    let foreign = runner.get_loop().create_task(pending::<()>());
    let message = panic_of(|| asyncio::run(foreign));
    assert_says(&message, &["belongs to another event loop", "await it in a task of the loop that made it"]);
}

#[test]
fn a_run_inside_a_run() {
    let message = panic_of(|| asyncio::run(async { asyncio::run(async {}) }));
    assert_says(&message, &["`run` was called from inside a running event loop", "`await` the future there"]);
    let mut runner = Runner::new().unwrap();
    let message = panic_of(|| asyncio::run(async { runner.run(async {}) }));
    assert_says(&message, &["`run` was called from inside a running event loop", "`await` the future there"]);
}

#[test]
fn a_runner_that_is_closed() {
    let mut runner = Runner::new().unwrap();
    runner.close();
    assert_says(&panic_of(|| runner.run(async {})), &["the runner is closed", "make another one"]);
    let l = runner.get_loop();
    assert_says(&panic_of(|| l.create_task(async {})), &["the event loop is closed", "no task"]);
    assert_says(&panic_of(|| l.call_soon(|| ())), &["the event loop is closed", "no callback"]);
    assert_says(&panic_of(|| l.call_later(Duration::ZERO, || ())), &["the event loop is closed", "no callback"]);
}

#[test]
fn a_main_task_that_is_cancelled() {
    let message = panic_of(|| {
        asyncio::run(async {
            asyncio::current_task().unwrap().cancel_with("by itself");
            pending::<()>().await;
        });
    });
    assert_says(&message, &["the main task, \"Task-1\", was cancelled at", "by itself"]);
}

#[test]
fn what_needs_a_loop_without_one() {
    let inside = "from inside `asyncio::run`";
    assert_says(&panic_of(|| asyncio::get_running_loop()), &["no running event loop", inside]);
    assert_says(&panic_of(|| asyncio::create_task(async {})), &["no running event loop", "`create_task`", inside]);
    assert_says(&panic_of(|| asyncio::gather([async {}])), &["no running event loop", inside]);
    assert_says(&panic_of(|| asyncio::to_thread(|| ())), &["no running event loop", inside]);
    let sleep = asyncio::sleep(Duration::from_secs(1));
    let mut sleep = std::pin::pin!(sleep);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let message = panic_of(|| sleep.as_mut().poll(&mut cx));
    assert_says(&message, &["no running event loop", "`sleep`", inside]);
    assert!(asyncio::current_task().is_none());
    assert!(asyncio::try_get_running_loop().is_none());
}

#[test]
fn an_outcome_that_was_taken_before() {
    let message = panic_of(|| {
        asyncio::run(async {
            let mut task = asyncio::create_task(async { 7 });
            assert_eq!((&mut task).await, 7);
            task.await
        })
    });
    assert_says(&message, &["was taken before", "await a task once, or use `shared()`"]);
}

#[test]
fn a_wait_for_nothing() {
    let message = panic_of(|| asyncio::wait(Vec::<Task<()>>::new()));
    assert_says(&message, &["`wait` was given no tasks", "give it at least one"]);
    let message = panic_of(|| asyncio::try_wait(Vec::<Task<Result<(), ()>>>::new()));
    assert_says(&message, &["was given no tasks", "give it at least one"]);
}

#[test]
fn a_barrier_for_nobody() {
    assert_says(&panic_of(|| Barrier::new(0)), &["zero parties", "at least one"]);
}

#[test]
fn a_semaphore_released_beyond_the_largest_number() {
    let semaphore = asyncio::Semaphore::new(usize::MAX);
    assert_says(&panic_of(|| semaphore.release()), &["would overflow", "release only what was acquired"]);
}

#[test]
fn a_pool_of_no_threads() {
    assert_says(&panic_of(|| asyncio::ThreadPool::new(0)), &["0 threads", "at least 1"]);
}

#[test]
fn a_deadline_that_is_moved_too_late_or_used_twice() {
    asyncio::run(async {
        let limit = asyncio::Timeout::after(None);
        assert_says(&panic_of(|| limit.reschedule(None)), &["cannot be moved", "not in use yet", "from inside"]);
        limit.run(async {}).await.unwrap();
        assert_says(&panic_of(|| limit.reschedule(None)), &["cannot be moved", "over", "from inside"]);
    });
    let message = panic_of(|| {
        asyncio::run(async {
            let limit = asyncio::Timeout::after(None);
            limit.run(async {}).await.unwrap();
            limit.run(async {}).await.unwrap();
        });
    });
    assert_says(&message, &["can be used once", "make another one"]);
}

#[test]
fn a_condition_notified_under_another_lock() {
    asyncio::run(async {
        let (one, other) = (asyncio::Condition::new(1), asyncio::Condition::new(2));
        let guard = one.acquire().await;
        let message = panic_of(|| other.notify(&guard, 1));
        assert_says(
            &message,
            &["Condition::notify", "the guard is of another lock", "acquire the lock of this condition"],
        );
    });
}

#[test]
fn a_generator_that_yields_while_it_is_closed() {
    let message = panic_of(|| {
        asyncio::run(async {
            let mut numbers = asyncio::async_generator(async |y| {
                let _ = asyncio::catch_cancelled(y.emit(1)).await;
                y.emit(2).await;
            });
            numbers.next().await;
            numbers.aclose().await;
        });
    });
    assert_says(&message, &["although it was being closed", "let its body end"]);
}

#[test]
fn a_wait_for_a_coroutine_on_its_own_thread() {
    let message = panic_of(|| {
        asyncio::run(async {
            let remote = asyncio::get_running_loop().remote();
            let _ = asyncio::run_coroutine_threadsafe(&remote, || async {}).result(None);
        });
    });
    assert_says(&message, &["on the loop's own thread", "make a task and `await` it"]);
}
