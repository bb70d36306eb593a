//! What the tests of sockets and datagrams stand on: connections over the loopback.

use std::future::Future;
use std::net::{TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use asyncio_event_loop::{EventLoop, get_running_loop};
use asyncio_executor::yield_now;

/// Runs a test, which fails if it hangs. The time-out is no part of what is tested.
pub fn run<F: Future>(test: impl FnOnce(EventLoop) -> F) -> F::Output {
    crate::support::run(async { test(get_running_loop()).await })
}

/// Lets everything that is ready run, some times over.
pub async fn settle() {
    for _ in 0..5 {
        yield_now().await;
    }
}

/// A connection over the loopback, both ends in nonblocking mode.
pub fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    (near, far)
}

#[cfg(unix)]
pub fn unix_pair() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    far.set_nonblocking(true).unwrap();
    (near, far)
}

/// A path that no other test uses.
pub fn fresh_path(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("asyncio-net-{}-{number}-{name}", std::process::id()))
}
