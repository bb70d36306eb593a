//! Call sites as programs have them: they must compile as they stand, with no types to spell out.

use std::cell::Cell;
use std::io;
use std::time::Duration;

use asyncio_combinators as asyncio;
use asyncio_combinators::{ALL_COMPLETED, ExceptionGroup, FIRST_COMPLETED, FIRST_EXCEPTION, TimeoutError};
use asyncio_event_loop::{Instant, get_running_loop};
use asyncio_executor::{CancelKind, Task, TaskError, catch_cancelled, create_task, current_task, with_cleanup};
use futures_util::StreamExt;

use crate::trace::run;

const SECOND: Duration = Duration::from_secs(1);

async fn fetch(n: u32) -> u32 {
    asyncio_event_loop::sleep(SECOND * n).await;
    n
}

async fn parse(n: u32) -> Result<u32, io::Error> {
    if fetch(n).await < 9 { Ok(n) } else { Err(io::Error::other("too much")) }
}

#[test]
fn cancellation() {
    run(async {
        let task = create_task(async {
            match catch_cancelled(fetch(9)).await {
                Ok(n) => n,
                Err(cancelled) => {
                    assert_eq!((cancelled.message(), cancelled.kind()), (Some("enough"), CancelKind::Explicit));
                    assert!(cancelled.location().file().ends_with("api.rs"));
                    cancelled.raise().await
                }
            }
        });
        fetch(1).await;
        task.cancel_with("enough");
        let outcome: Result<u32, TaskError> = task.join().await;
        assert!(outcome.is_err());
        let cleaned = Cell::new(false);
        assert_eq!(with_cleanup(fetch(1), || async { cleaned.set(true) }).await, 1);
        assert!(cleaned.get());
        assert_eq!(asyncio::shield(fetch(1)).await, 1);
        assert_eq!(asyncio::shield(create_task(fetch(1))).await, 1);
    });
}

#[test]
fn gathering() {
    run(async {
        let (a, b, c) = asyncio::gather((fetch(1), async { "b" }, create_task(fetch(3)))).await;
        assert_eq!((a, b, c), (1, "b", 3));
        let [a, b] = asyncio::gather([fetch(1), fetch(2)]).await;
        assert_eq!((a, b), (1, 2));
        let futs = vec![fetch(1), fetch(2)];
        assert_eq!(asyncio::gather(futs).await, vec![1, 2]);
        assert_eq!(asyncio::gather((1..4).map(fetch)).await, vec![1, 2, 3]);
        let boxed: Vec<std::pin::Pin<Box<dyn Future<Output = u32>>>> = vec![Box::pin(fetch(1)), Box::pin(async { 2 })];
        assert_eq!(asyncio::gather(boxed).await, [1, 2]);
        let a = async { 1 };
        let twelve = asyncio::gather((
            a,
            fetch(2),
            async { 3 },
            a4(),
            fetch(5),
            a6(),
            fetch(7),
            fetch(8),
            a9(),
            a9(),
            a9(),
            "x".into_fut(),
        ));
        assert_eq!(twelve.await.11, "x");
        let all = asyncio::gather((fetch(1), fetch(2)));
        assert!(!all.done() && all.cancel());
        assert!(catch_cancelled(all.into_future()).await.is_err());
        let outcomes = asyncio::gather((fetch(1), async { "x" })).return_exceptions().await;
        let (Ok(1), Ok("x")) = outcomes else { panic!("{outcomes:?}") };
        let results = asyncio::gather((1..3).map(fetch)).return_exceptions().await;
        assert!(results.iter().all(Result::is_ok));
        // A gather inside a task, a gather, a shield, a wait.
        let inner = asyncio::gather([fetch(1)]);
        assert_eq!(
            create_task(asyncio::gather((inner, asyncio::shield(asyncio::gather([fetch(1)]))))).await,
            ([1], [1])
        );
        let kept = asyncio::gather([fetch(1)]).into_future();
        asyncio::wait([&kept]).await;
        assert_eq!(kept.await, [1]);
        let kept = asyncio::gather([fetch(1)]);
        asyncio::wait([&kept]).await;
        assert!(kept.done());
        asyncio::wait([kept.return_exceptions()]).await;
        let both: Result<(u32, u32), io::Error> = asyncio::try_gather((parse(1), parse(2))).await;
        assert_eq!(both.unwrap(), (1, 2));
        let many = asyncio::try_gather((1..3).map(parse).collect::<Vec<_>>()).await;
        assert_eq!(many.unwrap(), [1, 2]);
        assert_eq!(asyncio::try_gather([parse(1), parse(9)]).await.unwrap_err().to_string(), "too much");
    });
}

async fn a4() -> String {
    "4".into()
}

async fn a6() -> Option<u8> {
    None
}

async fn a9() {}

trait IntoFut: Sized {
    fn into_fut(self) -> std::future::Ready<Self> {
        std::future::ready(self)
    }
}

impl IntoFut for &'static str {}

#[test]
fn waiting() {
    run(async {
        let tasks = vec![create_task(fetch(1)), create_task(fetch(2))];
        let (done, pending) = asyncio::wait(tasks).timeout(SECOND * 9).return_when(FIRST_COMPLETED).await;
        assert_eq!((done.len(), pending.len()), (1, 1));
        let (done, pending) = asyncio::wait(pending).return_when(ALL_COMPLETED).await;
        assert!(pending.is_empty());
        for task in done {
            assert_eq!(task.result().unwrap(), 2);
        }
        let task = create_task(asyncio::wait([create_task(fetch(1))]).timeout(SECOND));
        let (done, pending): (Vec<Task<u32>>, Vec<Task<u32>>) = task.await;
        assert_eq!(done.len() + pending.len(), 1);
        let tasks = [create_task(parse(9)), create_task(parse(20))];
        let (done, _) = asyncio::try_wait(tasks).return_when(FIRST_EXCEPTION).await;
        assert_eq!(done.len(), 1);
        let mut results = asyncio::as_completed((1..3).map(fetch));
        while let Some(value) = results.next().await {
            assert!(value < 3);
        }
        let mut results = asyncio::as_completed([fetch(1), fetch(3)]).timeout(SECOND * 2);
        while let Some(value) = StreamExt::next(&mut results).await {
            let _: Result<u32, TimeoutError> = value;
        }
        assert_eq!(asyncio::ensure_future(create_task(fetch(1))).await, 1);
        assert_eq!(asyncio::ensure_future(fetch(1)).await, 1);
    });
}

#[test]
fn limits() {
    run(async {
        let value: Result<u32, TimeoutError> = asyncio::wait_for(fetch(1), SECOND * 2).await;
        assert_eq!(value, Ok(1));
        assert_eq!(asyncio::wait_for(fetch(1), None).await, Ok(1));
        assert_eq!(asyncio::wait_for(asyncio::gather((fetch(1), fetch(1))), Some(SECOND * 2)).await, Ok((1, 1)));
        let deadline: Instant = get_running_loop().time() + SECOND;
        let text = String::from("borrowed");
        let value = asyncio::timeout(SECOND, async |scope| {
            scope.reschedule(deadline);
            scope.reschedule(None);
            assert!(!scope.expired() && scope.when().is_none());
            fetch(2).await;
            text.len()
        });
        assert_eq!(value.await, Ok(8));
        let now = get_running_loop().time();
        assert!(asyncio::timeout_at(now + SECOND, async |_| fetch(2).await).await.is_err());
        let limit = asyncio::Timeout::after(SECOND);
        assert!(limit.run(fetch(2)).await.is_err());
        assert!(limit.expired());
        let mut count = 0;
        asyncio::timeout(None, async |_| count += 1).await.unwrap();
        asyncio::wait_for(async { count += 1 }, SECOND).await.unwrap();
        assert_eq!(count, 2);
        let outcome: Result<u32, Box<dyn std::error::Error>> = async {
            let value = asyncio::timeout(SECOND * 2, async |_| parse(1).await).await??;
            Ok(asyncio::wait_for(parse(value), SECOND * 2).await??)
        }
        .await;
        assert_eq!(outcome.unwrap(), 1);
    });
}

#[test]
fn groups() {
    run(async {
        let base = 1;
        let out: Result<u32, ExceptionGroup> = asyncio::task_group(async |group| {
            let a = group.create_task(fetch(base));
            let b = group.try_create_task(parse(2));
            let g = group.clone();
            let _task = group.create_task(async move {
                let _sibling = g.create_task(fetch(1));
                let _sibling = g.try_create_task(async { Err::<(), _>("a text will do").or(Ok::<(), String>(())) });
            });
            a.await + b.await
        })
        .await;
        assert_eq!(out.unwrap(), 3);
        let errors = asyncio::try_task_group(async |group| {
            let _task = group.try_create_task(parse(9));
            let n = parse(9).await?;
            Ok::<_, io::Error>(n)
        })
        .await
        .unwrap_err();
        assert!(errors.iter().next().is_some());
        let (io, rest): (Vec<io::Error>, Option<ExceptionGroup>) = errors.split::<io::Error>();
        assert!(io.len() == 1 && rest.is_none());
        let handle = asyncio::task_group(async |group| {
            group.cancel();
            group
        });
        assert!(format!("{:?}", handle.await).contains("over"));
        // A group is a task like any other future, and `?` passes its errors on.
        let nested = create_task(asyncio::try_task_group(async |_| {
            asyncio::task_group(async |group| group.create_task(fetch(1)).await).await
        }));
        assert_eq!(nested.await.unwrap(), 1);
        assert_eq!(current_task().unwrap().cancelling(), 0);
    });
}

#[test]
fn generators() {
    run(async {
        let mut numbers = asyncio::async_generator(async |y| {
            for i in 0..3 {
                y.emit(i).await;
            }
        });
        assert_eq!(numbers.next().await, Some(0));
        numbers.aclose().await;
        let squares = asyncio::async_generator(async |y| {
            for i in 0..3 {
                y.emit(i * i).await;
            }
        });
        assert_eq!(squares.collect::<Vec<i32>>().await, [0, 1, 4]);
    });
}
