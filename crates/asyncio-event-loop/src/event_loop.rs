//! `EventLoop`: the handle of a loop, and what it joins.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use asyncio_executor::{Context, Executor, Fault, Handle, Task, TaskBuilder, TaskHandle, copy_context};
use asyncio_reactor::Reactor;
use asyncio_timers::{Clock, Instant, TimerQueue};

use crate::callbacks::{self, TimerHandle};
use crate::clock::LoopClock;
use crate::debug::Debugging;
use crate::exception::{self, ExceptionHandler};
use crate::pace::Pace;
use crate::remote::{LoopRemote, RemoteTasks};
use crate::thread::{Pool, ThreadFuture, ThreadPool};
use crate::timer::Action;

/// An event loop: a handle, cheap to clone, bound to its thread.
///
/// Inside a program it comes from [`get_running_loop`](crate::get_running_loop); loops are made and ended by
/// [`Runner`](crate::Runner).
///
/// # In Python
///
/// `asyncio.AbstractEventLoop`, in `asyncio/events.py`; its order of things is that of `asyncio/base_events.py`.
#[derive(Clone)]
pub struct EventLoop {
    pub(crate) inner: Rc<Inner>,
}

/// The numbers of loops.
static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// What a loop joins. The executor comes first: its tasks are dropped while everything else is there.
pub(crate) struct Inner {
    pub(crate) executor: Executor,
    /// None of the four thousand million loops that the process makes next has it.
    number: u32,
    pub(crate) timers: TimerQueue<Action>,
    pub(crate) reactor: Reactor,
    pub(crate) clock: LoopClock,
    pub(crate) pace: Pace,
    pub(crate) running: Cell<bool>,
    pub(crate) stopping: Cell<bool>,
    /// How many things outside may still wake the loop, as far as it knows: see `deadlock.rs`.
    pub(crate) outside: Arc<AtomicUsize>,
    /// Counts the run phases of turns.
    pub(crate) phase: Cell<u64>,
    pub(crate) debugging: Debugging,
    pub(crate) handler: RefCell<Option<ExceptionHandler>>,
    pub(crate) pool: RefCell<Option<Rc<dyn Pool>>>,
    pub(crate) remote_tasks: RemoteTasks,
    pub(crate) watches: crate::watch::Watches,
    pub(crate) handlers: crate::io_handler::Handlers,
    pub(crate) signals: crate::signal::Signals,
}

impl EventLoop {
    pub(crate) fn new(virtual_time: bool) -> io::Result<Self> {
        let reactor = Reactor::new()?;
        let notifier = reactor.notifier();
        let inner = Rc::new_cyclic(|weak| {
            let executor = Executor::new(move || notifier.notify());
            executor.set_reporter(Some(exception::reporter(weak.clone())));
            Inner {
                executor,
                number: NUMBERS.fetch_add(1, Ordering::Relaxed),
                timers: TimerQueue::new(),
                reactor,
                clock: LoopClock::new(virtual_time),
                pace: Pace::new(),
                running: Cell::new(false),
                stopping: Cell::new(false),
                outside: Arc::default(),
                phase: Cell::new(0),
                debugging: Debugging::new(),
                handler: RefCell::new(None),
                pool: RefCell::new(None),
                remote_tasks: RemoteTasks::default(),
                watches: crate::watch::Watches::default(),
                handlers: crate::io_handler::Handlers::default(),
                signals: crate::signal::Signals::default(),
            }
        });
        asyncio_reactor::set_precise_timer_slack();
        Ok(Self { inner })
    }

    #[inline]
    pub(crate) fn timers(&self) -> &TimerQueue<Action> {
        &self.inner.timers
    }

    /// The reactor of this loop, to register descriptors with. For crates that do I/O.
    #[must_use]
    pub fn reactor(&self) -> &Reactor {
        &self.inner.reactor
    }

    /// A number that tells it from the other loops of the process.
    #[inline]
    pub(crate) fn number(&self) -> u32 {
        self.inner.number
    }

    /// The time on the loop's clock: monotonic, in nanoseconds since the loop was made.
    ///
    /// # In Python
    ///
    /// `loop.time`, in `asyncio/base_events.py`.
    #[inline]
    #[must_use]
    pub fn time(&self) -> Instant {
        self.inner.clock.now()
    }

    /// How many turns have begun to run what is ready. While that is the same number, it is the same turn. For combinators.
    #[inline]
    #[must_use]
    pub fn turn_number(&self) -> u64 {
        self.inner.phase.get()
    }

    /// Whether the loop is on virtual time: see [`RunnerBuilder::virtual_time`](crate::RunnerBuilder::virtual_time).
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        self.inner.clock.as_virtual().is_some()
    }

    /// Makes a task, to be stepped from the next turn on: see `create_task`. The loop need not run.
    ///
    /// # Panics
    ///
    /// When the loop is closed.
    ///
    /// # In Python
    ///
    /// `loop.create_task`, in `asyncio/base_events.py`.
    #[track_caller]
    pub fn create_task<F>(&self, future: F) -> Task<F::Output>
    where
        F: IntoFuture,
        F::IntoFuture: 'static,
    {
        self.inner.executor.spawn(future.into_future())
    }

    /// Puts a closure at the end of the ready queue. It runs outside any task, in a copy of the current context.
    ///
    /// # Panics
    ///
    /// When the loop is closed.
    ///
    /// # In Python
    ///
    /// `loop.call_soon`, in `asyncio/base_events.py`.
    #[track_caller]
    pub fn call_soon(&self, f: impl FnOnce() + 'static) -> Handle {
        self.assert_open("no callback can be scheduled on it");
        // What other threads sent before this call comes before it.
        self.inner.executor.collect_ready();
        self.inner.executor.call_soon(f)
    }

    /// Calls `f` when `delay` has passed, which is never early, as [`call_at`](EventLoop::call_at) does. A delay that reaches past the end of
    /// the clock, such as `Duration::MAX`, is for ever.
    ///
    /// # Panics
    ///
    /// When the loop is closed.
    ///
    /// # In Python
    ///
    /// `loop.call_later`, in `asyncio/base_events.py`.
    #[track_caller]
    pub fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> TimerHandle {
        self.call_at(self.time() + delay, f)
    }

    /// Calls `f` at `when` on the loop's clock, never early, in the turn in which it is due, outside any task, in a copy
    /// of the current context. Callbacks that are due together are called in the order of their deadlines, those with the
    /// same deadline in the order of the calls. A deadline that is past is due in the next turn. The resolution is a
    /// nanosecond.
    ///
    /// # Panics
    ///
    /// When the loop is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use asyncio_event_loop::{get_running_loop, run, sleep};
    ///
    /// run(async {
    ///     let this = get_running_loop();
    ///     let when = this.time() + Duration::from_millis(2);
    ///     let timer = this.call_at(when, || unreachable!("it is cancelled before"));
    ///     this.call_later(Duration::from_millis(1), move || timer.cancel());
    ///     sleep(Duration::from_millis(3)).await;
    /// });
    /// ```
    ///
    /// # In Python
    ///
    /// `loop.call_at`, in `asyncio/base_events.py`, where the order of equal deadlines is arbitrary.
    #[track_caller]
    pub fn call_at(&self, when: Instant, f: impl FnOnce() + 'static) -> TimerHandle {
        self.assert_open("no callback can be scheduled on it");
        if when <= self.time() {
            self.inner.pace.demand();
        }
        callbacks::call_at(self, when, Location::caller(), inherited(), f)
    }

    /// Ends the run at the end of the current turn. Tasks that have not ended stay, for another run.
    ///
    /// # In Python
    ///
    /// `loop.stop`, in `asyncio/base_events.py`.
    pub fn stop(&self) {
        self.inner.stopping.set(true);
    }

    /// Whether the loop is running.
    ///
    /// # In Python
    ///
    /// `loop.is_running`, in `asyncio/base_events.py`.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.inner.running.get()
    }

    /// Whether the loop is closed, for good.
    ///
    /// # In Python
    ///
    /// `loop.is_closed`, in `asyncio/base_events.py`.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.executor.is_closed()
    }

    /// The tasks that have not ended, in the order in which they were made.
    ///
    /// # In Python
    ///
    /// `asyncio.all_tasks`, in `asyncio/tasks.py`, where it is a set.
    #[must_use]
    pub fn all_tasks(&self) -> Vec<TaskHandle> {
        self.inner.executor.all_tasks()
    }

    /// What other threads may have of this loop.
    ///
    /// # In Python
    ///
    /// There is none: the loop itself is passed around.
    #[must_use]
    pub fn remote(&self) -> LoopRemote {
        LoopRemote::new(self)
    }

    /// Sets who is told of panics that nobody else is told of. Without a handler they are written to standard error.
    ///
    /// The handler may do anything with the loop, also set another handler. If it panics itself, that is written to standard
    /// error. It is dropped when the loop is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    /// use std::rc::Rc;
    ///
    /// let faults = Rc::new(RefCell::new(Vec::new()));
    /// asyncio_event_loop::run(async {
    ///     let this = asyncio_event_loop::get_running_loop();
    ///     let inner = faults.clone();
    ///     this.set_exception_handler(move |_, fault| {
    ///         inner.borrow_mut().push(fault.panic_message().unwrap_or_default().to_owned());
    ///     });
    ///     this.call_soon(|| panic!("nobody awaits a callback"));
    /// });
    /// assert_eq!(*faults.borrow(), ["nobody awaits a callback"]);
    /// ```
    ///
    /// # In Python
    ///
    /// `loop.set_exception_handler`, in `asyncio/base_events.py`.
    pub fn set_exception_handler(&self, handler: impl Fn(&EventLoop, &Fault) + 'static) {
        drop(self.inner.handler.replace(Some(Rc::new(handler))));
    }

    /// Takes the handler out: faults are written to standard error again.
    ///
    /// # In Python
    ///
    /// `loop.set_exception_handler(None)`.
    pub fn reset_exception_handler(&self) {
        drop(self.inner.handler.take());
    }

    /// The handler set with `set_exception_handler`.
    ///
    /// # In Python
    ///
    /// `loop.get_exception_handler`, in `asyncio/base_events.py`.
    #[must_use]
    pub fn exception_handler(&self) -> Option<ExceptionHandler> {
        self.inner.handler.borrow().clone()
    }

    /// Reports `fault` as the loop reports its own.
    ///
    /// # In Python
    ///
    /// `loop.call_exception_handler`, in `asyncio/base_events.py`.
    pub fn call_exception_handler(&self, fault: Fault) {
        exception::handle(self, fault);
    }

    /// Turns debug mode on or off: steps of tasks and callbacks that take long are reported on standard error, with the task
    /// and where it was made, or with the place where the callback was scheduled. `ASYNCIO_DEBUG=1` in the environment turns
    /// it on for every loop.
    ///
    /// # In Python
    ///
    /// `loop.set_debug`, in `asyncio/base_events.py`.
    pub fn set_debug(&self, debug: bool) {
        self.inner.debugging.set(debug);
    }

    /// Whether debug mode is on.
    ///
    /// # In Python
    ///
    /// `loop.get_debug`, in `asyncio/base_events.py`.
    #[must_use]
    pub fn debug(&self) -> bool {
        self.inner.debugging.is_on()
    }

    /// How long a step or callback may take before debug mode reports it, on the machine's clock, on virtual time too. The
    /// default is 100 ms.
    ///
    /// # In Python
    ///
    /// `loop.slow_callback_duration`, in `asyncio/base_events.py`.
    pub fn set_slow_callback_duration(&self, duration: Duration) {
        self.inner.debugging.set_slow(duration);
    }

    /// Sets a function that the builder of every task goes through.
    ///
    /// A factory that returns `builder.eager_start(true)` is `asyncio.eager_task_factory`.
    ///
    /// # In Python
    ///
    /// `loop.set_task_factory`, in `asyncio/base_events.py`, where it builds the task object itself.
    pub fn set_task_factory(&self, factory: impl Fn(TaskBuilder) -> TaskBuilder + 'static) {
        self.inner.executor.set_task_factory(Some(Rc::new(factory)));
    }

    /// Takes the task factory out.
    pub fn reset_task_factory(&self) {
        self.inner.executor.set_task_factory(None);
    }

    /// Runs `f` on a thread of `pool`, and gives its result, or goes on with its panic.
    ///
    /// Unlike `to_thread`, this takes no context along.
    ///
    /// # Panics
    ///
    /// When the loop is closed, and when the pool refuses the work.
    ///
    /// # In Python
    ///
    /// `loop.run_in_executor`, in `asyncio/base_events.py`.
    #[track_caller]
    pub fn run_in_executor<T: Send + 'static>(
        &self,
        pool: &dyn Pool,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> ThreadFuture<T> {
        self.assert_open("no work can be given to threads for it");
        ThreadFuture::submit(self, pool, f)
    }

    /// Sets the pool that `to_thread` uses. The one before is not shut down; this one is when the loop is closed.
    ///
    /// # In Python
    ///
    /// `loop.set_default_executor`, in `asyncio/base_events.py`.
    pub fn set_default_executor(&self, pool: Rc<dyn Pool>) {
        drop(self.inner.pool.replace(Some(pool)));
    }

    /// Panics if the loop is closed.
    #[track_caller]
    pub(crate) fn assert_open(&self, what: &str) {
        assert!(!self.is_closed(), "the event loop is closed: {what} any more");
    }

    /// The pool that `to_thread` uses, made when it is first needed.
    pub(crate) fn default_pool(&self) -> Rc<dyn Pool> {
        let made = self.inner.pool.borrow().clone();
        made.unwrap_or_else(|| {
            let pool: Rc<dyn Pool> = Rc::new(ThreadPool::default());
            self.set_default_executor(pool.clone());
            pool
        })
    }
}

/// A copy of the current context for a callback.
fn inherited() -> Option<Context> {
    Some(copy_context())
}

impl fmt::Debug for EventLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventLoop")
            .field("running", &self.is_running())
            .field("closed", &self.is_closed())
            .field("debug", &self.debug())
            .field("virtual_time", &self.is_virtual())
            .field("tasks", &self.inner.executor.live_tasks())
            .field("timers", &self.inner.timers.len())
            .finish()
    }
}
