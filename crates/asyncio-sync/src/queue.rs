//! Queues between tasks: bounded or not, first in first out, last in first out, or smallest first.

mod error;
mod storage;
mod wait;

use std::cell::{Cell, RefCell, RefMut};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::fmt;
use std::panic::Location;

use crate::event::Event;
use crate::waiter::WaitQueue;
pub use error::{GetError, PutError, QueueShutDown, TaskDoneError};
pub use storage::Storage;
pub use wait::{QueueGet, QueueJoin, QueuePut};

/// A queue that gives items in the order in which they were put.
///
/// See [`BaseQueue`] for what can be done with it.
///
/// In Python: `asyncio.Queue` (`asyncio/queues.py`).
pub type Queue<T> = BaseQueue<VecDeque<T>>;

/// A queue that gives the item that was put last.
///
/// See [`BaseQueue`] for what can be done with it.
///
/// In Python: `asyncio.LifoQueue` (`asyncio/queues.py`).
pub type LifoQueue<T> = BaseQueue<Vec<T>>;

/// A queue that gives the smallest item, by `Ord`. In which order equal items come is not said.
///
/// See [`BaseQueue`] for what can be done with it. The order of items is looked at while the queue is being changed: an
/// `Ord` that puts into or gets from the very queue panics.
///
/// # Examples
///
/// ```
/// # futures_executor::block_on(async {
/// use asyncio_sync::PriorityQueue;
///
/// let queue = PriorityQueue::new(0);
/// for job in [(2, "code"), (1, "eat"), (3, "sleep")] {
///     queue.put_nowait(job)?;
/// }
/// assert_eq!(queue.get().await, Ok((1, "eat")));
/// # Ok::<(), asyncio_sync::PutError<(i32, &str)>>(())
/// # }).unwrap();
/// ```
///
/// In Python: `asyncio.PriorityQueue` (`asyncio/queues.py`).
pub type PriorityQueue<T> = BaseQueue<BinaryHeap<Reverse<T>>>;

/// A queue of items between the tasks of a thread, for any number of producers and consumers.
///
/// Mostly met under its names [`Queue`], [`LifoQueue`] and [`PriorityQueue`]; a [`Storage`] of your own makes another
/// kind.
///
/// A queue with a `maxsize` holds at most that many items, and [`put`](Self::put) waits while it is full; with a `maxsize`
/// of zero it is never full. Who waits is woken in the order of arrival. A `get` that runs before the woken getter may
/// take the item; that getter then queues again, at the end. The same goes for putters.
///
/// # Examples
///
/// ```
/// # futures_executor::block_on(async {
/// use asyncio_sync::Queue;
/// use futures_util::future::join;
///
/// let queue = Queue::new(1);
/// let producer = async {
///     for item in 0..3 {
///         queue.put(item).await.unwrap();
///     }
///     queue.join().await;
///     queue.shutdown(false);
/// };
/// let consumer = async {
///     let mut items = Vec::new();
///     while let Ok(item) = queue.get().await {
///         items.push(item);
///         queue.task_done().unwrap();
///     }
///     items
/// };
/// assert_eq!(join(producer, consumer).await.1, [0, 1, 2]);
/// # });
/// ```
///
/// In Python: `asyncio.Queue`, whose methods `_init`, `_put` and `_get` are [`Storage`] here.
pub struct BaseQueue<S: Storage> {
    maxsize: usize,
    storage: RefCell<S>,
    /// The length of the storage, so that it can be asked for while the storage is being changed.
    len: Cell<usize>,
    getters: WaitQueue,
    putters: WaitQueue,
    unfinished: Cell<usize>,
    finished: Event,
    shut_down: Cell<bool>,
}

impl<T> Queue<T> {
    /// An empty queue for at most `maxsize` items, or any number if that is zero.
    #[must_use]
    pub const fn new(maxsize: usize) -> Self {
        Self::empty_storage(maxsize, VecDeque::new())
    }
}

impl<T> LifoQueue<T> {
    /// An empty queue for at most `maxsize` items, or any number if that is zero.
    #[must_use]
    pub const fn new(maxsize: usize) -> Self {
        Self::empty_storage(maxsize, Vec::new())
    }
}

impl<T: Ord> PriorityQueue<T> {
    /// An empty queue for at most `maxsize` items, or any number if that is zero.
    #[must_use]
    pub const fn new(maxsize: usize) -> Self {
        Self::empty_storage(maxsize, BinaryHeap::new())
    }
}

impl<S: Storage> BaseQueue<S> {
    const fn empty_storage(maxsize: usize, storage: S) -> Self {
        Self {
            maxsize,
            storage: RefCell::new(storage),
            len: Cell::new(0),
            getters: WaitQueue::new(),
            putters: WaitQueue::new(),
            unfinished: Cell::new(0),
            finished: Event::with_value(true),
            shut_down: Cell::new(false),
        }
    }

    /// A queue that keeps its items in `storage`, for at most `maxsize` items, or any number if that is zero.
    ///
    /// Items that are in `storage` already can be got, and do not count as unfinished.
    #[must_use]
    pub fn with_storage(maxsize: usize, storage: S) -> Self {
        let len = storage.len();
        Self { len: Cell::new(len), ..Self::empty_storage(maxsize, storage) }
    }

    /// Puts an item into the queue, waiting while it is full. If it is not, this does not suspend.
    ///
    /// # Errors
    ///
    /// If the queue has been or is being shut down. The error has the item.
    ///
    /// # Cancel safety
    ///
    /// A put that is dropped before it completes has put nothing; its item is dropped with it. If it had been woken, the
    /// next putter is woken instead. The place among the putters is lost.
    ///
    /// In Python: `Queue.put`.
    #[inline]
    #[track_caller]
    pub fn put(&self, item: S::Item) -> QueuePut<'_, S> {
        QueuePut::new(self, item, Location::caller())
    }

    /// Puts an item into the queue and wakes the first live getter.
    ///
    /// # Errors
    ///
    /// If the queue is full or has been shut down. The error has the item.
    ///
    /// In Python: `Queue.put_nowait`.
    #[inline]
    pub fn put_nowait(&self, item: S::Item) -> Result<(), PutError<S::Item>> {
        if self.shut_down.get() {
            return Err(PutError::ShutDown(item));
        }
        if self.full() {
            return Err(PutError::Full(item));
        }
        self.change().push(item);
        self.unfinished.set(self.unfinished.get() + 1);
        self.finished.clear();
        wake_next(&self.getters);
        Ok(())
    }

    /// Takes an item out of the queue, waiting while it is empty. If it is not, this does not suspend.
    ///
    /// # Errors
    ///
    /// If the queue is empty and has been or is being shut down.
    ///
    /// # Cancel safety
    ///
    /// A get that is dropped before it completes has taken nothing: an item is taken in the poll that returns it. If it had been
    /// woken, the next getter is woken instead. The place among the getters is lost.
    ///
    /// In Python: `Queue.get`.
    #[inline]
    #[track_caller]
    pub fn get(&self) -> QueueGet<'_, S> {
        QueueGet::new(self, Location::caller())
    }

    /// Takes an item out of the queue and wakes the first live putter.
    ///
    /// # Errors
    ///
    /// If the queue is empty, and whether it has been shut down as well.
    ///
    /// In Python: `Queue.get_nowait`.
    #[inline]
    pub fn get_nowait(&self) -> Result<S::Item, GetError> {
        let item = if self.empty() { None } else { self.change().pop() };
        match item {
            Some(item) => {
                wake_next(&self.putters);
                Ok(item)
            }
            None if self.shut_down.get() => Err(GetError::ShutDown),
            None => Err(GetError::Empty),
        }
    }

    /// Says that an item that was got has been dealt with. When this was said of all, [`join`](Self::join) returns.
    ///
    /// # Errors
    ///
    /// If it was said of all items already.
    ///
    /// In Python: `Queue.task_done`, which raises `ValueError`.
    #[inline]
    pub fn task_done(&self) -> Result<(), TaskDoneError> {
        let Some(unfinished) = self.unfinished.get().checked_sub(1) else { return Err(TaskDoneError(())) };
        self.unfinished.set(unfinished);
        if unfinished == 0 {
            self.finished.set();
        }
        Ok(())
    }

    /// Waits until every item that was put has been got and dealt with ([`task_done`](Self::task_done)).
    ///
    /// # Cancel safety
    ///
    /// A wait that is dropped leaves nothing behind.
    ///
    /// In Python: `Queue.join`.
    #[inline]
    #[track_caller]
    pub fn join(&self) -> QueueJoin<'_> {
        QueueJoin::new(&self.finished, Location::caller())
    }

    /// Ends the queue: nothing can be put any more, and once it is empty, nothing can be got. All who wait are woken and
    /// see that.
    ///
    /// If `immediate`, the items in the queue are dropped and count as dealt with. Items that were got before still need
    /// their [`task_done`](Self::task_done). Shutting down cannot be undone, and may be done again.
    ///
    /// In Python: `Queue.shutdown`, since 3.13.
    pub fn shutdown(&self, immediate: bool) {
        self.shut_down.set(true);
        if immediate {
            while !self.empty() {
                // A statement of its own, so that the item is dropped when the storage is free again.
                let item = self.change().pop();
                if item.is_none() {
                    break;
                }
                self.unfinished.set(self.unfinished.get().saturating_sub(1));
            }
            if self.unfinished.get() == 0 {
                self.finished.set();
            }
        }
        wake_all_live(&self.getters);
        wake_all_live(&self.putters);
    }

    /// How many items are in the queue.
    ///
    /// In Python: `Queue.qsize`.
    #[inline]
    #[must_use]
    pub fn qsize(&self) -> usize {
        self.len.get()
    }

    /// Whether there is no item in the queue.
    ///
    /// In Python: `Queue.empty`.
    #[inline]
    #[must_use]
    pub fn empty(&self) -> bool {
        self.len.get() == 0
    }

    /// Whether there are `maxsize` items in the queue; never if that is zero.
    ///
    /// In Python: `Queue.full`.
    #[inline]
    #[must_use]
    pub fn full(&self) -> bool {
        self.maxsize != 0 && self.len.get() >= self.maxsize
    }

    /// How many items the queue may hold; zero stands for any number.
    ///
    /// In Python: `Queue.maxsize`.
    #[inline]
    #[must_use]
    pub fn maxsize(&self) -> usize {
        self.maxsize
    }

    /// The storage, to change it; the length is taken over at the end, also if the storage panics.
    #[inline]
    fn change(&self) -> Change<'_, S> {
        let storage = self.storage.try_borrow_mut();
        Change {
            storage: storage
                .expect("a queue was used by its own storage, as by an `Ord` that puts or gets; it cannot be"),
            len: &self.len,
        }
    }
}

/// The storage of a queue while it is being changed.
struct Change<'a, S: Storage> {
    storage: RefMut<'a, S>,
    len: &'a Cell<usize>,
}

impl<S: Storage> Change<'_, S> {
    #[inline]
    fn push(mut self, item: S::Item) {
        self.storage.push(item);
    }

    #[inline]
    fn pop(mut self) -> Option<S::Item> {
        self.storage.pop()
    }
}

impl<S: Storage> Drop for Change<'_, S> {
    #[inline]
    fn drop(&mut self) {
        self.len.set(self.storage.len());
    }
}

/// Wakes the first live waiter. It leaves the queue by that.
#[inline]
fn wake_next(waiters: &WaitQueue) {
    if !waiters.is_empty()
        && let Some(waker) = waiters.pop_live(waiters.end())
    {
        waker.wake();
    }
}

fn wake_all_live(waiters: &WaitQueue) {
    let end = waiters.end();
    while let Some(waker) = waiters.pop_live(end) {
        waker.wake();
    }
}

/// A queue of any size.
impl<S: Storage + Default> Default for BaseQueue<S> {
    fn default() -> Self {
        Self::with_storage(0, S::default())
    }
}

impl<S: Storage + fmt::Debug> fmt::Debug for BaseQueue<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} maxsize={}", S::NAME, self.maxsize)?;
        match self.storage.try_borrow() {
            Ok(items) if items.len() > 0 => write!(f, " items={:?}", &*items)?,
            Ok(_) => {}
            Err(_) => f.write_str(" items=<being changed>")?,
        }
        for (name, waiters) in [("getters", &self.getters), ("putters", &self.putters)] {
            if !waiters.is_empty() {
                write!(f, " {name}[{}]", waiters.len())?;
            }
        }
        if self.unfinished.get() > 0 {
            write!(f, " tasks={}", self.unfinished.get())?;
        }
        if self.shut_down.get() {
            f.write_str(" shutdown")?;
        }
        f.write_str(">")
    }
}
