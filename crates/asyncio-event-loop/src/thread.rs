//! Blocking work on other threads: `to_thread`, `run_in_executor`, and the pool. The only file that starts threads.

use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use asyncio_context::{WaitKind, report_wait};
use asyncio_executor::copy_context;

use crate::current;
use crate::deadlock::Outside;
use crate::event_loop::EventLoop;
use crate::exception::drop_payload;

static THREAD: WaitKind = WaitKind::new("a thread");

/// What a pool runs.
pub type Job = Box<dyn FnOnce() + Send>;

/// Threads for blocking work.
///
/// # In Python
///
/// `concurrent.futures.Executor`, in `concurrent/futures/_base.py`.
pub trait Pool {
    /// Runs `job` on some thread, soon.
    ///
    /// # Errors
    ///
    /// When it cannot: it is shut down, or no thread can be had. The job is dropped, and says so to who waits for it.
    fn submit(&self, job: Job) -> io::Result<()>;

    /// Takes no more jobs, and waits for those that run and are queued, no longer than `patience`. Says whether all ended.
    /// It is called again and again if they have not.
    fn shutdown(&self, patience: Duration) -> bool;
}

/// A pool of threads, started as they are needed and kept until it is shut down.
///
/// # In Python
///
/// `concurrent.futures.ThreadPoolExecutor`, in `concurrent/futures/thread.py`.
pub struct ThreadPool {
    shared: Arc<Shared>,
    most: usize,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    jobs: VecDeque<Job>,
    threads: Vec<JoinHandle<()>>,
    running: usize,
    idle: usize,
    closed: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread of the pool does.
    fn work(&self) {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                // A job reports its own panic to who waits for it; nothing here may end the thread.
                if let Err(payload) = catch_unwind(AssertUnwindSafe(job)) {
                    drop_payload(payload);
                }
                state = self.lock();
            } else if state.closed {
                break;
            } else {
                state.idle += 1;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
        state.running -= 1;
        drop(state);
        self.changed.notify_all();
    }
}

impl ThreadPool {
    /// A pool of at most `most` threads.
    ///
    /// # Panics
    ///
    /// When `most` is zero.
    #[must_use]
    pub fn new(most: usize) -> Self {
        assert!(most > 0, "a pool of 0 threads would never run anything: give it at least 1");
        let state = State { jobs: VecDeque::new(), threads: Vec::new(), running: 0, idle: 0, closed: false };
        Self { shared: Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() }), most }
    }
}

/// As many threads as in Python: four more than there are processors, 32 at most.
impl Default for ThreadPool {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self::new((processors + 4).min(32))
    }
}

impl Pool for ThreadPool {
    fn submit(&self, job: Job) -> io::Result<()> {
        let mut state = self.shared.lock();
        if state.closed {
            return Err(io::Error::other("the thread pool is shut down"));
        }
        state.jobs.push_back(job);
        // Threads that are idle, or that finish soon, take it; a new one starts only if there are more jobs than idle
        // threads.
        if state.jobs.len() > state.idle && state.running < self.most {
            let shared = self.shared.clone();
            let name = format!("asyncio_{}", state.threads.len());
            match thread::Builder::new().name(name).spawn(move || shared.work()) {
                Ok(thread) => {
                    state.threads.push(thread);
                    state.running += 1;
                }
                Err(error) if state.running == 0 => {
                    let job = state.jobs.pop_back();
                    drop(state);
                    drop(job);
                    return Err(error);
                }
                // Those that run will get to it.
                Err(_) => {}
            }
        }
        drop(state);
        self.shared.changed.notify_one();
        Ok(())
    }

    fn shutdown(&self, patience: Duration) -> bool {
        let deadline = Instant::now().checked_add(patience);
        let mut state = self.shared.lock();
        state.closed = true;
        self.shared.changed.notify_all();
        while state.running > 0 {
            let left = deadline
                .map_or(Duration::from_secs(3600), |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let threads = std::mem::take(&mut state.threads);
        drop(state);
        for thread in threads {
            let _ = thread.join();
        }
        true
    }
}

impl Drop for ThreadPool {
    /// Takes no more jobs. The threads end when the queue is empty; nobody waits for them here.
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.changed.notify_all();
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("ThreadPool")
            .field("threads", &state.running)
            .field("most", &self.most)
            .field("queued", &state.jobs.len())
            .field("closed", &state.closed)
            .finish()
    }
}

/// Starts a thread for what cannot be waited for in another way, such as the end of a child where the system tells it to
/// threads only. For crates that do I/O.
///
/// Nobody waits for the thread, and no loop knows of it: `job` must end by itself, and tell whoever wants to know. A panic
/// of it goes no further. The thread gets a small stack.
///
/// # Errors
///
/// When no thread can be had.
pub fn spawn_thread(name: &str, job: Job) -> io::Result<()> {
    /// For a system call and what tells of its end. There may be a thread for each of a thousand children.
    const STACK: usize = 64 * 1024;
    let contained = move || {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(job)) {
            drop_payload(payload);
        }
    };
    thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(contained).map(drop)
}

/// Where a job leaves its outcome.
struct Slot<T> {
    state: Mutex<Outcome<T>>,
    /// Nobody waits any more: a job that has not begun need not.
    abandoned: AtomicBool,
}

enum Outcome<T> {
    Waiting(Option<Waker>),
    Ended(Result<T, Box<dyn Any + Send>>),
    /// The job was dropped unrun.
    Lost,
    Taken,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, Outcome<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, outcome: Outcome<T>) {
        let before = std::mem::replace(&mut *self.lock(), outcome);
        if let Outcome::Waiting(Some(waker)) = before {
            waker.wake();
        }
    }
}

/// Says that a job was dropped, unless it ended.
struct LostOnDrop<T>(Option<Arc<Slot<T>>>);

impl<T> Drop for LostOnDrop<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.end(Outcome::Lost);
        }
    }
}

/// Waits for work on another thread: see [`to_thread`] and
/// [`EventLoop::run_in_executor`](crate::EventLoop::run_in_executor).
#[must_use = "the work is done without it, but its result is lost"]
pub struct ThreadFuture<T> {
    slot: Arc<Slot<T>>,
    location: &'static Location<'static>,
}

/// What a job carries. The order matters: who waits is told before the work stops to count, by rule 1 in `deadlock.rs`.
struct Ticket<T> {
    lost: LostOnDrop<T>,
    _outside: Outside,
}

impl<T: Send + 'static> ThreadFuture<T> {
    #[track_caller]
    pub(crate) fn submit(this: &EventLoop, pool: &dyn Pool, f: impl FnOnce() -> T + Send + 'static) -> Self {
        let slot = Arc::new(Slot { state: Mutex::new(Outcome::Waiting(None)), abandoned: AtomicBool::new(false) });
        let ticket = Ticket { lost: LostOnDrop(Some(slot.clone())), _outside: Outside::new(this) };
        let job: Job = Box::new(move || {
            // In whole, and dropped last.
            let mut ticket = ticket;
            let Some(slot) = ticket.lost.0.take() else { return };
            if slot.abandoned.load(Ordering::Relaxed) {
                drop(f);
                return;
            }
            slot.end(Outcome::Ended(catch_unwind(AssertUnwindSafe(f))));
        });
        if let Err(error) = pool.submit(job) {
            panic!("work cannot be given to a thread: {error}");
        }
        Self { slot, location: Location::caller() }
    }
}

impl<T> Future for ThreadFuture<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let waker = cx.waker().clone();
        let mut state = self.slot.lock();
        match &mut *state {
            Outcome::Waiting(slot) => {
                let before = slot.replace(waker);
                drop(state);
                drop(before);
                report_wait(&THREAD, Some(self.location));
                Poll::Pending
            }
            _ => {
                let outcome = std::mem::replace(&mut *state, Outcome::Taken);
                drop(state);
                match outcome {
                    Outcome::Ended(Ok(value)) => Poll::Ready(value),
                    Outcome::Ended(Err(payload)) => resume_unwind(payload),
                    Outcome::Lost => {
                        panic!("the thread pool was shut down before the work given to it at {}", self.location)
                    }
                    Outcome::Taken | Outcome::Waiting(_) => {
                        panic!("a future is not polled again after it has completed")
                    }
                }
            }
        }
    }
}

impl<T> Drop for ThreadFuture<T> {
    fn drop(&mut self) {
        self.slot.abandoned.store(true, Ordering::Relaxed);
    }
}

impl<T> fmt::Debug for ThreadFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<ThreadFuture started at {}>", self.location)
    }
}

/// Runs `f` on a thread of the loop's pool, in a copy of the current context, and gives its result.
///
/// A panic of `f` goes on in the awaiting task. The pool is made when it is first needed, with four threads more than
/// there are processors, 32 at most; further work waits for a free one.
///
/// # Cancel safety
///
/// Cancelling or dropping it lets a thread that is at work finish, and its result is lost; work that no thread has begun
/// is not done. `f` starts to wait for a thread at the call, not at the `await`.
///
/// # Panics
///
/// Without a running event loop; when no thread can be started; when the end of the run waits for the threads already.
///
/// # Examples
///
/// ```
/// use asyncio_event_loop::{run, to_thread};
///
/// let text = run(async { to_thread(|| std::fs::read_to_string("Cargo.toml")).await });
/// assert!(text.unwrap().contains("[package]"));
/// ```
///
/// # In Python
///
/// `asyncio.to_thread`, in `asyncio/threads.py`, which starts at the `await`.
#[track_caller]
pub fn to_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> ThreadFuture<T> {
    let this = current::get_running_loop();
    let pool: Rc<dyn Pool> = this.default_pool();
    let context = copy_context().snapshot();
    ThreadFuture::submit(&this, &*pool, move || context.restore().run(f))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_thread_of_its_own_has_its_name_and_keeps_its_panic() {
        let (told, names) = mpsc::channel();
        let tell = told.clone();
        spawn_thread("asyncio-test", Box::new(move || tell.send(thread::current().name().map(str::to_owned)).unwrap()))
            .unwrap();
        assert_eq!(names.recv().unwrap().as_deref(), Some("asyncio-test"));
        spawn_thread(
            "asyncio-test",
            Box::new(move || {
                let _told = told;
                panic!("kept");
            }),
        )
        .unwrap();
        // It is over when nobody can tell any more.
        assert!(names.recv().is_err());
    }
}
