//! Lock, Event, Condition, Semaphore, Barrier and queues for any single-threaded executor.
mod barrier;
mod condition;
mod event;
mod lock;
mod queue;
mod semaphore;
mod waiter;

pub use barrier::*;
pub use condition::*;
pub use event::{Event, EventWait};
pub use lock::{Guard, Lock, LockAcquire, LockGuard, LockHandle, OwnedLockGuard};
pub use queue::*;
pub use semaphore::*;
