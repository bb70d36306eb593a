//! The sections that `--full` adds: they take long, or need tools that not every machine has.

use std::process::Command;

use crate::bench;
use crate::ci::platforms::platforms;
use crate::ci::quick::{DENY, has_clippy};
use crate::ci::{Done, Section, Verdict};
use crate::cli::Failure;
use crate::process::{cargo, cargo_of, exists, run, run_tests, with_rustflags};
use crate::workspace::{self, Crate};

pub const SECTIONS: &[Section] = &[
    Section { name: "msrv", run: msrv },
    Section { name: "platforms", run: platforms },
    Section { name: "loom", run: loom },
    Section { name: "valgrind", run: valgrind },
    Section { name: "address sanitizer", run: address_sanitizer },
    Section { name: "long properties", run: long_properties },
    Section { name: "benchmark peers", run: benchmark_peers },
    Section { name: "instructions", run: instructions },
];

/// The host for which valgrind and the sanitizer are set up. The sanitizer needs a target beside the host, even the same
/// one, so that build scripts and macros stay as they are.
const HOST: &str = "x86_64-unknown-linux-gnu";
const ON_HOST: bool = cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"));

/// A thousand times proptest's default of 256: longer than a change can wait, for what happens once in many thousands.
const LONG_PROPERTY_CASES: &str = "256000";

/// How often a model takes the processor away where a thread would not have given it up. Two find nearly every mistake,
/// each more multiplies the time, and without a bound a model of thirty lines runs for minutes. A
/// bound in the environment goes first.
const PREEMPTIONS: &str = "3";
/// Where loom reads it.
const BOUND: &str = "LOOM_MAX_PREEMPTIONS";

/// Only what is lost for certain counts: the threads of the test runner leave more. The exit code is one that no test
/// runner uses.
const VALGRIND: &str = "valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --error-exitcode=97";

fn skipped(reason: impl Into<String>) -> Verdict {
    Ok(Done::Skipped(reason.into()))
}

fn has_toolchain(toolchain: &str) -> bool {
    exists(cargo_of(toolchain, &["--version"]))
}

/// The oldest Rust that the workspace promises.
fn msrv() -> Verdict {
    let crates = workspace::crates()?;
    let Some(version) = crates.iter().find_map(|krate| krate.rust_version.as_deref()) else {
        return skipped("no crate has a rust-version");
    };
    if !has_toolchain(version) {
        return skipped(format!("toolchain {version} is not installed"));
    }
    run(cargo_of(version, &["check", "--workspace", "--target-dir", "target/msrv"])).map(|()| Done::Passed)
}

/// The models of the cross-thread parts, in all interleavings up to a bound: the tests in modules named `models` or for
/// loom.
fn loom() -> Verdict {
    let crates = workspace::crates_with(|source| source.contains("cfg(") && source.contains("asyncio_loom"))?;
    if crates.is_empty() {
        return skipped("no crate has `cfg(asyncio_loom)`");
    }
    named(&crates, &["loom", "models"], || {
        let mut command = cargo(&["test", "--release", "--lib", "--target-dir", "target/loom"]);
        without_lto(&mut command);
        if std::env::var_os(BOUND).is_none() {
            command.env(BOUND, PREEMPTIONS);
        }
        with_rustflags(command, "--cfg asyncio_loom")
    })
}

/// Runs the tests with one of the `names` in their path, crate by crate; a crate in which there is none fails.
fn named(crates: &[Crate], names: &[&str], command: impl Fn() -> Command) -> Verdict {
    let mut failures = Vec::new();
    for krate in crates {
        let mut command = command();
        command.args(["--package", &krate.name, "--"]).args(names);
        match run_tests(command) {
            Ok(0) => failures.push(format!("{} has no test named for {}; name one so", krate.name, names.join(" or "))),
            Ok(_) => {}
            Err(failure) => failures.push(failure.to_string()),
        }
    }
    if failures.is_empty() { Ok(Done::Passed) } else { Err(Failure::Failed(failures.join("\n"))) }
}

/// The tests with `leak` in their path.
fn valgrind() -> Verdict {
    if let Some(reason) = no_valgrind() {
        return skipped(reason);
    }
    let crates = workspace::crates_with(has_leak_test)?;
    if crates.is_empty() {
        return skipped("no test has `leak` in its name");
    }
    named(&crates, &["leak"], || {
        let mut command = cargo(&["test", "--lib", "--tests"]);
        command.env(format!("CARGO_TARGET_{}_RUNNER", HOST.to_uppercase().replace('-', "_")), VALGRIND);
        command
    })
}

/// Why valgrind cannot be used here, if so.
fn no_valgrind() -> Option<String> {
    if !ON_HOST {
        return Some(format!("only set up for {HOST}"));
    }
    let mut version = Command::new("valgrind");
    version.arg("--version");
    (!exists(version)).then(|| "valgrind is not installed".into())
}

fn has_leak_test(source: &str) -> bool {
    let name = |rest: &'_ str| rest.lines().find(|line| line.contains("fn ")).is_some_and(|line| line.contains("leak"));
    source.split("#[test]").skip(1).any(name)
}

/// All tests with memory errors made fatal. Leaks are left to valgrind, which runs the tests that are about them: others
/// forget on purpose what must do no harm when it is forgotten.
fn address_sanitizer() -> Verdict {
    if !ON_HOST {
        return skipped(format!("only set up for {HOST}"));
    }
    if !has_toolchain("nightly") {
        return skipped("toolchain nightly is not installed");
    }
    let arguments = ["test", "--target", HOST, "--target-dir", "target/asan", "--workspace", "--lib", "--tests"];
    let mut command = cargo_of("nightly", &arguments);
    command.env("ASAN_OPTIONS", "detect_leaks=0");
    run(with_rustflags(command, "-Zsanitizer=address")).map(|()| Done::Passed)
}

/// Every test with many more cases for each property.
fn long_properties() -> Verdict {
    let arguments = ["test", "--release", "--target-dir", "target/long", "--workspace", "--lib", "--tests"];
    let mut command = cargo(&arguments);
    without_lto(&mut command);
    command.env("PROPTEST_CASES", LONG_PROPERTY_CASES);
    run(command).map(|()| Done::Passed)
}

/// The benchmarks with their peers, which the quick sections leave out.
fn benchmark_peers() -> Verdict {
    if !has_clippy() {
        return skipped("clippy is not installed");
    }
    let mut command = cargo(&["clippy", "--package", bench::PACKAGE, "--all-targets", "--features", bench::PEERS]);
    command.args(DENY);
    run(command).map(|()| Done::Passed)
}

/// Whether an operation takes more instructions than was recorded.
fn instructions() -> Verdict {
    match no_valgrind() {
        Some(reason) => skipped(reason),
        None => bench::guard().map(|()| Done::Passed),
    }
}

/// Each test binary would be linked as a whole, for minutes, and its speed is of no interest.
fn without_lto(command: &mut Command) {
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tests_are_asked_for_leaks_in_their_name() {
        assert!(has_leak_test("#[test]\n#[ignore]\nfn nothing_leaks() {}\n"));
        assert!(!has_leak_test("fn leak() {}\n#[test]\nfn works() {\n    leak();\n}\n"));
    }
}
