//! The interpreter in Python, as a process that gets a program on each line and answers with its trace.

use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// CPython, running `python/interpret.py`.
#[derive(Debug)]
pub struct Python {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Python {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// When it cannot be started.
    pub fn start(command: &str) -> io::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/interpret.py");
        let mut child = Command::new(command)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(io::Error::other("the pipes of the process are missing"));
        };
        Ok(Self { child, input, output: BufReader::new(output) })
    }

    /// Runs a program and gives its trace.
    ///
    /// # Errors
    ///
    /// When the process has ended.
    pub fn run(&mut self, program: &str) -> io::Result<String> {
        self.send(program)?;
        self.receive()
    }

    /// Sends a program, to be run while something else is done. At most a few, so that both pipes have room.
    ///
    /// # Errors
    ///
    /// As for `run`.
    pub fn send(&mut self, program: &str) -> io::Result<()> {
        writeln!(self.input, "{program}")?;
        self.input.flush()
    }

    /// The trace of the first program that was sent and whose trace was not asked for yet.
    ///
    /// # Errors
    ///
    /// As for `run`.
    pub fn receive(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // It may be in an endless loop; and if it has ended already, there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
