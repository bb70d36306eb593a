//! What a runtime has to offer to take part, one trait for each group of rows.
//!
//! The work is written once, in `work`, for whatever implements these; so all peers do the same, each with the functions
//! that its documentation recommends for it.

pub mod asyncio;
#[cfg(feature = "glommio")]
pub mod glommio;
#[cfg(feature = "peers")]
pub mod monoio;
pub mod raw;
#[cfg(feature = "peers")]
pub mod smol;
#[cfg(feature = "peers")]
pub mod tokio;

use std::future::Future;
use std::time::Duration;

/// Runs tasks on one thread.
pub trait Peer: 'static {
    /// Runs a program to its end.
    fn block_on<F: Future<Output: 'static> + 'static>(main: F) -> F::Output;

    /// Makes a task, and returns a future of its output. The task starts without it being polled.
    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> impl Future<Output = F::Output> + 'static;

    /// Lets others run.
    fn yield_now() -> impl Future<Output = ()>;

    /// Runs a program in a task, like everything else that is measured.
    fn drive<F: Future<Output: 'static> + 'static>(main: F) -> F::Output {
        Self::block_on(async { Self::spawn(main).await })
    }
}

/// Makes a task of each future, and waits for all of them.
pub trait Gather: Peer {
    fn gather<F: Future<Output = usize> + 'static>(futures: Vec<F>) -> impl Future<Output = Vec<usize>>;
}

/// A mutual exclusion for tasks.
pub trait Lock: Peer {
    type Lock: 'static;
    fn lock() -> Self::Lock;
    /// Waits for the lock, and holds it until the value is dropped.
    fn acquire(lock: &Self::Lock) -> impl Future<Output = impl Sized>;
}

/// A count of permits for tasks.
pub trait Semaphore: Peer {
    type Semaphore: 'static;
    fn semaphore(permits: usize) -> Self::Semaphore;
    /// Waits for a permit, and holds it until the value is dropped.
    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = impl Sized>;
}

/// Something that many can wait for.
pub trait Event: Peer {
    type Event: 'static;
    fn event() -> Self::Event;
    fn wait(event: &Self::Event) -> impl Future<Output = ()>;
    /// Wakes all who wait now.
    fn wake_all(event: &Self::Event);
}

/// A bounded queue.
pub trait Queue: Peer {
    type Sender: 'static;
    type Receiver: 'static;
    fn queue(capacity: usize) -> (Self::Sender, Self::Receiver);
    fn put(sender: &Self::Sender, value: usize) -> impl Future<Output = ()>;
    fn get(receiver: &mut Self::Receiver) -> impl Future<Output = usize>;
}

/// Waiting for a time.
pub trait Sleep: Peer {
    fn sleep(delay: Duration) -> impl Future<Output = ()>;
}

/// A limit on how long something may take.
pub trait Timeout: Peer {
    /// Runs `future`, which ends in time.
    fn timeout<F: Future<Output = ()>>(limit: Duration, future: F) -> impl Future<Output = ()>;
}

/// Ending tasks from outside.
pub trait Cancel: Peer {
    type Handle: 'static;
    fn start<F: Future<Output = ()> + 'static>(future: F) -> Self::Handle;
    /// Cancels them, and waits until they have ended.
    fn cancel_all(handles: Vec<Self::Handle>) -> impl Future<Output = ()>;
}

/// A group of tasks that end together.
pub trait Group: Peer {
    /// Makes a group and one child in it, and waits for it.
    fn group_of_one() -> impl Future<Output = usize>;
}

/// Work on another thread.
pub trait Blocking: Peer {
    fn blocking(f: fn() -> usize) -> impl Future<Output = usize>;
}
