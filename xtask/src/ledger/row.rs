//! One line of the ledger: a test of CPython, whether it applies, and what holds it here.
//!
//! ```text
//! applies Class.test_name: crate/target::path::of::a_test crate/target::path::of::another
//! applies Class.test_name open: what is missing
//! applies Class.test_name differs: why, and what a user gets instead
//! optional Class.test_name: …                       as above
//! python Class.test_name: what of Python it is about
//! ```
//!
//! Lines that begin with `#`, and empty ones, are for the reader.

use crate::report::Finding;

/// Whether a test of CPython says something about a library in Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Applies,
    /// Output for people, warnings, and what only some programs want.
    Optional,
    /// It is about Python itself, or how CPython is built inside.
    Python,
}

/// What there is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Tests that would fail if the behaviour broke.
    Held,
    /// Nothing yet.
    Open,
    /// Another behaviour, on purpose.
    Differs,
    /// Nothing, as it does not apply.
    Nothing,
}

/// A row of the ledger.
#[derive(Clone, Debug)]
pub struct Row {
    pub line: usize,
    pub class: Class,
    /// `Class.test_name`.
    pub test: String,
    pub state: State,
    /// The tests that hold it, or that hold what is there instead: `crate/target::path`.
    pub held_by: Vec<String>,
}

/// Reads the rows of a file; what is wrong with one is added to the findings.
pub fn parse(path: &str, text: &str, findings: &mut Vec<Finding>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match parse_line(index + 1, line) {
            Ok(row) => rows.push(row),
            Err(message) => findings.push(Finding::error(path, index + 1, message)),
        }
    }
    rows
}

fn parse_line(number: usize, line: &str) -> Result<Row, String> {
    let Some((head, rest)) = line.split_once(": ") else {
        return Err("no `: `; write `applies Class.test_name: tests` or a reason".to_owned());
    };
    let words: Vec<&str> = head.split(' ').collect();
    let (class, test, state) = match words[..] {
        [class, test] => (class, test, None),
        [class, test, state] => (class, test, Some(state)),
        _ => return Err(format!("`{head}` is not a class, a test, and perhaps `open` or `differs`")),
    };
    let class = match class {
        "applies" => Class::Applies,
        "optional" => Class::Optional,
        "python" => Class::Python,
        other => return Err(format!("`{other}` is no class; it is applies, optional or python")),
    };
    let state = match (class, state) {
        (Class::Python, None) => State::Nothing,
        (_, None) => State::Held,
        (Class::Applies | Class::Optional, Some("open")) => State::Open,
        (Class::Applies | Class::Optional, Some("differs")) => State::Differs,
        (_, Some(other)) => return Err(format!("`{other}` says nothing here; open and differs are for what applies")),
    };
    let held_by: Vec<String> =
        rest.split([' ', ',', ';', '(', ')']).filter(|word| is_test(word)).map(String::from).collect();
    if state == State::Held && (held_by.is_empty() || held_by.join(" ") != rest) {
        return Err(
            "name the tests that hold it, with spaces between, or write `open: ` and what is missing".to_owned()
        );
    }
    Ok(Row { line: number, class, test: test.to_owned(), state, held_by })
}

/// `crate/target::path`.
fn is_test(word: &str) -> bool {
    word.split_once('/').is_some_and(|(_, path)| path.contains("::"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: &str) -> Row {
        parse_line(1, line).unwrap()
    }

    #[test]
    fn each_kind_of_row_is_read() {
        let held = row("applies A.test_1: a/it::x::one b/lib::two");
        assert_eq!((held.class, held.state), (Class::Applies, State::Held));
        assert_eq!(held.held_by, ["a/it::x::one", "b/lib::two"]);
        let open = row("optional A.test_1 open: no such output");
        assert_eq!((open.class, open.state), (Class::Optional, State::Open));
        let differs = row("applies A.test_1 differs: by value, see a/it::x::one");
        assert_eq!((differs.state, differs.held_by), (State::Differs, vec!["a/it::x::one".to_owned()]));
        assert_eq!(row("python A.test_1: pickling").state, State::Nothing);
    }

    #[test]
    fn a_row_that_is_wrong_says_what_is() {
        for (line, word) in [
            ("applies A.test_1", "`: `"),
            ("maybe A.test_1: a/it::b", "`maybe`"),
            ("applies A.test_1: soon", "name the tests"),
            ("applies A.test_1: a/it::b and more", "name the tests"),
            ("python A.test_1 open: never", "`open`"),
            ("applies A.test_1 or so: a/it::b", "`applies A.test_1 or so`"),
        ] {
            let message = parse_line(1, line).unwrap_err();
            assert!(message.contains(word), "{line}: {message}");
        }
    }

    #[test]
    fn what_is_for_the_reader_is_no_row() {
        let mut findings = Vec::new();
        let rows = parse("a", "# a word\n\npython A.test_1: pickling\nnonsense\n", &mut findings);
        assert_eq!((rows.len(), rows[0].line), (1, 3));
        assert_eq!((findings.len(), findings[0].line), (1, 4));
    }
}
