//! Tasks and futures.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use asyncio::{Context, InvalidStateError, Task, TaskError, TaskHandle};

const SECOND: Duration = Duration::from_secs(1);

#[asyncio::test(virtual_time)]
async fn a_task_is_awaited_for_its_value() {
    let t: Task<u32> = asyncio::create_task(async { 7 });
    let value = t.await;
    assert_eq!(value, 7);
}

#[asyncio::test(virtual_time)]
async fn a_builder_names_a_task_gives_it_a_context_and_starts_it_eagerly() {
    let ctx = asyncio::copy_context();
    let fut = async { asyncio::current_task().unwrap().name() };
    let t = asyncio::Task::builder().name("fetch").eager_start(true).context(ctx).spawn(fut);
    assert!(t.done());
    assert_eq!(t.await, "fetch");
}

#[asyncio::test(virtual_time)]
async fn join_gives_the_outcome() {
    let t = asyncio::create_task(async { 7 });
    let outcome: Result<u32, TaskError> = t.join().await;
    assert!(matches!(outcome, Ok(7)));

    let t = asyncio::create_task(asyncio::sleep(SECOND));
    t.cancel_with("reason");
    match t.join().await {
        Err(TaskError::Cancelled(cancelled)) => assert_eq!(cancelled.message(), Some("reason")),
        other => panic!("not {other:?}"),
    }

    let t = asyncio::create_task(async { panic!("on purpose") });
    match t.join().await {
        Err(TaskError::Panicked(payload)) => assert_eq!(payload.downcast_ref(), Some(&"on purpose")),
        other => panic!("not {other:?}"),
    }
}

#[asyncio::test(virtual_time)]
async fn a_task_can_be_cancelled_and_asked() {
    let t = asyncio::create_task(asyncio::sleep(SECOND));
    asyncio::yield_now().await;
    assert!(t.cancel());
    assert!(t.cancel_with("reason"));
    assert_eq!(t.cancelling(), 2);
    assert_eq!(t.uncancel(), 1);
    assert!(!t.done());
    assert!(!t.cancelled());
    asyncio::yield_now().await;
    assert!(t.done());
    assert!(t.cancelled());
    assert!(!t.cancel());
}

#[asyncio::test(virtual_time)]
async fn the_result_of_a_task_that_is_done_is_taken_by_value() {
    let mut t = asyncio::create_task(async { 7 });
    assert!(t.try_result().is_none());
    asyncio::yield_now().await;
    let outcome: Option<Result<u32, TaskError>> = t.try_result();
    assert!(matches!(outcome, Some(Ok(7))));
    assert!(matches!(t.result(), Err(TaskError::InvalidState(_))));

    let t = asyncio::create_task(async { 7 });
    assert!(matches!(t.result(), Err(TaskError::InvalidState(_))));
    let t = asyncio::create_task(async { 7 });
    asyncio::yield_now().await;
    let outcome: Result<u32, TaskError> = t.result();
    assert!(matches!(outcome, Ok(7)));
}

#[asyncio::test(virtual_time)]
async fn a_task_has_a_name_a_number_and_callbacks() {
    let t = asyncio::create_task(async {});
    let other = asyncio::create_task(async {});
    assert!(t.name().starts_with("Task-"));
    t.set_name("x");
    assert_eq!(t.name(), "x");
    assert_ne!(t.id(), other.id());

    let log = Rc::new(RefCell::new(Vec::new()));
    let seen = log.clone();
    let id: asyncio::CallbackId = t.add_done_callback(|t: &TaskHandle| panic!("{t:?} calls a removed callback"));
    t.add_done_callback(move |t: &TaskHandle| seen.borrow_mut().push(t.name()));
    assert!(t.remove_done_callback(id));
    assert!(!t.remove_done_callback(id));
    asyncio::sleep(SECOND).await;
    assert_eq!(*log.borrow(), ["x"]);
}

#[asyncio::test(virtual_time)]
async fn a_handle_is_untyped_and_cheap_to_clone() {
    let t = asyncio::create_task(asyncio::sleep(SECOND));
    let handle: TaskHandle = t.handle();
    let clone = handle.clone();
    assert_eq!(handle, clone);
    handle.cancel();
    handle.cancel_with("reason");
    assert_eq!(handle.cancelling(), 2);
    assert_eq!(handle.uncancel(), 1);
    assert!(!handle.cancelled());
    assert!(!handle.done());
    assert_eq!(handle.name(), t.name());
    assert_eq!(handle.id(), t.id());
    assert_eq!(handle.location().file(), file!());
}

#[asyncio::test(virtual_time)]
async fn a_shared_task_is_awaited_by_many() {
    let t = asyncio::create_task(async { String::from("value") });
    let shared: asyncio::SharedTask<String> = t.shared();
    assert_eq!(shared.clone().await, "value");
    assert_eq!(shared.await, "value");
}

#[asyncio::test(virtual_time)]
async fn the_tasks_of_the_loop_can_be_listed() {
    let current: Option<TaskHandle> = asyncio::current_task();
    let t = asyncio::create_task(async {});
    let all: Vec<TaskHandle> = asyncio::all_tasks();
    assert_eq!(all, [current.unwrap(), t.handle()]);
}

#[asyncio::test(virtual_time)]
async fn ensure_future_gives_a_task_back() {
    let t = asyncio::create_task(async { 7 });
    let id = t.id();
    let t: Task<u32> = asyncio::ensure_future(t);
    assert_eq!(t.id(), id);
    let t: Task<u32> = asyncio::ensure_future(async { 7 });
    assert_eq!(t.await, 7);
}

#[asyncio::test(virtual_time)]
async fn a_future_is_a_promise() -> Result<(), InvalidStateError> {
    let fut: asyncio::Future<u32> = asyncio::Future::new();
    let called = asyncio::Future::new();
    let call = called.clone();
    fut.add_done_callback(move |fut| call.set_result(fut.done()).unwrap());
    let setter = fut.clone();
    asyncio::get_running_loop().call_later(SECOND, move || setter.set_result(7).unwrap());
    assert!(!fut.done());
    assert!(matches!(fut.result(), Err(TaskError::InvalidState(_))));
    assert_eq!(fut.clone().await, 7);
    assert!(fut.done());
    assert!(matches!(fut.result(), Ok(7)));
    assert!(called.await);
    assert!(!fut.cancel());

    let v = 7;
    let fut = asyncio::Future::new();
    fut.set_result(v)?;
    let _: InvalidStateError = fut.set_result(v).unwrap_err();

    let fut: asyncio::Future<u32> = asyncio::Future::new();
    assert!(fut.cancel());
    assert!(fut.cancelled());
    assert!(matches!(fut.result(), Err(TaskError::Cancelled(_))));
    Ok(())
}

#[test]
fn a_new_context_is_empty() {
    asyncio::context_var! { static NUMBER: u32 = 1; }
    asyncio::run(async {
        let _token = NUMBER.set(2);
        let seen = Task::builder().context(Context::new()).spawn(async { NUMBER.get() }).await;
        assert_eq!((seen, NUMBER.get()), (1, 2));
    });
}
