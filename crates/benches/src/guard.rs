//! The guard: instructions for each operation, compared with those that were recorded.
//!
//! Instructions hardly vary from run to run, so a change that makes an operation a tenth dearer is seen on any machine, also
//! on a loaded one. They depend on the compiler: a new one may need a new record.

use std::collections::BTreeMap;
use std::fs;

use crate::machine::Machine;
use crate::row::{OURS, work_of};
use crate::sample::Sampler;

/// What is guarded.
const WORKS: &[&str] = &["spawn-many", "spawn-one", "yield-among", "ping-pong", "lock-free", "lock-10", "timeout"];

/// Where the record is.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.txt");

/// What stands above the record.
const HEADER: &str = "\
# Instructions for each operation of this library, counted by valgrind.
# Made by `cargo xtask bench --record`; `cargo xtask ci --full` fails when one grows by a tenth.
";

/// By how much an operation may grow.
const TOLERANCE: f64 = 0.1;

/// Small, because it runs fifty times as slowly.
const SIZE: usize = 20_000;

/// Counts, and fails when something grew.
pub fn compare() -> Result<(), String> {
    let text = fs::read_to_string(FILE).map_err(|error| format!("reading the recorded instructions: {error}"))?;
    let recorded = parse(&text)?;
    let mut grown = Vec::new();
    for (key, now) in count()? {
        let before = recorded.get(key).copied();
        let before = before.ok_or_else(|| format!("{key} is not recorded; run `cargo xtask bench --record`"))?;
        println!("{key:12} {before:8.0} -> {now:8.0}");
        if now > before * (1.0 + TOLERANCE) {
            grown.push(format!("{key} grew from {before:.0} to {now:.0} instructions"));
        } else if now < before * (1.0 - TOLERANCE) {
            println!("{key:12} shrank; record it with `cargo xtask bench --record`, so that it stays so");
        }
    }
    if grown.is_empty() {
        return Ok(());
    }
    let advice = "find out why, or record it with `cargo xtask bench --record` if it has to be";
    Err(format!("{}; {advice}", grown.join("; ")))
}

/// Counts, and records the result.
pub fn record() -> Result<(), String> {
    let lines: String = count()?.iter().map(|(key, count)| format!("{key} {count:.0}\n")).collect();
    print!("{lines}");
    fs::write(FILE, format!("{HEADER}{lines}")).map_err(|error| format!("writing the instructions: {error}"))
}

fn count() -> Result<Vec<(&'static str, f64)>, String> {
    let machine = Machine::explore();
    let sampler = Sampler { machine: &machine };
    WORKS.iter().map(|key| Ok((*key, sampler.instructions(work_of(key)?, OURS, SIZE)?))).collect()
}

fn parse(text: &str) -> Result<BTreeMap<&str, f64>, String> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let entry = line.split_once(' ').and_then(|(key, count)| Some((key, count.parse().ok()?)));
            entry.ok_or_else(|| format!("`{line}` is no key and number"))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_without_its_header() {
        let record = format!("{HEADER}yield 12\nlock 3\n");
        assert_eq!(parse(&record).unwrap().into_iter().collect::<Vec<_>>(), [("lock", 3.0), ("yield", 12.0)]);
        assert!(parse("yield\n").unwrap_err().contains("`yield`"));
    }
}
