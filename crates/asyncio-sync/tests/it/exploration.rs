//! Every order of a few events, for each primitive: releases and notifications, cancellations at any point, newcomers,
//! and single steps of the executor in between.
//!
//! Each case runs twice: with cancellations that the probe tells before they take effect, and with futures that are
//! dropped at once.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use asyncio_sync::{Barrier, Condition, Event, Lock, Queue, Semaphore};

use crate::executor::{Executor, Status, yield_now};

/// Calls `run` with every sequence of at most `length` events in which each of `0..events` comes at most once; the number
/// `events` stands for a step of the executor and may come again.
fn sequences(events: usize, length: usize, run: &mut dyn FnMut(&[usize])) {
    fn extend(events: usize, length: usize, used: u32, sequence: &mut Vec<usize>, run: &mut dyn FnMut(&[usize])) {
        run(sequence);
        if sequence.len() == length {
            return;
        }
        for event in 0..=events {
            if event == events || used & (1 << event) == 0 {
                sequence.push(event);
                let used = if event == events { used } else { used | 1 << event };
                extend(events, length, used, sequence, run);
                sequence.pop();
            }
        }
    }
    extend(events, length, 0, &mut Vec::new(), run);
}

/// Runs `case` on every sequence, with both ways to cancel.
fn explore(events: usize, length: usize, case: impl Fn(&[usize], Cancel)) {
    let length = if cfg!(debug_assertions) { length - 1 } else { length };
    let mut count = 0;
    sequences(events, length, &mut |sequence| {
        for cancel in [Executor::request as Cancel, Executor::abandon as Cancel] {
            case(sequence, cancel);
            count += 1;
        }
    });
    assert!(count > 1000, "only {count} cases");
}

type Cancel = fn(&Executor, usize);

/// How many may be inside at once, and who went in.
struct Room {
    inside: Cell<usize>,
    size: usize,
    entered: RefCell<Vec<usize>>,
}

struct Stay(Rc<Room>);

impl Room {
    fn new(size: usize) -> Rc<Self> {
        Rc::new(Self { inside: Cell::new(0), size, entered: RefCell::default() })
    }

    fn enter(self: Rc<Self>, who: usize) -> Stay {
        self.inside.set(self.inside.get() + 1);
        assert!(self.inside.get() <= self.size, "{who} came in though the room is full");
        self.entered.borrow_mut().push(who);
        Stay(self)
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.0.inside.set(self.0.inside.get() - 1);
    }
}

#[test]
fn a_lock_is_exclusive_fair_and_never_lost() {
    explore(5, 7, |sequence, cancel| {
        let executor = Executor::new();
        let room = Room::new(1);
        let lock = Rc::new(Lock::new(()));
        let mut guard = lock.clone().try_acquire_owned();
        let visit = |who: usize| {
            let (lock, room) = (lock.clone(), room.clone());
            executor.spawn(async move {
                let guard = lock.acquire().await;
                let stay = room.enter(who);
                yield_now().await;
                drop(stay);
                drop(guard);
            });
        };
        (0..3).for_each(visit);
        executor.run();
        for &event in sequence {
            match event {
                0 => guard = None,
                1 => visit(3),
                2..5 => cancel(&executor, event - 2),
                _ => {
                    executor.step();
                }
            }
        }
        drop(guard);
        assert!(executor.finish(), "somebody waits for a free lock after {sequence:?}");
        let entered = room.entered.borrow();
        assert!(entered.is_sorted(), "{entered:?} came in that order after {sequence:?}");
        for who in 0..3 {
            assert!(executor.status(who) == Status::Cancelled || entered.contains(&who));
        }
        assert_eq!(format!("{lock:?}"), "<Lock [unlocked]>");
    });
}

#[test]
fn permits_of_a_semaphore_are_conserved() {
    explore(6, 7, |sequence, cancel| {
        let executor = Executor::new();
        let room = Room::new(2);
        let semaphore = Rc::new(Semaphore::new(2));
        let mut permits = [semaphore.clone().try_acquire_owned(), semaphore.clone().try_acquire_owned()];
        let visit = |who: usize| {
            let (semaphore, room) = (semaphore.clone(), room.clone());
            executor.spawn(async move {
                let permit = semaphore.acquire().await;
                let stay = room.enter(who);
                yield_now().await;
                drop(stay);
                drop(permit);
            });
        };
        (0..3).for_each(visit);
        executor.run();
        for &event in sequence {
            match event {
                0 | 1 => permits[event] = None,
                2 => visit(3),
                3..6 => cancel(&executor, event - 3),
                _ => {
                    executor.step();
                }
            }
        }
        drop(permits);
        assert!(executor.finish(), "somebody waits for a free permit after {sequence:?}");
        assert!(room.entered.borrow().is_sorted());
        assert_eq!(format!("{semaphore:?}"), "<Semaphore [unlocked, value:2]>", "after {sequence:?}");
    });
}

#[test]
fn an_event_wakes_all_who_waited_when_it_was_set() {
    explore(6, 7, |sequence, cancel| {
        let executor = Executor::new();
        let event = Rc::new(Event::new());
        let wait = || {
            let event = event.clone();
            executor.spawn(async move { event.wait().await });
        };
        (0..3).for_each(|_| wait());
        executor.run();
        let mut was_set = false;
        for &what in sequence {
            match what {
                0 => {
                    event.set();
                    was_set = true;
                }
                1 => event.clear(),
                2 => wait(),
                3..6 => cancel(&executor, what - 3),
                _ => {
                    executor.step();
                }
            }
        }
        executor.run();
        for who in 0..3 {
            assert!(!was_set || !matches!(executor.status(who), Status::Pending(_)), "{who} sleeps after {sequence:?}");
        }
        event.set();
        assert!(executor.finish());
        assert_eq!(format!("{event:?}"), "<Event [set]>");
    });
}

#[test]
fn a_notification_reaches_somebody_who_goes_on() {
    explore(6, 7, |sequence, cancel| {
        let executor = Executor::new();
        let condition = Rc::new(Condition::new(()));
        let returned = Rc::new(Cell::new(0u32));
        for who in 0..3 {
            let (condition, returned) = (condition.clone(), returned.clone());
            executor.spawn(async move {
                let guard = condition.acquire().await;
                let guard = condition.wait(guard).await;
                returned.set(returned.get() | 1 << who);
                yield_now().await;
                drop(guard);
            });
        }
        executor.run();
        let mut notified = 0;
        let mut holder = None;
        for &event in sequence {
            match event {
                0 | 1 => {
                    // Somebody who holds the lock while several others come for it.
                    holder = holder.or_else(|| condition.try_acquire());
                    if let Some(guard) = &holder {
                        condition.notify(guard, 1);
                        notified += 1;
                    }
                }
                2 => holder = None,
                3..6 => cancel(&executor, event - 3),
                _ => {
                    executor.step();
                }
            }
        }
        drop(holder);
        executor.run();
        let gone = |who: usize| executor.status(who) == Status::Cancelled && returned.get() & 1 << who == 0;
        let stayed = 3 - (0..3).filter(|&who| gone(who)).count();
        assert_eq!(returned.get().count_ones() as usize, stayed.min(notified), "after {sequence:?}");
        condition.notify_all(&condition.try_acquire().expect("nobody holds the lock"));
        assert!(executor.finish(), "somebody waits for the lock after {sequence:?}");
        assert_eq!(format!("{condition:?}"), "<Condition [unlocked]>");
    });
}

#[test]
fn items_are_conserved_among_getters() {
    explore(7, 7, |sequence, cancel| {
        let executor = Executor::new();
        let queue = Rc::new(Queue::new(0));
        let got = Rc::new(RefCell::new(Vec::new()));
        let get = || {
            let (queue, got) = (queue.clone(), got.clone());
            executor.spawn(async move {
                let item = queue.get().await.unwrap();
                got.borrow_mut().push(item);
            });
        };
        (0..3).for_each(|_| get());
        executor.run();
        let mut put = Vec::new();
        for &event in sequence {
            match event {
                0 | 1 => {
                    queue.put_nowait(event).unwrap();
                    put.push(event);
                }
                2 => get(),
                3 => got.borrow_mut().extend(queue.get_nowait()),
                4..7 => cancel(&executor, event - 4),
                _ => {
                    executor.step();
                }
            }
        }
        executor.run();
        assert!(queue.empty() || executor.finish(), "somebody waits for an item that is there after {sequence:?}");
        let mut all = got.take();
        all.extend(std::iter::from_fn(|| queue.get_nowait().ok()));
        assert_eq!(all, put, "items in order after {sequence:?}");
    });
}

#[test]
fn items_are_conserved_among_putters() {
    explore(6, 7, |sequence, cancel| {
        let executor = Executor::new();
        let queue = Rc::new(Queue::new(1));
        queue.put_nowait(9).unwrap();
        let put = Rc::new(RefCell::new(vec![9]));
        let spawn = |who: usize| {
            let (queue, put) = (queue.clone(), put.clone());
            executor.spawn(async move {
                queue.put(who).await.unwrap();
                put.borrow_mut().push(who);
            });
        };
        (0..3).for_each(spawn);
        executor.run();
        let mut got = Vec::new();
        for &event in sequence {
            match event {
                0 | 1 => got.extend(queue.get_nowait()),
                2 => spawn(3),
                3..6 => cancel(&executor, event - 3),
                _ => {
                    executor.step();
                }
            }
        }
        executor.run();
        assert!(queue.full() || executor.finish(), "somebody waits for room that is there after {sequence:?}");
        while let Ok(item) = queue.get_nowait() {
            got.push(item);
            executor.run();
        }
        assert!(executor.finish());
        assert_eq!(got, *put.borrow(), "items in order after {sequence:?}");
    });
}

#[test]
fn a_barrier_is_usable_after_whatever_happened() {
    explore(6, 7, |sequence, cancel| {
        let executor = Executor::new();
        let barrier = Rc::new(Barrier::new(3));
        let numbers = Rc::new(RefCell::new(Vec::new()));
        let come = || {
            let (barrier, numbers) = (barrier.clone(), numbers.clone());
            executor.spawn(async move {
                if let Ok(number) = barrier.wait().await {
                    numbers.borrow_mut().push(number);
                }
            });
        };
        let command = |abort: bool| {
            let barrier = barrier.clone();
            executor.spawn(async move { if abort { barrier.abort().await } else { barrier.reset().await } });
        };
        (0..2).for_each(|_| come());
        executor.run();
        for &event in sequence {
            match event {
                0 => come(),
                1 => {
                    come();
                    come();
                }
                2 | 3 => cancel(&executor, event - 2),
                4 | 5 => command(event == 5),
                _ => {
                    executor.step();
                }
            }
        }
        executor.run();
        // Five tasks at most come, so there is at most one full round, and whoever comes through it has its own number.
        let seen = numbers.take();
        assert_eq!(BTreeSet::from_iter(&seen).len(), seen.len(), "numbers {seen:?} after {sequence:?}");
        command(false);
        executor.run();
        assert_eq!(barrier.n_waiting(), 0, "after {sequence:?}");
        numbers.borrow_mut().clear();
        (0..3).for_each(|_| come());
        assert!(executor.finish(), "the barrier hangs after {sequence:?}");
        assert_eq!(*numbers.borrow(), [2, 0, 1], "after {sequence:?}");
    });
}
