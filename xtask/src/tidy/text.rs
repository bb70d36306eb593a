//! Rules for every file that is text.
//!
//! The strings that are forbidden are put together from parts here, so that this file passes too.

use crate::report::Finding;
use crate::tidy::lines_with_word;

/// Marks of unfinished work.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Parts of paths and hosts that exist only where somebody works.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("index.crates", ".io"),
    concat!("static.crates", ".io"),
    concat!("files.python", "hosted.org"),
];

pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        if line.ends_with([' ', '\t', '\r']) {
            findings.push(Finding::error(path, index + 1, "white space at the end of the line; remove it"));
        }
        for place in PLACES.iter().filter(|place| line.contains(**place)) {
            let message = format!("`{place}` exists only on somebody's machine; name a place that every reader has");
            findings.push(Finding::error(path, index + 1, message));
        }
    }
    if !text.is_empty() && !text.ends_with('\n') {
        findings.push(Finding::error(path, text.lines().count(), "no newline at the end of the file; add it"));
    }
    for mark in MARKS {
        for line in lines_with_word(text, mark) {
            findings.push(Finding::error(path, line, format!("`{mark}`: unfinished work; finish it or take it out")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        check("file", text).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn plain_text_passes() {
        assert!(lines("").is_empty());
        assert!(lines("one\n\ntwo\n").is_empty());
    }

    #[test]
    fn white_space_at_the_end_is_found() {
        assert_eq!(lines("one\ntwo \nthree\t\nfour\r\n"), [2, 3, 4]);
        assert_eq!(lines("one\ntwo"), [2]);
    }

    #[test]
    fn marks_and_places_are_found() {
        for forbidden in MARKS.iter().chain(PLACES) {
            assert_eq!(lines(&format!("fine\nsee {forbidden} x\n")), [2], "{forbidden}");
        }
        assert!(lines(&format!("{0}{0} {0}S\n", MARKS[0])).is_empty());
    }
}
