//! Samples: each is taken in a process of its own, so that none finds the heap or the threads that another one left.

use std::process::{Command, Stdio};

use crate::row::WORKS;

/// The core that samples are pinned to, where there are at least two: interrupts go to the first one more often.
const CORE: &str = "1";

/// What glibc is told in the samples: to keep what is freed. Otherwise a batch of tasks may be given back to the system and
/// fetched again, page by page, or not, depending on what happens to lie at the end of the heap.
const KEEP_MEMORY: [(&str, &str); 2] = [("MALLOC_TRIM_THRESHOLD_", "4294967296"), ("MALLOC_TOP_PAD_", "67108864")];

/// Takes a sample in this process, and prints its figures.
pub fn take(work: usize, peer: &str, size: usize, warm: bool) -> Result<(), String> {
    let work = WORKS.get(work).ok_or_else(|| format!("there is no work {work}"))?;
    let run = work.run_of(peer).ok_or_else(|| format!("`{peer}` takes no part in {}", work.name))?;
    if warm {
        run(size / 10);
    }
    let figures: Vec<_> = run(size).iter().map(f64::to_string).collect();
    println!("{}", figures.join(" "));
    Ok(())
}

/// Who takes the samples: this program, in processes of its own.
pub struct Sampler {
    pinned: bool,
}

impl Sampler {
    pub fn new() -> Self {
        let mut probe = Command::new("taskset");
        probe.args(["-c", CORE, "true"]).stdout(Stdio::null()).stderr(Stdio::null());
        let pinned = probe.status().is_ok_and(|status| status.success());
        if !pinned {
            eprintln!("not pinned to one core: there is no `taskset`, or one core only");
        }
        Self { pinned }
    }

    /// The figures of one sample.
    pub fn measure(&self, work: usize, peer: &str, size: usize) -> Result<Vec<f64>, String> {
        let wrapper: &[&str] = if self.pinned { &["taskset", "-c", CORE] } else { &[] };
        let warm = if WORKS[work].countable { "warm" } else { "cold" };
        let (figures, _) = output(wrapper, [&work.to_string(), peer, &size.to_string(), warm])?;
        figures
            .split_whitespace()
            .map(|figure| figure.parse().map_err(|_| format!("`{figure}` is no number")))
            .collect()
    }

    /// The instructions of one operation: those of a sample of twice the size, less those of a sample.
    pub fn instructions(&self, work: usize, peer: &str, size: usize) -> Result<f64, String> {
        let one = count(work, peer, size)?;
        let two = count(work, peer, 2 * size)?;
        Ok((two - one) / size as f64)
    }
}

fn count(work: usize, peer: &str, size: usize) -> Result<f64, String> {
    let wrapper = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let (_, report) = output(&wrapper, [&work.to_string(), peer, &size.to_string(), "cold"])?;
    let total = report.lines().find_map(|line| line.split_once("Collected : "));
    let total = total.and_then(|(_, total)| total.trim().parse().ok());
    total.ok_or_else(|| format!("callgrind counted nothing:\n{report}"))
}

fn output(wrapper: &[&str], sample: [&str; 4]) -> Result<(String, String), String> {
    let this = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    let mut command = match wrapper.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments).arg(this);
            command
        }
        None => Command::new(this),
    };
    command.arg("--sample").args(sample).envs(KEEP_MEMORY);
    let output = command.output().map_err(|error| format!("cannot start {command:?}: {error}"))?;
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(format!("{command:?} failed ({}):\n{stderr}", output.status));
    }
    Ok((stdout.into_owned(), stderr.into_owned()))
}
