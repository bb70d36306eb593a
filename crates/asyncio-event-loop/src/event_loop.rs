//! `EventLoop`: the handle of a loop, and what it joins.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use asyncio_executor::{Context, Executor, Handle, Task, TaskBuilder, TaskHandle, copy_context};
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

/// What a loop joins. The executor comes first: its tasks are dropped while everything else is there.
pub(crate) struct Inner {
    pub(crate) executor: Executor,
    pub(crate) timers: TimerQueue<Action>,
    pub(crate) reactor: Reactor,
    pub(crate) clock: LoopClock,
    pub(crate) pace: Pace,
    pub(crate) running: Cell<bool>,
    pub(crate) stopping: Cell<bool>,
    /// How many things outside may still wake the loop, as far as it knows: see `deadlock.rs`.
    pub(crate) outside: Rc<Cell<usize>>,
    pub(crate) debugging: Debugging,
    pub(crate) handler: RefCell<Option<ExceptionHandler>>,
    pub(crate) pool: RefCell<Option<Rc<dyn Pool>>>,
    pub(crate) remote_tasks: RemoteTasks,
    #[cfg(unix)]
    pub(crate) watches: crate::watch::Watches,
    #[cfg(unix)]
    pub(crate) handlers: crate::io_handler::Handlers,
    #[cfg(unix)]
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
                timers: TimerQueue::new(),
                reactor,
                clock: LoopClock::new(virtual_time),
                pace: Pace::new(),
                running: Cell::new(false),
                stopping: Cell::new(false),
                outside: Rc::new(Cell::new(0)),
                debugging: Debugging::new(),
                handler: RefCell::new(None),
                pool: RefCell::new(None),
                remote_tasks: RemoteTasks::default(),
                #[cfg(unix)]
                watches: crate::watch::Watches::default(),
                #[cfg(unix)]
                handlers: crate::io_handler::Handlers::default(),
                #[cfg(unix)]
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

    /// The time on the loop's clock: monotonic, in nanoseconds since the loop was made.
    ///
    /// # In Python
    ///
    /// `loop.time`.
    #[inline]
    #[must_use]
    pub fn time(&self) -> Instant {
        self.inner.clock.now()
    }

    /// Whether the loop is on virtual time.
    #[must_use]
    pub fn is_virtual(&self) -> bool {
        self.inner.clock.as_virtual().is_some()
    }

    /// Makes a task, to be stepped from the next turn on: see `create_task`. The loop need not run.
    ///
    /// # Panics
    ///
    /// When the loop is closed.
    #[track_caller]
    pub fn create_task<F: Future + 'static>(&self, future: F) -> Task<F::Output> {
        self.inner.executor.spawn(future)
    }

    /// Puts a closure at the end of the ready queue. It runs outside any task, in a copy of the current context.
    ///
    /// # In Python
    ///
    /// `loop.call_soon`.
    #[track_caller]
    pub fn call_soon(&self, f: impl FnOnce() + 'static) -> Handle {
        self.inner.executor.call_soon(f)
    }

    /// Calls `f` when `delay` has passed, as [`call_at`](EventLoop::call_at) does.
    ///
    /// # In Python
    ///
    /// `loop.call_later`.
    #[track_caller]
    pub fn call_later(&self, delay: Duration, f: impl FnOnce() + 'static) -> TimerHandle {
        if delay.is_zero() {
            self.inner.pace.demand();
        }
        callbacks::call_at(self, self.time() + delay, Location::caller(), inherited(), f)
    }

    /// Calls `f` at `when` on the loop's clock, never early, in the turn in which it is due, outside any task, in a copy
    /// of the current context. Callbacks that are due together are called in the order of their deadlines, those with the
    /// same deadline in the order of the calls. A deadline that is past is due in the next turn.
    ///
    /// # In Python
    ///
    /// `loop.call_at`, where the order of equal deadlines is arbitrary.
    #[track_caller]
    pub fn call_at(&self, when: Instant, f: impl FnOnce() + 'static) -> TimerHandle {
        if when <= self.time() {
            self.inner.pace.demand();
        }
        callbacks::call_at(self, when, Location::caller(), inherited(), f)
    }

    /// Ends the run at the end of the current turn. Tasks that have not ended stay, for another run.
    ///
    /// # In Python
    ///
    /// `loop.stop`.
    pub fn stop(&self) {
        self.inner.stopping.set(true);
    }

    /// Whether the loop is running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.inner.running.get()
    }

    /// Whether the loop is closed, for good.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.executor.is_closed()
    }

    /// The tasks that have not ended, in the order in which they were made.
    #[must_use]
    pub fn all_tasks(&self) -> Vec<TaskHandle> {
        self.inner.executor.all_tasks()
    }

    /// What other threads may have of this loop.
    #[must_use]
    pub fn remote(&self) -> LoopRemote {
        LoopRemote::new(self)
    }

    /// Sets who is told of panics that nobody else is told of; `None`: they are written to standard error.
    ///
    /// # In Python
    ///
    /// `loop.set_exception_handler`.
    pub fn set_exception_handler(&self, handler: Option<ExceptionHandler>) {
        drop(self.inner.handler.replace(handler));
    }

    /// The handler set with `set_exception_handler`.
    #[must_use]
    pub fn exception_handler(&self) -> Option<ExceptionHandler> {
        self.inner.handler.borrow().clone()
    }

    /// Reports `fault` as the loop reports its own.
    ///
    /// # In Python
    ///
    /// `loop.call_exception_handler`.
    pub fn call_exception_handler(&self, fault: asyncio_executor::Fault) {
        exception::handle(self, fault);
    }

    /// Turns debug mode on or off: entries of the ready queue that take long are reported, with the task and where it was
    /// made. `ASYNCIO_DEBUG=1` in the environment turns it on for every loop.
    ///
    /// # In Python
    ///
    /// `loop.set_debug`.
    pub fn set_debug(&self, debug: bool) {
        self.inner.debugging.set(debug);
    }

    /// Whether debug mode is on.
    #[must_use]
    pub fn debug(&self) -> bool {
        self.inner.debugging.is_on()
    }

    /// How long an entry of the ready queue may take before debug mode reports it. The default is 100 ms.
    ///
    /// # In Python
    ///
    /// `loop.slow_callback_duration`.
    pub fn set_slow_callback_duration(&self, duration: Duration) {
        self.inner.debugging.set_slow(duration);
    }

    /// Sets a function that the builder of every task goes through; `None`: none.
    ///
    /// A factory that returns `builder.eager_start(true)` is `asyncio.eager_task_factory`.
    ///
    /// # In Python
    ///
    /// `loop.set_task_factory`, where it builds the task object itself.
    pub fn set_task_factory(&self, factory: Option<Rc<dyn Fn(TaskBuilder) -> TaskBuilder>>) {
        self.inner.executor.set_task_factory(factory);
    }

    /// Runs `f` on a thread of `pool`, and gives its result, or goes on with its panic.
    ///
    /// Unlike `to_thread`, this takes no context along.
    ///
    /// # In Python
    ///
    /// `loop.run_in_executor`.
    #[track_caller]
    pub fn run_in_executor<T: Send + 'static>(
        &self,
        pool: &dyn Pool,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> ThreadFuture<T> {
        ThreadFuture::submit(self, pool, f)
    }

    /// Sets the pool that `to_thread` uses. The one before is not shut down.
    ///
    /// # In Python
    ///
    /// `loop.set_default_executor`.
    pub fn set_default_executor(&self, pool: Rc<dyn Pool>) {
        drop(self.inner.pool.replace(Some(pool)));
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
