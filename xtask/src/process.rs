//! Running other programs, cargo above all.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::cli::{Failure, Outcome};
use crate::workspace;

/// The cargo that runs this program, from the root of the workspace.
pub fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    at_root(Command::new(cargo), arguments)
}

/// The cargo of another toolchain.
pub fn cargo_of(toolchain: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, "cargo"]);
    at_root(command, arguments)
}

/// The rustc of the cargo that runs this program.
pub fn rustc(arguments: &[&str]) -> Command {
    at_root(Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"))), arguments)
}

/// The rustc of another toolchain.
pub fn rustc_of(toolchain: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, "rustc"]);
    at_root(command, arguments)
}

fn at_root(mut command: Command, arguments: &[&str]) -> Command {
    command.args(arguments).current_dir(workspace::root()).stdin(Stdio::null());
    command
}

/// Adds to the flags for rustc that the environment has already.
pub fn with_rustflags(mut command: Command, flags: &str) -> Command {
    let mut all = std::env::var("RUSTFLAGS").unwrap_or_default();
    if !all.is_empty() {
        all.push(' ');
    }
    all.push_str(flags);
    command.env("RUSTFLAGS", all);
    command
}

/// Runs a command with its output shown; fails if it does.
pub fn run(mut command: Command) -> Outcome {
    let shown = show(&command);
    println!("$ {shown}");
    let status = command.status().map_err(|error| Failure::while_doing(format!("cannot start `{shown}`"), error))?;
    if status.success() { Ok(()) } else { Err(Failure::Failed(format!("`{shown}` failed ({status})"))) }
}

/// Runs tests with their output shown, and says how many passed; fails if one of them does.
pub fn run_tests(mut command: Command) -> Result<usize, Failure> {
    let shown = show(&command);
    println!("$ {shown}");
    let failed = |error| Failure::while_doing(format!("cannot run `{shown}`"), error);
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut passed = 0;
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line.map_err(failed)?;
        passed += passed_of(&line);
        println!("{line}");
    }
    let status = child.wait().map_err(failed)?;
    if status.success() { Ok(passed) } else { Err(Failure::Failed(format!("`{shown}` failed ({status})"))) }
}

/// The number in `test result: ok. 3 passed; …`; 0 in any other line.
fn passed_of(line: &str) -> usize {
    let number = line.strip_prefix("test result: ok. ").and_then(|rest| rest.split(" passed").next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// What a command prints; its errors are shown.
pub fn output(mut command: Command) -> Result<String, Failure> {
    let shown = show(&command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| Failure::while_doing(format!("cannot start `{shown}`"), error))?;
    if !output.status.success() {
        return Err(Failure::Failed(format!("`{shown}` failed ({})", output.status)));
    }
    String::from_utf8(output.stdout).map_err(|error| Failure::while_doing(format!("the output of `{shown}`"), error))
}

/// Whether a command can be started and says that all is fine.
pub fn exists(mut command: Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// A command as one would type it.
fn show(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program()).file_stem().unwrap_or_default();
    let mut words: Vec<String> = Vec::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            words.push(format!("{}={:?}", name.to_string_lossy(), value));
        }
    }
    words.push(program.to_string_lossy().into_owned());
    words.extend(command.get_args().map(|argument| argument.to_string_lossy().into_owned()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = cargo_of("nightly", &["test", "--workspace"]);
        command.env("A", "b c");
        assert_eq!(show(&command), "A=\"b c\" rustup run nightly cargo test --workspace");
    }

    #[test]
    fn the_tests_that_passed_are_counted() {
        assert_eq!(passed_of("test result: ok. 12 passed; 0 failed; 3 ignored; 0 measured"), 12);
        assert_eq!(passed_of("test it::works ... ok"), 0);
    }

    #[test]
    fn a_program_that_is_missing_does_not_exist() {
        assert!(!exists(Command::new("there-is-no-program-of-this-name")));
    }
}
