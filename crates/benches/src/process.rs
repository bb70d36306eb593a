//! Running other programs: on a core of their own, and never longer than they may.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// No sample takes as long.
const LIMIT: Duration = Duration::from_secs(120);

/// How long a server may take to end, after it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// The core that samples are pinned to, where there are at least two: interrupts go to the first one more often.
const SAMPLE_CORE: &str = "1";
/// The core of the load generator.
const LOAD_CORE: &str = "0";

/// Where a program runs.
#[derive(Clone, Copy)]
pub enum Place {
    Sample,
    Load,
}

/// Whether a program can be started and succeeds.
pub fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Whether programs can be pinned to cores: there is `taskset`, and more than one core.
pub fn can_pin() -> bool {
    works("taskset", &["-c", SAMPLE_CORE, "true"])
}

/// A command of `words`, the first of which is the program.
pub fn command(words: &[String]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    command
}

/// What is put before a command, so that it runs in its place.
pub fn pin(place: Place) -> Vec<String> {
    let core = match place {
        Place::Sample => SAMPLE_CORE,
        Place::Load => LOAD_CORE,
    };
    ["taskset", "-c", core].map(String::from).to_vec()
}

/// Runs a command, and returns what it printed and what it complained of.
pub fn output(mut command: Command) -> Result<(String, String), String> {
    let shown = show(&command);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    let output = finish(child, &shown)?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(format!("`{shown}` failed ({}): {}", output.status, last_line(&stderr)));
    }
    Ok((stdout.into_owned(), stderr.into_owned()))
}

/// Waits for a child, and ends it when it takes too long.
fn finish(child: Child, shown: &str) -> Result<Output, String> {
    let process = child.id();
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(LIMIT) {
        Ok(output) => output.map_err(|error| format!("waiting for `{shown}`: {error}")),
        Err(_) => {
            end(process, Signal::KILL);
            Err(format!("`{shown}` took longer than {} s", LIMIT.as_secs()))
        }
    }
}

fn end(process: u32, signal: Signal) {
    if let Some(process) = i32::try_from(process).ok().and_then(Pid::from_raw) {
        // It may have ended by itself.
        let _ = kill_process(process, signal);
    }
}

/// A command as a reader on another machine may see it: of paths only the last part.
fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let names = words.map(|word| Path::new(word).file_name().unwrap_or(word).to_string_lossy().into_owned());
    names.collect::<Vec<_>>().join(" ")
}

fn last_line(text: &str) -> &str {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing")
}

/// A server in a process of its own, which ends with this value; its standard input is open as long.
pub struct Served {
    child: Child,
    pub port: u16,
    /// The server itself; a tracer may be its parent.
    pub process: u32,
}

impl Served {
    /// Starts a server, and waits until it says where it is.
    pub fn start(mut command: Command) -> Result<Self, String> {
        let shown = show(&command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start `{shown}`: {error}"))?;
        let mut line = String::new();
        let read = child.stdout.as_mut().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let place = match (read, numbers.next(), numbers.next()) {
            (Some(Ok(_)), Some(Ok(port)), Some(Ok(process))) => u16::try_from(port).ok().map(|port| (port, process)),
            _ => None,
        };
        let Some((port, process)) = place else {
            end(child.id(), Signal::KILL);
            let mut complaint = String::new();
            if let Some(stderr) = &mut child.stderr {
                let _ = stderr.read_to_string(&mut complaint);
            }
            let _ = child.wait();
            return Err(format!("`{shown}` did not serve: {}", last_line(&complaint)));
        };
        Ok(Self { child, port, process })
    }

    /// Has the server end by itself, and returns what was complained of: of a tracer, its report.
    pub fn end(mut self) -> String {
        drop(self.child.stdin.take());
        let began = Instant::now();
        while self.child.try_wait().is_ok_and(|status| status.is_none()) && began.elapsed() < GRACE {
            thread::sleep(Duration::from_millis(2));
        }
        end(self.process, Signal::KILL);
        let mut complaint = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            let _ = stderr.read_to_string(&mut complaint);
        }
        complaint
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        end(self.process, Signal::KILL);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_without_places() {
        let words = ["/usr/bin/taskset", "-c", "1", "/opt/program", "--flag"].map(String::from);
        assert_eq!(show(&command(&words)), "taskset -c 1 program --flag");
    }
}
