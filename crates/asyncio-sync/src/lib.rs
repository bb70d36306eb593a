//! Lock, Event, Condition, Semaphore, Barrier and queues for the tasks of one thread, under any executor.
//!
//! These are the synchronisation primitives of Python's `asyncio`, with its rules of who is woken when:
//!
//! * [`Lock`] around a value, with guards;
//! * [`Event`], a flag to wait for;
//! * [`Condition`], for tasks that wait until something about a locked value changes;
//! * [`Semaphore`] and [`BoundedSemaphore`], with permits;
//! * [`Barrier`], where a number of tasks wait for one another;
//! * [`Queue`], [`LifoQueue`] and [`PriorityQueue`], bounded or not, with `join` and `shutdown`.
//!
//! # What they have in common
//!
//! *No thread, no loop.* They know wakers only, so they work under any executor that runs futures on one thread; none of
//! them is `Send` or `Sync`, and none uses an atomic operation. Across threads, use a primitive that is made for that.
//!
//! *Fair.* Waiters are served first come, first served. How far a newcomer may go before them is said at each type.
//!
//! *No allocation for waiting.* A waiter is part of the future that waits. Leaving from anywhere in a queue takes constant
//! time.
//!
//! *Nothing is lost by cancellation.* Dropping a future that waits takes it out of its queue, and a wake-up that it had
//! received goes to the next. What is given up otherwise stands under "Cancel safety" at each function.
//!
//! *Cancellation is known before it takes effect.* In CPython, `task.cancel()` cancels what the task waits for at once, so
//! that a release in the same turn passes the task by. Under an executor that answers [`asyncio_context::Probe`], as that
//! of the `asyncio` crate does, the same happens here. Under others a cancelled waiter is one that is dropped.
//!
//! *Futures do something only when polled*, as always in Rust; each reports what it waits for, and where that was called,
//! through [`asyncio_context::report_wait`].
//!
//! # Examples
//!
//! ```
//! use asyncio_sync::{Lock, Queue};
//! use futures_util::future::join3;
//!
//! # futures_executor::block_on(async {
//! let queue = Queue::new(2);
//! let sum = Lock::new(0);
//! let worker = async || {
//!     while let Ok(item) = queue.get().await {
//!         *sum.acquire().await += item;
//!         queue.task_done().unwrap();
//!     }
//! };
//! let producer = async {
//!     for item in 1..=10 {
//!         queue.put(item).await.unwrap();
//!     }
//!     queue.join().await;
//!     queue.shutdown(false);
//! };
//! join3(worker(), worker(), producer).await;
//! assert_eq!(sum.into_inner(), 55);
//! # });
//! ```

mod barrier;
mod condition;
mod event;
mod lock;
mod queue;
mod semaphore;
mod waiter;

pub use barrier::{Barrier, BarrierWait, BrokenBarrierError, ZeroPartiesError};
pub use condition::{Condition, ConditionWait, ConditionWaitFor};
pub use event::{Event, EventWait};
pub use lock::{Guard, Lock, LockAcquire, LockGuard, LockHandle, OwnedLockGuard};
pub use queue::{
    BaseQueue, GetError, LifoQueue, PriorityQueue, PutError, Queue, QueueGet, QueueJoin, QueuePut, QueueShutDown,
    Storage, TaskDoneError,
};
pub use semaphore::{
    BoundedSemaphore, OwnedSemaphorePermit, Permit, ReleaseError, Semaphore, SemaphoreAcquire, SemaphoreHandle,
    SemaphorePermit,
};

/// The code of the README, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
