//! The queues, case by case as CPython's `test_queues`.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::rc::Rc;

use asyncio_sync::{GetError, LifoQueue, PriorityQueue, PutError, Queue, QueueShutDown};

use crate::executor::{Executor, Log, Status};

struct Setup {
    executor: Executor,
    queue: Rc<Queue<i32>>,
    log: Log,
}

impl Setup {
    fn new(maxsize: usize) -> Self {
        Self { executor: Executor::new(), queue: Rc::new(Queue::new(maxsize)), log: Log::default() }
    }

    fn get(&self, name: &'static str) -> usize {
        let (queue, log) = (self.queue.clone(), self.log.clone());
        self.executor.spawn(async move {
            match queue.get().await {
                Ok(item) => log.push(format!("{name} got {item}")),
                Err(QueueShutDown(())) => log.push(format!("{name} down")),
            }
        })
    }

    fn put(&self, item: i32) -> usize {
        let (queue, log) = (self.queue.clone(), self.log.clone());
        self.executor.spawn(async move {
            match queue.put(item).await {
                Ok(()) => log.push(format!("put {item}")),
                Err(QueueShutDown(item)) => log.push(format!("{item} came back")),
            }
        })
    }

    fn join(&self) -> usize {
        let (queue, log) = (self.queue.clone(), self.log.clone());
        self.executor.spawn(async move {
            queue.join().await;
            log.push("joined");
        })
    }

    /// What the log has gained after all that could run has run.
    fn run(&self) -> Vec<String> {
        self.executor.run();
        self.log.take()
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn empty_full_and_maxsize() {
    let queue = Queue::new(2);
    assert_eq!((queue.maxsize(), queue.qsize(), queue.empty(), queue.full()), (2, 0, true, false));
    queue.put_nowait(1).unwrap();
    assert!(!queue.empty() && !queue.full());
    queue.put_nowait(2).unwrap();
    assert!(queue.full());
    let unbounded = Queue::default();
    (0..100).for_each(|item| unbounded.put_nowait(item).unwrap());
    assert!(!unbounded.full());
}

#[test]
fn the_order_is_that_of_the_kind_of_queue() {
    fn all<T>(items: [T; 3], put: impl Fn(T), get: impl Fn() -> Result<T, GetError>) -> Vec<T> {
        items.into_iter().for_each(put);
        std::iter::from_fn(|| get().ok()).collect()
    }
    let fifo = Queue::new(0);
    assert_eq!(all([1, 3, 2], |item| fifo.put_nowait(item).unwrap(), || fifo.get_nowait()), [1, 3, 2]);
    let lifo = LifoQueue::new(0);
    assert_eq!(all([1, 3, 2], |item| lifo.put_nowait(item).unwrap(), || lifo.get_nowait()), [2, 3, 1]);
    let priority = PriorityQueue::new(0);
    assert_eq!(all([1, 3, 2], |item| priority.put_nowait(item).unwrap(), || priority.get_nowait()), [1, 2, 3]);
}

#[test]
fn what_cannot_be_done_at_once_says_why() {
    let queue = Queue::new(1);
    assert_eq!(queue.get_nowait(), Err(GetError::Empty));
    queue.put_nowait(1).unwrap();
    assert_eq!(queue.put_nowait(2), Err(PutError::Full(2)));
    assert_eq!(queue.put_nowait(2).unwrap_err().into_inner(), 2);
    queue.shutdown(false);
    assert_eq!(queue.put_nowait(2), Err(PutError::ShutDown(2)));
    assert_eq!(queue.get_nowait(), Ok(1));
    assert_eq!(queue.get_nowait(), Err(GetError::ShutDown));
    assert_eq!(GetError::Empty.to_string(), "cannot get an item without waiting: the queue is empty");
    assert_eq!(format!("{:?} {:?}", PutError::Full(1), QueueShutDown(1)), "Full(..) QueueShutDown(..)");
}

#[test]
fn a_put_waits_for_room_and_putters_deliver_in_order() {
    let setup = Setup::new(2);
    let tasks = [1, 2, 3, 4].map(|item| setup.put(item));
    assert_eq!(setup.run(), ["put 1", "put 2"]);
    assert_eq!(setup.executor.status(tasks[2]), Status::Pending(Some("Queue.put")));
    assert_eq!(format!("{:?}", setup.queue), "<Queue maxsize=2 items=[1, 2] putters[2] tasks=2>");
    assert_eq!(setup.queue.get_nowait(), Ok(1));
    assert_eq!(setup.run(), ["put 3"]);
    assert_eq!(setup.queue.get_nowait(), Ok(2));
    assert_eq!(setup.run(), ["put 4"]);
    assert_eq!((setup.queue.get_nowait(), setup.queue.get_nowait()), (Ok(3), Ok(4)));
}

#[test]
fn a_get_waits_for_a_put() {
    let setup = Setup::new(0);
    let task = setup.get("a");
    assert_eq!(setup.run(), NOTHING);
    assert_eq!(setup.executor.status(task), Status::Pending(Some("Queue.get")));
    assert_eq!(format!("{:?}", setup.queue), "<Queue maxsize=0 getters[1]>");
    setup.queue.put_nowait(1).unwrap();
    assert_eq!(setup.run(), ["a got 1"]);
}

#[test]
fn a_cancelled_getter_does_not_eat_the_item() {
    let setup = Setup::new(0);
    let a = setup.get("a");
    setup.get("b");
    setup.run();
    // Cancelled first, then the put: it passes "a" by.
    setup.executor.cancel(a);
    setup.queue.put_nowait(1).unwrap();
    assert_eq!(setup.run(), ["b got 1"]);
    // The put first: "c" was woken, and passes the wake-up on.
    let c = setup.get("c");
    setup.get("d");
    setup.run();
    setup.queue.put_nowait(2).unwrap();
    setup.executor.cancel(c);
    assert_eq!(setup.run(), ["d got 2"]);
    assert_eq!(format!("{:?}", setup.queue), "<Queue maxsize=0 tasks=2>");
}

#[test]
fn a_woken_getter_that_is_cancelled_leaves_the_item_for_later() {
    let setup = Setup::new(0);
    let a = setup.get("a");
    setup.run();
    setup.queue.put_nowait(1).unwrap();
    setup.executor.cancel(a);
    assert_eq!(setup.run(), NOTHING);
    setup.get("b");
    assert_eq!(setup.run(), ["b got 1"]);
}

#[test]
fn a_newcomer_may_overtake_a_woken_getter_which_queues_again_at_the_end() {
    let setup = Setup::new(0);
    setup.get("a");
    setup.get("b");
    setup.run();
    setup.queue.put_nowait(1).unwrap();
    assert_eq!(setup.queue.get_nowait(), Ok(1));
    assert_eq!(setup.run(), NOTHING);
    setup.queue.put_nowait(2).unwrap();
    setup.queue.put_nowait(3).unwrap();
    assert_eq!(setup.run(), ["b got 2", "a got 3"]);
}

#[test]
fn a_cancelled_putter_puts_nothing_and_the_others_keep_their_order() {
    let setup = Setup::new(1);
    setup.queue.put_nowait(0).unwrap();
    setup.put(1);
    let middle = setup.put(2);
    setup.put(3);
    setup.run();
    setup.executor.cancel(middle);
    assert_eq!(setup.queue.get_nowait(), Ok(0));
    assert_eq!(setup.run(), ["put 1"]);
    assert_eq!(setup.queue.get_nowait(), Ok(1));
    assert_eq!(setup.run(), ["put 3"]);
    assert_eq!(setup.queue.get_nowait(), Ok(3));
    assert_eq!(format!("{:?}", setup.queue), "<Queue maxsize=1 tasks=3>");
}

#[test]
fn a_woken_putter_that_is_cancelled_passes_its_room_on() {
    let setup = Setup::new(1);
    setup.queue.put_nowait(0).unwrap();
    let a = setup.put(1);
    setup.put(2);
    setup.run();
    assert_eq!(setup.queue.get_nowait(), Ok(0));
    setup.executor.cancel(a);
    assert_eq!(setup.run(), ["put 2"]);
    assert_eq!(setup.executor.status(a), Status::Cancelled);
}

#[test]
fn producers_and_consumers_of_a_small_queue_never_stall() {
    for maxsize in 1..4 {
        let setup = Setup::new(maxsize);
        let sum = Rc::new(RefCell::new(0));
        for _ in 0..3 {
            let queue = setup.queue.clone();
            setup.executor.spawn(async move {
                for item in 0..10 {
                    queue.put(item).await.unwrap();
                }
            });
            let (queue, sum) = (setup.queue.clone(), sum.clone());
            setup.executor.spawn(async move {
                for _ in 0..10 {
                    let item = match queue.get_nowait() {
                        Ok(item) => item,
                        Err(_) => queue.get().await.unwrap(),
                    };
                    *sum.borrow_mut() += item;
                }
            });
        }
        assert!(setup.executor.finish());
        assert_eq!(*sum.borrow(), 3 * 45);
    }
}

#[test]
fn join_returns_when_all_is_done() {
    let setup = Setup::new(0);
    setup.join();
    assert_eq!(setup.run(), ["joined"], "at once on an empty queue, and again");
    setup.queue.put_nowait(1).unwrap();
    setup.queue.put_nowait(2).unwrap();
    let task = setup.join();
    setup.run();
    assert_eq!(setup.executor.status(task), Status::Pending(Some("Queue.join")));
    for _ in 0..2 {
        assert_eq!(setup.run(), NOTHING);
        setup.queue.get_nowait().unwrap();
        setup.queue.task_done().unwrap();
    }
    assert_eq!(setup.run(), ["joined"]);
    let error = setup.queue.task_done().unwrap_err();
    assert!(error.to_string().starts_with("task_done was called though all items are done"));
}

#[test]
fn shutdown_of_an_empty_queue_ends_waiting_getters() {
    let setup = Setup::new(0);
    setup.get("a");
    setup.run();
    setup.queue.shutdown(false);
    setup.join();
    setup.put(1);
    assert_eq!(setup.run(), ["a down", "joined", "1 came back"]);
    assert_eq!(format!("{:?}", setup.queue), "<Queue maxsize=0 shutdown>");
}

#[test]
fn shutdown_delivers_what_is_there_and_gives_blocked_puts_back() {
    let setup = Setup::new(1);
    setup.put(1);
    setup.put(2);
    setup.run();
    setup.queue.shutdown(false);
    setup.queue.shutdown(false);
    setup.get("a");
    setup.get("b");
    setup.join();
    assert_eq!(setup.run(), ["2 came back", "a got 1", "b down"]);
    setup.queue.task_done().unwrap();
    assert_eq!(setup.run(), ["joined"]);
    setup.queue.task_done().unwrap_err();
}

#[test]
fn immediate_shutdown_drops_the_items_and_counts_them_done() {
    let setup = Setup::new(0);
    for item in 1..4 {
        setup.queue.put_nowait(item).unwrap();
    }
    setup.queue.get_nowait().unwrap();
    setup.join();
    setup.run();
    setup.queue.shutdown(true);
    assert!(setup.queue.empty());
    setup.get("a");
    assert_eq!(setup.run(), ["a down"], "the item that was taken still needs its task_done");
    setup.queue.task_done().unwrap();
    assert_eq!(setup.run(), ["joined"]);
    setup.queue.task_done().unwrap_err();
}

/// An item that looks at its queue when it is compared and when it is dropped.
struct Nosy {
    queue: Rc<RefCell<Option<Rc<PriorityQueue<Self>>>>>,
    gets: bool,
}

impl Nosy {
    fn look(&self) {
        if let Some(queue) = &*self.queue.borrow() {
            let _ = (queue.qsize(), queue.empty(), queue.full());
            if self.gets {
                let _ = queue.get_nowait();
            }
        }
    }
}

impl PartialEq for Nosy {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Nosy {}

impl PartialOrd for Nosy {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Nosy {
    fn cmp(&self, _: &Self) -> Ordering {
        self.look();
        Ordering::Equal
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.look();
    }
}

fn nosy(gets: bool) -> (Rc<PriorityQueue<Nosy>>, impl Fn() -> Result<(), PutError<Nosy>>) {
    let (queue, link) = (Rc::new(PriorityQueue::new(0)), Rc::new(RefCell::new(None)));
    *link.borrow_mut() = Some(queue.clone());
    let inside = queue.clone();
    (queue, move || inside.put_nowait(Nosy { queue: link.clone(), gets }))
}

#[test]
fn items_may_ask_the_queue_while_it_is_being_changed() {
    let (queue, put) = nosy(false);
    (0..5).for_each(|_| put().unwrap());
    drop(queue.get_nowait());
    queue.shutdown(true);
    assert!(queue.empty());
}

#[test]
#[should_panic(expected = "a queue was used by its own storage")]
fn items_may_not_change_the_queue_while_it_is_being_changed() {
    let (queue, put) = nosy(true);
    // Items refer to the queue, which is leaked with them: their destructors would look again while unwinding.
    std::mem::forget(queue);
    (0..5).for_each(|_| std::mem::forget(put()));
}

#[test]
fn items_that_use_the_queue_when_dropped_do_no_harm() {
    struct Putter(Rc<Queue<Option<Putter>>>);
    impl Drop for Putter {
        fn drop(&mut self) {
            assert!(matches!(self.0.put_nowait(None), Err(PutError::ShutDown(None))));
            let _ = self.0.get_nowait();
        }
    }
    let queue = Rc::new(Queue::new(0));
    for _ in 0..4 {
        queue.put_nowait(Some(Putter(queue.clone()))).unwrap();
    }
    queue.shutdown(true);
    assert!(queue.empty());
}
