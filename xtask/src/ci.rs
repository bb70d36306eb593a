//! `cargo xtask ci`: every check, timed, cheapest first, with a summary at the end.
//!
//! A failure does not stop the run: all of them are listed at the end. The sections share their build output wherever
//! their flags are the same; those whose flags differ build in a folder of their own under `target`.

mod full;
mod platforms;
mod quick;
mod summary;

use std::time::Instant;

use crate::cli::{Failure, Outcome};
use summary::{Line, State};

/// How a section ended when nothing failed.
enum Done {
    Passed,
    /// It could not or need not be run, for this reason.
    Skipped(String),
}

/// What a section returns.
type Verdict = Result<Done, Failure>;

/// A check with a name.
struct Section {
    name: &'static str,
    run: fn() -> Verdict,
}

/// Runs the quick sections, and with `--full` the others too.
pub fn run(arguments: &[String]) -> Outcome {
    let mut sections: Vec<&Section> = quick::SECTIONS.iter().collect();
    match arguments {
        [] => {}
        [option] if option == "--full" => sections.extend(full::SECTIONS),
        [other, ..] => {
            return Err(Failure::Usage(format!("unexpected argument `{other}`; `ci` takes only `--full`")));
        }
    }
    run_all(&sections)
}

fn run_all(sections: &[&Section]) -> Outcome {
    let began = Instant::now();
    let mut lines = Vec::new();
    for section in sections {
        println!("\n== {}", section.name);
        let began = Instant::now();
        let state = match (section.run)() {
            Ok(Done::Passed) => State::Passed,
            Ok(Done::Skipped(reason)) => State::Skipped(reason),
            Err(failure) => State::Failed(failure.to_string()),
        };
        let line = Line { name: section.name, seconds: began.elapsed().as_secs_f64(), state };
        println!("== {line}");
        lines.push(line);
    }
    print!("\n{}", summary::table(&lines, began.elapsed().as_secs_f64()));
    let failed: Vec<_> =
        lines.iter().filter(|line| matches!(line.state, State::Failed(_))).map(|line| line.name).collect();
    if failed.is_empty() { Ok(()) } else { Err(Failure::Failed(format!("failed: {}", failed.join(", ")))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_does_not_stop_the_run_and_is_named_at_the_end() {
        let sections = [
            &Section { name: "first", run: || Err(Failure::Failed("broken".into())) },
            &Section { name: "second", run: || Ok(Done::Skipped("no tool".into())) },
            &Section { name: "third", run: || Err(Failure::Failed("broken too".into())) },
        ];
        let failure = run_all(&sections).unwrap_err();
        assert_eq!(failure.to_string(), "failed: first, third");
        assert!(run_all(&sections[1..2]).is_ok());
    }
}
