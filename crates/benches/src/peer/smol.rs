//! smol: a `LocalExecutor`, with the timers, locks and channels that smol comes with.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use event_listener::Event as Listeners;
use smol::LocalExecutor;
use smol::channel::{Receiver, Sender, bounded};
use smol::future::FutureExt;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};

use super::{Blocking, Cancel, Event, Gather, Lock, Peer, Queue, Semaphore, Sleep, Timeout};
use crate::net::{GREETING, Service, announce};

pub struct Smol;

thread_local! {
    static EXECUTOR: Cell<Option<&'static LocalExecutor<'static>>> = const { Cell::new(None) };
}

fn executor() -> &'static LocalExecutor<'static> {
    EXECUTOR.get().unwrap_or_else(|| {
        let executor = Box::leak(Box::new(LocalExecutor::new()));
        EXECUTOR.set(Some(executor));
        executor
    })
}

impl Peer for Smol {
    fn block_on<F: Future<Output: 'static> + 'static>(main: F) -> F::Output {
        smol::block_on(executor().run(main))
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> impl Future<Output = F::Output> + 'static {
        executor().spawn(future)
    }

    fn yield_now() -> impl Future<Output = ()> {
        smol::future::yield_now()
    }
}

impl Gather for Smol {
    fn gather<F: Future<Output = usize> + 'static>(futures: Vec<F>) -> impl Future<Output = Vec<usize>> {
        futures_util::future::join_all(futures.into_iter().map(Self::spawn))
    }
}

impl Lock for Smol {
    type Lock = smol::lock::Mutex<()>;

    fn lock() -> Self::Lock {
        smol::lock::Mutex::new(())
    }

    fn acquire(lock: &Self::Lock) -> impl Future<Output = impl Sized> {
        lock.lock()
    }
}

impl Semaphore for Smol {
    type Semaphore = smol::lock::Semaphore;

    fn semaphore(permits: usize) -> Self::Semaphore {
        smol::lock::Semaphore::new(permits)
    }

    fn acquire(semaphore: &Self::Semaphore) -> impl Future<Output = impl Sized> {
        semaphore.acquire()
    }
}

impl Event for Smol {
    type Event = Listeners;

    fn event() -> Self::Event {
        Listeners::new()
    }

    fn wait(event: &Self::Event) -> impl Future<Output = ()> {
        event.listen()
    }

    fn wake_all(event: &Self::Event) {
        event.notify(usize::MAX);
    }
}

impl Queue for Smol {
    type Sender = Sender<usize>;
    type Receiver = Receiver<usize>;

    fn queue(capacity: usize) -> (Self::Sender, Self::Receiver) {
        bounded(capacity)
    }

    async fn put(sender: &Self::Sender, value: usize) {
        sender.send(value).await.expect("the receiver is there");
    }

    async fn get(receiver: &mut Self::Receiver) -> usize {
        receiver.recv().await.expect("the sender is there")
    }
}

impl Sleep for Smol {
    async fn sleep(delay: Duration) {
        smol::Timer::after(delay).await;
    }
}

impl Timeout for Smol {
    async fn timeout<F: Future<Output = ()>>(limit: Duration, future: F) {
        let expired = async {
            smol::Timer::after(limit).await;
            panic!("the limit is far away");
        };
        future.or(expired).await;
    }
}

impl Cancel for Smol {
    type Handle = smol::Task<()>;

    fn start<F: Future<Output = ()> + 'static>(future: F) -> Self::Handle {
        executor().spawn(future)
    }

    async fn cancel_all(handles: Vec<Self::Handle>) {
        for task in handles {
            task.cancel().await;
        }
    }
}

impl Blocking for Smol {
    fn blocking(f: fn() -> usize) -> impl Future<Output = usize> {
        smol::unblock(f)
    }
}

/// The server of the network rows, on `smol::net`.
pub fn serve(service: Service) {
    Smol::block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        announce(listener.local_addr().expect("an address"));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            match service {
                Service::Echo(buffer) => executor().spawn(echo(stream, buffer)).detach(),
                Service::Greet => executor().spawn(greet(stream)).detach(),
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
