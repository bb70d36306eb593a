//! gather, wait, wait_for, timeout, as_completed, task groups, async generators.

use std::io;
use std::time::Duration;

use asyncio::{
    ALL_COMPLETED, ExceptionGroup, FIRST_COMPLETED, FIRST_EXCEPTION, Task, TaskError, Timeout, TimeoutError,
};
use futures_util::StreamExt;

const SECOND: Duration = Duration::from_secs(1);

async fn after<T>(seconds: u32, value: T) -> T {
    asyncio::sleep(SECOND * seconds).await;
    value
}

#[asyncio::test(virtual_time)]
async fn gather_takes_tuples_arrays_and_iterators() {
    let (a, b, c) = (after(3, 'a'), after(2, "b"), after(1, 3));
    assert_eq!(asyncio::gather((a, b, c)).await, ('a', "b", 3));
    assert_eq!(asyncio::gather([after(2, 1), after(1, 2)]).await, [1, 2]);
    assert_eq!(asyncio::gather(vec![after(2, 1), after(1, 2)]).await, vec![1, 2]);
    assert_eq!(asyncio::gather((0..3).map(|n| after(3 - n, n))).await, vec![0, 1, 2]);
    assert_eq!(asyncio::gather(Vec::<Task<u32>>::new()).await, vec![]);
    let twelve = asyncio::gather((
        after(1, 1),
        after(1, 2),
        after(1, 3),
        after(1, 4),
        after(1, 5),
        after(1, 6),
        after(1, 7),
        after(1, 8),
        after(1, 9),
        after(1, 10),
        after(1, 11),
        asyncio::create_task(after(1, 12)),
    ));
    assert_eq!(twelve.await.11, 12);
}

#[asyncio::test(virtual_time)]
async fn a_gather_is_a_future_of_its_own() {
    let futs = [after(1, 1), after(2, 2)];
    let all = asyncio::gather(futs);
    assert_eq!(asyncio::all_tasks().len(), 3, "each becomes a task at the call");
    assert!(!all.done());
    assert!(all.cancel());
    assert!(asyncio::catch_cancelled(all.into_future()).await.is_err());

    assert_eq!(asyncio::shield(asyncio::gather([after(1, 1), after(2, 2)])).await, [1, 2]);
    let kept = asyncio::gather([after(1, 1)]).into_future();
    let (done, pending) = asyncio::wait([kept]).await;
    assert_eq!((done.len(), pending.len()), (1, 0));
    for gather in done {
        assert_eq!(gather.await, [1]);
    }
}

#[asyncio::test(virtual_time)]
async fn gather_can_return_every_outcome() {
    let task = asyncio::create_task(after(1, 2));
    task.cancel();
    let [one, two] = asyncio::gather([asyncio::create_task(after(1, 1)), task]).return_exceptions().await;
    let one: Result<u32, TaskError> = one;
    assert!(matches!(one, Ok(1)));
    assert!(matches!(two, Err(TaskError::Cancelled(_))));
}

#[asyncio::test(virtual_time)]
async fn try_gather_gives_the_first_error_at_once() {
    let l = asyncio::get_running_loop();
    let (a, b) = (after(1, Ok::<_, String>(1)), after(2, Ok("b")));
    let both: Result<(u32, &str), String> = asyncio::try_gather((a, b)).await;
    assert_eq!(both, Ok((1, "b")));

    let start = l.time();
    let (a, b) = (after(1, Err::<u32, _>("failed")), after(2, Ok::<u32, _>(2)));
    assert_eq!(asyncio::try_gather((a, b)).await, Err("failed"));
    assert_eq!(l.time() - start, SECOND);
}

#[asyncio::test(virtual_time)]
async fn wait_gives_two_lists() {
    let tasks = || [3, 1, 2].map(|n| asyncio::create_task(after(n, n)));
    let d = SECOND * 5 / 2;
    let (done, pending) = asyncio::wait(tasks()).timeout(d).return_when(FIRST_COMPLETED).await;
    assert_eq!((done.len(), pending.len()), (1, 2));
    let (done, pending) = asyncio::wait(tasks()).timeout(d).await;
    let values: Vec<u32> = done.into_iter().map(|task| task.result().unwrap()).collect();
    assert_eq!((values, pending.len()), (vec![1, 2], 1));
    let (done, _) = asyncio::wait(tasks()).return_when(ALL_COMPLETED).await;
    assert_eq!(done.len(), 3);

    let mut tasks = [asyncio::create_task(after(2, 2)), asyncio::create_task(async { panic!("on purpose") })];
    let (done, pending) = asyncio::wait(&mut tasks).return_when(FIRST_EXCEPTION).await;
    assert_eq!((done.len(), pending.len()), (1, 1));
    let _ = asyncio::gather(tasks).return_exceptions().await;
}

#[asyncio::test(virtual_time)]
async fn try_wait_counts_an_err() {
    let tasks = [asyncio::create_task(after(1, Err(()))), asyncio::create_task(after(2, Ok(2)))];
    let (done, pending) = asyncio::try_wait(tasks).return_when(FIRST_EXCEPTION).await;
    assert_eq!((done.len(), pending.len()), (1, 1));
}

#[asyncio::test(virtual_time)]
async fn wait_for_limits_the_time() {
    let fast: Result<u32, TimeoutError> = asyncio::wait_for(after(1, 7), SECOND * 2).await;
    assert_eq!(fast, Ok(7));
    assert!(asyncio::wait_for(after(2, 7), SECOND).await.is_err());
    assert_eq!(asyncio::wait_for(after(2, 7), None).await, Ok(7));
    assert_eq!(asyncio::wait_for(asyncio::create_task(after(1, 7)), None).await, Ok(7));
}

#[asyncio::test(virtual_time)]
async fn a_timeout_can_be_moved_and_asked() {
    let l = asyncio::get_running_loop();
    let t = l.time() + SECOND * 10;
    let moved: Result<u32, TimeoutError> = asyncio::timeout(SECOND, async |scope| {
        assert_eq!(scope.when(), Some(l.time() + SECOND));
        assert!(!scope.expired());
        scope.reschedule(t);
        after(5, 7).await
    })
    .await;
    assert_eq!(moved, Ok(7));
    let never = asyncio::timeout(None, async |scope| {
        scope.reschedule(None);
        after(5, 7).await
    });
    assert_eq!(never.await, Ok(7));
    assert!(asyncio::timeout_at(t, async |_| after(50, 7).await).await.is_err());
    assert_eq!(l.time(), t);
}

#[asyncio::test(virtual_time)]
async fn a_timeout_can_be_kept() {
    let limit = asyncio::Timeout::after(SECOND);
    let result = limit.run(after(2, 7)).await;
    assert!(result.is_err());
    assert!(limit.expired());
    let limit = Timeout::at(None);
    assert_eq!(limit.run(after(2, 7)).await, Ok(7));
    assert!(!limit.expired());
}

#[asyncio::test(virtual_time)]
async fn as_completed_gives_values_as_they_come() {
    let futs = [after(3, 3), after(1, 1), after(2, 2)];
    let mut results = asyncio::as_completed(futs);
    let mut values = Vec::new();
    while let Some(value) = results.next().await {
        values.push(value);
    }
    assert_eq!(values, [1, 2, 3]);

    let stream = asyncio::as_completed([after(2, 2), after(1, 1)]);
    assert_eq!(stream.collect::<Vec<_>>().await, [1, 2]);

    let mut results = asyncio::as_completed([after(2, 2), after(1, 1)]).timeout(SECOND * 3 / 2);
    assert_eq!(results.next().await, Some(Ok(1)));
    let late: Option<Result<u32, TimeoutError>> = results.next().await;
    assert!(matches!(late, Some(Err(_))));
    assert_eq!(results.next().await, None);
}

async fn fetch(n: u32) -> u32 {
    after(1, n).await
}

async fn parse(n: u32) -> Result<u32, io::Error> {
    asyncio::sleep(SECOND * n).await;
    if n > 2 { Err(io::Error::other("too large")) } else { Ok(n) }
}

#[asyncio::test(virtual_time)]
async fn a_group_waits_for_its_tasks() {
    let out: Result<u32, ExceptionGroup> = asyncio::task_group(async |group| {
        let a = group.create_task(fetch(1));
        let b: Task<u32> = group.try_create_task(parse(2));
        let g = group.clone();
        group.create_task(async move {
            g.create_task(fetch(3)).await;
        });
        a.await + b.await
    })
    .await;
    assert_eq!(out.unwrap(), 3);
    assert_eq!(asyncio::all_tasks().len(), 1);
}

#[asyncio::test(virtual_time)]
async fn an_err_fails_the_group() {
    let out = asyncio::task_group(async |group| {
        group.try_create_task(parse(3));
        group.create_task(after(10, ()));
    })
    .await;
    let errors = out.unwrap_err();
    assert_eq!(errors.iter().count(), 1);
    let (found, rest): (Vec<io::Error>, Option<ExceptionGroup>) = errors.split::<io::Error>();
    assert_eq!(found[0].to_string(), "too large");
    assert!(rest.is_none());

    let out: Result<u32, ExceptionGroup> = asyncio::try_task_group(async |_group| parse(3).await).await;
    assert_eq!(out.unwrap_err().len(), 1);
}

#[asyncio::test(virtual_time)]
async fn a_group_can_be_ended_early() {
    let out: Result<(), ExceptionGroup> = asyncio::task_group(async |group| {
        group.create_task(after(10, ()));
        group.cancel();
        asyncio::sleep(SECOND).await;
    })
    .await;
    assert!(out.unwrap_err().is_empty());
}

#[asyncio::test(virtual_time)]
async fn a_group_ended_early_whose_body_has_a_value_is_no_failure() {
    let out = asyncio::task_group(async |group| {
        group.create_task(after(10, ()));
        group.cancel();
        7
    })
    .await;
    assert_eq!(out.unwrap(), 7);
}

#[asyncio::test(virtual_time)]
async fn a_generator_yields_and_is_a_stream() {
    let mut numbers = asyncio::async_generator(async |y| {
        for i in 0..3 {
            y.emit(i).await;
        }
    });
    assert_eq!(numbers.next().await, Some(0));
    assert_eq!(StreamExt::next(&mut numbers).await, Some(1));
    numbers.aclose().await;
    assert_eq!(numbers.next().await, None);
}

#[asyncio::test(virtual_time)]
async fn closing_a_generator_lets_it_clean_up_with_await() {
    let cleaned = std::cell::Cell::new(false);
    let mut numbers = asyncio::async_generator(async |y| {
        let body = async {
            y.emit(1).await;
            y.emit(2).await;
        };
        asyncio::with_cleanup(body, || async {
            asyncio::sleep(SECOND).await;
            cleaned.set(true);
        })
        .await;
    });
    assert_eq!(numbers.next().await, Some(1));
    numbers.aclose().await;
    assert!(cleaned.get());
}
