//! tokio: its `LocalRuntime`, a current-thread runtime whose tasks need no `Send`.

use std::future::Future;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, Notify, mpsc};
use tokio::task::{JoinHandle, JoinSet};

use super::{Blocking, Cancel, Event, Gather, Group, Lock, Peer, Queue, Semaphore, Sleep, Timeout};
use crate::net::{GREETING, Service, announce};

pub struct Tokio;

impl Peer for Tokio {
    fn block_on<F: Future<Output: 'static> + 'static>(main: F) -> F::Output {
        tokio::runtime::LocalRuntime::new().expect("a runtime").block_on(main)
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> impl Future<Output = F::Output> + 'static {
        let task = tokio::task::spawn_local(future);
        async move { task.await.expect("the task neither panics nor is aborted") }
    }

    fn yield_now() -> impl Future<Output = ()> {
        tokio::task::yield_now()
    }
}

impl Gather for Tokio {
    async fn gather<F: Future<Output = usize> + 'static>(futures: Vec<F>) -> Vec<usize> {
        let mut set = JoinSet::new();
        for future in futures {
            set.spawn_local(future);
        }
        set.join_all().await
    }
}

impl Lock for Tokio {
    type Lock = Mutex<()>;

    fn lock() -> Self::Lock {
        Mutex::new(())
    }

    fn acquire(lock: &Self::Lock) -> impl Future<Output = impl Sized> {
        lock.lock()
    }
}

impl Semaphore for Tokio {
    type Semaphore = tokio::sync::Semaphore;

    fn semaphore(permits: usize) -> Self::Semaphore {
        tokio::sync::Semaphore::new(permits)
    }

    async fn acquire(semaphore: &Self::Semaphore) -> impl Sized {
        semaphore.acquire().await.expect("nobody closes it")
    }
}

impl Event for Tokio {
    type Event = Notify;

    fn event() -> Self::Event {
        Notify::new()
    }

    fn wait(event: &Self::Event) -> impl Future<Output = ()> {
        event.notified()
    }

    fn wake_all(event: &Self::Event) {
        event.notify_waiters();
    }
}

impl Queue for Tokio {
    type Sender = mpsc::Sender<usize>;
    type Receiver = mpsc::Receiver<usize>;

    fn queue(capacity: usize) -> (Self::Sender, Self::Receiver) {
        mpsc::channel(capacity)
    }

    async fn put(sender: &Self::Sender, value: usize) {
        sender.send(value).await.expect("the receiver is there");
    }

    async fn get(receiver: &mut Self::Receiver) -> usize {
        receiver.recv().await.expect("the sender is there")
    }
}

impl Sleep for Tokio {
    fn sleep(delay: Duration) -> impl Future<Output = ()> {
        tokio::time::sleep(delay)
    }
}

impl Timeout for Tokio {
    async fn timeout<F: Future<Output = ()>>(limit: Duration, future: F) {
        tokio::time::timeout(limit, future).await.expect("the limit is far away");
    }
}

impl Cancel for Tokio {
    type Handle = JoinHandle<()>;

    fn start<F: Future<Output = ()> + 'static>(future: F) -> Self::Handle {
        tokio::task::spawn_local(future)
    }

    async fn cancel_all(handles: Vec<Self::Handle>) {
        for task in &handles {
            task.abort();
        }
        for task in handles {
            task.await.expect_err("aborted");
        }
    }
}

impl Group for Tokio {
    async fn group_of_one() -> usize {
        let mut set = JoinSet::new();
        set.spawn_local(async { 1 });
        set.join_next().await.expect("there is one").expect("it does not panic")
    }
}

impl Blocking for Tokio {
    async fn blocking(f: fn() -> usize) -> usize {
        tokio::task::spawn_blocking(f).await.expect("it does not panic")
    }
}

/// The server of the network rows, as in the documentation of `TcpListener` and of the crate.
pub fn serve(service: Service) {
    Tokio::block_on(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address");
        announce(listener.local_addr().expect("an address"));
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            match service {
                Service::Echo(buffer) => tokio::task::spawn_local(echo(stream, buffer)),
                Service::Greet => tokio::task::spawn_local(greet(stream)),
            };
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
