//! Wakers that count, and a turn of the reactor that tells who was woken.

use std::io::{self, Read, Write};
#[cfg(windows)]
pub use std::net::TcpStream as Stream;
use std::net::{TcpListener, TcpStream};
#[cfg(unix)]
pub use std::os::unix::net::UnixStream as Stream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use asyncio_reactor::{Reactor, Ready, Source};

/// A waker that counts how often it was woken.
#[derive(Default)]
pub struct Observer {
    wakes: AtomicUsize,
}

impl Wake for Observer {
    fn wake(self: Arc<Self>) {
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }
}

impl Observer {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// How often it was woken since the last call.
    pub fn wakes(&self) -> usize {
        self.wakes.swap(0, Ordering::Relaxed)
    }

    pub fn polls_readable(self: &Arc<Self>, source: &Source) -> bool {
        source.poll_readable(&mut Context::from_waker(&Waker::from(Arc::clone(self)))).is_ready()
    }

    pub fn polls_writable(self: &Arc<Self>, source: &Source) -> bool {
        source.poll_writable(&mut Context::from_waker(&Waker::from(Arc::clone(self)))).is_ready()
    }

    /// Tries to read as a stream does; `None` if it has to wait.
    pub fn reads(self: &Arc<Self>, source: &Source, mut stream: impl Read, buffer: &mut [u8]) -> Option<usize> {
        let waker = Waker::from(Arc::clone(self));
        match source.poll_read_with(&mut Context::from_waker(&waker), || stream.read(buffer)) {
            Poll::Ready(result) => Some(result.unwrap()),
            Poll::Pending => None,
        }
    }
}

/// Takes out what is noted, and wakes.
pub fn run(reactor: &Reactor) -> usize {
    let mut count = 0;
    while let Some(ready) = reactor.pop_ready() {
        let Ready::Wakers { read, write } = ready else { panic!("a watch: {ready:?}") };
        assert!(read.is_some() || write.is_some());
        read.into_iter().chain(write).for_each(Waker::wake);
        count += 1;
    }
    count
}

/// A look, and wakes whoever became ready.
pub fn look(reactor: &Reactor) -> usize {
    reactor.poll(Some(Duration::ZERO)).unwrap();
    run(reactor)
}

/// The watches reported by a look: key, readable, writable.
#[cfg(unix)]
pub fn look_at_watches(reactor: &Reactor) -> Vec<(usize, bool, bool)> {
    reactor.poll(Some(Duration::ZERO)).unwrap();
    std::iter::from_fn(|| reactor.pop_ready())
        .map(|ready| match ready {
            Ready::Watch { key, readable, writable } => (key, readable, writable),
            Ready::Wakers { .. } => panic!("a source: {ready:?}"),
        })
        .collect()
}

/// A connected pair in nonblocking mode: of the kind that delivers at once, where there is one.
pub fn pair() -> (Stream, Stream) {
    #[cfg(unix)]
    let (near, far) = Stream::pair().unwrap();
    #[cfg(windows)]
    let (near, far) = tcp_pair();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    (near, far)
}

/// A connected pair of TCP sockets. What one end writes may take its time to the other.
pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, address) = listener.accept().unwrap();
    assert_eq!(address, near.local_addr().unwrap());
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    (near, far)
}

/// Writes until there is no room, and tells how much that was.
#[cfg(unix)]
pub fn fill(mut stream: &Stream) -> usize {
    let mut written = 0;
    loop {
        match stream.write(&[0; 4096]) {
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return written,
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads until there is nothing left.
#[cfg(unix)]
pub fn drain(mut stream: &Stream) -> usize {
    let mut read = 0;
    let mut buffer = [0; 65536];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return read,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return read,
            Err(error) => panic!("{error}"),
        }
    }
}
