//! The sections that `--full` adds: they take long, or need tools that not every machine has.

use crate::ci::{Done, Section, Verdict};
use crate::process::{cargo, cargo_of, exists, run, with_rustflags};
use crate::workspace::{self, Crate};

pub const SECTIONS: &[Section] = &[
    Section { name: "msrv", run: msrv },
    Section { name: "loom", run: loom },
    Section { name: "valgrind", run: valgrind },
    Section { name: "address sanitizer", run: address_sanitizer },
    Section { name: "long properties", run: long_properties },
];

/// The host for which valgrind and the sanitizer are set up. The sanitizer needs a target beside the host, even the same
/// one, so that build scripts and macros stay as they are.
const HOST: &str = "x86_64-unknown-linux-gnu";
const ON_HOST: bool = cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"));

/// A thousand times proptest's default of 256: about an hour instead of seconds, for what happens once in a million.
const LONG_PROPERTY_CASES: &str = "256000";

/// The exit code of valgrind for what it found itself, which no test runner uses.
const VALGRIND_EXIT: &str = "97";

fn skipped(reason: impl Into<String>) -> Verdict {
    Ok(Done::Skipped(reason.into()))
}

fn has_toolchain(toolchain: &str) -> bool {
    exists("rustup", &["run", toolchain, "cargo", "--version"])
}

fn packages(crates: &[Crate]) -> impl Iterator<Item = &str> {
    crates.iter().flat_map(|krate| ["--package", krate.name.as_str()])
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

/// The models of the cross-thread parts, in all interleavings.
fn loom() -> Verdict {
    let crates = workspace::crates_with(|source| source.contains("asyncio_loom"))?;
    if crates.is_empty() {
        return skipped("no crate has `cfg(asyncio_loom)`");
    }
    let mut command = cargo(&["test", "--release", "--lib", "--target-dir", "target/loom"]);
    command.args(packages(&crates)).arg("loom");
    without_lto(&mut command);
    run(with_rustflags(command, "--cfg asyncio_loom")).map(|()| Done::Passed)
}

/// The tests that are named for leaks. Only what is lost for certain counts: threads of the test runner leave more.
fn valgrind() -> Verdict {
    if !ON_HOST {
        return skipped(format!("only set up for {HOST}"));
    }
    if !exists("valgrind", &["--version"]) {
        return skipped("valgrind is not installed");
    }
    let names_leaks = |line: &str| line.trim_start().starts_with("fn ") && line.contains("leak");
    let crates = workspace::crates_with(|source| source.lines().any(names_leaks))?;
    if crates.is_empty() {
        return skipped("no test has `leak` in its name");
    }
    let mut command = cargo(&["test", "--lib", "--tests"]);
    command.args(packages(&crates)).arg("leak");
    let valgrind =
        format!("valgrind --quiet --leak-check=full --errors-for-leak-kinds=definite --error-exitcode={VALGRIND_EXIT}");
    let host = HOST.to_uppercase().replace('-', "_");
    command.env(format!("CARGO_TARGET_{host}_RUNNER"), valgrind);
    run(command).map(|()| Done::Passed)
}

/// All tests with memory errors and leaks made fatal.
fn address_sanitizer() -> Verdict {
    if !ON_HOST {
        return skipped(format!("only set up for {HOST}"));
    }
    if !has_toolchain("nightly") {
        return skipped("toolchain nightly is not installed");
    }
    let arguments = ["test", "--target", HOST, "--target-dir", "target/asan", "--workspace", "--lib", "--tests"];
    let command = cargo_of("nightly", &arguments);
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

/// Each test binary would be linked as a whole, for minutes, and its speed is of no interest.
fn without_lto(command: &mut std::process::Command) {
    command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
}
