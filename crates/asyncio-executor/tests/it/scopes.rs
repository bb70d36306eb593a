//! The tree of scopes: side by side, moved, left behind, asked by key.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_executor::{
    CancelKind, CancelledError, Executor, Scope, ScopeKey, TaskHandle, catch_cancelled, create_task, current_task,
    panic_message, raise, yield_now,
};
use futures_util::future::{Either, join, select};
use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::trace::{Leader, Log, Next, run};

type KeySlot = Rc<Cell<Option<ScopeKey>>>;
type Guarded = Pin<Box<dyn Future<Output = Result<(), CancelledError>>>>;

/// What a timeout does: a scope whose key is known outside.
async fn keyed<F: Future>(slot: KeySlot, future: F) -> Result<F::Output, CancelledError> {
    let scope = pin!(Scope::new());
    let mut inner = pin!(Some(future));
    slot.set(Some(scope.as_ref().key()));
    poll_fn(|cx| scope.as_ref().poll_in(cx, inner.as_mut())).await
}

/// Is ready once it is told, without being woken.
fn when(told: &Rc<Cell<bool>>) -> impl Future<Output = ()> + Unpin + use<> {
    let told = told.clone();
    poll_fn(move |_| if told.get() { Poll::Ready(()) } else { Poll::Pending })
}

#[test]
fn all_scopes_side_by_side_get_the_request() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let to = log.clone();
    let task = executor.spawn(async move {
        let side = |name: &'static str| {
            let to = to.clone();
            async move {
                let error = catch_cancelled(pending::<()>()).await.unwrap_err();
                to.push(format!("{name}: {}", error.message().unwrap()));
                name
            }
        };
        let both = join(side("a"), side("b")).await;
        let mut many: FuturesUnordered<_> = ["c", "d", "e"].into_iter().map(side).collect();
        let mut last = both.1;
        while let Some(name) = many.next().await {
            last = name;
        }
        last
    });
    executor.turn();
    task.cancel_with("1");
    run(&executor);
    assert_eq!(log.take(), ["a: 1", "b: 1"]);
    task.cancel_with("2");
    run(&executor);
    assert_eq!(log.take(), ["c: 2", "d: 2", "e: 2"]);
    assert_eq!(task.cancelling(), 2);
    assert_eq!(task.result().unwrap(), "e");
}

#[test]
fn one_request_is_raised_once_whatever_scopes_it_was_delivered_to() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        let branch = || async {
            let error = catch_cancelled(pending::<()>()).await.unwrap_err();
            error.raise().await
        };
        let both = async {
            match select(Box::pin(branch()), Box::pin(catch_cancelled(pending::<()>()))).await {
                Either::Left(((), _)) => unreachable!(),
                Either::Right(_) => "right",
            }
        };
        assert_eq!(catch_cancelled(both).await.unwrap_err().message(), Some("once"));
        yield_now().await;
        yield_now().await;
        "went on"
    });
    executor.turn();
    task.cancel_with("once");
    run(&executor);
    assert_eq!(task.result().unwrap(), "went on");
}

#[test]
fn a_request_that_was_caught_is_not_handed_on_by_another_scope_that_got_it() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        let (left, right) = (catch_cancelled(pending::<()>()), catch_cancelled(pending::<()>()));
        // The left one catches; the right one is dropped before it is polled again.
        assert!(matches!(select(Box::pin(left), Box::pin(right)).await, Either::Left((Err(_), _))));
        yield_now().await;
        yield_now().await;
        "went on"
    });
    executor.turn();
    task.cancel();
    run(&executor);
    assert_eq!(task.result().unwrap(), "went on");
}

#[test]
fn a_scope_that_is_dropped_hands_an_unheard_request_on() {
    let executor = Executor::new(|| {});
    let told = Rc::new(Cell::new(false));
    let (ready, log) = (when(&told), Log::default());
    let to = log.clone();
    let task = executor.spawn(async move {
        // The request is delivered to the scope on the right, and in the same turn the branch on the left is ready.
        select(ready, Box::pin(catch_cancelled(pending::<()>()))).await;
        to.push("still running");
        yield_now().await;
        to.push("never");
    });
    executor.turn();
    task.cancel_with("late");
    told.set(true);
    run(&executor);
    assert_eq!(log.take(), ["still running"]);
    assert_eq!(task.result().unwrap_err().cancelled().unwrap().message(), Some("late"));
}

#[test]
fn a_scope_that_is_kept_but_not_awaited_any_more_does_not_keep_the_request() {
    let executor = Executor::new(|| {});
    let told = Rc::new(Cell::new(false));
    let ready = when(&told);
    let task = executor.spawn(async move {
        let mut kept = Box::pin(catch_cancelled(pending::<()>()));
        // `kept` is polled inside the outer scope, which ends while the request waits in `kept`.
        let outer = catch_cancelled(async {
            select(ready, &mut kept).await;
            "outer"
        })
        .await;
        assert_eq!(outer.unwrap(), "outer");
        yield_now().await;
        "never"
    });
    executor.turn();
    task.cancel_with("m");
    told.set(true);
    run(&executor);
    assert_eq!(task.result().unwrap_err().cancelled().unwrap().message(), Some("m"));
}

#[test]
fn a_request_to_a_scope_that_is_not_polled_any_more_goes_one_scope_out() {
    let executor = Executor::new(|| {});
    let log = Log::default();
    let to = log.clone();
    let task = executor.spawn(async move {
        let mut stale = Box::pin(catch_cancelled(pending::<()>()));
        poll_fn(|cx| {
            assert!(stale.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let error = catch_cancelled(pending::<()>()).await.unwrap_err();
        to.push(format!("first: {}", error.message().unwrap()));
        let error = catch_cancelled(pending::<()>()).await.unwrap_err();
        to.push(format!("second: {}", error.message().unwrap()));
        // In the root scope, where no other scope takes it.
        pending::<()>().await;
        drop(stale);
    });
    executor.turn();
    for message in ["1", "2", "3"] {
        assert!(!task.done());
        task.cancel_with(message);
        run(&executor);
    }
    assert_eq!(log.take(), ["first: 1", "second: 2"]);
    assert_eq!(task.result().unwrap_err().cancelled().unwrap().message(), Some("3"));
}

#[test]
fn a_stale_scope_that_is_awaited_again_is_asked_again() {
    let executor = Executor::new(|| {});
    let gate = Leader::default();
    let opened = gate.future();
    let task = executor.spawn(async {
        let mut scope = Box::pin(catch_cancelled(pending::<()>()));
        poll_fn(|cx| {
            assert!(scope.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let outer = catch_cancelled(pending::<()>()).await.unwrap_err();
        opened.await;
        let inner = scope.await.unwrap_err();
        (outer.message().map(str::to_owned), inner.message().map(str::to_owned))
    });
    executor.turn();
    task.cancel_with("1");
    run(&executor);
    gate.next(Next::Value);
    gate.waker().wake();
    run(&executor);
    task.cancel_with("2");
    run(&executor);
    assert_eq!(task.result().unwrap(), (Some("1".into()), Some("2".into())));
}

#[test]
fn a_task_that_was_awaited_by_reference_is_not_asked_any_more() {
    let executor = Executor::new(|| {});
    let other = Rc::new(RefCell::new(None::<TaskHandle>));
    let slot = other.clone();
    let task = executor.spawn(async move {
        let mut other = create_task(pending::<()>());
        *slot.borrow_mut() = Some(other.handle());
        assert!(matches!(select(&mut other, Box::pin(yield_now())).await, Either::Right(_)));
        yield_now().await;
        pending::<()>().await;
        drop(other);
    });
    executor.turn();
    assert_eq!(task.handle().awaited_tasks().len(), 1);
    executor.turn();
    executor.turn();
    assert!(task.handle().awaited_tasks().is_empty());
    task.cancel();
    executor.turn();
    assert!(task.cancelled());
    assert!(!other.borrow().as_ref().unwrap().done());
    assert_eq!(other.borrow().as_ref().unwrap().cancelling(), 0);
}

#[test]
fn a_future_that_was_awaited_by_reference_is_not_asked_any_more() {
    let executor = Executor::new(|| {});
    let promise = asyncio_executor::Future::<u32>::new();
    let mut mine = promise.clone();
    let task = executor.spawn(async move {
        assert!(matches!(select(&mut mine, Box::pin(yield_now())).await, Either::Right(_)));
        yield_now().await;
        pending::<()>().await;
        drop(mine);
    });
    for _ in 0..3 {
        executor.turn();
    }
    task.cancel();
    executor.turn();
    assert!(task.cancelled() && !promise.cancelled());
}

/// Nobody can know that the wait ended in the very poll in which the task was suspended, until that is polled again.
#[test]
fn a_request_that_went_along_a_wait_that_had_just_ended_is_not_lost() {
    let executor = Executor::new(|| {});
    for caught in [false, true] {
        let task = executor.spawn(async move {
            let mut other = create_task(pending::<()>());
            assert!(matches!(select(&mut other, Box::pin(yield_now())).await, Either::Right(_)));
            if caught {
                let error = catch_cancelled(pending::<()>()).await.unwrap_err();
                yield_now().await;
                return error.message().map(str::to_owned);
            }
            pending::<()>().await;
            drop(other);
            None
        });
        executor.turn();
        executor.turn();
        task.cancel_with("m");
        run(&executor);
        if caught {
            assert_eq!(task.result().unwrap().as_deref(), Some("m"));
        } else {
            assert_eq!(task.result().unwrap_err().cancelled().unwrap().message(), Some("m"));
        }
    }
}

#[test]
fn a_request_passed_on_by_an_earlier_wait_is_no_matter_of_a_join() {
    let executor = Executor::new(|| {});
    let gate = Leader::default();
    let opened = gate.future();
    let inner = executor.spawn(async {
        // Refuses the first request.
        let _ = catch_cancelled(pending::<()>()).await;
        pending::<()>().await;
    });
    let handle = inner.handle();
    let outer = executor.spawn(async move {
        let mut inner = inner;
        select(&mut inner, opened).await;
        inner.join().await.unwrap_err().cancelled().unwrap().message().map(str::to_owned)
    });
    executor.turn();
    outer.cancel();
    assert_eq!((outer.cancelling(), handle.cancelling()), (1, 1));
    run(&executor);
    gate.next(Next::Value);
    gate.waker().wake();
    run(&executor);
    handle.cancel_with("by somebody else");
    run(&executor);
    assert_eq!(outer.result().unwrap().as_deref(), Some("by somebody else"));
}

#[test]
fn a_scope_that_goes_on_in_another_task_leaves_requests_behind() {
    let executor = Executor::new(|| {});
    let travelling: Rc<RefCell<Guarded>> = Rc::new(RefCell::new(Box::pin(catch_cancelled(pending::<()>()))));
    let in_second = travelling.clone();
    let turn = Rc::new(Cell::new(false));
    let polls_it = turn.clone();
    let second_leader = Leader::default();
    let gate = second_leader.future();
    let second = executor.spawn(async move {
        gate.await;
        poll_fn(|cx| {
            polls_it.set(true);
            in_second.borrow_mut().as_mut().poll(cx)
        })
        .await
    });
    let first = executor.spawn(async move {
        poll_fn(|cx| {
            // Once the other task polls it, this one does not.
            if turn.get() { Poll::Pending } else { travelling.borrow_mut().as_mut().poll(cx) }
        })
        .await
    });
    executor.turn();
    second_leader.next(Next::Value);
    second_leader.waker().wake();
    first.cancel_with("for the first");
    run(&executor);
    assert!(!second.done(), "the request was not made of the second task");
    assert_eq!(first.result().unwrap_err().cancelled().unwrap().message(), Some("for the first"));
    second.cancel_with("for the second");
    run(&executor);
    assert_eq!(second.result().unwrap().unwrap_err().message(), Some("for the second"));
}

#[test]
fn scopes_outlive_their_parents_and_their_tasks() {
    let executor = Executor::new(|| {});
    let kept: Rc<RefCell<Option<Guarded>>> =
        Rc::new(RefCell::new(Some(Box::pin(catch_cancelled(catch_cancelled(pending::<()>()).map_ok())))));
    let slot = kept.clone();
    let first = executor.spawn(async move {
        let _ = catch_cancelled(poll_fn(|cx| {
            assert!(slot.borrow_mut().as_mut().unwrap().as_mut().poll(cx).is_pending());
            Poll::Ready(())
        }))
        .await;
    });
    run(&executor);
    assert!(first.done());
    let slot = kept.clone();
    let second = executor.spawn(poll_fn(move |cx| slot.borrow_mut().as_mut().unwrap().as_mut().poll(cx)));
    executor.turn();
    second.cancel();
    run(&executor);
    assert!(second.result().unwrap().is_ok(), "the inner one caught it");
    drop(executor);
    drop(kept.take());
}

/// Turns what the inner scope caught into a value.
trait MapOk: Future<Output = Result<(), CancelledError>> + Sized {
    async fn map_ok(self) {
        let _ = self.await;
    }
}
impl<F: Future<Output = Result<(), CancelledError>>> MapOk for F {}

#[test]
fn a_scope_cannot_be_polled_from_inside_itself() {
    let executor = Executor::new(|| {});
    let scope = Rc::pin(Scope::new());
    let again = scope.clone();
    let task = executor.spawn(async move {
        let mut inner = pin!(Some(poll_fn(|cx: &mut Context<'_>| {
            let mut nested = pin!(Some(ready(())));
            again.as_ref().poll_in(cx, nested.as_mut()).map(|_| ())
        })));
        poll_fn(|cx| scope.as_ref().poll_in(cx, inner.as_mut())).await
    });
    run(&executor);
    let error = task.result().unwrap_err();
    assert!(error.panic_message().unwrap().contains("polled from inside itself"));
}

#[test]
fn a_request_by_key_is_counted_and_raised_in_its_scope() {
    let executor = Executor::new(|| {});
    let key = Rc::new(Cell::new(None));
    let slot = key.clone();
    let task = executor.spawn(async move {
        let error = keyed(slot, async { catch_cancelled(pending::<()>()).await.map_err(|e| e.kind()) }).await;
        error.unwrap().unwrap_err()
    });
    executor.turn();
    let key = key.get().unwrap();
    assert!(key.cancel(CancelledError::new(CancelKind::Timeout)));
    assert_eq!(task.cancelling(), 1);
    run(&executor);
    assert_eq!(task.result().unwrap(), CancelKind::Timeout, "the innermost scope caught it");
    assert!(!key.cancel(CancelledError::new(CancelKind::Timeout)), "the scope is over");
}

/// There the scope is woken by a waker of its own, not by its task's.
#[test]
fn a_request_by_key_wakes_the_scope_inside_a_combinator() {
    let executor = Executor::new(|| {});
    let keys: Rc<RefCell<Vec<KeySlot>>> = Rc::default();
    let slots = keys.clone();
    let task = executor.spawn(async move {
        let mut many = FuturesUnordered::new();
        for index in 0..3 {
            let slot = Rc::new(Cell::new(None));
            slots.borrow_mut().push(slot.clone());
            many.push(async move { (index, keyed(slot, pending::<()>()).await.is_err()) });
        }
        many.next().await
    });
    executor.turn();
    let key = keys.borrow()[1].get().unwrap();
    key.cancel(CancelledError::new(CancelKind::Timeout));
    run(&executor);
    assert_eq!(task.result().unwrap(), Some((1, true)));
}

#[test]
fn a_request_of_a_scope_ends_with_that_scope() {
    let executor = Executor::new(|| {});
    let key = Rc::new(Cell::new(None));
    let told = Rc::new(Cell::new(false));
    let (slot, ready) = (key.clone(), when(&told));
    let task = executor.spawn(async move {
        select(ready, Box::pin(keyed(slot, catch_cancelled(pending::<()>())))).await;
        yield_now().await;
        current_task().unwrap().uncancel()
    });
    executor.turn();
    key.get().unwrap().cancel(CancelledError::new(CancelKind::Timeout));
    told.set(true);
    run(&executor);
    assert_eq!(task.result().unwrap(), 0);
}

#[test]
fn a_scope_that_ends_leaves_the_own_requests_of_those_inside() {
    let executor = Executor::new(|| {});
    let key = Rc::new(Cell::new(None));
    let told = Rc::new(Cell::new(false));
    let (slot, ready) = (key.clone(), when(&told));
    let task = executor.spawn(async move {
        let mut inside = Box::pin(keyed(slot, pending::<()>()));
        let _ = catch_cancelled(select(ready, &mut inside)).await;
        inside.await.unwrap_err().kind()
    });
    executor.turn();
    key.get().unwrap().cancel(CancelledError::new(CancelKind::Timeout));
    told.set(true);
    run(&executor);
    assert_eq!(task.result().unwrap(), CancelKind::Timeout);
}

#[test]
fn a_scope_may_be_asked_before_its_first_poll() {
    let executor = Executor::new(|| {});
    let polled = Rc::new(Cell::new(false));
    let to = polled.clone();
    let task = executor.spawn(async move {
        let scope = pin!(Scope::new());
        scope.as_ref().key().cancel(CancelledError::new(CancelKind::Timeout));
        let mut inner = pin!(Some(async { to.set(true) }));
        poll_fn(|cx| scope.as_ref().poll_in(cx, inner.as_mut())).await
    });
    run(&executor);
    assert!(task.result().unwrap().is_err());
    assert!(!polled.get());
}

#[test]
fn tasks_that_wait_for_one_another_in_a_circle_can_be_cancelled() {
    let executor = Executor::new(|| {});
    let slots: Rc<RefCell<Vec<asyncio_executor::SharedTask<()>>>> = Rc::default();
    let tasks: Vec<_> = (0..3)
        .map(|index| {
            let slots = slots.clone();
            executor.spawn(async move {
                let next = slots.borrow()[(index + 1) % 3].clone();
                next.await;
            })
        })
        .collect();
    let handles: Vec<_> = tasks.iter().map(asyncio_executor::Task::handle).collect();
    *slots.borrow_mut() = tasks.into_iter().map(asyncio_executor::Task::shared).collect();
    executor.turn();
    assert!(handles[0].cancel());
    assert_eq!(handles.iter().map(TaskHandle::cancelling).collect::<Vec<_>>(), [1, 1, 1]);
    run(&executor);
    assert!(handles.iter().all(TaskHandle::cancelled));
    slots.take();
}

#[test]
fn raising_beats_what_other_branches_produced() {
    let executor = Executor::new(|| {});
    let task = executor.spawn(async {
        let raised = async {
            let value = select(
                poll_fn(|_| {
                    raise(CancelledError::with_message(CancelKind::Explicit, "raised"));
                    Poll::<u32>::Pending
                }),
                ready(5),
            )
            .await;
            matches!(value, Either::Right(_))
        };
        catch_cancelled(raised).await.unwrap_err().message().map(str::to_owned)
    });
    run(&executor);
    assert_eq!(task.result().unwrap().as_deref(), Some("raised"));
}

#[test]
fn raising_where_no_scope_is_panics_with_a_remedy() {
    let payload = catch_unwind(AssertUnwindSafe(|| raise(CancelledError::new(CancelKind::Explicit)))).unwrap_err();
    assert!(panic_message(&*payload).unwrap().contains("catch_cancelled"));
}
