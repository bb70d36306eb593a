//! Wakers whose clone is code of others: it may end what it is about to wait for, or panic.

mod waker;

use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::Context;

use asyncio_executor::{Executor, Future};

use crate::trace::run;
use waker::waker;

#[test]
fn a_task_that_ends_while_its_awaiter_is_registered_is_not_waited_for() {
    let executor = Rc::new(Executor::new(|| {}));
    let mut task = pin!(executor.spawn(async { 1 }));
    let inside = executor.clone();
    let waker = waker(move || assert_eq!(run(&inside), 1));
    assert!(task.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
    let mut shared = pin!(executor.spawn(async { 1 }).shared());
    let inside = executor.clone();
    let waker = waker::waker(move || assert_eq!(run(&inside), 1));
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
