//! Rules for Markdown: links lead somewhere, code is compiled, the version is not repeated.

use crate::report::Finding;
use crate::tidy::resolve;

/// The only text in which versions belong.
const CHANGELOG: &str = "CHANGELOG.md";

/// Finds relative links to files that `exists` does not know.
pub fn check_links(path: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, prose) in prose(text) {
        for target in targets(&prose) {
            let file = target.split('#').next().unwrap_or_default();
            let foreign = file.contains("://") || file.starts_with("mailto:") || file.contains("::");
            if file.is_empty() || foreign {
                continue;
            }
            if !resolve(path, file).is_some_and(|resolved| exists(&resolved)) {
                let message = format!("the link to `{file}` leads nowhere; mend the path or take the link out");
                findings.push(Finding::error(path, line, message));
            }
        }
    }
    findings
}

/// Finds blocks of Rust that nothing compiles.
pub fn check_code(path: &str, text: &str, compiled: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, info) in fences(text) {
        let words: Vec<&str> = info.split(',').map(str::trim).collect();
        let rust = words.iter().any(|word| matches!(*word, "rust" | "no_run" | "should_panic" | "compile_fail"));
        if words.contains(&"ignore") {
            let message = "code that is ignored is never compiled; make it compile, or mark it `text`";
            findings.push(Finding::error(path, line, message));
        } else if rust && !compiled {
            let message = concat!(
                "code that nothing compiles; name the file in `#[doc = include_",
                "str!(…)]` of a crate, so that its examples run as doctests"
            );
            findings.push(Finding::error(path, line, message));
        }
    }
    findings
}

/// Finds the version of the workspace outside of the change log.
pub fn check_version(path: &str, text: &str, version: Option<&str>) -> Vec<Finding> {
    let Some(version) = version.filter(|_| path != CHANGELOG) else { return Vec::new() };
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let part_of_number = |c: char| c.is_ascii_digit() || c == '.';
        let alone = |(at, _): (usize, &str)| {
            let after = &line[at + version.len()..];
            let goes_on = after.strip_prefix('.').unwrap_or(after).starts_with(|c: char| c.is_ascii_digit());
            !line[..at].ends_with(part_of_number) && !goes_on
        };
        if line.match_indices(version).any(alone) {
            let message = format!("repeats the version {version}; it is written in the root Cargo.toml only");
            findings.push(Finding::error(path, index + 1, message));
        }
    }
    findings
}

/// The lines outside of code blocks, without their inline code, each with its number.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut lines = Vec::new();
    let mut open: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        match (fence(line), open) {
            (Some((marks, "")), Some(opening)) if marks.starts_with(opening) => open = None,
            (Some((marks, _)), None) => open = Some(marks),
            (_, None) => lines.push((index + 1, line.split('`').step_by(2).collect())),
            (_, Some(_)) => {}
        }
    }
    lines
}

/// The lines that open a code block, and what they say about it.
fn fences(text: &str) -> Vec<(usize, &str)> {
    let mut openings = Vec::new();
    let mut open: Option<&str> = None;
    for (index, line) in text.lines().enumerate() {
        match (fence(line), open) {
            (Some((marks, "")), Some(opening)) if marks.starts_with(opening) => open = None,
            (Some((marks, info)), None) => {
                open = Some(marks);
                openings.push((index + 1, info));
            }
            _ => {}
        }
    }
    openings
}

/// The marks of a fence, and what follows them.
fn fence(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let info = line.trim_start_matches(mark);
    let marks = &line[..line.len() - info.len()];
    (marks.len() >= 3 && !info.contains('`')).then(|| (marks, info.trim()))
}

/// The targets of the links in a line: `[text](target "title")` and `[name]: target`.
fn targets(prose: &str) -> Vec<&str> {
    let inline = prose.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let definition = prose.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
    let definition = definition.and_then(|(_, target)| target.split_whitespace().next());
    inline.chain(definition).map(|target| target.trim_matches(['<', '>'])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(text: &str) -> Vec<usize> {
        let exists = |target: &str| target == "docs/design.md" || target == "crates";
        check_links("docs/guide.md", text, exists).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn relative_links_lead_somewhere() {
        assert!(broken("[a](design.md) [b](../crates) [c](design.md#goals) [d](#here)\n").is_empty());
        assert!(broken("[a](https://example.org/x) [b](mailto:a@example.org) [c](crate::run)\n").is_empty());
        assert_eq!(broken("fine\n[a](nowhere.md)\n[b](../../x)\n\n[c]: gone.md\n"), [2, 3, 5]);
    }

    #[test]
    fn code_holds_no_links() {
        assert!(broken("`[a](nowhere.md)`\n\n```text\n[a](nowhere.md)\n```\n").is_empty());
        assert_eq!(broken("````md\n```\n````\n[a](nowhere.md)\n"), [4]);
    }

    #[test]
    fn code_is_compiled() {
        let of = |text: &str, compiled| check_code("a.md", text, compiled).len();
        assert_eq!(of("```rust\nfn f() {}\n```\n", false), 1);
        assert_eq!(of("```rust\nfn f() {}\n```\n", true), 0);
        assert_eq!(of("```rust,ignore\nfn f() {}\n```\n", true), 1);
        assert_eq!(of("```sh\nls\n```\n\n```\nplain\n```\n", false), 0);
    }

    #[test]
    fn the_version_is_in_one_place() {
        let of = |path: &str, line: &str| check_version(path, line, Some("1.2.3")).len();
        assert_eq!(of("README.md", "asyncio = \"1.2.3\""), 1);
        assert_eq!(of("README.md", "since 1.2.3."), 1);
        assert_eq!(of("README.md", "11.2.3, 1.2.34, 1.2.3.4, 0.1.2.3"), 0);
        assert_eq!(of(CHANGELOG, "## [1.2.3]"), 0);
    }
}
