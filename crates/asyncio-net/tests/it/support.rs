//! What the tests share: a loop with a time limit, peers that are plain sockets, a protocol that keeps a log.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, Read};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::task::{Poll, Waker};
use std::time::Duration;

use asyncio::{Future as Promise, get_running_loop, wait_for, yield_now};
use asyncio_net::{LoopSockets, Protocol, Transport, create_connection};

/// Tests that count descriptors run alone.
static DESCRIPTORS: RwLock<()> = RwLock::new(());

/// A test that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Keeps those who count descriptors away.
pub fn may_open_descriptors() -> RwLockReadGuard<'static, ()> {
    DESCRIPTORS.read().unwrap_or_else(PoisonError::into_inner)
}

pub fn run<T>(test: impl Future<Output = T>) -> T {
    let _shared = may_open_descriptors();
    asyncio::run(async { wait_for(test, PATIENCE).await.expect("the test hangs") })
}

/// As [`run`], on virtual time: a test that hangs says so by itself.
pub fn run_on_virtual_time<T>(test: impl Future<Output = T>) -> T {
    let _shared = may_open_descriptors();
    on_virtual_time(test)
}

/// As [`run_on_virtual_time`], for who keeps the others away by itself.
pub fn on_virtual_time<T>(test: impl Future<Output = T>) -> T {
    asyncio::Runner::builder().virtual_time(true).build().unwrap().run(test).unwrap()
}

/// Keeps all others away, so that descriptors can be counted.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    DESCRIPTORS.write().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a test twice, the first time to warm up, and checks that the second leaves no descriptor open.
pub fn run_without_leak<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let _alone = alone();
    let once = || asyncio::run(async { wait_for(test(), PATIENCE).await.expect("the test hangs") });
    once();
    let before = descriptors();
    once();
    assert_none_left(before);
}

/// Checks that no more descriptors are open than before. There may be fewer: a thread of an earlier test, which nobody waits
/// for, closes what it had.
#[track_caller]
pub fn assert_none_left(before: usize) {
    let now = descriptors();
    assert!(now <= before, "descriptors were left open: {now} where {before} were");
}

pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// Gives everything that is ready, and I/O that is there, several turns.
pub async fn turns() {
    for _ in 0..200 {
        yield_now().await;
    }
}

thread_local! {
    /// Who waits until something has changed.
    static WAITING: RefCell<Vec<Waker>> = RefCell::default();
}

/// Says that a condition that somebody waits for may hold now.
pub fn changed() {
    let waiting = WAITING.take();
    waiting.into_iter().for_each(Waker::wake);
}

/// Waits until `condition` holds. It is looked at when a recorder, a keeper of faults or the test itself says
/// [`changed`].
pub async fn until(mut condition: impl FnMut() -> bool) {
    poll_fn(|cx| {
        if condition() {
            return Poll::Ready(());
        }
        WAITING.with_borrow_mut(|waiting| waiting.push(cx.waker().clone()));
        Poll::Pending
    })
    .await;
}

/// A protocol that writes down what it is told.
#[derive(Debug, Default)]
pub struct Recorder {
    pub log: RefCell<Vec<String>>,
    pub data: RefCell<Vec<u8>>,
    pub transport: OnceCell<Transport>,
    pub keep_open: Cell<bool>,
    pub lost: Promise<()>,
}

impl Recorder {
    pub fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }

    fn note(&self, what: impl Into<String>) {
        self.log.borrow_mut().push(what.into());
        changed();
    }
}

impl Protocol for Recorder {
    fn connection_made(&self, transport: Transport) {
        self.note("made");
        assert!(self.transport.set(transport).is_ok(), "made twice");
    }

    fn data_received(&self, data: &[u8]) {
        self.data.borrow_mut().extend_from_slice(data);
        self.note("data");
    }

    fn eof_received(&self) -> bool {
        self.note("eof");
        self.keep_open.get()
    }

    fn connection_lost(&self, error: Option<io::Error>) {
        self.note(error.map_or("lost".to_owned(), |error| format!("lost: {:?}", error.kind())));
        self.lost.set_result(()).expect("lost once");
    }

    fn pause_writing(&self) {
        self.note("pause");
    }

    fn resume_writing(&self) {
        self.note("resume");
    }
}

/// A connection to a plain socket, whose end is nonblocking.
pub async fn connected<P: Protocol + 'static>(protocol: P) -> (Transport, Rc<P>, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (transport, protocol) = create_connection(|| protocol, listener.local_addr().unwrap()).await.unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_nonblocking(true).unwrap();
    (transport, protocol, peer)
}

/// Reads what there is; `None` at the end.
pub fn read_available(mut peer: &TcpStream) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    match peer.read_to_end(&mut data) {
        Ok(0) => None,
        Ok(_) => Some(data),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Some(data),
        Err(error) => panic!("{error}"),
    }
}

/// Reads what there is; waits until there is something. Empty at the end.
pub async fn read_some(peer: &TcpStream) -> io::Result<Vec<u8>> {
    get_running_loop().sock_recv(peer, 64 * 1024).await
}

/// Reads until the end.
pub async fn read_to_end(peer: &TcpStream) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let some = read_some(peer).await?;
        if some.is_empty() {
            return Ok(data);
        }
        data.extend(some);
    }
}

/// Makes a close of this socket a reset.
pub fn reset_on_close(peer: &TcpStream) {
    socket2::SockRef::from(peer).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Keeps what the exception handler is told.
pub fn record_faults() -> Rc<RefCell<Vec<String>>> {
    let faults = Rc::new(RefCell::new(Vec::new()));
    let told = faults.clone();
    get_running_loop().set_exception_handler(move |_, fault: &asyncio::Fault| {
        told.borrow_mut().push(fault.to_string());
        changed();
    });
    faults
}

/// A path of which there is nothing yet; what comes to be there is removed.
pub struct Fresh(pub PathBuf);

impl Fresh {
    pub fn new() -> Self {
        Self(crate::loopback::fresh_path("file"))
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Whether this is the process that [`run_child`] made.
pub fn is_child() -> bool {
    std::env::var_os("ASYNCIO_NET_CHILD").is_some()
}

/// This test binary again, to run one test.
pub fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command
}

/// Runs a test in a process that may have so many descriptors: a number, or what a shell makes one of.
pub fn run_child(test: &str, descriptors: &str) {
    let _shared = may_open_descriptors();
    let itself = child(test);
    let child = Command::new("sh")
        .args(["-c", &format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"")])
        .arg(itself.get_program())
        .args(itself.get_args())
        .env("ASYNCIO_NET_CHILD", "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success() && text.contains("1 passed"), "{text}");
}
