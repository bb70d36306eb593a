#![expect(unsafe_code, reason = "an example runs on the main thread of a process, before the test harness")]
//! Runs an example as a process: this binary again, in which `main` of the example takes the place of the test harness.
//!
//! Cargo tells a test where the programs of the crate are, but not where its examples are, nor does it build them for it.
//! So they are modules of this binary, listed in the module `source`, and a constructor, which the loader calls on the main
//! thread before `main`, runs the one that the environment names, and ends the process. It touches nothing but what it is
//! given: the standard library needs no preparation for it, and on no other thread anything runs yet.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::{self, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::source::EXAMPLES;

const VARIABLE: &str = "ASYNCIO_TEST_EXAMPLE";

/// How long a test waits for what must come before it fails: far longer than anything takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Called by the loader before `main`.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static CONSTRUCTOR: extern "C" fn() = {
    extern "C" fn constructor() {
        let Ok(name) = std::env::var(VARIABLE) else { return };
        let example = EXAMPLES.iter().find(|(known, _)| *known == name);
        let ended = example.is_some_and(|(_, main)| std::panic::catch_unwind(main).is_ok());
        process::exit(if ended { 0 } else { 101 });
    }
    constructor
};

/// An example that runs. It is killed when this is dropped.
pub struct Example {
    process: process::Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
}

/// How an example ended.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    /// What it wrote since the last line that was waited for.
    pub output: String,
    pub errors: String,
}

impl Example {
    pub fn spawn(name: &str, arguments: &[&str]) -> Self {
        assert!(EXAMPLES.iter().any(|(known, _)| *known == name), "{name} is not in the list of examples");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(VARIABLE, name).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let stderr = BufReader::new(process.stderr.take().unwrap());
        Self { process, stdout, stderr }
    }

    /// Runs it to its end.
    pub fn run(name: &str, arguments: &[&str]) -> Ended {
        Self::spawn(name, arguments).end()
    }

    /// The next line of its output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        if self.stdout.read_line(&mut line).unwrap() == 0 {
            let _ = self.stderr.read_to_string(&mut line);
            panic!("the example ended before it wrote another line: {line}");
        }
        line.trim_end().to_owned()
    }

    /// The next line of its errors.
    pub fn error_line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.stderr.read_line(&mut line).unwrap() > 0, "the example ended before it wrote another line");
        line.trim_end().to_owned()
    }

    /// The address that it says it listens on.
    pub fn address(&mut self) -> SocketAddr {
        let line = self.line();
        line.strip_prefix("listening on ").and_then(|rest| rest.parse().ok()).unwrap_or_else(|| panic!("{line:?}"))
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.process.id()).unwrap()).unwrap();
        // It has not been waited for, so the number is its own.
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end.
    pub fn end(mut self) -> Ended {
        let (mut output, mut errors) = (String::new(), String::new());
        self.stdout.read_to_string(&mut output).unwrap();
        self.stderr.read_to_string(&mut errors).unwrap();
        Ended { status: self.process.wait().unwrap(), output, errors }
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A connection to an example.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}
