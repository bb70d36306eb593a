//! The queue against a `VecDeque`, and what happens to waiters that outlive it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Wake;

use asyncio_context::{ProbeCell, set_probe_source};
use proptest::prelude::*;

use super::*;

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn ticket(probe: Probe) -> Ticket {
    Ticket { waker: Waker::noop().clone(), probe }
}

/// A waiter as the model sees it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Entry {
    key: usize,
    woken: bool,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push(usize),
    Remove(usize),
    RemoveFromOther(usize),
    Cancel(usize),
    WakeFirst,
    PopLive,
    Pop,
    WakeAll,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let key = 0usize..6;
    let step = prop_oneof![
        4 => key.clone().prop_map(Step::Push),
        3 => key.clone().prop_map(Step::Remove),
        1 => key.clone().prop_map(Step::RemoveFromOther),
        2 => key.prop_map(Step::Cancel),
        2 => Just(Step::WakeFirst),
        2 => Just(Step::PopLive),
        1 => Just(Step::Pop),
        1 => Just(Step::WakeAll),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// After each step the queue has the waiters of the model in the order of the model, forwards and backwards.
    #[test]
    fn the_queue_agrees_with_a_deque(steps in steps()) {
        let queue = WaitQueue::new();
        let other = WaitQueue::new();
        let away = Box::pin(Waiter::new());
        other.push(away.as_ref(), ticket(Probe::NONE));
        let waiters: Vec<Pin<Box<Waiter>>> = (0..6).map(|_| Box::pin(Waiter::new())).collect();
        let mut cells: Vec<ProbeCell> = (0..6).map(|_| ProbeCell::new()).collect();
        let mut model: VecDeque<Entry> = VecDeque::new();
        let mut cancelled = [false; 6];
        for step in steps {
            match step {
                Step::Push(key) => if model.iter().all(|entry| entry.key != key) {
                    queue.remove(waiters[key].as_ref());
                    cells[key] = ProbeCell::new();
                    cancelled[key] = false;
                    queue.push(waiters[key].as_ref(), ticket(cells[key].probe()));
                    model.push_back(Entry { key, woken: false });
                },
                Step::Remove(key) => {
                    queue.remove(waiters[key].as_ref());
                    prop_assert!(waiters[key].is_new());
                    model.retain(|entry| entry.key != key);
                }
                Step::RemoveFromOther(key) => {
                    if model.iter().any(|entry| entry.key == key) {
                        prop_assert!(other.remove(waiters[key].as_ref()).is_none());
                    }
                }
                Step::Cancel(key) => {
                    cells[key].set_cancelled(true);
                    cancelled[key] = true;
                }
                Step::WakeFirst => {
                    let expected = model.front_mut().filter(|entry| !entry.woken && !cancelled[entry.key]);
                    prop_assert_eq!(queue.wake_first().is_some(), expected.is_some());
                    if let Some(entry) = expected { entry.woken = true; }
                }
                Step::PopLive => {
                    let mut expected = None;
                    while let Some(entry) = model.pop_front() {
                        if entry.woken || !cancelled[entry.key] { expected = Some(entry); break; }
                        prop_assert!(!waiters[entry.key].is_woken());
                    }
                    let popped = queue.pop_live(queue.end());
                    // One that `wake_first` woke has given its waker away.
                    prop_assert_eq!(popped.is_some(), expected.is_some_and(|entry| !entry.woken));
                    if let Some(entry) = expected { prop_assert!(waiters[entry.key].is_woken()); }
                }
                Step::Pop => {
                    let expected = model.pop_front();
                    prop_assert_eq!(queue.pop(queue.end(), 7).is_some(), expected.is_some_and(|entry| !entry.woken));
                    if let Some(entry) = expected { prop_assert_eq!(waiters[entry.key].place().unwrap().number.get(), 7); }
                }
                Step::WakeAll => {
                    // A waiter without a waker ends a `wake_all`; no primitive mixes that with `wake_first`.
                    if model.iter().all(|entry| !entry.woken) {
                        queue.wake_all();
                        for (number, entry) in model.drain(..).enumerate() {
                            prop_assert!(waiters[entry.key].is_woken());
                            prop_assert_eq!(waiters[entry.key].place().unwrap().number.get(), number as u64);
                        }
                    }
                }
            }
            prop_assert_eq!(queue.len(), model.len());
            prop_assert_eq!(queue.is_empty(), model.is_empty());
            prop_assert_eq!(queue.no_live(), model.iter().all(|entry| !entry.woken && cancelled[entry.key]));
            let mut link = queue.head.get();
            let mut before = None;
            for entry in &model {
                prop_assert_eq!(link, Some(NonNull::from(&*waiters[entry.key])));
                let waiter = follow(link.as_ref().unwrap());
                prop_assert_eq!(waiter.place().unwrap().prev.get(), before);
                before = link;
                link = waiter.place().unwrap().next.get();
            }
            prop_assert_eq!(link, None);
            prop_assert_eq!(queue.tail.get(), before);
        }
        for waiter in &waiters {
            queue.remove(waiter.as_ref());
        }
        other.remove(away.as_ref());
    }
}

/// A waiter that is leaked, where a checker of leaks finds it.
fn leaked() -> Pin<&'static Waiter> {
    static LEAKED: Mutex<Vec<AtomicPtr<Waiter>>> = Mutex::new(Vec::new());
    let waiter: &'static Waiter = Box::leak(Box::new(Waiter::new()));
    LEAKED.lock().unwrap().push(AtomicPtr::new(std::ptr::from_ref(waiter).cast_mut()));
    Pin::static_ref(waiter)
}

#[test]
fn a_queue_may_move_and_end_with_leaked_waiters_in_it() {
    let queue = WaitQueue::new();
    let leaked = leaked();
    queue.push(leaked, ticket(Probe::NONE));
    let moved = Box::new(queue);
    let stays = Box::pin(Waiter::new());
    moved.push(stays.as_ref(), ticket(Probe::NONE));
    assert_eq!(moved.len(), 2);
    assert!(moved.wake_first().is_some());
    moved.remove(stays.as_ref());
    drop(moved);
    // Another queue, perhaps at the same address, does not take it for its own.
    let other = WaitQueue::new();
    other.push(stays.as_ref(), ticket(Probe::NONE));
    other.remove(leaked);
    assert_eq!(other.len(), 1);
    other.remove(stays.as_ref());
}

#[test]
fn foreign_code_in_a_wake_may_change_the_queue() {
    /// Removes and drops the second waiter, and adds a third, when the first is woken.
    struct Meddler;
    type Hook = Option<Box<dyn FnOnce()>>;
    thread_local!(static HOOK: RefCell<Hook> = const { RefCell::new(None) });
    impl Wake for Meddler {
        fn wake(self: Arc<Self>) {
            let hook = HOOK.take();
            hook.unwrap()();
        }
    }
    let queue = Rc::new(WaitQueue::new());
    let first = Box::pin(Waiter::new());
    let second = Box::pin(Waiter::new());
    let third = Rc::pin(Waiter::new());
    let count = Arc::new(Count(AtomicUsize::new(0)));
    queue.push(first.as_ref(), Ticket { waker: Arc::new(Meddler).into(), probe: Probe::NONE });
    queue.push(second.as_ref(), Ticket { waker: Arc::clone(&count).into(), probe: Probe::NONE });
    let (inside, late, waker) = (Rc::clone(&queue), third.clone(), Arc::clone(&count));
    HOOK.set(Some(Box::new(move || {
        inside.remove(second.as_ref());
        drop(second);
        inside.push(late.as_ref(), Ticket { waker: waker.into(), probe: Probe::NONE });
    })));
    queue.wake_all();
    assert_eq!(count.0.load(Ordering::Relaxed), 0, "the second is gone and the third came too late");
    assert_eq!(queue.len(), 1);
    queue.remove(third.as_ref());
}

#[test]
fn a_waiter_that_was_skipped_waits_anew() {
    thread_local!(static CELL: ProbeCell = const { ProbeCell::new() });
    let before = set_probe_source(Some(|| CELL.with(ProbeCell::probe)));
    let cx = Context::from_waker(Waker::noop());
    let queue = WaitQueue::new();
    let waiter = Box::pin(Waiter::new());
    queue.push(waiter.as_ref(), Ticket::new(&cx));
    CELL.with(|cell| cell.set_cancelled(true));
    assert!(queue.no_live());
    assert!(queue.pop_live(queue.end()).is_none());
    assert!(queue.is_empty() && !waiter.is_new());
    assert_eq!(waiter.poll(&cx), Standing::New);
    assert!(waiter.is_new());
    set_probe_source(before);
}

#[test]
fn a_poll_while_waiting_takes_the_new_waker() {
    let queue = WaitQueue::new();
    let waiter = Box::pin(Waiter::new());
    let (old, new) = (Arc::new(Count(AtomicUsize::new(0))), Arc::new(Count(AtomicUsize::new(0))));
    let (first, second) = (Waker::from(Arc::clone(&old)), Waker::from(Arc::clone(&new)));
    queue.push(waiter.as_ref(), Ticket::new(&Context::from_waker(&first)));
    assert_eq!(waiter.poll(&Context::from_waker(&second)), Standing::Waiting);
    drop(first);
    assert_eq!(Arc::strong_count(&old), 1, "the old waker is dropped");
    queue.pop_live(queue.end()).unwrap().wake();
    assert_eq!(waiter.poll(&Context::from_waker(&second)), Standing::Woken);
    assert_eq!((old.0.load(Ordering::Relaxed), new.0.load(Ordering::Relaxed)), (0, 1));
}

#[test]
#[should_panic(expected = "a waiter can be in one queue at a time")]
fn a_waiter_is_in_one_queue_at_a_time() {
    let (queue, other) = (WaitQueue::new(), WaitQueue::new());
    let waiter = leaked();
    queue.push(waiter, ticket(Probe::NONE));
    other.push(waiter, ticket(Probe::NONE));
}
