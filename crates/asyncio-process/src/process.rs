//! `Process`: a child and its standard streams.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::rc::Rc;

use asyncio_net::{StreamReader, StreamWriter};

use crate::child::Child;

/// A child process, as [`create_subprocess_exec`](crate::create_subprocess_exec) and
/// [`create_subprocess_shell`](crate::create_subprocess_shell) give it.
///
/// Those of its standard streams that were set to [`PIPE`](crate::PIPE) are streams here. They can be used in place
/// ([`stdin`](Self::stdin), [`stdout`](Self::stdout), [`stderr`](Self::stderr)) or taken out, to be used by other tasks
/// ([`take_stdin`](Self::take_stdin) and so on).
///
/// Dropping it stops nothing. The child goes on: its standard input ends, and what it writes is read and dropped, so that it
/// is not stopped by that either. The loop waits for its end. To have it end with a scope, call [`kill`](Self::kill). When
/// the loop is closed, a child that still runs is killed.
///
/// # In Python
///
/// `asyncio.subprocess.Process`, in `asyncio/subprocess.py`.
pub struct Process {
    child: Rc<Child>,
    pub(crate) streams: StandardStreams,
}

/// This side of the standard streams that are pipes.
#[derive(Debug, Default)]
pub(crate) struct StandardStreams {
    pub(crate) stdin: Option<StreamWriter>,
    pub(crate) stdout: Option<StreamReader>,
    pub(crate) stderr: Option<StreamReader>,
}

/// What is wrong when a stream is asked for that is not there.
fn missing(name: &str) -> String {
    format!(
        "the {name} of the process is not a pipe here: start it with `.{name}(PIPE)`, \
         and use the stream where it is if `take_{name}` was called"
    )
}

impl Process {
    pub(crate) fn new(child: Rc<Child>, streams: StandardStreams) -> Self {
        Self { child, streams }
    }

    /// The number of the process.
    ///
    /// # In Python
    ///
    /// `Process.pid`.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// What the process ended with: the number it gave to `exit`, or the number of the signal that killed it, as a negative
    /// number. `None`: it has not ended, as far as the loop knows.
    ///
    /// # In Python
    ///
    /// `Process.returncode`.
    #[must_use]
    pub fn returncode(&self) -> Option<i32> {
        self.child.returncode()
    }

    /// Its standard input. Dropping or closing it is the end of input to the process.
    ///
    /// # Panics
    ///
    /// When it is not a pipe, or was taken.
    ///
    /// # In Python
    ///
    /// `Process.stdin`.
    #[must_use]
    #[track_caller]
    pub fn stdin(&self) -> &StreamWriter {
        self.streams.stdin.as_ref().unwrap_or_else(|| panic!("{}", missing("stdin")))
    }

    /// Its standard output.
    ///
    /// # Panics
    ///
    /// When it is not a pipe, or was taken.
    ///
    /// # In Python
    ///
    /// `Process.stdout`.
    #[must_use]
    #[track_caller]
    pub fn stdout(&mut self) -> &mut StreamReader {
        self.streams.stdout.as_mut().unwrap_or_else(|| panic!("{}", missing("stdout")))
    }

    /// Its standard error.
    ///
    /// # Panics
    ///
    /// When it is not a pipe, or was taken.
    ///
    /// # In Python
    ///
    /// `Process.stderr`.
    #[must_use]
    #[track_caller]
    pub fn stderr(&mut self) -> &mut StreamReader {
        self.streams.stderr.as_mut().unwrap_or_else(|| panic!("{}", missing("stderr")))
    }

    /// Takes its standard input out; `None` if it is not a pipe, or was taken before.
    #[must_use = "dropping it closes it"]
    pub fn take_stdin(&mut self) -> Option<StreamWriter> {
        self.streams.stdin.take()
    }

    /// Takes its standard output out; `None` if it is not a pipe, or was taken before. Dropping it closes the pipe: a process
    /// that writes more is then killed by SIGPIPE, or gets an error.
    #[must_use = "dropping it closes it"]
    pub fn take_stdout(&mut self) -> Option<StreamReader> {
        self.streams.stdout.take()
    }

    /// Takes its standard error out: see [`take_stdout`](Self::take_stdout).
    #[must_use = "dropping it closes it"]
    pub fn take_stderr(&mut self) -> Option<StreamReader> {
        self.streams.stderr.take()
    }

    /// Waits until the process has ended, and gives its [return code](Self::returncode).
    ///
    /// It waits for the process only, not for the end of its output, which another process may have inherited. Many may
    /// wait, in tasks of their own: what is returned does not borrow. A process that fills a pipe which nobody reads does
    /// not end: [`communicate`](Self::communicate) reads.
    ///
    /// If somebody else took the status of the process, such as a `waitpid` for all children, the return code is 255, and
    /// the exception handler is told.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens to the process. Wait again.
    ///
    /// # Errors
    ///
    /// None so far.
    ///
    /// # In Python
    ///
    /// `Process.wait`, which up to 3.14 waits for the end of the pipes as well.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = io::Result<i32>> + use<> {
        let ended = self.child.wait(Location::caller());
        async move { Ok(ended.await) }
    }

    /// Sends a signal, such as `libc::SIGTERM`. When the process has ended and the loop has not noticed, nothing happens.
    ///
    /// # Errors
    ///
    /// `NotFound` when it has ended: its number may be another's by now. Else the platform's: the number is not that of a
    /// signal, or the process became another user's.
    ///
    /// # In Python
    ///
    /// `Process.send_signal`, whose error is a `ProcessLookupError`.
    pub fn send_signal(&self, signal: i32) -> io::Result<()> {
        self.child.send_signal(signal)
    }

    /// Asks the process to end, by SIGTERM.
    ///
    /// # Errors
    ///
    /// Those of [`send_signal`](Self::send_signal).
    ///
    /// # In Python
    ///
    /// `Process.terminate`.
    pub fn terminate(&self) -> io::Result<()> {
        self.send_signal(libc::SIGTERM)
    }

    /// Ends the process, by SIGKILL.
    ///
    /// # Errors
    ///
    /// Those of [`send_signal`](Self::send_signal).
    ///
    /// # In Python
    ///
    /// `Process.kill`.
    pub fn kill(&self) -> io::Result<()> {
        self.send_signal(libc::SIGKILL)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process is not to die of nobody reading.
        for reader in [self.take_stdout(), self.take_stderr()].into_iter().flatten() {
            reader.discard();
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Process {:?}>", self.child)
    }
}
