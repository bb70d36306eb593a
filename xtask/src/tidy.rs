//! `cargo xtask tidy`: the house rules that a machine can check.
//!
//! Each kind of file has its rules in a file of its own; they work on strings and know nothing of the disk.

mod code;
mod manifest;
mod markdown;
mod rust;
mod text;

use std::collections::BTreeSet;
use std::fs;

use crate::cli::{Failure, Outcome};
use crate::report::{Finding, conclude};
use crate::workspace;

/// Made by cargo, so no rule applies to it.
const LOCK: &str = "Cargo.lock";

/// Checks every file of the workspace.
pub fn run() -> Outcome {
    let files = read()?;
    let findings = check(&files);
    println!("tidy: {} files", files.len());
    conclude("tidy", &findings)
}

/// A file that is text.
#[derive(Debug)]
struct File {
    /// Relative to the root, with `/` between the parts.
    path: String,
    text: String,
}

impl File {
    fn extension(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }
}

fn read() -> Result<Vec<File>, Failure> {
    let paths =
        workspace::files(workspace::root()).map_err(|error| Failure::while_doing("listing the files", error))?;
    let mut files = Vec::new();
    for path in paths {
        let relative = workspace::relative(&path);
        let bytes = fs::read(&path).map_err(|error| Failure::while_doing(format!("reading {relative}"), error))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: relative, text });
        }
    }
    Ok(files)
}

fn check(files: &[File]) -> Vec<Finding> {
    let paths: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let compiled: BTreeSet<String> = files
        .iter()
        .filter(|file| file.extension() == "rs")
        .flat_map(|file| rust::included(&file.path, &file.text))
        .collect();
    let version = files.iter().find(|file| file.path == "Cargo.toml").and_then(|root| manifest::version(&root.text));

    let mut findings = Vec::new();
    for File { path, text } in files.iter().filter(|file| file.path != LOCK) {
        findings.extend(text::check(path, text));
        if path.ends_with(".rs") {
            findings.extend(rust::check(path, text));
        } else if path.ends_with(".md") {
            findings.extend(markdown::check_links(path, text, |target| exists(&paths, target)));
            findings.extend(markdown::check_code(path, text, compiled.contains(path)));
            findings.extend(markdown::check_version(path, text, version));
        } else if path == "Cargo.toml" {
            findings.extend(manifest::check_root(path, text));
        } else if path.ends_with("/Cargo.toml") {
            findings.extend(manifest::check_member(path, text));
            findings.extend(manifest::check_readme(path, |readme| paths.contains(readme)));
        }
    }
    findings
}

/// Whether a path names a file, or a folder with a file in it.
fn exists(paths: &BTreeSet<&str>, target: &str) -> bool {
    let folder = format!("{}/", target.trim_end_matches('/'));
    target.is_empty() || paths.contains(target) || paths.iter().any(|path| path.starts_with(&folder))
}

/// The path that `target` means in a file of the folder that holds `path`; none if it leaves the workspace.
fn resolve(path: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop()?,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The lines, counted from 1, on which `word` stands by itself.
fn lines_with_word<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    text.lines().enumerate().filter_map(move |(index, line)| {
        let alone =
            |(at, _): (usize, &str)| !line[..at].ends_with(in_word) && !line[at + word.len()..].starts_with(in_word);
        line.match_indices(word).any(alone).then_some(index + 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_is_tidy() {
        let findings = check(&read().unwrap());
        let errors: Vec<_> = findings.iter().filter(|finding| !finding.warning).map(ToString::to_string).collect();
        assert!(errors.is_empty(), "\n{}", errors.join("\n"));
    }

    #[test]
    fn a_target_is_resolved_from_the_folder_of_its_file() {
        assert_eq!(resolve("crates/a/src/lib.rs", "../README.md").as_deref(), Some("crates/a/README.md"));
        assert_eq!(resolve("README.md", "./docs/x.md").as_deref(), Some("docs/x.md"));
        assert_eq!(resolve("README.md", "../x.md"), None);
    }

    #[test]
    fn a_folder_exists_through_its_files() {
        let paths = BTreeSet::from(["docs/x.md"]);
        assert!(exists(&paths, "docs") && exists(&paths, "docs/") && exists(&paths, "docs/x.md"));
        assert!(!exists(&paths, "doc") && !exists(&paths, "docs/y.md"));
    }

    #[test]
    fn a_word_is_found_only_where_it_stands_by_itself() {
        let text = "word\nwords\n(word)\na_word\nsword word\n";
        assert_eq!(lines_with_word(text, "word").collect::<Vec<_>>(), [1, 3, 5]);
    }

    #[test]
    fn the_lock_file_is_exempt() {
        let lock = File { path: LOCK.into(), text: "no newline at the end, and white space \n ".into() };
        assert!(check(&[lock]).is_empty());
    }
}
