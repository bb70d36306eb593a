//! The ledger: each test of CPython's own suite for asyncio, and which tests here hold the same behaviour.
//!
//! The rows are in `crates/conformance/ledger/<file of the suite>.txt`, the names of all tests in `tests.txt` beside them.
//! A row that claims tests must name ones that exist and are not ignored; since they are in the binaries that every run of
//! the tests runs, they have passed when that has.

mod binaries;
mod row;
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::cli::{Failure, Outcome};
use crate::report::{Finding, conclude};
use crate::workspace;
use row::{Row, State};

const FOLDER: &str = "crates/conformance/ledger";
const NAMES: &str = "crates/conformance/ledger/tests.txt";
/// Where the totals are shown.
const PAGE: &str = "docs/conformance.md";
/// What each row that cannot be met has to appear in.
const DIFFERENCES: &str = "docs/differences.md";

/// One file of CPython's suite.
#[derive(Debug)]
struct File {
    /// `test_tasks`.
    name: String,
    /// Of the ledger, relative to the root.
    path: String,
    rows: Vec<Row>,
}

/// Checks the ledger against the names of CPython's tests, the binaries of the tests here, and the documents; with
/// `write`, puts the totals into the page first. Prints the totals.
pub fn run(write: bool) -> Outcome {
    let mut findings = Vec::new();
    let files = read(&mut findings)?;
    let table = table::totals(&files);
    println!("{table}");
    let page = text(PAGE)?;
    match table::put(&page, &table) {
        Some(current) if write && current != page => {
            fs::write(workspace::root().join(PAGE), current)
                .map_err(|error| Failure::while_doing(format!("writing {PAGE}"), error))?;
        }
        Some(current) if current != page => findings.push(Finding::error(
            PAGE,
            1,
            "the totals of the ledger are not current; run `cargo xtask conformance --write`",
        )),
        Some(_) => {}
        None => findings.push(Finding::error(PAGE, 1, table::no_place())),
    }
    findings.extend(undocumented(&files, &text(DIFFERENCES)?));
    // The tests of other platforms are other ones.
    if cfg!(target_os = "linux") {
        findings.extend(unheld(&files, &binaries::tests()?));
    } else {
        println!("ledger: the names of the tests here are checked on Linux only");
    }
    conclude("ledger", &findings)
}

fn text(path: &str) -> Result<String, Failure> {
    fs::read_to_string(workspace::root().join(path))
        .map_err(|error| Failure::while_doing(format!("reading {path}"), error))
}

/// Reads all files of the ledger, each against the names that it has to have.
fn read(findings: &mut Vec<Finding>) -> Result<Vec<File>, Failure> {
    let mut files: Vec<File> = Vec::new();
    let mut known: BTreeSet<PathBuf> = BTreeSet::from([workspace::root().join(NAMES)]);
    for (name, tests) in names(&text(NAMES)?) {
        let path = format!("{FOLDER}/{name}.txt");
        known.insert(workspace::root().join(&path));
        let rows = row::parse(&path, &text(&path)?, findings);
        findings.extend(misplaced(&path, &rows, &tests));
        files.push(File { name, path, rows });
    }
    let folder = workspace::root().join(FOLDER);
    let all = workspace::files(&folder).map_err(|error| Failure::while_doing("listing the ledger", error))?;
    for file in all.iter().filter(|file| !known.contains(*file)) {
        let path = workspace::relative(file);
        findings.push(Finding::error(&path, 1, "is of no file of CPython's suite; remove it"));
    }
    Ok(files)
}

/// The names of the tests by file, in the order in which they come: `test_tasks BaseTaskTests.test_cancel`.
fn names(text: &str) -> Vec<(String, Vec<String>)> {
    let mut files: Vec<(String, Vec<String>)> = Vec::new();
    for (file, test) in text.lines().filter_map(|line| line.split_once(' ')) {
        if files.last().is_none_or(|(last, _)| last != file) {
            files.push((file.to_owned(), Vec::new()));
        }
        files.last_mut().expect("one was just added").1.push(test.to_owned());
    }
    files
}

/// The first place where the rows are not those of the names, in their order.
fn misplaced(path: &str, rows: &[Row], tests: &[String]) -> Option<Finding> {
    for (row, test) in rows.iter().zip(tests) {
        if row.test != *test {
            let message =
                format!("`{}` is where `{test}` belongs; keep the order of tests.txt, a row for each", row.test);
            return Some(Finding::error(path, row.line, message));
        }
    }
    let (have, want) = (rows.len(), tests.len());
    let last = rows.last().map_or(1, |row| row.line);
    (have != want).then(|| Finding::error(path, last, format!("{have} rows for {want} tests; add or remove some")))
}

/// The rows that cannot be met and are not explained.
fn undocumented(files: &[File], differences: &str) -> Vec<Finding> {
    let differ = files.iter().flat_map(|file| file.rows.iter().map(move |row| (file, row)));
    differ
        .filter(|(_, row)| row.state == State::Differs && !differences.contains(&row.test))
        .map(|(file, row)| {
            let message = format!("`{}` differs and is not named in {DIFFERENCES}; say there why", row.test);
            Finding::error(&file.path, row.line, message)
        })
        .collect()
}

/// The tests that are named and are not in a binary, or are ignored.
fn unheld(files: &[File], tests: &binaries::Tests) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for row in &file.rows {
            for test in &row.held_by {
                if !tests.all.contains(test) {
                    let message = format!("there is no test `{test}`; `crate/target::path`, as `--list` has it");
                    findings.push(Finding::error(&file.path, row.line, message));
                } else if tests.ignored.contains(test) {
                    findings.push(Finding::error(
                        &file.path,
                        row.line,
                        format!("`{test}` is ignored; it holds nothing"),
                    ));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Row> {
        let mut findings = Vec::new();
        let rows = row::parse("file", text, &mut findings);
        assert!(findings.is_empty(), "{findings:?}");
        rows
    }

    fn file(text: &str) -> File {
        File { name: "test_a".into(), path: "a.txt".into(), rows: rows(text) }
    }

    #[test]
    fn names_are_grouped_by_file() {
        let files = names("test_a A.test_1\ntest_a A.test_2\ntest_b B.test_1\n");
        assert_eq!(files.len(), 2);
        assert_eq!(files[0], ("test_a".into(), vec!["A.test_1".into(), "A.test_2".into()]));
    }

    #[test]
    fn a_row_out_of_place_and_a_missing_one_are_found() {
        let tests = ["A.test_1".to_owned(), "A.test_2".to_owned()];
        let both = "python A.test_1: no\npython A.test_2: no\n";
        assert_eq!(misplaced("a", &rows(both), &tests), None);
        let swapped = misplaced("a", &rows("python A.test_2: no\npython A.test_1: no\n"), &tests).unwrap();
        assert!(swapped.line == 1 && swapped.message.contains("A.test_1"), "{swapped}");
        let missing = misplaced("a", &rows("python A.test_1: no\n"), &tests).unwrap();
        assert!(missing.message.contains("1 rows for 2 tests"), "{missing}");
    }

    #[test]
    fn a_difference_has_to_be_in_the_document() {
        let files = [file("applies A.test_1 differs: because\n")];
        assert_eq!(undocumented(&files, "- nothing").len(), 1);
        assert!(undocumented(&files, "- because (`A.test_1`)").is_empty());
    }

    #[test]
    fn a_test_that_is_missing_or_ignored_holds_nothing() {
        let files = [file("applies A.test_1: a/it::x::one a/it::x::two a/lib::three\n")];
        let tests = binaries::Tests {
            all: ["a/it::x::one", "a/it::x::two"].map(String::from).into(),
            ignored: ["a/it::x::two"].map(String::from).into(),
        };
        let found: Vec<_> = unheld(&files, &tests).into_iter().map(|finding| finding.message).collect();
        assert_eq!(found.len(), 2);
        assert!(found[0].contains("a/it::x::two") && found[1].contains("a/lib::three"), "{found:?}");
    }

    #[test]
    fn the_ledger_is_whole() {
        let mut findings = Vec::new();
        let files = read(&mut findings).unwrap();
        assert!(findings.is_empty(), "{findings:?}");
        assert_eq!(files.iter().map(|file| file.rows.len()).sum::<usize>(), 1265);
    }
}
