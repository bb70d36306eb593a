//! Barrier, case by case as CPython's `test_locks`.

use std::rc::Rc;

use asyncio_sync::{Barrier, ZeroPartiesError};

use crate::executor::{Executor, Log, yield_now};

struct Setup {
    executor: Executor,
    barrier: Rc<Barrier>,
    log: Log,
}

impl Setup {
    fn new(parties: usize) -> Self {
        Self { executor: Executor::new(), barrier: Rc::new(Barrier::new(parties)), log: Log::default() }
    }

    /// Spawns a task that waits `times` times and says what it got.
    fn party(&self, name: &'static str, times: usize) -> usize {
        let (barrier, log) = (self.barrier.clone(), self.log.clone());
        self.executor.spawn(async move {
            for _ in 0..times {
                match barrier.wait().await {
                    Ok(number) => log.push(format!("{name}{number}")),
                    Err(_) => log.push(format!("{name} broken")),
                }
            }
        })
    }

    fn reset(&self) {
        let barrier = self.barrier.clone();
        self.executor.spawn(async move { barrier.reset().await });
    }

    fn turns(&self, turns: usize) {
        (0..turns).for_each(|_| self.executor.turn());
    }
}

#[test]
fn it_needs_a_party() {
    assert_eq!(
        Barrier::try_new(0).unwrap_err().to_string(),
        "cannot make a barrier of 0 parties: at least 1 is needed"
    );
    let error: Result<Barrier, ZeroPartiesError> = Barrier::try_new(2);
    assert_eq!(error.unwrap().parties(), 2);
}

#[test]
#[should_panic(expected = "Barrier::new: zero parties; a barrier needs at least one")]
fn zero_parties_panic() {
    let _ = Barrier::new(std::hint::black_box(0));
}

#[test]
fn every_party_gets_a_number_of_its_own() {
    let setup = Setup::new(3);
    for name in ["a", "b", "c"] {
        setup.party(name, 1);
    }
    assert!(setup.executor.finish());
    // CPython: the last does not suspend, so it is the first to go on.
    assert_eq!(setup.log.take(), ["c2", "a0", "b1"]);
}

#[test]
fn one_party_never_waits() {
    let setup = Setup::new(1);
    setup.party("a", 3);
    assert!(setup.executor.step());
    assert_eq!(setup.log.take(), ["a0", "a0", "a0"]);
}

#[test]
fn the_count_rises_and_falls_to_zero() {
    let setup = Setup::new(3);
    for waiting in 1..3 {
        setup.party("a", 1);
        setup.executor.run();
        assert_eq!(setup.barrier.n_waiting(), waiting);
    }
    assert_eq!(format!("{:?}", setup.barrier), "<Barrier [filling, waiters:2/3]>");
    setup.party("b", 1);
    setup.executor.step();
    assert_eq!(format!("{:?}", setup.barrier), "<Barrier [draining, waiters:0/3]>");
    assert!(setup.executor.finish());
    assert_eq!(format!("{:?}", setup.barrier), "<Barrier [filling, waiters:0/3]>");
}

/// The list is CPython's.
#[test]
fn tasks_that_come_again_are_held_back_until_the_round_has_left() {
    let setup = Setup::new(3);
    for name in ["a", "b", "c"] {
        setup.party(name, 2);
    }
    assert!(setup.executor.finish());
    assert_eq!(setup.log.take(), ["c2", "a0", "b1", "a2", "b0", "c1"]);
}

#[test]
fn a_cancelled_waiter_is_taken_out_and_the_numbers_still_differ() {
    let setup = Setup::new(3);
    let a = setup.party("a", 1);
    setup.party("b", 1);
    setup.executor.run();
    setup.executor.cancel(a);
    setup.executor.run();
    assert_eq!(setup.barrier.n_waiting(), 1);
    assert!(!setup.barrier.broken());
    setup.party("c", 1);
    setup.party("d", 1);
    assert!(setup.executor.finish());
    // In CPython "b" and "c" would both be number 1.
    assert_eq!(setup.log.take(), ["d2", "b0", "c1"]);
}

#[test]
fn a_waiter_cancelled_on_its_way_out_ends_the_round_all_the_same() {
    let setup = Setup::new(2);
    let a = setup.party("a", 1);
    setup.executor.run();
    setup.party("b", 2);
    setup.executor.step();
    setup.executor.cancel(a);
    setup.executor.run();
    assert_eq!(setup.log.take(), ["b1"]);
    assert_eq!(format!("{:?}", setup.barrier), "<Barrier [filling, waiters:1/2]>");
    setup.party("c", 1);
    assert!(setup.executor.finish());
    assert_eq!(setup.log.take(), ["c1", "b0"]);
}

#[test]
fn a_reset_of_an_empty_barrier_is_harmless() {
    let setup = Setup::new(2);
    setup.reset();
    assert!(setup.executor.finish());
    setup.party("a", 1);
    setup.party("b", 1);
    assert!(setup.executor.finish());
    assert_eq!(setup.log.take(), ["b1", "a0"]);
}

#[test]
fn a_reset_sends_all_who_wait_away_and_they_may_come_again() {
    let setup = Setup::new(3);
    setup.party("a", 2);
    setup.party("b", 2);
    setup.executor.run();
    setup.reset();
    setup.executor.run();
    assert_eq!(setup.log.take(), ["a broken", "b broken"]);
    assert_eq!(setup.barrier.n_waiting(), 2);
    setup.party("c", 1);
    assert!(setup.executor.finish());
    assert_eq!(setup.log.take(), ["c2", "b0", "a1"]);
}

#[test]
fn a_reset_while_half_have_left_breaks_the_others_and_not_those_held_back() {
    let setup = Setup::new(3);
    setup.party("a", 1);
    setup.party("b", 1);
    setup.executor.run();
    setup.party("c", 2);
    setup.executor.step();
    // Now "c" is held back while "a" and "b" are on their way out; the reset overtakes them.
    let reset = setup.barrier.reset();
    futures_executor::block_on(reset);
    setup.executor.run();
    assert_eq!(setup.log.take(), ["c2", "a broken", "b broken"]);
    assert_eq!(setup.barrier.n_waiting(), 1);
    setup.party("d", 1);
    setup.party("e", 1);
    assert!(setup.executor.finish());
    assert_eq!(setup.log.take(), ["e2", "c0", "d1"]);
}

#[test]
fn an_abort_breaks_those_inside_those_held_back_and_those_who_come() {
    let setup = Setup::new(3);
    setup.party("a", 1);
    setup.party("b", 1);
    setup.executor.run();
    setup.party("c", 2);
    setup.executor.step();
    futures_executor::block_on(setup.barrier.abort());
    setup.party("d", 1);
    assert!(setup.executor.finish());
    assert_eq!(setup.log.take(), ["c2", "a broken", "b broken", "c broken", "d broken"]);
    assert!(setup.barrier.broken());
    assert_eq!(format!("{:?}", setup.barrier), "<Barrier [broken]>");
    setup.reset();
    for name in ["a", "b", "c"] {
        setup.party(name, 1);
    }
    assert!(setup.executor.finish());
    assert_eq!(setup.log.take(), ["c2", "a0", "b1"]);
}

#[test]
fn an_abort_from_an_error_handler_breaks_the_others() {
    let setup = Setup::new(2);
    setup.party("a", 1);
    let (barrier, log) = (setup.barrier.clone(), setup.log.clone());
    setup.executor.spawn(async move {
        yield_now().await;
        let work: Result<(), &str> = Err("failed");
        if let Err(error) = work {
            barrier.abort().await;
            log.push(error);
        }
    });
    setup.turns(1);
    assert_eq!(setup.barrier.n_waiting(), 1);
    assert!(setup.executor.finish());
    assert_eq!(setup.log.take(), ["failed", "a broken"]);
}

#[test]
fn the_error_says_what_happened() {
    let barrier = Barrier::new(2);
    futures_executor::block_on(barrier.abort());
    let error = futures_executor::block_on(barrier.wait()).unwrap_err();
    assert_eq!(error.to_string(), "cannot wait at a broken barrier");
}
