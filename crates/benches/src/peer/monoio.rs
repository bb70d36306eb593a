//! monoio on each of its drivers, with the channels and semaphores that it recommends (`local-sync`).

use std::future::Future;
use std::marker::PhantomData;
use std::time::Duration;

use local_sync::mpsc::bounded;
use monoio::blocking::DefaultThreadPool;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, LegacyDriver, RuntimeBuilder};

use super::{Blocking, Gather, Peer, Queue, Semaphore, Sleep, Timeout};
use crate::net::{GREETING, Service, announce};
use crate::work::yield_once;

/// monoio on one of its drivers.
pub struct Monoio<D>(PhantomData<D>);

/// On the driver for epoll.
pub type MonoioEpoll = Monoio<Epoll>;
/// On the driver for io_uring.
pub type MonoioUring = Monoio<Uring>;

/// A driver.
pub trait Driver: 'static {
    fn block_on<F: Future<Output: 'static> + 'static>(main: F) -> F::Output;
}

pub struct Epoll;
pub struct Uring;

/// The same for both: their builders have no trait in common that says enough.
macro_rules! block_on {
    ($driver:ty, $main:ident) => {{
        let pool = Box::new(DefaultThreadPool::new(4));
        let builder = RuntimeBuilder::<$driver>::new().attach_thread_pool(pool);
        builder.enable_timer().build().expect("a runtime").block_on($main)
    }};
}

impl Driver for Epoll {
    fn block_on<F: Future<Output: 'static> + 'static>(main: F) -> F::Output {
        block_on!(LegacyDriver, main)
    }
}

impl Driver for Uring {
    fn block_on<F: Future<Output: 'static> + 'static>(main: F) -> F::Output {
        block_on!(IoUringDriver, main)
    }
}

impl<D: Driver> Peer for Monoio<D> {
    fn block_on<F: Future<Output: 'static> + 'static>(main: F) -> F::Output {
        D::block_on(main)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> impl Future<Output = F::Output> + 'static {
        monoio::spawn(future)
    }

    fn yield_now() -> impl Future<Output = ()> {
        yield_once()
    }
}

impl<D: Driver> Gather for Monoio<D> {
    fn gather<F: Future<Output = usize> + 'static>(futures: Vec<F>) -> impl Future<Output = Vec<usize>> {
        futures_util::future::join_all(futures.into_iter().map(Self::spawn))
    }
}

impl<D: Driver> Semaphore for Monoio<D> {
    type Semaphore = local_sync::semaphore::Semaphore;

    fn semaphore(permits: usize) -> Self::Semaphore {
        local_sync::semaphore::Semaphore::new(permits)
    }

    async fn acquire(semaphore: &Self::Semaphore) -> impl Sized {
        semaphore.acquire().await.expect("nobody closes it")
    }
}

impl<D: Driver> Queue for Monoio<D> {
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

impl<D: Driver> Sleep for Monoio<D> {
    fn sleep(delay: Duration) -> impl Future<Output = ()> {
        monoio::time::sleep(delay)
    }
}

impl<D: Driver> Timeout for Monoio<D> {
    async fn timeout<F: Future<Output = ()>>(limit: Duration, future: F) {
        monoio::time::timeout(limit, future).await.expect("the limit is far away");
    }
}

impl<D: Driver> Blocking for Monoio<D> {
    async fn blocking(f: fn() -> usize) -> usize {
        monoio::spawn_blocking(f).await.expect("it does not panic")
    }
}

/// The server of the network rows, as in monoio's example of an echo server: the buffer is lent to each call.
pub fn serve<D: Driver>(service: Service) {
    D::block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
        announce(listener.local_addr().expect("an address"));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            match service {
                Service::Echo(buffer) => drop(monoio::spawn(echo(stream, buffer))),
                Service::Greet => drop(monoio::spawn(greet(stream))),
            }
        }
    });
}

async fn echo(mut stream: TcpStream, buffer: usize) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::with_capacity(buffer);
    loop {
        let (read, filled) = stream.read(buffer).await;
        let Ok(1..) = read else { return };
        let (written, sent) = stream.write_all(filled).await;
        if written.is_err() {
            return;
        }
        buffer = sent;
        buffer.clear();
    }
}

async fn greet(mut stream: TcpStream) {
    let _ = stream.write_all(GREETING).await;
}
