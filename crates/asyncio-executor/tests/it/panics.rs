//! Panics of futures, destructors, callbacks, wakers and reporters: the loop and the other tasks go on.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use asyncio_executor::{
    ContextVar, Executor, Future as Promise, Scope, Task, call_soon, catch_cancelled, context_var, create_task,
    with_cleanup, yield_now,
};

use crate::trace::{CountWakes, Leader, Log, Next, OnDrop, faults, run};

/// Panics when it is dropped.
struct Boom(&'static str);

impl Drop for Boom {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

/// Panics when it wakes.
struct BadWaker;

impl Wake for BadWaker {
    fn wake(self: Arc<Self>) {
        panic!("waker");
    }
}

/// Polls `future` once with a waker of the test's.
fn poll_with<F: Future + Unpin>(future: &mut F, waker: &Waker) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

#[test]
fn a_panic_ends_its_task_and_no_other() {
    let executor = Executor::new(|| {});
    let reports = faults(&executor);
    let bad: Task<()> = executor.spawn(async {
        yield_now().await;
        panic!("bad {}", 1)
    });
    let good = executor.spawn(async {
        for _ in 0..3 {
            yield_now().await;
        }
        "good"
    });
    run(&executor);
    assert!(bad.done() && bad.panicked() && !bad.cancelled());
    assert_eq!(bad.result().unwrap_err().panic_message(), Some("bad 1"));
    assert_eq!(good.result().unwrap(), "good");
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_panic_goes_on_in_who_awaits_and_not_in_who_joins() {
    let executor = Executor::new(|| {});
    let reports = faults(&executor);
    let make = || executor.spawn(async { panic!("inner") });
    let (first, second): (Task<()>, Task<()>) = (make(), make());
    let awaits = executor.spawn(first);
    let joins = executor.spawn(async move { second.join().await.unwrap_err().panic_message().map(str::to_owned) });
    run(&executor);
    assert_eq!(awaits.result().unwrap_err().panic_message(), Some("inner"));
    assert_eq!(joins.result().unwrap().as_deref(), Some("inner"));
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_panic_that_nobody_retrieved_is_reported_once_when_the_handle_is_gone() {
    let executor = Executor::new(|| {});
    let reports = faults(&executor);
    let make = || executor.spawn(async { panic!("lost") });
    let dropped_before: Task<()> = make();
    let dropped_after: Task<()> = make();
    drop(dropped_before);
    run(&executor);
    assert_eq!(reports.take(), ["task exception was never retrieved: lost"]);
    let handle = dropped_after.handle();
    // Outside any turn, and yet to the reporter of the task's own executor.
    drop(dropped_after);
    assert_eq!(reports.take(), ["task exception was never retrieved: lost"]);
    assert!(handle.panicked());
    drop((handle, executor));
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_panic_is_not_reported_if_somebody_knows_of_it() {
    let executor = Executor::new(|| {});
    let reports = faults(&executor);
    let make = || -> Task<()> { executor.spawn(async { panic!("known") }) };
    let (cancelled, looked_at, marked, shared) = (make(), make(), make(), make().shared());
    run(&executor);
    assert!(!cancelled.cancel(), "it is done");
    drop(cancelled);
    drop(looked_at.result());
    marked.handle().mark_retrieved();
    drop(marked);
    assert!(shared.try_result().unwrap().is_err());
    drop(shared);
    assert_eq!(reports.take(), [""; 0]);
}

#[test]
fn a_panic_of_a_shared_task_reaches_all_awaiters() {
    let executor = Executor::new(|| {});
    let shared: asyncio_executor::SharedTask<u32> = executor.spawn(async { panic!("shared") }).shared();
    let awaiters = [shared.clone(), shared.clone(), shared].map(|shared| executor.spawn(shared));
    run(&executor);
    for awaiter in awaiters {
        assert_eq!(awaiter.result().unwrap_err().panic_message(), Some("shared"));
    }
}

#[test]
fn a_panic_of_a_clone_of_a_shared_value_is_the_awaiters_own() {
    #[derive(Debug)]
    struct Fragile(Rc<Cell<bool>>);
    impl Clone for Fragile {
        fn clone(&self) -> Self {
            assert!(!self.0.get(), "clone");
            Self(self.0.clone())
        }
    }
    let executor = Executor::new(|| {});
    let bad = Rc::new(Cell::new(true));
    let value = bad.clone();
    let shared = executor.spawn(async move { Fragile(value) }).shared();
    let first = executor.spawn(shared.clone());
    run(&executor);
    assert_eq!(first.result().unwrap_err().panic_message(), Some("clone"));
    bad.set(false);
    let second = executor.spawn(shared);
    run(&executor);
    assert!(second.result().is_ok());
}

#[test]
fn destructors_of_futures_and_outputs_may_panic() {
    let executor = Executor::new(|| {});
    let reports = faults(&executor);
    // When it is cancelled.
    let cancelled = executor.spawn(async {
        let _boom = Boom("cancelled");
        pending::<()>().await;
    });
    executor.turn();
    cancelled.cancel();
    run(&executor);
    assert!(cancelled.panicked());
    assert_eq!(cancelled.result().unwrap_err().panic_message(), Some("cancelled"));
    // When it has completed: the future goes first, then its value.
    struct Ready(#[expect(dead_code, reason = "dropped")] Boom);
    impl Future for Ready {
        type Output = OnDrop<Box<dyn FnMut()>>;
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
            Poll::Ready(OnDrop(Box::new(|| {})))
        }
    }
    let completed = executor.spawn(Ready(Boom("completed")));
    run(&executor);
    assert_eq!(completed.result().map(drop).unwrap_err().panic_message(), Some("completed"));
    // The panic of the task comes first.
    let both: Task<()> = executor.spawn(async {
        struct Quiet(Leader);
        impl Drop for Quiet {
            fn drop(&mut self) {
                self.0.next(Next::Value);
            }
        }
        let _quiet = Quiet(Leader::default());
        panic!("both")
    });
    run(&executor);
    assert_eq!(both.result().unwrap_err().panic_message(), Some("both"));
    // An output that nobody wants.
    drop(executor.spawn(async { Boom("output") }));
    run(&executor);
    assert_eq!(reports.take(), ["exception while a task's output was dropped: output"]);
}

#[test]
fn callbacks_may_panic() {
    let executor = Executor::new(|| {});
    let reports = faults(&executor);
    let log = Log::default();
    executor.call_soon(|| panic!("call_soon"));
    let task = executor.spawn(async {});
    task.add_done_callback(|_| panic!("done-callback"));
    let to = log.clone();
    task.add_done_callback(move |_| to.push("the next one runs"));
    let promise = Promise::<u32>::new();
    let _enter = executor.enter();
    promise.add_done_callback(|_| panic!("of a future"));
    promise.set_result(1).unwrap();
    executor.remote().call_soon_threadsafe(|| panic!("remote")).unwrap();
    run(&executor);
    assert_eq!(log.take(), ["the next one runs"]);
    assert_eq!(
        reports.take(),
        [
            "exception in a callback: call_soon",
            "exception in a callback: of a future",
            "exception in a callback: remote",
            "exception in a callback: done-callback",
        ]
    );
}

#[test]
fn wakers_may_panic() {
    let executor = Executor::new(|| {});
    let reports = faults(&executor);
    let bad: Waker = Arc::new(BadWaker).into();
    let (count, good) = CountWakes::new();
    // Of a task: the only awaiter, and one among others.
    let mut only = executor.spawn(async {});
    assert!(poll_with(&mut only, &bad).is_pending());
    let shared = executor.spawn(async { 1 }).shared();
    let (mut first, mut second, third) = (shared.clone(), shared.clone(), executor.spawn(shared));
    assert!(poll_with(&mut first, &bad).is_pending());
    assert!(poll_with(&mut second, &good).is_pending());
    run(&executor);
    assert_eq!(third.result().unwrap(), 1);
    assert_eq!(executor.live_tasks(), 0);
    assert_eq!(count.get(), 1);
    assert_eq!(reports.take(), ["exception in a waker: waker"; 2]);
    // Of a future.
    let promise = Promise::<u32>::new();
    let (mut first, mut second) = (promise.clone(), promise.clone());
    let _enter = executor.enter();
    assert!(poll_with(&mut first, &bad).is_pending());
    assert!(poll_with(&mut second, &good).is_pending());
    assert!(promise.cancel());
    assert_eq!(count.get(), 2);
    assert_eq!(reports.take(), ["exception in a waker: waker"]);
    // Of a scope that is asked.
    let mut scope = Box::pin(catch_cancelled(pending::<()>()));
    let bad_waker = bad.clone();
    let task = executor.spawn(async move {
        poll_fn(|cx| {
            let _ = scope.as_mut().poll(&mut Context::from_waker(&bad_waker));
            if cx.waker().will_wake(cx.waker()) { Poll::<()>::Pending } else { Poll::Ready(()) }
        })
        .await;
    });
    executor.turn();
    task.cancel();
    run(&executor);
    assert_eq!(reports.take(), ["exception in a waker: waker"]);
}

#[test]
fn values_of_context_variables_may_panic_when_dropped() {
    #[derive(Clone)]
    struct Value(#[expect(dead_code, reason = "dropped")] Option<Arc<Boom>>);
    context_var! {
        static VALUE: Value = Value(None);
    }
    let executor = Executor::new(|| {});
    let reports = faults(&executor);
    let waits = executor.spawn(async {
        let task = create_task(async {
            let _ = VALUE.set(Value(Some(Arc::new(Boom("in a task")))));
        });
        task.await;
        call_soon(|| drop(VALUE.set(Value(Some(Arc::new(Boom("in a callback")))))));
        yield_now().await;
        yield_now().await;
        "went on"
    });
    run(&executor);
    assert_eq!(waits.result().unwrap(), "went on");
    assert_eq!(reports.take(), ["exception in a destructor: in a task", "exception in a destructor: in a callback"]);
    let _: &'static ContextVar<Value> = &VALUE;
}

#[test]
fn the_reporter_may_panic() {
    let executor = Executor::new(|| {});
    executor.set_reporter(Some(Rc::new(|fault| panic!("about {}", fault.message))));
    drop::<Task<()>>(executor.spawn(async { panic!("lost") }));
    executor.call_soon(|| panic!("callback"));
    let good = executor.spawn(async { 1 });
    run(&executor);
    assert_eq!(good.result().unwrap(), 1);
}

#[test]
fn payloads_may_panic_when_dropped() {
    let executor = Executor::new(|| {});
    executor.set_reporter(Some(Rc::new(drop)));
    drop::<Task<()>>(executor.spawn(async { resume_unwind(Box::new(Boom("payload"))) }));
    executor.call_soon(|| resume_unwind(Box::new(Boom("payload"))));
    let quiet: Task<()> = executor.spawn(async { resume_unwind(Box::new(Boom("payload"))) });
    let good = executor.spawn(async { 1 });
    run(&executor);
    assert_eq!(good.result().unwrap(), 1);
    quiet.cancel();
    drop(quiet);
}

#[test]
fn an_observer_may_panic() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async { 1 });
    let log = Log::default();
    let kept = crate::trace::Tattle(log.clone(), "dropped");
    executor.call_soon(move || drop(kept));
    let observed = catch_unwind(AssertUnwindSafe(|| executor.run_ready_observed(2, |_, _| panic!("observer"))));
    assert!(observed.is_err());
    executor.turn();
    assert_eq!(log.take(), ["dropped"]);
    assert!(!task.done(), "its entry was used up by the observer");
    drop(executor);
    assert!(task.cancelled());
}

#[test]
fn cleanup_runs_after_a_panic_also_if_a_destructor_panics_too() {
    struct Bad(#[expect(dead_code, reason = "dropped")] OnDrop<Box<dyn FnMut()>>);
    impl Future for Bad {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            panic!("body")
        }
    }
    let executor = Executor::new(|| {});
    let log = Log::default();
    let to = log.clone();
    let bad = Bad(OnDrop(Box::new(|| panic!("destructor"))));
    let task = executor.spawn(with_cleanup(bad, move || async move {
        yield_now().await;
        to.push("cleaned");
    }));
    run(&executor);
    assert_eq!(log.take(), ["cleaned"]);
    assert_eq!(task.result().unwrap_err().panic_message(), Some("body"));
}

#[test]
fn cleanup_runs_if_the_destructor_of_a_cancelled_body_panics() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let to = log.clone();
    let body = async {
        let _boom = Boom("destructor");
        pending::<()>().await;
    };
    let task = executor.spawn(with_cleanup(body, move || async move { to.push("cleaned") }));
    executor.turn();
    task.cancel();
    run(&executor);
    assert_eq!(log.take(), ["cleaned"]);
    assert_eq!(task.result().unwrap_err().panic_message(), Some("destructor"));
}

#[test]
fn a_panic_inside_a_scope_leaves_the_tree_in_order() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        let scope = Rc::pin(Scope::new());
        let mut inner = Box::pin(Some(async {
            catch_cancelled(async { panic!("inside") }).await.unwrap();
        }));
        let polled = poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| scope.as_ref().poll_in(cx, inner.as_mut())));
            Poll::Ready(polled.is_err())
        })
        .await;
        assert!(polled);
        scope.as_ref().close();
        catch_cancelled(pending::<()>()).await.is_err()
    });
    executor.turn();
    task.cancel();
    run(&executor);
    assert!(task.result().unwrap());
}
