//! Wakers whose clone is code of others, and ends what it is about to wait for: nobody would be woken any more.

#[path = "../../../asyncio-executor/tests/it/clones/waker.rs"]
mod waker;

use std::future::Future as _;
use std::pin::pin;
use std::task::{Context, Poll};

use asyncio_combinators::{as_completed, gather, shield, try_gather, wait};
use asyncio_executor::{Executor, Future};

/// Polls `future` once, with a waker that runs `hook` when it is cloned.
fn poll_with<F: IntoFuture>(future: F, hook: impl FnOnce() + 'static) -> Poll<F::Output> {
    let waker = waker::waker(hook);
    pin!(future.into_future()).poll(&mut Context::from_waker(&waker))
}

#[test]
fn a_gather_whose_last_child_ends_while_its_awaiter_is_registered_is_over() {
    let (first, second) = (Future::new(), Future::new());
    let all = gather((first.clone(), second.clone()));
    first.set_result(1).unwrap();
    assert_eq!(poll_with(all, move || second.set_result(2).unwrap()), Poll::Ready((1, 2)));
}

#[test]
fn what_is_shielded_may_end_while_its_awaiter_is_registered() {
    let future = Future::new();
    let shielded = shield(future.clone());
    assert_eq!(poll_with(shielded, move || future.set_result(1).unwrap()), Poll::Ready(1));
}

#[test]
fn a_try_gather_whose_last_child_ends_while_its_awaiter_is_registered_is_over() {
    let executor = Executor::new(|| {});
    let all = {
        let _entered = executor.enter();
        try_gather([async { Ok::<_, ()>(1) }])
    };
    let run = move || {
        // The task ends in the first turn, and the gather hears of it in the second.
        for _ in 0..2 {
            let _entered = executor.enter();
            executor.run_ready(executor.collect_ready());
        }
    };
    assert_eq!(poll_with(all, run), Poll::Ready(Ok([1])));
}

#[test]
fn what_is_waited_for_may_end_while_the_waiter_is_registered() {
    let future = Future::new();
    let inside = future.clone();
    let (done, pending) = match poll_with(wait([future]), move || inside.set_result(1).unwrap()) {
        Poll::Ready(sets) => sets,
        Poll::Pending => panic!("nobody would wake it"),
    };
    assert_eq!((done.len(), pending.len()), (1, 0));
}

#[test]
fn the_next_one_may_end_while_the_awaiter_is_registered() {
    let future = Future::new();
    let mut results = as_completed([future.clone()]);
    assert_eq!(poll_with(results.next(), move || future.set_result(1).unwrap()), Poll::Ready(Some(1)));
}
