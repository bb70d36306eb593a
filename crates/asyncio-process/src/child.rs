//! One child: watched by the loop from its start to its end.
//!
//! | state | how it comes | a signal | the return code |
//! |---|---|---|---|
//! | running | started | is sent | not there |
//! | reaped | the watch said that it ended, and its status was taken | goes nowhere, silently | not there |
//! | over | one turn later | is an error | there; who waits is told |
//!
//! Rules:
//!
//! 1. The status is taken in one place, `reap`, and of this child only. Its number stays its own until then, so a signal
//!    cannot reach a stranger. (Unless somebody else takes the status, which is reported.)
//! 2. The loop keeps the child as the handler of its watch, until the status was taken. So it is taken whatever else is
//!    dropped.
//! 3. When the loop is closed, a child that runs is killed and its status taken then and there.

mod signal;
mod watch;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::panic::Location;
use std::pin::pin;
use std::process;
use std::rc::Rc;

use asyncio_context::{WaitKind, report_wait};
use asyncio_event_loop::{EventLoop, IoHandler, IoRegistration, spawn_thread};
use asyncio_executor::{Context, Fault, copy_context};
use asyncio_sync::Event;

pub use watch::watch_with_threads;

use watch::Watch;

static EXIT: WaitKind = WaitKind::new("the end of a process");

/// The return code of a child whose status somebody else took: CPython's.
const UNKNOWN: i32 = 255;

/// What is called once.
type OnExit = Box<dyn FnOnce(End)>;

/// How the loop's part with a child ended.
pub(crate) enum End {
    Exited,
    LoopClosed,
}

pub(crate) struct Child {
    this: EventLoop,
    context: Context,
    pid: u32,
    process: RefCell<process::Child>,
    /// `None`: the status was taken. The registration comes first: it ends before the descriptor is closed.
    watch: RefCell<Option<(IoRegistration, Watch)>>,
    /// The status that was taken, as a return code.
    taken: Cell<Option<i32>>,
    returncode: Cell<Option<i32>>,
    exited: Event,
    on_exit: RefCell<Option<OnExit>>,
}

/// What a look at a child finds.
enum Status {
    Running,
    Ended(i32),
    /// Somebody else took it.
    Taken,
}

impl Child {
    /// Watches a child that was just started. If it cannot be watched, it is killed.
    pub(crate) fn watch(this: &EventLoop, process: process::Child) -> io::Result<Rc<Self>> {
        let child = Rc::new(Self {
            this: this.clone(),
            context: copy_context(),
            pid: process.id(),
            process: RefCell::new(process),
            watch: RefCell::new(None),
            taken: Cell::new(None),
            returncode: Cell::new(None),
            exited: Event::new(),
            on_exit: RefCell::new(None),
        });
        let watched = Watch::new(child.pid).and_then(|watch| {
            let registration = this.register_io(&watch, child.clone())?;
            Ok((registration, watch))
        });
        match watched {
            Ok(watched) => {
                *child.watch.borrow_mut() = Some(watched);
                Ok(child)
            }
            Err(error) => {
                let mut process = child.process.borrow_mut();
                // Both fail only if somebody else took the status.
                let _ = process.kill();
                let _ = process.wait();
                let message = format!("cannot watch process {}, which is killed: {error}", child.pid);
                Err(io::Error::new(error.kind(), message))
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn returncode(&self) -> Option<i32> {
        // A loop that is closed tells nothing any more.
        self.returncode.get().or_else(|| self.taken.get().filter(|_| self.this.is_closed()))
    }

    /// Has `f` called when the child has ended, before who waits goes on, or when the loop is closed before that.
    pub(crate) fn on_exit(&self, f: impl FnOnce(End) + 'static) {
        let before = self.on_exit.replace(Some(Box::new(f)));
        drop(before);
    }

    /// Waits for the end, and gives the return code.
    pub(crate) fn wait(self: &Rc<Self>, location: &'static Location<'static>) -> impl Future<Output = i32> + use<> {
        let this = self.clone();
        async move {
            if this.returncode().is_none() {
                let mut waiting = pin!(this.exited.wait());
                poll_fn(|cx| {
                    let polled = waiting.as_mut().poll(cx);
                    if polled.is_pending() {
                        report_wait(&EXIT, Some(location));
                    }
                    polled
                })
                .await;
            }
            this.returncode().unwrap_or(UNKNOWN)
        }
    }

    /// Sends a signal. If the child has ended and that is not known yet, nothing happens.
    pub(crate) fn send_signal(&self, signal: i32) -> io::Result<()> {
        if let Some(code) = self.returncode() {
            let pid = self.pid;
            let message = format!("cannot send signal {signal} to process {pid}: it has ended with return code {code}");
            return Err(io::Error::new(io::ErrorKind::NotFound, message));
        }
        let watch = self.watch.borrow();
        let Some((_, watch)) = &*watch else { return Ok(()) };
        match signal::send(watch.pidfd(), self.pid, signal) {
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            Err(error) => {
                let message = format!("cannot send signal {signal} to process {}: {error}", self.pid);
                Err(io::Error::new(error.kind(), message))
            }
            Ok(()) => Ok(()),
        }
    }

    /// Kills the child if it runs.
    pub(crate) fn kill_running(&self) {
        if self.returncode().is_none() {
            // It may not be allowed to, or the child may have ended.
            let _ = self.send_signal(libc::SIGKILL);
        }
    }

    /// Takes the status if there is one.
    fn status(&self) -> Status {
        match self.process.borrow_mut().try_wait() {
            Ok(None) => Status::Running,
            Ok(Some(status)) => {
                Status::Ended(status.code().unwrap_or_else(|| status.signal().map_or(UNKNOWN, |signal| -signal)))
            }
            // There is no other error than that there is no such child.
            Err(_) => Status::Taken,
        }
    }

    /// Takes the status and ends the watch, if the child has ended. Gives the return code.
    fn reap(&self) -> Option<i32> {
        let status = self.status();
        if let Status::Running = status {
            return None;
        }
        let watch = self.watch.take();
        drop(watch);
        let code = match status {
            Status::Ended(code) => code,
            Status::Running | Status::Taken => {
                let pid = self.pid;
                let message = format!(
                    "the exit status of process {pid} was taken by somebody else: its return code is given as {UNKNOWN}"
                );
                Fault::new(message).report();
                UNKNOWN
            }
        };
        self.taken.set(Some(code));
        Some(code)
    }

    fn end(&self, code: i32) {
        self.returncode.set(Some(code));
        self.tell(End::Exited);
    }

    fn tell(&self, end: End) {
        if let Some(on_exit) = self.on_exit.take() {
            on_exit(end);
        }
        self.exited.set();
    }

    /// Kills the child and takes its status, without the loop.
    fn end_with_loop(&self) {
        let code = self.reap().or_else(|| {
            let killed = self.send_signal(libc::SIGKILL);
            let (registration, watch) = self.watch.take()?;
            drop(registration);
            // Death comes at once, save to what the kernel cannot interrupt, and to what may not be killed.
            let ended = killed.is_ok() && watch.has_ended_soon();
            if ended { self.reap() } else { None }
        });
        if code.is_none() {
            self.leave_to_thread();
        }
        self.returncode.set(Some(code.unwrap_or(-libc::SIGKILL)));
        self.tell(End::LoopClosed);
    }

    /// Has a thread take the status whenever the child ends.
    fn leave_to_thread(&self) {
        let pid = self.pid;
        let taking = spawn_thread("asyncio-child", Box::new(move || watch::take_status(pid)));
        if let Err(error) = taking {
            Fault::new(format!("process {pid} was left behind: it did not die, and no thread can be had: {error}"))
                .report();
        }
    }
}

impl IoHandler for Child {
    fn ready(self: Rc<Self>, readable: bool, _writable: bool) {
        if !readable || self.watch.borrow().is_none() {
            return;
        }
        let _context = self.context.enter();
        match self.reap() {
            Some(code) => {
                let child = self.clone();
                self.this.call_soon(move || child.end(code));
            }
            None => {
                if let Some((registration, _)) = &*self.watch.borrow() {
                    registration.set_unreadable();
                }
            }
        }
    }

    fn loop_closed(self: Rc<Self>) {
        if self.returncode().is_none() {
            self.end_with_loop();
        }
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.returncode() {
            Some(code) => write!(f, "pid={} returncode={code}", self.pid),
            None => write!(f, "pid={} running", self.pid),
        }
    }
}
