//! What other threads can do with a loop: send it closures, and wait for a coroutine that runs on it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant as RealInstant};

use asyncio_executor::{ExecutorRemote, Fault, TaskError, TaskHandle, copy_context, panic_message};

use crate::current;
use crate::event_loop::EventLoop;

/// The loop is closed, and what was to run on it will not.
pub use asyncio_executor::ExecutorClosed as LoopClosed;

/// A loop as other threads may have it: `Send + Sync`, cheap to clone.
///
/// # In Python
///
/// There, the loop itself is passed around, and only `call_soon_threadsafe` may be called on it.
#[derive(Clone, Debug)]
pub struct LoopRemote {
    executor: ExecutorRemote,
    /// Counted by the loop: as long as there is one, it may be woken. See `deadlock.rs`.
    _alive: Arc<Alive>,
}

/// Lives as long as some `LoopRemote` of a loop does; its end makes the loop look again.
#[derive(Debug)]
struct Alive(ExecutorRemote);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.notify();
    }
}

/// The loop's side: whether there are remotes, and the tasks that they wait for.
#[derive(Default)]
pub(crate) struct RemoteTasks {
    alive: RefCell<Weak<Alive>>,
    tasks: RefCell<HashMap<u64, TaskHandle>>,
    next: Cell<u64>,
}

impl RemoteTasks {
    /// Whether some other thread may hold a `LoopRemote`. If not, what was sent through one is seen after this.
    pub(crate) fn are_remotes_alive(&self) -> bool {
        let alive = self.alive.borrow().strong_count() > 0;
        // Pairs with the releasing decrement in the destructor of `Arc`: rule 2 in `deadlock.rs`.
        fence(Ordering::Acquire);
        alive
    }

    fn insert(&self, task: TaskHandle) -> u64 {
        let id = self.next.replace(self.next.get() + 1);
        self.tasks.borrow_mut().insert(id, task);
        id
    }

    fn remove(&self, id: u64) -> Option<TaskHandle> {
        self.tasks.borrow_mut().remove(&id)
    }

    fn get(&self, id: u64) -> Option<TaskHandle> {
        self.tasks.borrow().get(&id).cloned()
    }
}

impl LoopRemote {
    pub(crate) fn new(this: &EventLoop) -> Self {
        let executor = this.inner.executor.remote();
        let known = this.inner.remote_tasks.alive.borrow().upgrade();
        let alive = known.unwrap_or_else(|| {
            let alive = Arc::new(Alive(executor.clone()));
            *this.inner.remote_tasks.alive.borrow_mut() = Arc::downgrade(&alive);
            alive
        });
        Self { executor, _alive: alive }
    }

    /// Runs `f` on the loop's thread, at the end of its ready queue, and wakes the loop if it waits. The calls of one
    /// thread keep their order. `f` runs outside any task, in a copy of the calling thread's context.
    ///
    /// # Errors
    ///
    /// When the loop is closed; `f` is dropped.
    ///
    /// # In Python
    ///
    /// `loop.call_soon_threadsafe`, in `asyncio/base_events.py`.
    #[track_caller]
    pub fn call_soon_threadsafe(&self, f: impl FnOnce() + Send + 'static) -> Result<(), LoopClosed> {
        let location = Location::caller();
        let context = copy_context().snapshot();
        self.executor.call_soon_threadsafe(move || {
            let call = || {
                if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
                    Fault::new("exception in a callback").payload(payload).callback(location).report();
                }
            };
            context.restore().run(call);
        })
    }

    /// Whether the loop is closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.executor.is_closed()
    }
}

/// Why a coroutine that ran on another thread's loop has no value.
#[non_exhaustive]
pub enum RemoteError {
    /// It was cancelled. The text says who asked; the error itself stays on its thread.
    Cancelled(String),
    /// It panicked, with this payload.
    Panicked(Box<dyn Any + Send>),
    /// The loop is closed.
    Closed(LoopClosed),
    /// It had not ended when the caller's patience had.
    TimedOut(Duration),
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled(text) => f.write_str(text),
            Self::Panicked(payload) => {
                let text = asyncio_executor::panic_message(payload.as_ref()).unwrap_or("no message");
                write!(f, "the coroutine panicked: {text}")
            }
            Self::Closed(error) => error.fmt(f),
            Self::TimedOut(patience) => write!(f, "the coroutine had not ended after {patience:?}"),
        }
    }
}

impl fmt::Debug for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RemoteError({self})")
    }
}

impl std::error::Error for RemoteError {}

/// What the two threads share.
struct Shared<T> {
    state: Mutex<State<T>>,
    ended: Condvar,
}

struct State<T> {
    /// The task on the loop, once it is made.
    task: Option<u64>,
    cancelled: bool,
    done: bool,
    outcome: Option<Result<T, RemoteError>>,
}

impl<T> Shared<T> {
    fn lock(&self) -> std::sync::MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, outcome: Result<T, RemoteError>) {
        let mut state = self.lock();
        if !state.done {
            state.done = true;
            state.outcome = Some(outcome);
        }
        drop(state);
        self.ended.notify_all();
    }
}

/// Ends the wait if the closure that carries it is dropped unrun.
struct EndOnDrop<T>(Option<Arc<Shared<T>>>);

impl<T> Drop for EndOnDrop<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.0.take() {
            shared.end(Err(RemoteError::Closed(asyncio_executor::ExecutorClosed)));
        }
    }
}

/// The outcome of a coroutine on another thread's loop: blocks to wait for it.
///
/// # In Python
///
/// `concurrent.futures.Future`, in `concurrent/futures/_base.py`. Its `cancel` takes effect at once there; here the outcome is
/// that of the task, which may clean up or refuse.
#[must_use = "the coroutine runs without it, but its outcome is lost"]
pub struct ConcurrentFuture<T> {
    remote: LoopRemote,
    shared: Arc<Shared<T>>,
}

/// Makes a task on the loop of `remote` of the future that `make` returns, and gives a handle to wait on from this thread.
///
/// `make` runs on the loop's thread, so the future need not be `Send`; its value must be. The task runs in a copy of the
/// calling thread's context.
///
/// Do not wait on the loop's own thread: it would wait for itself, and [`ConcurrentFuture::result`] panics instead. If the
/// loop is closed, the outcome says so; a panic of `make` is the outcome too.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use asyncio_event_loop::{get_running_loop, run, run_coroutine_threadsafe, sleep, to_thread};
///
/// run(async {
///     let remote = get_running_loop().remote();
///     let answer = to_thread(move || {
///         let future = run_coroutine_threadsafe(&remote, || async {
///             sleep(Duration::from_millis(1)).await;
///             7
///         });
///         future.result(None).unwrap()
///     });
///     assert_eq!(answer.await, 7);
/// });
/// ```
///
/// # In Python
///
/// `asyncio.run_coroutine_threadsafe`, in `asyncio/tasks.py`.
pub fn run_coroutine_threadsafe<F, T>(
    remote: &LoopRemote,
    make: impl FnOnce() -> F + Send + 'static,
) -> ConcurrentFuture<T>
where
    F: Future<Output = T> + 'static,
    T: Send + 'static,
{
    let state = State { task: None, cancelled: false, done: false, outcome: None };
    let shared = Arc::new(Shared { state: Mutex::new(state), ended: Condvar::new() });
    let mut guard = EndOnDrop(Some(shared.clone()));
    // An error drops the closure, and the guard in it tells the waiting thread.
    let _ = remote.call_soon_threadsafe(move || {
        let Some(shared) = guard.0.clone() else { return };
        if shared.lock().cancelled {
            shared.end(Err(RemoteError::Cancelled("cancelled before it started".to_owned())));
            return;
        }
        let future = match catch_unwind(AssertUnwindSafe(make)) {
            Ok(future) => future,
            Err(payload) => return shared.end(Err(RemoteError::Panicked(payload))),
        };
        let this = current::get_running_loop();
        // A task factory may panic: that is news for whoever waits, and for the exception handler as well.
        let task = match catch_unwind(AssertUnwindSafe(|| this.create_task(future))) {
            Ok(task) => task,
            Err(payload) => {
                let text = panic_message(&*payload).unwrap_or("the task could not be made").to_owned();
                shared.end(Err(RemoteError::Panicked(payload)));
                resume_unwind(Box::new(text));
            }
        };
        let id = this.inner.remote_tasks.insert(task.handle());
        shared.lock().task = Some(id);
        let handle = task.handle();
        let mut slot = Some(task);
        drop(guard.0.take());
        let mut end = EndOnDrop(Some(shared));
        handle.add_done_callback(move |_| {
            current::with_running("a remote task", |this| this.inner.remote_tasks.remove(id));
            if let (Some(task), Some(shared)) = (slot.take(), end.0.take()) {
                shared.end(task.result().map_err(|error| match error {
                    TaskError::Panicked(payload) => RemoteError::Panicked(payload),
                    error => RemoteError::Cancelled(error.to_string()),
                }));
            }
        });
    });
    ConcurrentFuture { remote: remote.clone(), shared }
}

impl<T: Send + 'static> ConcurrentFuture<T> {
    /// Waits for the outcome, no longer than `timeout`; `None` is no limit. A wait that timed out can be repeated: the task
    /// goes on.
    ///
    /// # Errors
    ///
    /// How the coroutine ended, if not with a value.
    ///
    /// # Panics
    ///
    /// On the loop's own thread; and when the outcome was taken before.
    pub fn result(&self, timeout: Option<Duration>) -> Result<T, RemoteError> {
        assert!(
            !self.remote.executor.is_home() || self.done(),
            "the outcome cannot be waited for on the loop's own thread, which would wait for itself: make a task and `await` it"
        );
        let deadline = timeout.and_then(|timeout| RealInstant::now().checked_add(timeout));
        let mut state = self.shared.lock();
        while !state.done {
            match (deadline, timeout) {
                (Some(deadline), Some(timeout)) => {
                    let left = deadline.saturating_duration_since(RealInstant::now());
                    if left.is_zero() {
                        return Err(RemoteError::TimedOut(timeout));
                    }
                    state = self.shared.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                }
                _ => state = self.shared.ended.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
        state.outcome.take().expect("the outcome of the coroutine was taken before")
    }

    /// Whether there is an outcome.
    #[must_use]
    pub fn done(&self) -> bool {
        self.shared.lock().done
    }

    /// Asks for the cancellation of the task on the loop. Returns `false` if it has ended, or the loop has.
    ///
    /// One that has not started is never made. One that has may clean up, or refuse: wait for its outcome to know.
    pub fn cancel(&self) -> bool {
        let mut state = self.shared.lock();
        if state.done {
            return false;
        }
        state.cancelled = true;
        drop(state);
        let shared = self.shared.clone();
        let asked = self.remote.call_soon_threadsafe(move || {
            let id = shared.lock().task;
            match id {
                Some(id) => {
                    let task = current::with_running("a remote task", |this| this.inner.remote_tasks.get(id));
                    if let Some(task) = task {
                        task.cancel();
                    }
                }
                None => shared.end(Err(RemoteError::Cancelled("cancelled before it started".to_owned()))),
            }
        });
        asked.is_ok()
    }
}

impl<T> fmt::Debug for ConcurrentFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrentFuture").field("done", &self.shared.lock().done).finish()
    }
}
