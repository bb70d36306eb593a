//! glommio: one executor, with its own timers, semaphores and channels. It runs on io_uring only.

use std::future::Future;
use std::time::Duration;

use glommio::channels::local_channel::{LocalReceiver, LocalSender, new_bounded};
use glommio::net::{TcpListener, TcpStream};
use glommio::{LocalExecutorBuilder, Placement, PoolPlacement};
use smol::io::{AsyncReadExt, AsyncWriteExt};

use super::{Blocking, Cancel, Gather, Peer, Queue, Semaphore, Sleep, Timeout};
use crate::net::{GREETING, Service, announce};
use crate::work::yield_once;

pub struct Glommio;

impl Peer for Glommio {
    fn block_on<F: Future<Output: 'static> + 'static>(main: F) -> F::Output {
        let builder = LocalExecutorBuilder::new(Placement::Unbound);
        let builder = builder.blocking_thread_pool_placement(PoolPlacement::Unbound(1));
        builder.make().expect("io_uring").run(main)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> impl Future<Output = F::Output> + 'static {
        glommio::spawn_local(future)
    }

    fn yield_now() -> impl Future<Output = ()> {
        yield_once()
    }
}

impl Gather for Glommio {
    fn gather<F: Future<Output = usize> + 'static>(futures: Vec<F>) -> impl Future<Output = Vec<usize>> {
        futures_util::future::join_all(futures.into_iter().map(glommio::spawn_local))
    }
}

impl Semaphore for Glommio {
    type Semaphore = glommio::sync::Semaphore;

    fn semaphore(permits: usize) -> Self::Semaphore {
        glommio::sync::Semaphore::new(permits as u64)
    }

    async fn acquire(semaphore: &Self::Semaphore) -> impl Sized {
        semaphore.acquire_permit(1).await.expect("nobody closes it")
    }
}

impl Queue for Glommio {
    type Sender = LocalSender<usize>;
    type Receiver = LocalReceiver<usize>;

    fn queue(capacity: usize) -> (Self::Sender, Self::Receiver) {
        new_bounded(capacity)
    }

    async fn put(sender: &Self::Sender, value: usize) {
        sender.send(value).await.expect("the receiver is there");
    }

    async fn get(receiver: &mut Self::Receiver) -> usize {
        receiver.recv().await.expect("the sender is there")
    }
}

impl Sleep for Glommio {
    fn sleep(delay: Duration) -> impl Future<Output = ()> {
        glommio::timer::sleep(delay)
    }
}

impl Timeout for Glommio {
    async fn timeout<F: Future<Output = ()>>(limit: Duration, future: F) {
        let future = async move {
            future.await;
            Ok(())
        };
        glommio::timer::timeout(limit, future).await.expect("the limit is far away");
    }
}

impl Cancel for Glommio {
    type Handle = glommio::Task<()>;

    fn start<F: Future<Output = ()> + 'static>(future: F) -> Self::Handle {
        glommio::spawn_local(future)
    }

    async fn cancel_all(handles: Vec<Self::Handle>) {
        for task in handles {
            task.cancel().await;
        }
    }
}

impl Blocking for Glommio {
    fn blocking(f: fn() -> usize) -> impl Future<Output = usize> {
        glommio::executor().spawn_blocking(f)
    }
}

/// The server of the network rows.
pub fn serve(service: Service) {
    Glommio::block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
        announce(listener.local_addr().expect("an address"));
        loop {
            let stream = listener.accept().await.expect("a connection");
            match service {
                Service::Echo(buffer) => drop(glommio::spawn_local(echo(stream, buffer)).detach()),
                Service::Greet => drop(glommio::spawn_local(greet(stream)).detach()),
            }
        }
    });
}

async fn echo(mut stream: TcpStream, buffer: usize) {
    let _ = stream.set_nodelay(true);
    let mut buffer = vec![0; buffer];
    while let Ok(n) = stream.read(&mut buffer).await
        && n > 0
        && stream.write_all(&buffer[..n]).await.is_ok()
    {}
}

async fn greet(mut stream: TcpStream) {
    let _ = stream.write_all(GREETING).await;
}
