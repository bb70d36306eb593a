//! Samples: each is taken in a process of its own, so that none finds the heap or the threads that another one left.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::machine::Machine;
use crate::net::Load;
use crate::net::load::Amount;
use crate::options::{write_amount, write_load};
use crate::process::{self, Place, Served};
use crate::row::{Entrant, Kind, PYTHONS, Pace, Work, work_of};

/// What glibc is told in the samples: to keep what is freed. Otherwise a batch of tasks may be given back to the system and
/// fetched again, page by page, or not, depending on what happens to lie at the end of the heap.
const KEEP_MEMORY: [(&str, &str); 2] = [("MALLOC_TRIM_THRESHOLD_", "4294967296"), ("MALLOC_TOP_PAD_", "67108864")];

/// Takes a sample in this process, and prints its figures.
pub fn take(key: &str, peer: &str, size: usize, warm: bool) -> Result<(), String> {
    let work = work_of(key)?;
    let run = work.run_of(peer).ok_or_else(|| format!("`{peer}` takes no part in {}", work.name))?;
    if warm {
        run(size / 10);
    }
    print(&run(size));
    Ok(())
}

/// Prints figures for whoever asked for them.
pub fn print(figures: &[f64]) {
    let figures: Vec<_> = figures.iter().map(f64::to_string).collect();
    println!("{}", figures.join(" "));
}

fn parse(figures: &str) -> Result<Vec<f64>, String> {
    figures.split_whitespace().map(|figure| figure.parse().map_err(|_| format!("`{figure}` is no number"))).collect()
}

/// Who takes the samples: this program and others, in processes of their own.
pub struct Sampler<'a> {
    pub machine: &'a Machine,
}

impl Sampler<'_> {
    /// The figures of one sample: `share` of the usual amount.
    pub fn measure(&self, work: &Work, entrant: Entrant, share: f64) -> Result<Vec<f64>, String> {
        match work.kind {
            Kind::Local { python, .. } => {
                let size = if PYTHONS.contains(&entrant.peer) { python.unwrap_or(work.size) } else { work.size };
                let size = if work.pace == Pace::Usual { (size as f64 * share) as usize } else { size };
                let warm = if work.pace == Pace::Usual { "warm" } else { "cold" };
                let words =
                    self.program(entrant.peer, &["--sample", work.key, entrant.peer, &size.to_string(), warm])?;
                let (figures, _) = process::output(self.command(Place::Sample, &[], words))?;
                parse(&figures)
            }
            Kind::Network(load) => {
                let server = self.serve(load, entrant, &[])?;
                self.load(load, &server, Amount::For(Duration::from_millis((NETWORK_MILLIS * share) as u64)))
            }
        }
    }

    /// The instructions of one operation: those of a sample of twice the size, less those of a sample.
    pub fn instructions(&self, work: &Work, peer: &str, size: usize) -> Result<f64, String> {
        let count = |size: usize| {
            let words = self.program(peer, &["--sample", work.key, peer, &size.to_string(), "cold"])?;
            let mut command = process::command(&[valgrind().as_slice(), &words].concat());
            command.envs(KEEP_MEMORY);
            collected(&process::output(command)?.1)
        };
        Ok((count(2 * size)? - count(size)?) / size as f64)
    }

    /// The instructions of a server for one request, without those of the kernel.
    pub fn instructions_of_request(&self, load: Load, entrant: Entrant, requests: usize) -> Result<f64, String> {
        let count = |requests: usize| {
            let server = self.serve(load, entrant, &valgrind())?;
            self.load(load, &server, Amount::Count(requests))?;
            collected(&server.end())
        };
        Ok((count(requests)? - count(0)?) / requests as f64)
    }

    /// The system calls of one request: those of a server that answers some, less those of one that answers none.
    pub fn system_calls(&self, load: Load, entrant: Entrant, requests: usize) -> Result<f64, String> {
        let count = |requests: usize| {
            let file = std::env::temp_dir().join(format!("asyncio-benches-strace-{}", std::process::id()));
            let strace = ["strace", "-f", "-c", "-U", "calls,name", "-o", &file.to_string_lossy()].map(String::from);
            let server = self.serve(load, entrant, &strace)?;
            self.load(load, &server, Amount::Count(requests))?;
            server.end();
            let report = fs::read_to_string(&file).map_err(|error| format!("reading what strace counted: {error}"))?;
            let _ = fs::remove_file(&file);
            total_calls(&report).ok_or_else(|| "strace counted nothing".to_owned())
        };
        Ok((count(requests)? - count(0)?) / requests as f64)
    }

    /// The figures of so many requests, without a warm-up.
    pub fn once(&self, load: Load, entrant: Entrant, requests: usize) -> Result<Vec<f64>, String> {
        let server = self.serve(load, entrant, &[])?;
        self.load(load, &server, Amount::Count(requests))
    }

    fn serve(&self, load: Load, entrant: Entrant, tracer: &[String]) -> Result<Served, String> {
        let service = load.service().write();
        let words = self.program(entrant.peer, &["--serve", entrant.peer, entrant.form, &service])?;
        Served::start(self.command(Place::Sample, tracer, words))
    }

    fn load(&self, load: Load, server: &Served, amount: Amount) -> Result<Vec<f64>, String> {
        let (port, process) = (server.port.to_string(), server.process.to_string());
        let words =
            this_program(&["--load", &write_load(load.within_limits()), &port, &process, &write_amount(amount)])?;
        let (figures, _) = process::output(self.command(Place::Load, &[], words))?;
        parse(&figures)
    }

    /// The program in which a runtime is, with arguments.
    fn program(&self, peer: &str, arguments: &[&str]) -> Result<Vec<String>, String> {
        if !PYTHONS.contains(&peer) {
            return this_program(arguments);
        }
        let python = self.machine.python.as_ref().map_err(Clone::clone)?;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/python/peer.py");
        let words = [python.as_str(), script].into_iter().chain(arguments.iter().copied());
        Ok(words.map(String::from).collect())
    }

    fn command(&self, place: Place, tracer: &[String], words: Vec<String>) -> Command {
        let pin = if self.machine.pinned { process::pin(place) } else { Vec::new() };
        let mut command = process::command(&[pin.as_slice(), tracer, &words].concat());
        command.envs(KEEP_MEMORY);
        command
    }
}

/// How long a load is kept up in a sample, in milliseconds.
const NETWORK_MILLIS: f64 = 300.0;

fn this_program(arguments: &[&str]) -> Result<Vec<String>, String> {
    let this = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let words = std::iter::once(this.to_string_lossy().into_owned());
    Ok(words.chain(arguments.iter().map(ToString::to_string)).collect())
}

fn valgrind() -> [String; 3] {
    ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"].map(String::from)
}

/// The number of instructions in a report of callgrind.
fn collected(report: &str) -> Result<f64, String> {
    let total = report.lines().find_map(|line| line.split_once("Collected : "));
    let total = total.and_then(|(_, total)| total.trim().parse().ok());
    total.ok_or_else(|| "callgrind counted nothing: the program did what valgrind does not know, or was ended".into())
}

/// The number in the line of the total in a report of strace whose columns are calls and names.
fn total_calls(report: &str) -> Option<f64> {
    let total = report.lines().find(|line| line.split_whitespace().last() == Some("total"))?;
    total.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_strace_is_found() {
        let report = "    calls syscall\n--------- ----------------\n     1000 read\n     1034 total\n";
        assert_eq!(total_calls(report), Some(1034.0));
        assert_eq!(total_calls(""), None);
    }
}
