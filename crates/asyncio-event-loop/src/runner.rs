//! `run` and `Runner`: a program from its first turn to the end of its last task.

use std::cell::Cell;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::time::{Duration, Instant as RealInstant};

use asyncio_executor::{
    CancelKind, CancelledError, Context, Fault, Task, TaskError, TaskHandle, Watcher, copy_context,
};

use crate::current::{Running, try_get_running_loop};
use crate::deadlock::Deadlock;
use crate::event_loop::EventLoop;
use crate::exception;
use crate::run_error::RunError;

/// How long the end of a run waits for the threads of the default pool: as long as in Python.
const THREADS_PATIENCE: Duration = Duration::from_secs(300);
/// How long it waits for them before it looks whether they want something of the loop. It is how late they get that; the
/// end of the threads themselves is noticed at once.
const THREADS_SLICE: Duration = Duration::from_millis(2);

/// Runs `main` on a new event loop, and returns its value.
///
/// `main` may borrow from its surroundings. When it has ended, all other tasks are cancelled and run until they have
/// ended, so that they can clean up; then the threads of `to_thread` are waited for, and the loop is closed.
///
/// A first SIGINT (Ctrl-C) cancels the main task, a second one kills the process, also if the loop is stuck, if this is the
/// main thread and nobody else handles that signal. If the main task ends cancelled because of it, the process dies of
/// SIGINT after the cleanup (on Windows: ends with the code that the system gives to one that Ctrl-C ended).
///
/// # Panics
///
/// When it is called from inside a running loop, and when the main task is cancelled by somebody: use a [`Runner`] to get
/// that as an error. A panic of `main` goes on after the cleanup.
///
/// # Examples
///
/// ```
/// let text = String::from("borrowed");
/// let length = asyncio_event_loop::run(async {
///     asyncio_event_loop::sleep(std::time::Duration::from_millis(1)).await;
///     text.len()
/// });
/// assert_eq!(length, 8);
/// ```
///
/// # In Python
///
/// `asyncio.run`, in `asyncio/runners.py`.
#[track_caller]
pub fn run<F: IntoFuture>(main: F) -> F::Output {
    assert_outside();
    let mut runner = match Runner::builder().build() {
        Ok(runner) => runner,
        Err(error) => panic!("cannot make an event loop: {error}"),
    };
    let (result, name) = runner.run_named(runner.context.clone(), main);
    runner.close();
    match result {
        Ok(value) => value,
        Err(RunError::Interrupted) => {
            let _ = io::stdout().flush();
            crate::signal::die_of_sigint()
        }
        Err(RunError::Cancelled(error)) => panic!("the main task, {name:?}, was {error}"),
        Err(error) => panic!("{error}"),
    }
}

/// Panics if a loop runs on this thread.
#[track_caller]
fn assert_outside() {
    assert!(
        try_get_running_loop().is_none(),
        "`run` was called from inside a running event loop: `await` the future there, or make a task of it"
    );
}

/// Runs several programs one after the other on one loop, with one context.
///
/// Dropping it closes it, also while the thread panics: see [`close`](Runner::close).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// runner.run(asyncio_event_loop::sleep(Duration::from_secs(3600)))?;
/// assert!(runner.get_loop().time().as_secs_f64() >= 3600.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In Python
///
/// `asyncio.Runner`, in `asyncio/runners.py`.
#[derive(Debug)]
pub struct Runner {
    this: EventLoop,
    context: Context,
}

/// How a [`Runner`] is to be made.
#[derive(Clone, Debug, Default)]
#[must_use = "a builder makes nothing before `build`"]
pub struct RunnerBuilder {
    debug: Option<bool>,
    virtual_time: bool,
}

impl RunnerBuilder {
    /// Turns debug mode on or off. Without this call, `ASYNCIO_DEBUG` in the environment says.
    pub fn debug(mut self, debug: bool) -> Self {
        self.debug = Some(debug);
        self
    }

    /// Runs on a virtual clock: it stands still while anything is ready, and jumps to the next deadline when nothing is.
    ///
    /// A program without I/O and threads then does the same every time. If it comes to a point where nothing can ever
    /// happen again, the run ends with [`RunError::Deadlock`].
    pub fn virtual_time(mut self, virtual_time: bool) -> Self {
        self.virtual_time = virtual_time;
        self
    }

    /// Makes the loop.
    ///
    /// # Errors
    ///
    /// The platform's, mostly for want of descriptors.
    pub fn build(self) -> io::Result<Runner> {
        let this = EventLoop::new(self.virtual_time)?;
        if let Some(debug) = self.debug {
            this.set_debug(debug);
        }
        Ok(Runner { this, context: copy_context() })
    }
}

/// Stops the loop when the last of `left` tasks has ended: in the turn after it did, or, at the end of a run, two after,
/// as the `gather` does that waits for the cancelled tasks in Python.
struct StopAfter {
    this: EventLoop,
    left: Cell<usize>,
    hop: bool,
    /// All have ended, or the run is over without: a notice that comes late must not stop another run.
    over: Cell<bool>,
}

impl StopAfter {
    fn new(this: &EventLoop, left: usize, hop: bool) -> Rc<Self> {
        Rc::new(Self { this: this.clone(), left: Cell::new(left), hop, over: Cell::new(false) })
    }

    fn stop(&self) {
        if !self.over.replace(true) {
            self.this.stop();
        }
    }
}

impl Watcher for StopAfter {
    fn finished(self: Rc<Self>, _: usize) {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            if self.hop {
                let this = self.this.clone();
                this.call_soon(move || self.stop());
            } else {
                self.stop();
            }
        }
    }
}

/// Ends the wait of a `StopAfter` when it is dropped.
struct Over(Rc<StopAfter>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.over.set(true);
    }
}

impl Runner {
    /// How a runner is to be made: debug mode, virtual time.
    pub fn builder() -> RunnerBuilder {
        RunnerBuilder::default()
    }

    /// A runner on the machine's clock.
    ///
    /// # Errors
    ///
    /// The platform's, mostly for want of descriptors.
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// The loop.
    ///
    /// # In Python
    ///
    /// `Runner.get_loop`, in `asyncio/runners.py`.
    #[must_use]
    pub fn get_loop(&self) -> EventLoop {
        self.this.clone()
    }

    /// Runs `main` until it has ended. Other tasks that have not stay for the next run, or for `close`.
    ///
    /// `main` runs in the runner's context, which began as a copy of the one in which the runner was made: what one run sets,
    /// the next one sees.
    ///
    /// # Errors
    ///
    /// When `main` ended cancelled, the loop was stopped, SIGINT came, or, on virtual time, nothing could ever happen
    /// again.
    ///
    /// # Panics
    ///
    /// When the runner is closed, or called from inside a running loop. A panic of `main` goes on.
    ///
    /// # In Python
    ///
    /// `Runner.run`, in `asyncio/runners.py`.
    #[track_caller]
    pub fn run<F: IntoFuture>(&mut self, main: F) -> Result<F::Output, RunError> {
        self.run_in(self.context.clone(), main)
    }

    /// Like [`run`](Runner::run), in a context of the caller's.
    ///
    /// # Errors
    ///
    /// As for `run`.
    ///
    /// # Panics
    ///
    /// As for `run`.
    ///
    /// # In Python
    ///
    /// `Runner.run(context=…)`, in `asyncio/runners.py`.
    #[track_caller]
    pub fn run_in<F: IntoFuture>(&mut self, context: Context, main: F) -> Result<F::Output, RunError> {
        self.run_named(context, main).0
    }

    /// Runs `main`, and says what the main task was called.
    #[track_caller]
    fn run_named<F: IntoFuture>(&mut self, context: Context, main: F) -> (Result<F::Output, RunError>, String) {
        assert_outside();
        assert!(!self.this.is_closed(), "the runner is closed: make another one");
        let this = &self.this;
        // Until `main` has been dropped: its destructors find the loop.
        let _entered = this.enter();
        let builder = Task::builder().context(context).eager_start(false);
        let (task, (turned, interrupted)) = this.inner.executor.scope(builder, main.into_future(), |main| {
            let interrupt = crate::signal::Interrupt::install(this, main);
            let watcher = StopAfter::new(this, 1, false);
            let _over = Over(watcher.clone());
            main.watch(watcher, 0);
            let turned = this.turns();
            let interrupted = interrupt.is_some_and(|interrupt| interrupt.ended(main));
            (turned.map(|()| main.done()), interrupted)
        });
        let name = task.name();
        let result = match turned {
            Err(deadlock) => Err(RunError::Deadlock(deadlock)),
            Ok(false) => Err(RunError::Stopped),
            Ok(true) => match task.result() {
                Ok(_) if interrupted => Err(RunError::Interrupted),
                Ok(value) => Ok(value),
                Err(TaskError::Panicked(payload)) => resume_unwind(payload),
                Err(TaskError::Cancelled(_)) if interrupted => Err(RunError::Interrupted),
                Err(TaskError::Cancelled(error)) => Err(RunError::Cancelled(error)),
                Err(error) => unreachable!("the main task is done and nobody else has its handle: {error}"),
            },
        };
        (result, name)
    }

    /// Ends the loop: cancels all tasks and runs them until they have ended, waits for the threads, closes. A second call
    /// does nothing. Dropping the runner does the same.
    ///
    /// Panics of tasks at this time go to the exception handler. If, on virtual time, a task waits for what cannot happen
    /// although it was cancelled, it is dropped. While the threads are waited for, for 300 s at most, the loop goes on
    /// doing what they ask of it.
    ///
    /// # Panics
    ///
    /// When it is called from inside a running loop. A runner that is *dropped* there is closed without running anything:
    /// its tasks are dropped.
    ///
    /// # In Python
    ///
    /// `Runner.close`, in `asyncio/runners.py`.
    pub fn close(&mut self) {
        if !self.this.is_closed() {
            assert!(
                try_get_running_loop().is_none(),
                "a runner was closed from inside a running event loop: close it where it is run"
            );
            self.end();
        }
    }

    /// Runs the loop to its end, and lets go of everything.
    fn end(&self) {
        /// Lets go of everything, also if a turn panics.
        struct Release<'a>(&'a EventLoop);
        impl Drop for Release<'_> {
            fn drop(&mut self) {
                self.0.release();
            }
        }
        let this = &self.this;
        let _release = Release(this);
        self.context.run(|| {
            let _entered = this.enter();
            // What deadlocks is dropped.
            let _ = self.cancel_all();
            // The turns that Python takes to end asynchronous generators and to ask for the end of the threads.
            this.some_turns(4);
            let _ = self.cancel_all();
            self.wait_for_threads();
            let _ = self.cancel_all();
        });
    }

    /// Cancels all tasks, and those that are made meanwhile, until none is left.
    fn cancel_all(&self) -> Result<(), Deadlock> {
        let this = &self.this;
        loop {
            let tasks = this.all_tasks();
            if tasks.is_empty() {
                return Ok(());
            }
            let watcher = StopAfter::new(this, tasks.len(), true);
            let _over = Over(watcher.clone());
            for task in &tasks {
                task.cancel_for(&CancelledError::new(CancelKind::Shutdown));
            }
            for task in &tasks {
                task.watch(watcher.clone(), 0);
            }
            // Not only once: a `stop` of the program's must not get the tasks cancelled again.
            while !watcher.over.get() {
                this.turns()?;
            }
            self.report_panics(&tasks);
        }
    }

    /// Tells the exception handler of tasks that panicked while the run ended, and whose outcome somebody could still have
    /// taken: those that nobody could were reported when they ended.
    fn report_panics(&self, tasks: &[TaskHandle]) {
        for task in tasks {
            if let Some(text) = task.panic_text() {
                task.mark_retrieved();
                let message = format!("unhandled exception during the end of the run: {text}");
                self.this.call_exception_handler(Fault::new(message).task(task.clone()));
            }
        }
    }

    /// Shuts the pool of `to_thread` down. Threads may need the loop to come to their end, so it goes on turning.
    fn wait_for_threads(&self) {
        // It stays in place: work that comes now is refused.
        let Some(pool) = self.this.inner.pool.borrow().clone() else { return };
        let begin = RealInstant::now();
        while !pool.shutdown(THREADS_SLICE) {
            if begin.elapsed() >= THREADS_PATIENCE {
                exception::say(format_args!(
                    "threads of `to_thread` still run {THREADS_PATIENCE:?} after the end of the run; they are left alone"
                ));
                return;
            }
            self.this.brief_turn();
        }
    }
}

impl EventLoop {
    /// Closes the loop and drops everything that it holds. Destructors find the loop, but can schedule nothing on it.
    fn release(&self) {
        let inner = &*self.inner;
        let _current = Running::new(self);
        let release = |f: &dyn Fn()| exception::contain(self, "exception in a destructor", f);
        release(&|| inner.executor.close());
        release(&|| inner.timers.clear());
        release(&|| inner.signals.clear());
        release(&|| inner.watches.clear());
        release(&|| inner.handlers.clear());
        release(&|| drop(inner.pool.take()));
        // These may hold the loop, which would hold them for ever.
        release(&|| inner.executor.set_task_factory(None));
        release(&|| self.reset_exception_handler());
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if self.this.is_closed() {
            return;
        }
        if try_get_running_loop().is_some() {
            // No loop can be run here.
            self.this.release();
        } else if std::thread::panicking() {
            // A second panic that left a destructor would abort the process.
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.end())) {
                exception::drop_payload(payload);
            }
        } else {
            self.end();
        }
    }
}
