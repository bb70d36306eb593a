//! What the tests share: a loop with a time limit, a count of what is left behind, a protocol that keeps a log.

use std::cell::{OnceCell, RefCell};
use std::fs;
use std::future::Future;
use std::io;
use std::rc::Rc;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use asyncio::{Future as Promise, get_running_loop, wait_for, yield_now};
use asyncio_process::{SubprocessProtocol, SubprocessTransport, watch_with_threads};

/// Tests that count what is left behind run alone.
static COUNTED: RwLock<()> = RwLock::new(());

/// A test that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// Set for the second run of the tests, in which children are watched by threads.
pub const WITH_THREADS: &str = "ASYNCIO_TEST_WITH_THREADS";

/// Runs `f` while no test runs.
pub fn alone<T>(f: impl FnOnce() -> T) -> T {
    let _alone = COUNTED.write().unwrap_or_else(PoisonError::into_inner);
    f()
}

fn run_alone<T>(test: impl Future<Output = T>) -> T {
    watch_with_threads(std::env::var_os(WITH_THREADS).is_some());
    asyncio::run(async { wait_for(test, PATIENCE).await.expect("the test hangs") })
}

pub fn run<T>(test: impl Future<Output = T>) -> T {
    let _shared = COUNTED.read().unwrap_or_else(PoisonError::into_inner);
    run_alone(test)
}

/// Runs a test twice, the first time to warm up, and checks that the second leaves no descriptor and no child.
pub fn run_without_leak<F: Future<Output = ()>>(test: impl Fn() -> F) {
    let _alone = COUNTED.write().unwrap_or_else(PoisonError::into_inner);
    run_alone(test());
    let before = (descriptors(), children());
    run_alone(test());
    // Threads that watch children let go a little after their loop, perhaps those of an earlier test too.
    let begun = Instant::now();
    loop {
        let left = (descriptors(), children());
        if left.0 <= before.0 && left.1.len() <= before.1.len() {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "descriptors and children that were left: {left:?} where {before:?} were");
        std::thread::yield_now();
    }
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}

/// The children of this process, with their states, as far as `/proc` says.
pub fn children() -> Vec<String> {
    let own = std::process::id().to_string();
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    let is_child = |entry: io::Result<fs::DirEntry>| {
        let stat = fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
        // After the name, which is in brackets and may have any in it: state, parent.
        let (head, tail) = stat.rsplit_once(')')?;
        let mut tail = tail.split_whitespace();
        let (state, parent) = (tail.next()?, tail.next()?);
        (parent == own).then(|| format!("{head}) {state}"))
    };
    all.filter_map(is_child).collect()
}

/// Gives everything that is ready, and I/O that is there, several turns.
pub async fn turns() {
    for _ in 0..100 {
        yield_now().await;
    }
}

/// Gives turns until `condition` holds.
pub async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        asyncio::sleep(Duration::from_micros(100)).await;
    }
}

/// A protocol that writes down what it is told.
#[derive(Debug, Default)]
pub struct Recorder {
    pub log: RefCell<Vec<String>>,
    pub output: RefCell<Vec<u8>>,
    pub errors: RefCell<Vec<u8>>,
    pub transport: OnceCell<SubprocessTransport>,
    pub exited: Promise<()>,
    pub lost: Promise<()>,
}

impl Recorder {
    fn note(&self, what: impl Into<String>) {
        self.log.borrow_mut().push(what.into());
    }

    pub fn log(&self) -> Vec<String> {
        self.log.borrow().clone()
    }
}

impl SubprocessProtocol for Recorder {
    fn connection_made(&self, transport: SubprocessTransport) {
        self.note("made");
        assert!(self.transport.set(transport).is_ok(), "made twice");
    }

    fn pipe_data_received(&self, fd: i32, data: &[u8]) {
        self.note(format!("data {fd}"));
        let target = if fd == 1 { &self.output } else { &self.errors };
        target.borrow_mut().extend_from_slice(data);
    }

    fn pipe_connection_lost(&self, fd: i32, error: Option<io::Error>) {
        self.note(error.map_or(format!("lost {fd}"), |error| format!("lost {fd}: {:?}", error.kind())));
    }

    fn process_exited(&self) {
        let code = self.transport.get().expect("made first").returncode().expect("it has exited");
        assert!(!self.log().iter().any(|told| told.starts_with("exited")), "exited twice");
        self.note(format!("exited {code}"));
        // Whoever waited may have been cancelled, and the future with it.
        let _ = self.exited.set_result(());
    }

    fn connection_lost(&self, error: Option<io::Error>) {
        assert!(error.is_none());
        assert!(!self.log().iter().any(|told| told == "lost"), "lost twice");
        self.note("lost");
        let _ = self.lost.set_result(());
    }

    fn pause_writing(&self) {
        self.note("pause");
    }

    fn resume_writing(&self) {
        self.note("resume");
    }
}

/// Keeps what the exception handler is told.
pub fn record_faults() -> Rc<RefCell<Vec<String>>> {
    let faults = Rc::new(RefCell::new(Vec::new()));
    let told = faults.clone();
    get_running_loop()
        .set_exception_handler(move |_, fault: &asyncio::Fault| told.borrow_mut().push(fault.to_string()));
    faults
}

/// A directory that is gone when the test is over.
pub struct Temporary(pub std::path::PathBuf);

impl Temporary {
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("asyncio-process-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
