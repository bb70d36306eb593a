//! monoio on its driver for epoll, with the channels and locks that it recommends (`local-sync`).

use std::future::Future;
use std::time::Duration;

use local_sync::mpsc::bounded;
use monoio::blocking::DefaultThreadPool;
use monoio::{LegacyDriver, RuntimeBuilder};

use super::{Blocking, Gather, Peer, Queue, Semaphore, Sleep, Timeout};
use crate::work::yield_once;

pub struct Monoio;

impl Peer for Monoio {
    fn block_on<F: Future<Output: 'static> + 'static>(main: F) -> F::Output {
        let pool = Box::new(DefaultThreadPool::new(4));
        let builder = RuntimeBuilder::<LegacyDriver>::new().attach_thread_pool(pool);
        builder.enable_timer().build().expect("a runtime").block_on(main)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> impl Future<Output = F::Output> + 'static {
        monoio::spawn(future)
    }

    fn yield_now() -> impl Future<Output = ()> {
        yield_once()
    }
}

impl Gather for Monoio {
    fn gather<F: Future<Output = usize> + 'static>(futures: Vec<F>) -> impl Future<Output = Vec<usize>> {
        futures_util::future::join_all(futures.into_iter().map(Self::spawn))
    }
}

impl Semaphore for Monoio {
    type Semaphore = local_sync::semaphore::Semaphore;

    fn semaphore(permits: usize) -> Self::Semaphore {
        local_sync::semaphore::Semaphore::new(permits)
    }

    async fn acquire(semaphore: &Self::Semaphore) -> impl Sized {
        semaphore.acquire().await.expect("nobody closes it")
    }
}

impl Queue for Monoio {
    type Sender = bounded::Tx<usize>;
    type Receiver = bounded::Rx<usize>;

    fn queue(capacity: usize) -> (Self::Sender, Self::Receiver) {
        bounded::channel(capacity)
    }

    async fn put(sender: &Self::Sender, value: usize) {
        assert!(sender.send(value).await.is_ok(), "the receiver is there");
    }

    async fn get(receiver: &mut Self::Receiver) -> usize {
        receiver.recv().await.expect("the sender is there")
    }
}

impl Sleep for Monoio {
    fn sleep(delay: Duration) -> impl Future<Output = ()> {
        monoio::time::sleep(delay)
    }
}

impl Timeout for Monoio {
    async fn timeout<F: Future<Output = ()>>(limit: Duration, future: F) {
        monoio::time::timeout(limit, future).await.expect("the limit is far away");
    }
}

impl Blocking for Monoio {
    async fn blocking(f: fn() -> usize) -> usize {
        monoio::spawn_blocking(f).await.expect("it does not panic")
    }
}
