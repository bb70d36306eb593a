#![expect(unsafe_code, reason = "the executor owns references to tasks that it counts by hand")]
//! The executor: the ready queue, the list of all tasks, and the order in which a turn runs what is ready.
//!
//! It never reads a clock, never waits, and knows no descriptors: somebody steps it (an event loop, a test, a GUI).
//!
//! The `SAFETY` comments rest on this: `Inner` is in an `Rc` that the [`Executor`] owns, and lives until the executor has
//! been closed, which takes every task out of the list and makes `home` null.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::sync::Arc;

use crate::callback::{self, Handle};
use crate::cancel::{CancelKind, CancelledError};
use crate::contain::drop_contained;
use crate::context_var;
use crate::current;
use crate::fault::Reporter;
use crate::life::{Fate, Life};
use crate::list::List;
use crate::pool::Pool;
use crate::ready::{Entry, Ready};
use crate::running::{self, Enter, Entered};
use crate::scope;
use crate::shared::{Remote, Shared};
use crate::task::builder::{self, TaskBuilder};
use crate::task::handle::{Task, TaskHandle};
use crate::task::header::{Header, TaskRef};
use crate::task::step;

/// The executor behind its owner.
pub(crate) struct Inner {
    pub(crate) ready: Ready,
    all: List<Header>,
    /// Memory of tasks that are gone.
    pub(crate) pool: Pool,
    /// Tasks that have not ended.
    live: Cell<usize>,
    pub(crate) shared: Arc<Shared>,
    reporter: RefCell<Option<Rc<Reporter>>>,
    factory: RefCell<Option<Rc<TaskFactory>>>,
    has_factory: Cell<bool>,
    closed: Cell<bool>,
    /// Whether entries are being run: a task must not be stepped from inside another step of its own.
    stepping: Cell<bool>,
}

/// Changes how every task is made: see [`Executor::set_task_factory`].
pub type TaskFactory = dyn Fn(TaskBuilder) -> TaskBuilder;

/// Runs tasks and callbacks, one turn at a time, on the thread that made it.
pub struct Executor {
    inner: Rc<Inner>,
}

/// What other threads can do with an executor: hand it closures.
#[derive(Clone)]
pub struct ExecutorRemote {
    shared: Arc<Shared>,
}

/// The executor is gone, and with it what was to run on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExecutorClosed;

impl fmt::Display for ExecutorClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop is closed: nothing can be scheduled on it any more")
    }
}

impl std::error::Error for ExecutorClosed {}

impl Executor {
    /// A new executor on this thread. `notify` is called, on any thread, when another thread woke a task or sent a
    /// closure: it makes whoever waits step the executor again.
    #[must_use]
    pub fn new(notify: impl Fn() + Send + Sync + 'static) -> Self {
        asyncio_context::set_probe_source(Some(scope::current_probe));
        let shared = Arc::new(Shared::new(current::thread(), Box::new(notify)));
        let inner = Rc::new(Inner {
            ready: Ready::new(),
            all: List::new(),
            pool: Pool::new(),
            live: Cell::new(0),
            shared,
            reporter: RefCell::new(None),
            factory: RefCell::new(None),
            has_factory: Cell::new(false),
            closed: Cell::new(false),
            stepping: Cell::new(false),
        });
        inner.shared.set_home(Rc::as_ptr(&inner));
        Self { inner }
    }

    /// Makes this the executor that `create_task` and its like find, until the guard is dropped or the executor closed.
    ///
    /// [`turn`](Executor::turn) does so itself; it is needed around `run_ready`, and to make tasks between two turns.
    #[must_use]
    pub fn enter(&self) -> Enter<'_> {
        Enter::new(self.inner.clone())
    }

    /// Makes a task of `future`, to be stepped at the end of the ready queue.
    ///
    /// # Panics
    ///
    /// When the executor is closed.
    ///
    /// # In Python
    ///
    /// `loop.create_task`, in `asyncio/base_events.py`.
    #[track_caller]
    pub fn spawn<F: Future + 'static>(&self, future: F) -> Task<F::Output> {
        builder::spawn(&self.inner, future, Location::caller())
    }

    /// Makes a task as `builder` says.
    ///
    /// # Panics
    ///
    /// When the executor is closed.
    #[track_caller]
    pub fn spawn_with<F: Future + 'static>(&self, builder: TaskBuilder, future: F) -> Task<F::Output> {
        builder.spawn_on(&self.inner, future)
    }

    /// Makes a task of a future that may borrow, and drives it with `drive`, which gets its handle.
    ///
    /// When `drive` returns or panics, the future is dropped if the task has not ended. Returns the task, which has
    /// ended, with its outcome, and what `drive` returned.
    ///
    /// # Panics
    ///
    /// When the executor is closed. A panic of `drive` goes through.
    #[track_caller]
    pub fn scope<F: Future, R>(
        &self,
        builder: TaskBuilder,
        future: F,
        drive: impl FnOnce(&TaskHandle) -> R,
    ) -> (Task<F::Output>, R) {
        /// Ends the task when it is dropped.
        struct End<'a, T>(&'a Task<T>);
        impl<T> Drop for End<'_, T> {
            fn drop(&mut self) {
                if self.0.task().state.is_running() {
                    // Not reachable through this crate's API; going on would leave a future that borrows what is gone.
                    std::process::abort();
                }
                let task = self.0.task();
                // Without a loop, it has ended.
                if let Some(home) = task.home() {
                    let _hold = home.hold_steps();
                    step::abandon(task, CancelledError::new(CancelKind::Shutdown));
                }
            }
        }
        // SAFETY: `End` drops the future before this function returns, so before what it borrows.
        let task = unsafe { builder.spawn_unchecked(&self.inner, future) };
        task.task().state.set_borrows();
        let end = End(&task);
        let result = drive(&task.handle());
        drop(end);
        (task, result)
    }

    /// Puts a closure at the end of the ready queue, to be run in a copy of the current context.
    ///
    /// # Panics
    ///
    /// When the executor is closed.
    #[track_caller]
    pub fn call_soon(&self, f: impl FnOnce() + 'static) -> Handle {
        self.inner.call_soon(Location::caller(), f)
    }

    /// How many entries are in the ready queue, after what other threads sent has been put there.
    #[inline]
    pub fn collect_ready(&self) -> usize {
        self.inner.collect();
        self.inner.ready.len()
    }

    /// Whether there is something to run, as far as this thread knows.
    #[inline]
    #[must_use]
    pub fn has_ready(&self) -> bool {
        self.inner.ready.len() > 0 || !self.inner.shared.inbox.is_empty() || self.inner.shared.has_calls()
    }

    /// Runs the first `count` entries of the ready queue. What they make ready stays for the next time.
    ///
    /// # Panics
    ///
    /// When it is called from inside a task or callback of this executor.
    #[inline]
    pub fn run_ready(&self, count: usize) {
        let _stepping = self.inner.step_or_panic();
        for _ in 0..count {
            let Some(entry) = self.inner.ready.pop() else { return };
            entry.run();
        }
    }

    /// Like [`run_ready`](Executor::run_ready), with `around` called for each entry: it must call its second argument once.
    pub fn run_ready_observed(&self, count: usize, mut around: impl FnMut(Entry, &mut dyn FnMut())) {
        let _stepping = self.inner.step_or_panic();
        for _ in 0..count {
            let Some(entry) = self.inner.ready.pop() else { return };
            let described = entry.describe();
            let mut entry = Some(entry);
            around(described, &mut || {
                if let Some(entry) = entry.take() {
                    entry.run();
                }
            });
        }
    }

    /// One turn: runs what is ready when it begins, with this as the current executor. Returns whether more is ready.
    ///
    /// A loop that has timers and I/O does the three parts itself: [`collect_ready`](Executor::collect_ready), then its
    /// own business, then [`run_ready`](Executor::run_ready) with the count.
    ///
    /// # Panics
    ///
    /// When it is called from inside a task or callback of this executor.
    ///
    /// # In Python
    ///
    /// `BaseEventLoop._run_once`, in `asyncio/base_events.py`, without its `select` and its timers.
    pub fn turn(&self) -> bool {
        let _enter = self.enter();
        let count = self.collect_ready();
        self.run_ready(count);
        self.has_ready()
    }

    /// The tasks that have not ended, in the order in which they were made.
    #[must_use]
    pub fn all_tasks(&self) -> Vec<TaskHandle> {
        self.inner.all_tasks()
    }

    /// How many tasks have not ended.
    #[must_use]
    pub fn live_tasks(&self) -> usize {
        self.inner.live.get()
    }

    /// What other threads may have of this executor.
    #[must_use]
    pub fn remote(&self) -> ExecutorRemote {
        ExecutorRemote { shared: self.inner.shared.clone() }
    }

    /// Sets who is told of panics that nobody else is told of. `None`: standard error.
    pub fn set_reporter(&self, reporter: Option<Rc<Reporter>>) {
        let before = self.inner.reporter.replace(reporter);
        drop(before);
    }

    /// Sets a function that every task's builder goes through before the task is made. `None`: no such function.
    pub fn set_task_factory(&self, factory: Option<Rc<TaskFactory>>) {
        self.inner.has_factory.set(factory.is_some());
        let before = self.inner.factory.replace(factory);
        drop(before);
    }

    /// Ends everything: unfinished tasks are dropped, in order of creation, what is ready is discarded, and whoever holds
    /// a waker or a handle holds it for nothing from now on. Dropping the executor does the same.
    ///
    /// Panics of destructors go to the reporter.
    ///
    /// # Panics
    ///
    /// When it is called from inside a task or callback of this executor.
    ///
    /// # In Python
    ///
    /// `loop.close`, which leaves unfinished tasks to the garbage collector.
    pub fn close(&self) {
        self.inner.close();
    }

    /// Whether it has been closed.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.inner.closed.get()
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        if self.inner.stepping.get() && !self.is_closed() {
            // Dropped by one of its own tasks, which panics below: what is not closed has tasks that point to it.
            std::mem::forget(self.inner.clone());
        }
        self.close();
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor")
            .field("tasks", &self.live_tasks())
            .field("ready", &self.inner.ready.len())
            .field("closed", &self.is_closed())
            .finish()
    }
}

impl ExecutorRemote {
    /// Runs `f` on the executor's thread, at the end of its ready queue. The order of the calls of one thread is kept.
    ///
    /// # Errors
    ///
    /// When the executor is gone; `f` is dropped.
    pub fn call_soon_threadsafe(&self, f: impl FnOnce() + Send + 'static) -> Result<(), ExecutorClosed> {
        self.shared.call(Box::new(f)).map_err(|_: Remote| ExecutorClosed)
    }

    /// Makes the executor's owner step it, as if something had been sent.
    pub fn notify(&self) {
        self.shared.notify();
    }

    /// Whether the caller is on the executor's thread.
    #[must_use]
    pub fn is_home(&self) -> bool {
        self.shared.is_home()
    }

    /// Whether the executor is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }
}

impl fmt::Debug for ExecutorRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutorRemote").field("closed", &self.is_closed()).finish()
    }
}

/// Says that entries are being run, until it is dropped.
pub(crate) struct Stepping<'a> {
    stepping: &'a Cell<bool>,
    before: bool,
}

impl Drop for Stepping<'_> {
    fn drop(&mut self) {
        self.stepping.set(self.before);
    }
}

impl Inner {
    fn step_or_panic(&self) -> Stepping<'_> {
        assert!(
            !self.stepping.get(),
            "an executor cannot be stepped, and an event loop cannot be run, from inside one of its own tasks or \
             callbacks: `await` instead"
        );
        self.hold_steps()
    }

    /// Keeps entries from being run until the guard is dropped: a task is being started or ended outside the queue, and
    /// must not be stepped by its own destructors meanwhile.
    pub(crate) fn hold_steps(&self) -> Stepping<'_> {
        Stepping { stepping: &self.stepping, before: self.stepping.replace(true) }
    }

    /// One more counted reference. It must not be closed.
    pub(crate) fn hold(&self) -> Rc<Self> {
        let inner = self.shared.home();
        assert!(!inner.is_null(), "an executor that is gone cannot be held");
        // SAFETY: `home` came from the `Rc`, and is null once the executor is gone.
        unsafe { Rc::increment_strong_count(inner) };
        // SAFETY: the count that was just made.
        unsafe { Rc::from_raw(inner) }
    }

    /// Makes this the current executor until the guard is dropped. It must not be closed.
    pub(crate) fn enter(&self) -> Entered {
        Entered::new(self.hold())
    }

    #[track_caller]
    pub(crate) fn assert_takes_tasks(&self) {
        assert!(!self.is_closed(), "the event loop is closed: no task can be made on it any more");
    }

    #[track_caller]
    pub(crate) fn call_soon(&self, location: &'static Location<'static>, f: impl FnOnce() + 'static) -> Handle {
        assert!(!self.is_closed(), "the event loop is closed: no callback can be scheduled on it any more");
        callback::schedule(self, context_var::inherited(), location, f)
    }

    pub(crate) fn reporter(&self) -> Option<Rc<Reporter>> {
        self.reporter.borrow().clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Whether a task is made as its maker wishes: there is no factory, and the executor is not closed.
    #[inline]
    pub(crate) fn makes_any_task(&self) -> bool {
        !self.has_factory.get() && !self.is_closed()
    }

    pub(crate) fn factory(&self) -> Option<Rc<TaskFactory>> {
        self.factory.borrow().clone()
    }

    /// Takes a new task into the list. It comes with the alive reference.
    pub(crate) fn adopt(&self, task: &TaskRef) {
        let header: *const Header = task.as_ptr().as_ptr();
        // SAFETY: new, so in no list; `forget` takes it out before it is freed or merged.
        unsafe { self.all.push_back(header) };
        self.live.set(self.live.get() + 1);
    }

    /// A task has ended.
    pub(crate) fn ended(&self) {
        self.live.set(self.live.get() - 1);
    }

    /// Takes a task out of the list: it is about to be freed or merged.
    pub(crate) fn forget(&self, task: &TaskRef) {
        if task.all.is_linked() {
            // SAFETY: linked, and it is only ever in the list of its own executor.
            unsafe { self.all.remove(task.as_ptr().as_ptr()) };
        }
    }

    pub(crate) fn all_tasks(&self) -> Vec<TaskHandle> {
        let mut tasks = Vec::with_capacity(self.live.get());
        self.all.for_each_ptr(|header| {
            let Some(header) = NonNull::new(header.cast_mut()) else { return };
            // SAFETY: a member of the list is alive, and its pointer is to the whole allocation.
            let task = unsafe { TaskRef::borrow(header) };
            if !task.is_done() {
                tasks.push(TaskHandle::new((*task).clone()));
            }
        });
        tasks
    }

    /// Puts what other threads woke or sent into the ready queue.
    #[inline]
    fn collect(&self) {
        if !self.shared.inbox.is_empty() || self.shared.has_calls() {
            self.collect_what_came();
        }
    }

    #[cold]
    fn collect_what_came(&self) {
        if !self.shared.inbox.is_empty() {
            self.settle(self.shared.inbox.take());
        }
        for f in self.shared.take_calls() {
            callback::schedule(self, None, Location::caller(), f);
        }
    }

    /// Settles a chain of allocations from the inbox.
    fn settle(&self, mut life: *const Life) {
        while !life.is_null() {
            // SAFETY: the inbox owns a reference to each, until it is settled.
            let entry = unsafe { &*life };
            let next = entry.next();
            // SAFETY: a `Life` in the inbox is that of a task, pushed through a pointer to the whole allocation.
            let header = unsafe { TaskRef::of_life(life) };
            let woken = entry.settle();
            // SAFETY: the inbox's reference is ours now.
            let task = unsafe { TaskRef::from_raw(header) };
            if woken {
                task.schedule();
            }
            life = next;
        }
    }

    fn close(&self) {
        if self.closed.get() {
            return;
        }
        assert!(!self.stepping.get(), "an executor cannot be closed from inside one of its own tasks or callbacks");
        // Nothing below may unwind, since tasks and wakers would be left with a pointer to an executor that is gone: all
        // code of others runs contained.
        let entered = self.enter();
        let _hold = self.hold_steps();
        self.closed.set(true);
        let error = CancelledError::new(CancelKind::Shutdown);
        for task in self.all_tasks() {
            step::abandon(task.task(), error.clone());
        }
        // From here on all tasks are done and nothing is pushed any more.
        while let Some(entry) = self.ready.pop() {
            drop(entry);
        }
        self.shared.close_calls().into_iter().flatten().for_each(drop_contained);
        self.settle(self.shared.inbox.close());
        debug_assert!(self.ready.len() == 0);
        while let Some(header) = NonNull::new(self.all.first().cast_mut()) {
            // SAFETY: a member of the list is alive.
            let borrowed = unsafe { TaskRef::borrow(header) };
            // Counted: the destructor of a value in its context may drop the last handle.
            let task = (*borrowed).clone();
            self.forget(&task);
            task.extra().into_iter().for_each(step::drop_context);
            crate::task::header::retain_shared(task.shared);
            // The reference here is counted elsewhere from now on, as all are.
            let fate = task.life.merge();
            debug_assert_eq!(fate, Fate::Keep);
        }
        self.shared.set_home(ptr::null());
        drop(entered);
        running::leave(self);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        debug_assert!(self.closed.get() && self.ready.len() == 0);
    }
}
