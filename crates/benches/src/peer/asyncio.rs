//! This library.

use std::cell::OnceCell;
use std::future::Future;
use std::net::{TcpListener, TcpStream};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use asyncio::{EventLoop, LoopSockets, Protocol, Server, Socket, StreamReader, StreamWriter, Transport};

use super::{Blocking, Cancel, Event, Gather, Group, Lock, Peer, Queue, Semaphore, Sleep, Timeout};
use crate::net::{GREETING, Service, announce};

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

impl Group for Asyncio {
    async fn group_of_one() -> usize {
        let group = asyncio::task_group(async |group: asyncio::TaskGroup| group.create_task(async { 1 }).await);
        pin!(group).await.expect("no child fails")
    }
}

/// One `catch_cancelled` around a future that yields once.
pub async fn catch_cancelled() {
    asyncio::catch_cancelled(asyncio::yield_now()).await.expect("nobody cancels");
}

/// The server of the network rows on the loop's calls on sockets.
pub fn serve_sock(service: Service) {
    asyncio::run(async move {
        let running = asyncio::get_running_loop();
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
        announce(listener.local_addr().expect("an address"));
        let listener = Socket::new(listener).expect("a socket");
        loop {
            let (stream, _) = running.sock_accept(&listener).await.expect("a connection");
            let _ = stream.set_nodelay(true);
            match service {
                Service::Echo(buffer) => drop(asyncio::create_task(echo_on_socket(running.clone(), stream, buffer))),
                Service::Greet => {
                    let running = running.clone();
                    asyncio::create_task(async move { running.sock_sendall(&stream, GREETING).await });
                }
            }
        }
    });
}

async fn echo_on_socket(running: EventLoop, stream: TcpStream, buffer: usize) {
    let Ok(stream) = Socket::new(stream) else { return };
    let mut buffer = vec![0; buffer];
    while let Ok(n) = running.sock_recv_into(&stream, &mut buffer).await
        && n > 0
        && running.sock_sendall(&stream, &buffer[..n]).await.is_ok()
    {}
}

/// The server of the network rows on streams.
pub fn serve_streams(service: Service) {
    asyncio::run(async move {
        let echo = async move |mut reader: StreamReader, writer: StreamWriter| {
            let Service::Echo(buffer) = service else { return };
            while let Ok(data) = reader.read(buffer).await
                && !data.is_empty()
            {
                writer.write(&data);
                if writer.drain().await.is_err() {
                    break;
                }
            }
        };
        let greet = async |_reader: StreamReader, writer: StreamWriter| {
            writer.write(GREETING);
            writer.close();
        };
        let server = match service {
            Service::Echo(_) => asyncio::start_server(echo, ("127.0.0.1", 0)).await,
            Service::Greet => asyncio::start_server(greet, ("127.0.0.1", 0)).await,
        };
        serve_for_ever(server).await;
    });
}

#[derive(Default)]
struct Echo(OnceCell<Transport>);

impl Protocol for Echo {
    fn connection_made(&self, transport: Transport) {
        let _ = self.0.set(transport);
    }

    fn data_received(&self, data: &[u8]) {
        self.0.get().expect("connection_made comes first").write(data);
    }
}

struct Greet;

impl Protocol for Greet {
    fn connection_made(&self, transport: Transport) {
        transport.write(GREETING);
        transport.close();
    }
}

/// The server of the network rows on transports and protocols.
pub fn serve_protocols(service: Service) {
    asyncio::run(async move {
        let server = match service {
            Service::Echo(_) => asyncio::create_server(Echo::default, ("127.0.0.1", 0)).await,
            Service::Greet => asyncio::create_server(|| Greet, ("127.0.0.1", 0)).await,
        };
        serve_for_ever(server).await;
    });
}

async fn serve_for_ever(server: std::io::Result<Server>) {
    let server = server.expect("an address");
    announce(server.local_addrs()[0]);
    server.serve_forever().await;
}
