//! The table of commands, and how a command line is matched with it.

use std::fmt;
use std::process::ExitCode;

use crate::{bench, ci, conformance, deps, layers, tidy};

/// Why a command did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// The command line was not understood.
    Usage(String),
    /// A check found something, or could not be made.
    Failed(String),
}

impl Failure {
    /// Wraps an error, saying what was attempted.
    pub fn while_doing(what: impl fmt::Display, error: impl fmt::Display) -> Self {
        Failure::Failed(format!("{what}: {error}"))
    }

    /// 2 for a wrong command line, 1 for everything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Usage(_) => ExitCode::from(2),
            Failure::Failed(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(message) | Failure::Failed(message) => f.write_str(message),
        }
    }
}

/// What every command returns.
pub type Outcome = Result<(), Failure>;

struct Command {
    name: &'static str,
    about: &'static str,
    run: fn(&[String]) -> Outcome,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "ci",
        about: "every check that a change has to pass; --full adds loom, sanitizers, MSRV and long runs",
        run: ci::run,
    },
    Command {
        name: "conformance",
        about: "replays traces of CPython's asyncio, checks the ledger of its tests; --ledger, --write, --live, --record",
        run: conformance::run_command,
    },
    Command { name: "tidy", about: "the house rules that a machine can check", run: |rest| alone(rest, tidy::run) },
    Command { name: "layers", about: "which crate may depend on which", run: |rest| alone(rest, layers::run) },
    Command { name: "deps", about: "the crates that a plain `asyncio` compiles", run: |rest| alone(rest, deps::run) },
    Command {
        name: "bench",
        about: "the benchmarks against peers; --quick, --row NAME, --peer NAME, --instructions, --weight, --record",
        run: bench::run,
    },
    Command { name: "help", about: "this list", run: |rest| alone(rest, help) },
];

/// Runs the command that `arguments` name; without any, lists the commands.
pub fn dispatch(arguments: &[String]) -> Outcome {
    let Some((name, rest)) = arguments.split_first() else { return help() };
    let name = if matches!(name.as_str(), "-h" | "--help") { "help" } else { name };
    match COMMANDS.iter().find(|command| command.name == name) {
        Some(command) => (command.run)(rest),
        None => {
            let known: Vec<_> = COMMANDS.iter().map(|command| command.name).collect();
            Err(Failure::Usage(format!("unknown command `{name}`; the commands are {}", known.join(", "))))
        }
    }
}

/// Runs a command that takes no arguments.
fn alone(rest: &[String], run: fn() -> Outcome) -> Outcome {
    match rest.first() {
        None => run(),
        Some(unexpected) => Err(Failure::Usage(format!("unexpected argument `{unexpected}`; this command takes none"))),
    }
}

fn help() -> Outcome {
    println!("cargo xtask <command>\n");
    for command in COMMANDS {
        println!("  {:13}{}", command.name, command.about);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(String::from).collect()
    }

    #[test]
    fn an_unknown_command_is_named_and_exits_with_2() {
        let failure = dispatch(&words("frobnicate")).unwrap_err();
        assert!(matches!(&failure, Failure::Usage(message) if message.contains("`frobnicate`")), "{failure}");
        assert_eq!(format!("{:?}", failure.exit_code()), format!("{:?}", ExitCode::from(2)));
    }

    #[test]
    fn an_unexpected_argument_is_named() {
        for line in ["tidy --all", "ci --quick"] {
            let failure = dispatch(&words(line)).unwrap_err();
            let unexpected = line.split_whitespace().last().unwrap();
            assert!(matches!(&failure, Failure::Usage(message) if message.contains(unexpected)), "{failure}");
        }
    }

    #[test]
    fn no_argument_lists_the_commands() {
        assert!(dispatch(&[]).is_ok());
        assert!(dispatch(&words("--help")).is_ok());
    }
}
