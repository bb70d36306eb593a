//! Under an executor that knows nothing of tasks and scopes: futures of the library work, and a cancellation is a drop.

use std::rc::Rc;

use asyncio_combinators::{as_completed, async_generator, gather, shield, task_group, wait, wait_for};
use asyncio_executor::Future;
use futures_executor::LocalPool;
use futures_util::FutureExt;
use futures_util::task::LocalSpawnExt;

#[test]
fn futures_are_gathered_shielded_and_waited_for() {
    let mut pool = LocalPool::new();
    let [a, b, c, d] = [(); 4].map(|()| Future::new());
    let all = gather([a.clone(), b.clone()]);
    let shielded = shield(c.clone());
    let waited = d.clone();
    pool.spawner()
        .spawn_local(async move {
            a.set_result(1).unwrap();
            b.set_result(2).unwrap();
            c.set_result(3).unwrap();
            d.set_result(4).unwrap();
        })
        .unwrap();
    pool.run_until(async {
        let mut results = as_completed([waited.clone()]);
        let (done, pending) = wait([waited]).await;
        assert_eq!((done.len(), pending.len()), (1, 0));
        assert_eq!(results.next().await, Some(4));
        assert_eq!((all.await, shielded.await), ([1, 2], 3));
    });
}

#[test]
fn what_is_done_needs_no_loop() {
    let future = Future::new();
    future.set_result('x').unwrap();
    let all = gather([future.clone()]);
    assert!(all.done());
    assert_eq!(all.await_now(), Some(['x']));
    assert_eq!(shield(future.clone()).now_or_never(), Some('x'));
    assert_eq!(wait_for(future, std::time::Duration::ZERO).now_or_never(), Some(Ok('x')));
}

trait AwaitNow: IntoFuture + Sized {
    fn await_now(self) -> Option<Self::Output> {
        self.into_future().now_or_never()
    }
}

impl<F: IntoFuture> AwaitNow for F {}

#[test]
fn a_cancellation_is_a_drop() {
    let value = Rc::new(());
    let future: Future<()> = Future::new();
    let (inner, held) = (future.clone(), value.clone());
    let mut waiting = Box::pin(async move {
        shield(gather([inner])).await;
        drop(held);
    });
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(waiting);
    assert_eq!(Rc::strong_count(&value), 1);
    assert!(!future.cancelled(), "a drop passes nothing on");
    future.set_result(()).unwrap();
}

#[test]
fn a_group_without_children_and_a_generator_work() {
    let mut pool = LocalPool::new();
    pool.run_until(async {
        assert_eq!(task_group(async |_| 1).await.unwrap(), 1);
        let ended = task_group(async |group| {
            group.cancel();
            std::future::pending::<()>().await;
        });
        assert!(ended.await.unwrap_err().is_empty());
        let mut numbers = async_generator(async |y| {
            y.emit(1).await;
            y.emit(2).await;
        });
        assert_eq!(numbers.next().await, Some(1));
        numbers.aclose().await;
        assert_eq!(numbers.next().await, None);
    });
}
