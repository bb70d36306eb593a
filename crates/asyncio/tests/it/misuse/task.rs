//! A panic in a task, or in what the library calls, takes neither the loop nor another task with it.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use asyncio::{TaskError, get_running_loop};

const SECOND: Duration = Duration::from_secs(1);

/// What the exception handler of the running loop hears, from now on.
fn heard() -> Rc<RefCell<Vec<String>>> {
    let heard = Rc::new(RefCell::new(Vec::new()));
    let hear = heard.clone();
    get_running_loop().set_exception_handler(move |_, fault| hear.borrow_mut().push(fault.to_string()));
    heard
}

#[asyncio::test(virtual_time)]
async fn other_tasks_go_on() {
    let heard = heard();
    let good = asyncio::create_task(async {
        asyncio::sleep(SECOND * 2).await;
        7
    });
    let bad = asyncio::create_task(async {
        asyncio::sleep(SECOND).await;
        panic!("on purpose")
    });
    assert_eq!(good.await, 7);
    let TaskError::Panicked(payload) = bad.join().await.unwrap_err() else { panic!("it panicked") };
    assert_eq!(payload.downcast_ref(), Some(&"on purpose"));
    assert!(heard.borrow().is_empty(), "a panic that was taken is not reported");
}

#[asyncio::test(virtual_time)]
async fn a_panic_that_nobody_takes_is_reported() {
    let heard = heard();
    drop(asyncio::Task::builder().name("careless").spawn(async { panic!("on purpose") }));
    asyncio::sleep(SECOND).await;
    let heard = heard.borrow();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].contains("never retrieved"), "{heard:?}");
    assert!(heard[0].contains("careless") && heard[0].contains("on purpose"), "{heard:?}");
    assert!(heard[0].contains(file!()), "{heard:?}");
}

#[asyncio::test(virtual_time)]
async fn a_panic_goes_on_where_the_task_is_awaited() {
    let inner = asyncio::create_task(async { if true { panic!("on purpose") } else { 1 } });
    let outer = asyncio::create_task(async { 1 + inner.await });
    let error = outer.join().await.unwrap_err();
    assert_eq!(error.panic_message(), Some("on purpose"));
}

#[asyncio::test(virtual_time)]
async fn callbacks_of_every_kind_may_panic() {
    let heard = heard();
    let l = get_running_loop();
    l.call_soon(|| panic!("call_soon"));
    l.call_later(SECOND, || panic!("call_later"));
    asyncio::create_task(async {}).add_done_callback(|_| panic!("task"));
    let future = asyncio::Future::new();
    future.add_done_callback(|_| panic!("future"));
    future.set_result(()).unwrap();
    asyncio::sleep(SECOND * 2).await;
    let heard = heard.borrow();
    for name in ["call_soon", "call_later", "task", "future"] {
        assert!(heard.iter().any(|fault| fault.contains(&format!(": {name}\n"))), "{name} is not in {heard:#?}");
    }
    assert_eq!(heard.len(), 4);
}

#[asyncio::test(virtual_time)]
async fn an_exception_handler_may_panic() {
    get_running_loop().set_exception_handler(|_, _| panic!("the handler"));
    get_running_loop().call_soon(|| panic!("the callback"));
    asyncio::sleep(SECOND).await;
}

#[asyncio::test(virtual_time)]
async fn a_destructor_may_panic() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("a destructor");
        }
    }

    let heard = heard();
    let good = asyncio::create_task(asyncio::sleep(SECOND * 2));
    // The frame of a cancelled task is dropped, a value that nobody takes is dropped.
    let frame = asyncio::create_task(async {
        let _bomb = Bomb;
        asyncio::sleep(SECOND * 10).await;
    });
    let value = asyncio::create_task(async { Bomb });
    asyncio::sleep(SECOND).await;
    frame.cancel();
    let outcome = frame.join().await;
    assert!(matches!(outcome, Err(TaskError::Panicked(_))), "{outcome:?}");
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(value)));
    assert!(dropped.is_err() || !heard.borrow().is_empty(), "the panic was lost");
    good.await;
}

#[asyncio::test(virtual_time)]
async fn a_child_of_a_group_takes_its_siblings_down_in_order_and_nothing_else() {
    let bystander = asyncio::create_task(asyncio::sleep(SECOND * 5));
    let cleaned = Rc::new(std::cell::Cell::new(false));
    let clean = cleaned.clone();
    let group = asyncio::create_task(asyncio::task_group(async |group| {
        group.create_task(asyncio::with_cleanup(std::future::pending::<()>(), || async move {
            asyncio::sleep(SECOND).await;
            clean.set(true);
        }));
        group.create_task(async {
            asyncio::sleep(SECOND).await;
            panic!("on purpose");
        });
    }));
    let Err(error) = group.join().await else { panic!("the group fails") };
    assert_eq!(error.panic_message(), Some("on purpose"));
    assert!(cleaned.get(), "siblings are waited for");
    bystander.await;
}

#[test]
fn a_panic_of_main_goes_on_after_the_cleanup_of_the_others() {
    let cleaned = Rc::new(std::cell::Cell::new(false));
    let clean = cleaned.clone();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        asyncio::run(async {
            asyncio::create_task(asyncio::with_cleanup(std::future::pending::<()>(), || async move {
                asyncio::yield_now().await;
                clean.set(true);
            }));
            asyncio::yield_now().await;
            panic!("on purpose");
        });
    }));
    assert_eq!(result.unwrap_err().downcast_ref(), Some(&"on purpose"));
    assert!(cleaned.get());
}
