//! `run` and `Runner`: a program from its first turn to the end of its last task.

use std::cell::Cell;
use std::io;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::Duration;

use asyncio_executor::{CancelKind, CancelledError, Context, Fault, Task, TaskError, TaskHandle, Watcher};

use crate::event_loop::EventLoop;
use crate::run_error::RunError;

/// How long the end of a run waits for the threads of the default pool.
const THREADS_PATIENCE: Duration = Duration::from_secs(300);

/// Runs `main` on a new event loop, and returns its value.
///
/// `main` may borrow from its surroundings. When it has ended, all other tasks are cancelled and run until they have
/// ended, so that they can clean up; then the threads of `to_thread` are waited for, and the loop is closed.
///
/// A first SIGINT (Ctrl-C) cancels the main task, a second one kills the process, if this is the main thread and nobody
/// else handles that signal. If the main task ends cancelled because of it, the process dies of SIGINT after the cleanup.
///
/// # Panics
///
/// When it is called from inside a running loop, and when the main task is cancelled by somebody: use a [`Runner`] to get
/// that as an error. A panic of `main` goes on after the cleanup.
///
/// # In Python
///
/// `asyncio.run`, in `asyncio/runners.py`.
#[track_caller]
pub fn run<F: Future>(main: F) -> F::Output {
    assert!(
        crate::current::try_get_running_loop().is_none(),
        "`run` was called from inside a running event loop: `await` the future there, or make a task of it"
    );
    let mut runner = match Runner::builder().build() {
        Ok(runner) => runner,
        Err(error) => panic!("cannot make an event loop: {error}"),
    };
    let result = runner.run(main);
    runner.close();
    match result {
        Ok(value) => value,
        #[cfg(unix)]
        Err(RunError::Interrupted) => crate::signal::die_of_sigint(),
        Err(error) => panic!("{error}"),
    }
}

/// Runs several programs one after the other on one loop, with one context.
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
        Ok(Runner { this, context: Context::new() })
    }
}

/// Stops the loop when the last of `left` tasks has ended: in the turn after it did, or, at the end of a run, two after,
/// as the `gather` does that waits for the cancelled tasks in Python.
struct StopAfter {
    this: EventLoop,
    left: Cell<usize>,
    hop: bool,
}

impl Watcher for StopAfter {
    fn finished(self: Rc<Self>, _: usize) {
        self.left.set(self.left.get() - 1);
        if self.left.get() == 0 {
            let this = self.this.clone();
            if self.hop {
                this.clone().call_soon(move || this.stop());
            } else {
                this.stop();
            }
        }
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
    #[must_use]
    pub fn get_loop(&self) -> EventLoop {
        self.this.clone()
    }

    /// Runs `main` until it has ended. Other tasks that have not stay for the next run, or for `close`.
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
    /// `Runner.run`.
    #[track_caller]
    pub fn run<F: Future>(&mut self, main: F) -> Result<F::Output, RunError> {
        self.run_in(self.context.clone(), main)
    }

    /// Like [`run`](Runner::run), in a context of the caller's.
    ///
    /// # Errors
    ///
    /// As for `run`.
    #[track_caller]
    pub fn run_in<F: Future>(&mut self, context: Context, main: F) -> Result<F::Output, RunError> {
        assert!(
            crate::current::try_get_running_loop().is_none(),
            "`run` was called from inside a running event loop: `await` the future there, or make a task of it"
        );
        assert!(!self.this.is_closed(), "the runner is closed: make another one");
        let this = &self.this;
        let builder = Task::builder().context(context).eager_start(false);
        let (task, (turned, interrupted)) = this.inner.executor.scope(builder, main, |main| {
            #[cfg(unix)]
            let interrupt = crate::signal::Interrupt::install(this, main);
            main.watch(Rc::new(StopAfter { this: this.clone(), left: Cell::new(1), hop: false }), 0);
            let turned = this.run_turns();
            #[cfg(unix)]
            let interrupted =
                interrupt.is_some_and(|interrupt| interrupt.came()) && main.cancelled() && main.uncancel() == 0;
            #[cfg(not(unix))]
            let interrupted = false;
            (turned.map(|()| main.done()), interrupted)
        });
        match turned {
            Err(deadlock) => Err(RunError::Deadlock(deadlock)),
            Ok(false) => Err(RunError::Stopped),
            Ok(true) => match task.result() {
                Ok(value) => Ok(value),
                Err(TaskError::Panicked(payload)) => resume_unwind(payload),
                Err(TaskError::Cancelled(_)) if interrupted => Err(RunError::Interrupted),
                Err(TaskError::Cancelled(error)) => Err(RunError::Cancelled(error)),
                Err(error) => unreachable!("the main task is done and nobody else has its handle: {error}"),
            },
        }
    }

    /// Ends the loop: cancels all tasks and runs them until they have ended, waits for the threads, closes. A second call
    /// does nothing. Dropping the runner does the same.
    ///
    /// Panics of tasks at this time go to the exception handler. If, on virtual time, a task waits for what cannot happen
    /// although it was cancelled, it is dropped.
    pub fn close(&mut self) {
        let this = &self.this;
        if this.is_closed() {
            return;
        }
        let _ = self.context.run(|| self.cancel_all());
        if !std::thread::panicking() {
            // The turns that Python takes to end asynchronous generators and to ask for the end of the threads.
            this.run_some_turns(4);
            let _ = self.context.run(|| self.cancel_all());
        }
        let pool = this.inner.pool.take();
        if let Some(pool) = pool {
            if !pool.shutdown(THREADS_PATIENCE) {
                eprintln!(
                    "asyncio: threads of `to_thread` still run {THREADS_PATIENCE:?} after the end of the run; they are left alone"
                );
            }
        }
        #[cfg(unix)]
        {
            this.inner.signals.clear();
            this.inner.watches.clear();
            this.inner.handlers.clear();
        }
        let _running = crate::current::Running::new(this);
        this.inner.executor.close();
        this.inner.timers.clear();
    }

    /// Cancels all tasks, and those that are made meanwhile, until none is left.
    fn cancel_all(&self) -> Result<(), crate::deadlock::Deadlock> {
        loop {
            let tasks = self.this.all_tasks();
            if tasks.is_empty() {
                return Ok(());
            }
            let watcher = Rc::new(StopAfter { this: self.this.clone(), left: Cell::new(tasks.len()), hop: true });
            for task in &tasks {
                task.cancel_for(&CancelledError::new(CancelKind::Shutdown));
            }
            for task in &tasks {
                task.watch(watcher.clone(), 0);
            }
            self.this.run_turns()?;
            report_panics(&tasks);
        }
    }
}

/// Tells the exception handler of tasks that panicked while the run ended, and whose outcome somebody could still have
/// taken: those that nobody could were reported when they ended.
fn report_panics(tasks: &[TaskHandle]) {
    for task in tasks {
        if let Some(text) = task.panic_text() {
            task.mark_retrieved();
            Fault::new(format!("unhandled exception during the end of the run: {text}")).task(task.clone()).report();
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.close();
    }
}
