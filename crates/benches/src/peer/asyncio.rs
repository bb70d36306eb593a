//! This library.

use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use super::{Blocking, Cancel, Event, Gather, Lock, Peer, Queue, Semaphore, Sleep, Timeout};

pub struct Asyncio;

impl Peer for Asyncio {
    fn block_on<F: Future<Output: 'static> + 'static>(main: F) -> F::Output {
        asyncio::run(main)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> impl Future<Output = F::Output> + 'static {
        asyncio::create_task(future)
    }

    fn yield_now() -> impl Future<Output = ()> {
        asyncio::yield_now()
    }
}

impl Gather for Asyncio {
    async fn gather<F: Future<Output = usize> + 'static>(futures: Vec<F>) -> Vec<usize> {
        asyncio::gather(futures).await
    }
}

impl Lock for Asyncio {
    type Lock = asyncio::Lock<()>;

    fn lock() -> Self::Lock {
        asyncio::Lock::new(())
    }

    fn acquire(lock: &Self::Lock) -> impl Future<Output = impl Sized> {
        lock.acquire()
    }
}

impl Semaphore for Asyncio {
    type Semaphore = asyncio::Semaphore;

    fn semaphore(permits: usize) -> Self::Semaphore {
        asyncio::Semaphore::new(permits)
    }

    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = impl Sized> {
        semaphore.acquire()
    }
}

impl Event for Asyncio {
    type Event = asyncio::Event;

    fn event() -> Self::Event {
        asyncio::Event::new()
    }

    fn wait(event: &Self::Event) -> impl Future<Output = ()> {
        event.wait()
    }

    fn wake_all(event: &Self::Event) {
        event.set();
        event.clear();
    }
}

impl Queue for Asyncio {
    type Sender = Rc<asyncio::Queue<usize>>;
    type Receiver = Rc<asyncio::Queue<usize>>;

    fn queue(capacity: usize) -> (Self::Sender, Self::Receiver) {
        let queue = Rc::new(asyncio::Queue::new(capacity));
        (queue.clone(), queue)
    }

    async fn put(sender: &Self::Sender, value: usize) {
        sender.put(value).await.expect("nobody shuts the queue down");
    }

    async fn get(receiver: &mut Self::Receiver) -> usize {
        receiver.get().await.expect("nobody shuts the queue down")
    }
}

impl Sleep for Asyncio {
    fn sleep(delay: Duration) -> impl Future<Output = ()> {
        asyncio::sleep(delay)
    }
}

impl Timeout for Asyncio {
    async fn timeout<F: Future<Output = ()>>(limit: Duration, future: F) {
        asyncio::timeout(limit, async |_| future.await).await.expect("the limit is far away");
    }
}

impl Cancel for Asyncio {
    type Handle = asyncio::Task<()>;

    fn start<F: Future<Output = ()> + 'static>(future: F) -> Self::Handle {
        asyncio::create_task(future)
    }

    async fn cancel_all(handles: Vec<Self::Handle>) {
        for task in &handles {
            task.cancel();
        }
        for task in handles {
            task.join().await.expect_err("cancelled");
        }
    }
}

impl Blocking for Asyncio {
    fn blocking(f: fn() -> usize) -> impl Future<Output = usize> {
        asyncio::to_thread(f)
    }
}

/// One `catch_cancelled` around a future that yields once.
pub async fn catch_cancelled() {
    asyncio::catch_cancelled(asyncio::yield_now()).await.expect("nobody cancels");
}

/// One group with one child.
pub async fn task_group() -> usize {
    let group = asyncio::task_group(async |group: asyncio::TaskGroup| group.create_task(async { 1 }).await);
    pin!(group).await.expect("no child fails")
}
