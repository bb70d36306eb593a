//! The table at the end of a run.

use std::fmt;

/// How a section ended.
#[derive(Debug)]
pub enum State {
    Passed,
    Skipped(String),
    Failed(String),
}

/// One section in the table.
#[derive(Debug)]
pub struct Line {
    pub name: &'static str,
    pub seconds: f64,
    pub state: State,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:20}{:8.1} s  ", self.name, self.seconds)?;
        match &self.state {
            State::Passed => f.write_str("ok"),
            State::Skipped(reason) => write!(f, "skipped: {reason}"),
            State::Failed(why) => write!(f, "FAILED: {}", why.replace('\n', "; ")),
        }
    }
}

/// All sections, a line each, and the whole time.
pub fn table(lines: &[Line], seconds: f64) -> String {
    let sections: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!("{sections}{:20}{seconds:8.1} s\n", "together")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_section_has_a_line_with_its_state() {
        let line = |name, state| Line { name, seconds: 1.25, state };
        let lines = [
            line("format", State::Passed),
            line("valgrind", State::Skipped("valgrind is not installed".into())),
            line("tests", State::Failed("one\ntwo".into())),
        ];
        let expected = "format                   1.2 s  ok\n\
                        valgrind                 1.2 s  skipped: valgrind is not installed\n\
                        tests                    1.2 s  FAILED: one; two\n\
                        together                 4.0 s\n";
        assert_eq!(table(&lines, 4.0), expected);
    }
}
