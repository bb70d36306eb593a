//! What the figures were measured on, and which peers are there.

use std::fs;
use std::process::Command;

use crate::process;
use crate::row::{PEERS, PYTHONS, work_of};

/// The lock file of the workspace, in which the versions of the peers are.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// The machine, as far as it matters.
pub struct Machine {
    /// Whether samples are pinned to a core.
    pub pinned: bool,
    /// The interpreter for the peers in Python, or why there is none.
    pub python: Result<String, String>,
    uvloop: Result<(), String>,
    /// What a reader should know, a line each.
    pub facts: Vec<String>,
}

impl Machine {
    /// Looks around.
    pub fn explore() -> Self {
        let pinned = process::can_pin();
        if !pinned {
            eprintln!("not pinned to one core: there is no `taskset`, or one core only");
        }
        let python = python();
        let uvloop = match &python {
            Ok(python) if asks(python, "import uvloop").is_some() => Ok(()),
            Ok(_) => Err("uvloop is not installed for this Python".into()),
            Err(reason) => Err(reason.clone()),
        };
        let mut this = Self { pinned, python, uvloop, facts: Vec::new() };
        this.facts = this.collect();
        this
    }

    fn collect(&self) -> Vec<String> {
        let version = |names: &[&str]| {
            let found = names.iter().filter_map(|name| Some(format!("{name} {}", locked(name)?)));
            found.collect::<Vec<_>>().join(", ")
        };
        let memory = field("/proc/meminfo", "MemTotal").and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
        let mut facts = vec![
            format!("Date: {}.", printed("date", &["-u", "+%Y-%m-%d"])),
            format!(
                "Machine: {} × {}, {:.0} GiB of memory, Linux {}; {}.",
                std::thread::available_parallelism().map_or(1, usize::from),
                field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".into()),
                memory.unwrap_or_default() / 1024.0 / 1024.0,
                printed("uname", &["-r"]),
                if self.pinned { "samples on one core, the load generator on another" } else { "nothing pinned" },
            ),
            format!(
                "{}, release profile of the workspace: fat link-time optimisation, one codegen unit.",
                printed("rustc", &["--version"])
            ),
            format!(
                "Peers: {}.",
                version(&["tokio", "smol", "async-executor", "async-io", "monoio", "local-sync", "glommio"])
            ),
        ];
        if let Ok(python) = &self.python {
            let version = asks(python, "import platform; print(platform.python_version())").unwrap_or_default();
            let uvloop = asks(python, "import uvloop; print('uvloop ' + uvloop.__version__)");
            facts.push(format!("Python: CPython {version}, {}.", uvloop.unwrap_or_else(|| "no uvloop".into())));
        }
        facts
    }

    /// Why a peer cannot take part, for each that cannot.
    pub fn skipped(&self) -> Vec<(&'static str, String)> {
        let reason = |peer: &str| -> Option<String> {
            if peer == PYTHONS[0] {
                return self.python.as_ref().err().cloned();
            }
            if peer == PYTHONS[1] {
                return self.uvloop.as_ref().err().cloned();
            }
            if work_of("yield-alone").is_ok_and(|work| work.run_of(peer).is_none()) {
                return Some("it is not compiled in, or does not build here".into());
            }
            let this = std::env::current_exe().ok()?;
            let mut probe = Command::new(this);
            probe.args(["--sample", "yield-alone", peer, "10", "cold"]);
            process::output(probe).err()
        };
        PEERS.iter().filter_map(|peer| Some((*peer, reason(peer)?))).collect()
    }
}

/// The interpreter that the environment names, or a common one.
fn python() -> Result<String, String> {
    let named = std::env::var("PYTHON").ok();
    let candidates = named.as_deref().map_or(vec!["python3.13", "python3"], |named| vec![named]);
    let new_enough = "import sys; assert sys.version_info >= (3, 12); print(sys.executable)";
    let found = candidates.iter().find_map(|candidate| asks(candidate, new_enough));
    found.ok_or_else(|| format!("no Python of 3.12 or later as {}", candidates.join(" or ")))
}

/// What a line of Python prints; none if it fails.
fn asks(python: &str, code: &str) -> Option<String> {
    let output = Command::new(python).args(["-c", code]).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().ok();
    output.map_or_else(|| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first value of this name in a file of lines like `name : value`.
fn field(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The version of a package in the lock file.
fn locked(name: &str) -> Option<&'static str> {
    let entry = LOCK.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{name}\"\n")))?;
    entry.split("version = \"").nth(1)?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_the_lock_file() {
        assert!(locked("libc").is_some_and(|version| version.starts_with("0.2.")));
        assert_eq!(locked("there-is-no-such-package"), None);
    }
}
