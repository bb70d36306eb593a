#![expect(unsafe_code, reason = "only a table of functions can say what the clone of a waker does")]
//! Wakers whose clone is code of others: it may end what it is about to wait for, or panic.

use std::cell::RefCell;
use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::ptr;
use std::rc::Rc;
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

use asyncio_executor::{Executor, Future};

use crate::trace::run;

type Hook = Option<Box<dyn FnOnce()>>;

thread_local!(static HOOK: RefCell<Hook> = const { RefCell::new(None) });

fn clone(_: *const ()) -> RawWaker {
    if let Some(hook) = HOOK.take() {
        hook();
    }
    RawWaker::new(ptr::null(), &TABLE)
}

fn nothing(_: *const ()) {}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, nothing);

/// A waker that runs `hook` when it is cloned next.
fn waker(hook: impl FnOnce() + 'static) -> Waker {
    HOOK.set(Some(Box::new(hook)));
    // SAFETY: there is no data, and the functions keep the contract: none does anything that is not safe anywhere.
    unsafe { Waker::new(ptr::null(), &TABLE) }
}

#[test]
fn a_task_that_ends_while_its_awaiter_is_registered_is_not_waited_for() {
    let executor = Rc::new(Executor::new(|| {}));
    let mut task = pin!(executor.spawn(async { 1 }));
    let inside = executor.clone();
    let waker = waker(move || assert_eq!(run(&inside), 1));
    assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    let mut shared = pin!(executor.spawn(async { 1 }).shared());
    let inside = executor.clone();
    let waker = self::waker(move || assert_eq!(run(&inside), 1));
    assert!(shared.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
}

#[test]
fn a_future_that_is_completed_while_its_awaiter_is_registered_is_not_waited_for() {
    let future = Future::<u32>::new();
    let inside = future.clone();
    let waker = waker(move || inside.set_result(1).unwrap());
    assert!(pin!(future).poll(&mut Context::from_waker(&waker)).is_ready());
}

#[test]
fn a_clone_that_panics_registers_nothing_and_the_next_poll_works() {
    let executor = Executor::new(|| {});
    let mut task = pin!(executor.spawn(async { 1 }));
    let waker = waker(|| panic!("no clone"));
    let mut cx = Context::from_waker(&waker);
    assert!(catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(&mut cx).is_ready())).is_err());
    assert!(task.as_mut().poll(&mut cx).is_pending());
    run(&executor);
    assert!(task.as_mut().poll(&mut cx).is_ready());
}
