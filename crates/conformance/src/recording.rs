//! Programs with the traces that CPython gave, as files in `recorded`: a line with the program, a line with the trace.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A program and CPython's trace of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The program.
    pub program: String,
    /// What CPython did.
    pub trace: String,
}

/// The folder of the recorded traces.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("recorded")
}

/// Reads a file of cases. Lines that begin with `#` say what the case after them is about.
///
/// # Errors
///
/// When it cannot be read.
pub fn read(path: &Path) -> io::Result<Vec<Case>> {
    let text = fs::read_to_string(path)?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    Ok(lines.chunks_exact(2).map(|pair| Case { program: pair[0].to_owned(), trace: pair[1].to_owned() }).collect())
}

/// Whether a trace of this library is what CPython's says.
///
/// Two things are forgiven. A program that comes to where nothing can happen any more, while its leftover tasks are being
/// ended, hangs in Python: what it did up to there counts; the library drops those tasks. And in CPython the message of a
/// cancellation reaches only the first who asks for the outcome of a task; here it reaches all.
#[must_use]
pub fn matches(python: &str, rust: &str) -> bool {
    let mut rust = rust.split(';');
    for entry in python.split(';') {
        if entry.ends_with(" deadlock") && entry.split(' ').count() > 2 {
            return true;
        }
        if !rust.next().is_some_and(|here| same(entry, here)) {
            return false;
        }
    }
    rust.next().is_none()
}

/// Whether two entries are the same, but for messages that CPython lost.
fn same(python: &str, rust: &str) -> bool {
    const LOST: &str = "cancelled -";
    let mut rest = rust;
    for (index, part) in python.split(LOST).enumerate() {
        if index > 0 {
            let Some(after) = rest.strip_prefix("cancelled ") else { return false };
            rest = after.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '-');
        }
        let Some(after) = rest.strip_prefix(part) else { return false };
        rest = after;
    }
    rest.is_empty()
}

/// The entries of two traces up to and with the first that differs, for a person to read.
#[must_use]
pub fn difference(python: &str, rust: &str) -> String {
    let (python, rust): (Vec<&str>, Vec<&str>) = (python.split(';').collect(), rust.split(';').collect());
    let same = python.iter().zip(&rust).take_while(|(left, right)| same(left, right)).count();
    let mut text = String::new();
    for entry in &python[..same] {
        text.push_str(&format!("    {entry}\n"));
    }
    text.push_str(&format!("  - {} (CPython)\n", python.get(same).unwrap_or(&"nothing more")));
    text.push_str(&format!("  + {} (here)\n", rust.get(same).unwrap_or(&"nothing more")));
    text
}
