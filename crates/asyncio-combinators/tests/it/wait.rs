//! `wait` and `try_wait`.

use std::future::{IntoFuture, ready};

use asyncio_combinators::{FIRST_COMPLETED, FIRST_EXCEPTION, gather, shield, try_wait, wait};
use asyncio_event_loop::sleep;
use asyncio_executor::{Future, Task, TaskHandle, all_tasks, catch_cancelled, create_task, yield_now};

use crate::trace::{after, call, cancelling, fails, logged, note, run, s, time, turn};

fn sleepers<const N: usize>(seconds: [u64; N]) -> [Task<u64>; N] {
    seconds.map(|seconds| create_task(after(seconds, seconds)))
}

/// What tasks that are done gave.
fn values(tasks: Vec<Task<u64>>) -> Vec<u64> {
    tasks.into_iter().map(|task| task.result().unwrap()).collect()
}

#[test]
fn it_waits_for_all_and_again_for_nothing() {
    run(async {
        let tasks = sleepers([2, 1]);
        let (done, pending) = wait(&tasks).await;
        assert_eq!((done.len(), pending.len(), time()), (2, 0, 2.0));
        let before = turn();
        let (done, pending) = wait(tasks).await;
        // As in CPython: a turn for the notices, and one for the awaiter.
        assert_eq!((values(done), pending.len(), time(), turn() - before), (vec![2, 1], 0, 2.0, 2));
    });
}

#[test]
fn it_takes_what_can_be_iterated_over_and_handles_of_any_kind() {
    run(async {
        let (done, _) = wait((1..3).map(|seconds| create_task(after(seconds, ())))).await;
        assert_eq!(done.len(), 2);
        let mut tasks = vec![create_task(after(1, 'x'))];
        assert_eq!(wait(&mut tasks).await.0.len(), 1);
        let shared = tasks.pop().unwrap().shared();
        wait([shared.clone(), shared.clone()]).await;
        let handle: TaskHandle = shared.handle();
        assert_eq!(wait([handle.clone(), handle]).await.0.len(), 2);
        let future = Future::new();
        let set = future.clone();
        call(1, move || set.set_result(()).unwrap());
        wait([future]).await;
        wait([gather([after(1, ())]).into_future()]).await;
        wait([shield(after(1, ()))]).await;
        assert_eq!(time(), 6.0);
    });
}

#[test]
#[should_panic(expected = "`wait` was given no tasks")]
fn nothing_to_wait_for_is_an_error() {
    drop(wait(Vec::<TaskHandle>::new()));
}

#[test]
fn the_first_to_complete_ends_it_and_the_others_stay() {
    run(async {
        let (done, pending) = wait(sleepers([9, 2])).return_when(FIRST_COMPLETED).await;
        assert_eq!((values(done), time()), (vec![2], 2.0));
        assert!(!pending[0].done());
        assert_eq!(wait(pending).await.0.len(), 1);
        assert_eq!(time(), 9.0);
        let cancelled = create_task(sleep(s(9)));
        cancelled.cancel();
        assert_eq!(wait([cancelled]).return_when(FIRST_COMPLETED).await.0.len(), 1);
        assert_eq!(time(), 9.0);
    });
}

#[test]
fn all_that_complete_in_the_turn_are_done() {
    run(async {
        let quick = |turns: usize| {
            create_task(async move {
                for _ in 0..turns {
                    yield_now().await;
                }
            })
        };
        // The first ends in turn 1, its notice runs in turn 2, and the awaiter in turn 3, where the third would end, but
        // comes later.
        let tasks = [quick(0), quick(1), quick(2), quick(3)];
        let (done, pending) = wait(tasks).return_when(FIRST_COMPLETED).await;
        assert_eq!((done.len(), pending.len(), turn()), (2, 2, 3));
    });
}

#[test]
fn the_first_to_panic_ends_it_and_a_cancelled_one_does_not() {
    run(async {
        let cancelled = create_task(sleep(s(9)));
        cancelled.cancel();
        let tasks = [create_task(sleep(s(9))), cancelled, create_task(fails(3, "bad")), create_task(sleep(s(1)))];
        let (done, pending) = wait(tasks).return_when(FIRST_EXCEPTION).await;
        assert_eq!((done.len(), pending.len(), time()), (3, 1, 3.0));
        let failed = create_task(fails(0, "bad"));
        yield_now().await;
        yield_now().await;
        assert!(failed.done());
        let tasks = [failed, create_task(async { sleep(s(1)).await })];
        let (done, pending) = wait(tasks).return_when(FIRST_EXCEPTION).await;
        assert_eq!((done.len(), pending.len(), time()), (1, 1, 3.0));
        let (done, _) = wait([create_task(fails(1, "bad"))]).await;
        assert_eq!(done.into_iter().next().unwrap().result().unwrap_err().panic_message(), Some("bad"));
    });
}

#[test]
fn a_gather_or_shield_that_fails_is_a_failure() {
    run(async {
        let child = create_task(sleep(s(9)));
        child.cancel();
        let gathers = [gather(vec![create_task(sleep(s(5)))]), gather(vec![child])].map(IntoFuture::into_future);
        let (done, pending) = wait(&gathers).return_when(FIRST_EXCEPTION).await;
        assert_eq!((done.len(), pending.len(), time()), (1, 1, 0.0));
        let shields = [shield(after(5, ())), shield(fails(1, "bad"))];
        let (done, pending) = wait(&shields).return_when(FIRST_EXCEPTION).await;
        assert_eq!((done.len(), pending.len(), time()), (1, 1, 1.0));
    });
}

#[test]
fn an_err_counts_as_a_failure_for_try_wait() {
    run(async {
        let tasks = || [create_task(after(1, Err("bad"))), create_task(after(2, Ok(())))];
        let (done, pending) = try_wait(tasks()).return_when(FIRST_EXCEPTION).await;
        assert_eq!((done.len(), pending.len(), time()), (1, 1, 1.0));
        assert_eq!(wait(tasks()).return_when(FIRST_EXCEPTION).await.0.len(), 2);
    });
}

#[test]
fn the_end_of_its_time_cancels_nobody() {
    run(async {
        let (done, pending) = wait(sleepers([1, 5])).timeout(s(3)).await;
        assert_eq!((values(done), time()), (vec![1], 3.0));
        assert_eq!(pending[0].cancelling(), 0);
        assert_eq!((wait(pending).timeout(None).await.0.len(), time()), (1, 5.0));
        let (done, pending) = wait(sleepers([0, 1])).timeout(s(0)).await;
        assert_eq!((values(done), pending.len(), time()), (vec![0], 1, 5.0));
    });
}

#[test]
fn what_ends_with_its_time_is_done() {
    run(async {
        let tasks = sleepers([3, 4]);
        yield_now().await;
        let (done, pending) = wait(tasks).timeout(s(3)).await;
        assert_eq!((values(done), pending.len(), time()), (vec![3], 1, 3.0));
        // One that begins to sleep after the wait has begun is late.
        let (done, pending) = wait(sleepers([3, 4])).timeout(s(3)).await;
        assert_eq!((done.len(), pending.len(), time()), (0, 2, 6.0));
    });
}

#[test]
fn a_cancellation_of_the_awaiter_reaches_no_task() {
    run(async {
        let task = create_task(after(3, ()));
        let handle = task.handle();
        let outer = create_task(wait([task]).timeout(s(9)).into_future());
        sleep(s(1)).await;
        outer.cancel();
        let live = all_tasks().len();
        assert!(outer.join().await.is_err());
        assert_eq!((all_tasks().len(), handle.cancelling(), time()), (live - 1, 0, 1.0));
        sleep(s(3)).await;
        assert!(handle.done() && !handle.cancelled());
    });
}

#[test]
fn a_wait_that_was_given_up_wakes_nobody() {
    let log = logged(async {
        let quick = create_task(ready(()));
        yield_now().await;
        let outer = create_task(async move {
            drop(catch_cancelled(wait([quick]).into_future()).await);
            note("cancelled");
            yield_now().await;
            note("later");
        });
        yield_now().await;
        outer.cancel();
        outer.await;
        assert_eq!(cancelling(), 0);
    });
    assert_eq!(log, ["3:0 cancelled", "4:0 later"]);
}
