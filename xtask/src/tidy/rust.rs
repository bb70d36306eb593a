//! Rules for Rust sources.

use crate::report::Finding;
use crate::tidy::code::code_of;
use crate::tidy::{lines_with_word, resolve};

/// Past this, a file is shown as one that grows too long.
const LONG: usize = 450;
/// Past this, it fails.
const TOO_LONG: usize = 600;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc"];

/// Macros of unfinished work.
const UNFINISHED: &[&str] = &["todo", "dbg", "unimplemented"];

pub fn check(path: &str, source: &str) -> Vec<Finding> {
    let code = code_of(source);
    let mut findings = check_name(path);
    if !after_attributes(source).starts_with("//!") {
        findings.push(Finding::error(path, 1, "does not say what it is; start it with a sentence after `//!`"));
    }
    let lines = source.lines().count();
    if lines > TOO_LONG {
        findings.push(Finding::error(path, lines, format!("{lines} lines, more than {TOO_LONG}; split it by idea")));
    } else if lines > LONG {
        findings.push(Finding::warning(path, lines, format!("{lines} lines, more than {LONG}; think of splitting it")));
    }
    for name in UNFINISHED {
        for (index, line) in code.lines().enumerate() {
            if lines_with_word(line, name).next().is_some() && line.contains(&format!("{name}!")) {
                findings.push(Finding::error(path, index + 1, format!("`{name}!` is left in the code; take it out")));
            }
        }
    }
    findings.extend(check_unsafe(path, &code));
    findings.extend(check_lint_attributes(path, &code));
    findings
}

/// The source from its first line on that is no attribute of the file, which may stand above what the file is.
fn after_attributes(source: &str) -> &str {
    let mut rest = source;
    while rest.starts_with("#![")
        && let Some(end) = rest.find("]\n")
    {
        rest = &rest[end + 2..];
    }
    rest
}

fn check_name(path: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if path.ends_with("/mod.rs") {
        let message = "a module has its own name here; rename `foo/mod.rs` to `foo.rs` beside the folder `foo`";
        findings.push(Finding::error(path, 1, message));
    }
    for part in path.split('/') {
        let name = part.strip_suffix(".rs").unwrap_or(part);
        if EMPTY_NAMES.contains(&name) {
            findings.push(Finding::error(path, 1, format!("`{name}` says nothing; name it after what is inside")));
        }
    }
    findings
}

fn check_unsafe(path: &str, code: &str) -> Vec<Finding> {
    let declared = attributes(code, "#![expect(").any(|(_, body)| body.contains("unsafe_code"));
    let missing = |line| {
        let message = "unsafe code in a file that does not say so; make it safe, or open the file with \
                       `#![expect(unsafe_code, reason = \"…\")]`";
        Finding::error(path, line, message)
    };
    if declared { Vec::new() } else { lines_with_word(code, "unsafe").map(missing).collect() }
}

fn check_lint_attributes(path: &str, code: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (open, is_expect) in [("[expect(", true), ("[allow(", false)] {
        for (line, body) in attributes(code, open) {
            if !is_expect {
                let message =
                    "a lint is allowed for ever; use `#[expect(…, reason = \"…\")]`, which says when it is over";
                findings.push(Finding::error(path, line, message));
            } else if lines_with_word(body, "reason").next().is_none() {
                findings.push(Finding::error(
                    path,
                    line,
                    "a lint is suppressed without a reason; add `reason = \"…\"`",
                ));
            }
        }
    }
    findings
}

/// The line and the inside of each attribute that starts with `open`.
fn attributes<'a>(code: &'a str, open: &'a str) -> impl Iterator<Item = (usize, &'a str)> {
    code.match_indices(open).map(move |(at, _)| {
        let body = &code[at + open.len()..];
        let body = &body[..body.find(")]").unwrap_or(body.len())];
        (code[..at].lines().count().max(1), body)
    })
}

/// The files, relative to the root, whose text the source compiles or runs as documentation.
pub fn included(path: &str, source: &str) -> Vec<String> {
    let after_open = source.split(concat!("include_", "str!(\"")).skip(1);
    after_open.filter_map(|rest| resolve(path, rest.split('"').next()?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(source: &str) -> Vec<String> {
        check("crates/a/src/b.rs", source).iter().map(ToString::to_string).collect()
    }

    fn found(source: &str, line: usize, part: &str) {
        let messages = messages(source);
        assert_eq!(messages.len(), 1, "{messages:?}");
        assert!(messages[0].contains(&format!("b.rs:{line}: ")) && messages[0].contains(part), "{messages:?}");
    }

    #[test]
    fn a_source_starts_with_what_it_is() {
        assert!(messages("//! What it is.\n").is_empty());
        assert!(
            messages("#![expect(\n    missing_docs,\n    reason = \"b\"\n)]\n#![no_std]\n//! What it is.\n").is_empty()
        );
        found("fn f() {}\n", 1, "//!");
        found("#![no_std]\nfn f() {}\n", 1, "//!");
    }

    #[test]
    fn long_sources_are_found() {
        let of = |lines: usize| messages(&format!("//! A.\n{}", "\n".repeat(lines - 1)));
        assert!(of(450).is_empty());
        assert!(of(451)[0].contains("warning"));
        assert!(of(600)[0].contains("warning"));
        assert!(!of(601)[0].contains("warning"));
    }

    #[test]
    fn names_say_what_is_inside() {
        let of = |path: &str| check(path, "//! A.\n").len();
        assert_eq!(of("crates/a/src/queue/mod.rs"), 1);
        assert_eq!(of("crates/a/src/util.rs"), 1);
        assert_eq!(of("crates/a/src/common/x.rs"), 1);
        assert_eq!(of("crates/a/src/modern.rs"), 0);
        assert_eq!(of("crates/a/src/utility_function.rs"), 0);
    }

    #[test]
    fn unsafe_code_is_declared() {
        found("//! A.\nunsafe fn f() {}\n", 2, "unsafe");
        let declared = "//! A.\n#![expect(\n    unsafe_code,\n    reason = \"list\"\n)]\nunsafe fn f() {}\n";
        assert!(messages(declared).is_empty());
        assert!(messages("//! A.\n#![forbid(unsafe_code)]\n// unsafe\nconst S: &str = \"unsafe\";\n").is_empty());
    }

    #[test]
    fn lints_are_expected_with_a_reason() {
        assert!(messages("//! A.\n#[expect(dead_code, reason = \"b\")]\nfn f() {}\n").is_empty());
        found("//! A.\n#[expect(dead_code)]\nfn f() {}\n", 2, "reason");
        found("//! A.\n#[allow(dead_code)]\nfn f() {}\n", 2, "expect");
    }

    #[test]
    fn unfinished_code_is_found() {
        for name in UNFINISHED {
            found(&format!("//! A.\nfn f() {{ {name}!() }}\n"), 2, name);
            assert!(messages(&format!("//! A.\n// {name}!\nfn {name}() {{}}\n")).is_empty());
        }
    }

    #[test]
    fn included_texts_are_relative_to_the_source() {
        let source = concat!("#![doc = include_", "str!(\"../README.md\")]");
        assert_eq!(included("crates/a/src/lib.rs", source), ["crates/a/README.md"]);
    }
}
