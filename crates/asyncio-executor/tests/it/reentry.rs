//! Code of others that ends things while the executor is in the middle of something with them: nothing is used after that.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::AtomicPtr;
use std::sync::{Arc, Mutex};

use asyncio_executor::{Executor, Task, context_var, create_task};

use crate::trace::{faults, run};

thread_local! {
    static HELD: RefCell<Option<Task<()>>> = const { RefCell::new(None) };
    static OWNED: RefCell<Option<Executor>> = const { RefCell::new(None) };
}

/// Keeps what can never be freed where a checker of leaks finds it.
fn keep<T>(value: T) {
    static KEPT: Mutex<Vec<AtomicPtr<()>>> = Mutex::new(Vec::new());
    KEPT.lock().unwrap().push(AtomicPtr::new(Box::into_raw(Box::new(value)).cast()));
}

/// Drops the task that is held when it is dropped.
struct LetsGo;

impl Drop for LetsGo {
    fn drop(&mut self) {
        HELD.take();
    }
}

context_var! {
    static VALUE: Option<Arc<LetsGo>> = None;
}

#[test]
fn a_value_in_the_context_of_a_task_may_drop_the_task_while_the_executor_closes() {
    let executor = Executor::new(|| {});
    let faults = faults(&executor);
    let task = executor.spawn(async {
        let _ = VALUE.set(Some(Arc::new(LetsGo)));
        panic!("kept with its context");
    });
    run(&executor);
    HELD.set(Some(task));
    executor.close();
    assert!(HELD.take().is_none());
    assert_eq!(faults.take(), ["task exception was never retrieved: kept with its context"]);
}

/// Counts when it is dropped, in what it borrows.
struct Borrows<'a>(&'a Cell<u32>);

impl Drop for Borrows<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn an_output_that_borrows_is_dropped_with_its_task_whoever_is_still_to_be_told() {
    let executor = Executor::new(|| {});
    for watched in [false, true] {
        let drops = Box::new(Cell::new(0));
        let told = Rc::new(Cell::new(false));
        let (task, ()) = executor.scope(Task::builder(), async { Borrows(&drops) }, |handle| {
            if watched {
                let told = told.clone();
                handle.add_done_callback(move |_| told.set(true));
            }
            executor.turn();
        });
        assert!(task.done() && !told.get());
        drop(task);
        assert_eq!(drops.get(), 1, "what it borrows may go now");
        drop(drops);
        run(&executor);
        assert_eq!(told.get(), watched);
    }
}

#[test]
fn an_output_that_borrows_is_dropped_before_a_panic_leaves_the_scope() {
    let executor = Executor::new(|| {});
    let drops = Box::new(Cell::new(0));
    let left = catch_unwind(AssertUnwindSafe(|| {
        executor.scope(Task::builder(), async { Borrows(&drops) }, |handle| {
            handle.add_done_callback(|_| {});
            executor.turn();
            panic!("who drives it gives up");
        })
    }));
    assert!(left.is_err());
    assert_eq!(drops.get(), 1, "what it borrows may go now");
    drop(drops);
    run(&executor);
}

#[test]
fn a_task_factory_may_end_its_executor() {
    let executor = Executor::new(|| {});
    executor.set_task_factory(Some(Rc::new(|builder| {
        OWNED.take();
        builder
    })));
    // A guard that is dropped would not let the executor go.
    std::mem::forget(executor.enter());
    OWNED.set(Some(executor));
    let made = catch_unwind(|| drop(create_task(async {})));
    let payload = made.unwrap_err();
    let text = payload.downcast_ref::<&str>().copied().unwrap_or_default();
    assert!(text.contains("the event loop is closed"), "{text}");
}

#[test]
fn an_executor_that_is_dropped_by_its_own_task_is_not_freed_with_tasks_in_it() {
    let other = Executor::new(|| {});
    let outer = other.enter();
    let executor = Executor::new(|| {});
    let task = executor.spawn(std::future::pending::<()>());
    keep(executor.enter());
    OWNED.set(Some(executor));
    let builder = Task::builder().eager_start(true);
    let ended = builder.spawn(async { drop(OWNED.take()) });
    assert!(ended.panicked(), "it cannot be closed from there");
    // This takes the other one out of its place, and with it the last reference but for what was lost in the drop.
    drop(outer);
    task.set_name("still there");
    assert!(!task.done());
    drop(ended.handle().steal_panic());
    keep(task);
}
