//! `cargo xtask conformance`: the same programs on CPython's asyncio and here.

use std::process::Command;

use crate::cli::{Failure, Outcome};
use crate::ledger;
use crate::process::{cargo, exists, run};

/// The environment variable that names another Python.
const PYTHON: &str = "PYTHON";

/// Replays the recorded traces, runs the tests that the ledger may name, and checks the ledger; `--ledger` only checks it,
/// and `--write` puts its totals into the documentation. `--live` compares with CPython itself, `--record` records anew.
///
/// `--cases N` and `--seed S` say which random programs; they go to the binary as they are.
pub fn run_command(arguments: &[String]) -> Outcome {
    match arguments.split_first() {
        None => {
            run(cargo(&["test", "--profile", "conformance", "--package", "conformance"]))?;
            run(cargo(&["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"]))?;
            ledger::run(false)
        }
        Some((mode, [])) if mode == "--ledger" => ledger::run(false),
        Some((mode, [])) if mode == "--write" => ledger::run(true),
        Some((mode, rest)) if matches!(mode.as_str(), "--live" | "--record") => {
            check(mode, rest)?;
            let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3.13".to_owned());
            let mut version = Command::new(&python);
            version.arg("--version");
            if !exists(version) {
                println!("skipped: {python} is not installed");
                return Ok(());
            }
            let mode = mode.trim_start_matches('-');
            let mut command =
                cargo(&["run", "--quiet", "--profile", "conformance", "--package", "conformance", "--", mode]);
            command.args(rest).env(PYTHON, python);
            run(command)
        }
        Some((unexpected, _)) => Err(usage(unexpected)),
    }
}

/// Whether what comes after the mode is pairs of an option and a number.
fn check(mode: &str, rest: &[String]) -> Outcome {
    let known: &[&str] =
        if mode == "--live" { &["--cases", "--seed", "--show"] } else { &["--cases", "--seed", "--keep"] };
    for pair in rest.chunks(2) {
        if !known.contains(&pair[0].as_str()) || pair.get(1).is_none_or(|number| number.parse::<u64>().is_err()) {
            return Err(usage(&pair.join(" ")));
        }
    }
    Ok(())
}

fn usage(unexpected: &str) -> Failure {
    Failure::Usage(format!(
        "unexpected `{unexpected}`; it is conformance, conformance --ledger, conformance --write, conformance --live \
         [--cases N] [--seed S] [--show N], or conformance --record [--cases N] [--seed S] [--keep N]"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn options_are_pairs_of_a_name_and_a_number() {
        assert!(check("--live", &words("--cases 10 --seed 3")).is_ok());
        assert!(check("--record", &words("--keep 10")).is_ok());
        for wrong in ["--cases", "--cases many", "--keep 10", "10"] {
            assert!(check("--live", &words(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_unknown_mode_is_named() {
        let failure = run_command(&words("--dead")).unwrap_err();
        assert!(failure.to_string().contains("`--dead`"), "{failure}");
    }
}
