//! The sections that every change has to pass, cheapest first.

use crate::ci::{Done, Section, Verdict};
use crate::cli::Failure;
use crate::process::{cargo, exists, run, with_rustflags};
use crate::workspace::{self, Crate};
use crate::{bench, deps, layers, ledger, tidy};

pub const SECTIONS: &[Section] = &[
    Section { name: "format", run: format },
    Section { name: "tidy", run: || tidy::run().map(|()| Done::Passed) },
    Section { name: "layers", run: || layers::run().map(|()| Done::Passed) },
    Section { name: "deps", run: || deps::run().map(|()| Done::Passed) },
    Section { name: "clippy", run: clippy },
    Section { name: "tests", run: || passes(&["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests"]) },
    Section { name: "doctests", run: || passes(&["test", "--workspace", "--all-features", "--no-fail-fast", "--doc"]) },
    Section { name: "examples", run: || passes(&["build", "--workspace", "--examples"]) },
    Section { name: "benchmarks", run: || bench::check().map(|()| Done::Passed) },
    Section { name: "docs", run: docs },
    Section { name: "features", run: features },
    Section { name: "ledger", run: || ledger::run(false).map(|()| Done::Passed) },
    Section { name: "portable reactor", run: portable_reactor },
];

fn passes(arguments: &[&str]) -> Verdict {
    run(cargo(arguments)).map(|()| Done::Passed)
}

fn format() -> Verdict {
    if !exists(cargo(&["fmt", "--version"])) {
        return Ok(Done::Skipped("rustfmt is not installed".into()));
    }
    passes(&["fmt", "--all", "--check"])
}

/// Warnings are denied after the `--`: flags in the environment would build the dependencies again.
pub const DENY: [&str; 3] = ["--", "-D", "warnings"];

pub fn has_clippy() -> bool {
    exists(cargo(&["clippy", "--version"]))
}

fn clippy() -> Verdict {
    if !has_clippy() {
        return Ok(Done::Skipped("clippy is not installed".into()));
    }
    let mut command = cargo(&["clippy", "--workspace", "--all-targets"]);
    command.args(DENY);
    run(command).map(|()| Done::Passed)
}

/// With the features as they are by default, and with all of them.
fn docs() -> Verdict {
    for flags in [[].as_slice(), &["--all-features"]] {
        let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
        command.args(flags).env("RUSTDOCFLAGS", "-D warnings");
        run(command)?;
    }
    Ok(Done::Passed)
}

/// Checks each crate alone, so that no other crate turns on what it forgot; and tests it with everything turned on if
/// that is more than the default. With clippy, where a warning fails: what only another feature uses is a warning. The
/// features of the benchmarks, which compile their peers, are left to `--full`.
fn features() -> Verdict {
    let clippy = has_clippy();
    let mut failures = Vec::new();
    for krate in workspace::crates()?.into_iter().filter(|krate| krate.name != bench::PACKAGE) {
        for flags in combinations(&krate) {
            let mut command = cargo(&[if clippy { "clippy" } else { "check" }, "--quiet", "--package", &krate.name]);
            command.args(flags).args(if clippy { DENY.as_slice() } else { &[] });
            failures.extend(run(command).err());
        }
        if !krate.has_all_features_by_default() {
            let arguments = ["test", "--package", &krate.name, "--all-features", "--lib", "--bins", "--tests"];
            failures.extend(run(cargo(&arguments)).err());
        }
    }
    if failures.is_empty() {
        return Ok(Done::Passed);
    }
    let failures: Vec<_> = failures.iter().map(Failure::to_string).collect();
    Err(Failure::Failed(failures.join("\n")))
}

/// The flags for the combinations of features that differ.
fn combinations(krate: &Crate) -> Vec<Option<&'static str>> {
    let mut combinations = vec![None];
    if !krate.feature("default").is_empty() {
        combinations.push(Some("--no-default-features"));
    }
    if !krate.has_all_features_by_default() {
        combinations.push(Some("--all-features"));
    }
    combinations
}

/// The reactor on `polling` alone, which other platforms use, and what stands on it: with edges, and then as where the
/// platform has none.
fn portable_reactor() -> Verdict {
    const CFG: &str = "asyncio_portable_reactor";
    let users = workspace::crates_with(|source| source.contains(CFG))?;
    if !users.iter().any(|krate| krate.name == "asyncio-reactor") {
        return Ok(Done::Skipped(format!("asyncio-reactor has no `cfg({CFG})`")));
    }
    let packages = ["asyncio-reactor", "asyncio-event-loop", "asyncio-net"].map(|name| format!("--package={name}"));
    for oneshot in [false, true] {
        let mut command = cargo(&["test", "--no-fail-fast", "--lib", "--tests", "--target-dir", "target/portable"]);
        command.args(&packages);
        if oneshot {
            command.env("ASYNCIO_ONESHOT_REACTOR", "1");
        }
        run(with_rustflags(command, &format!("--cfg {CFG}")))?;
    }
    Ok(Done::Passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_combinations_that_differ_are_checked() {
        let of = |features: &[(&str, &[&str])]| {
            let feature =
                |(name, on): &(&str, &[&str])| (name.to_string(), on.iter().map(ToString::to_string).collect());
            combinations(&Crate { features: features.iter().map(feature).collect(), ..Crate::default() })
        };
        let (none, all) = (Some("--no-default-features"), Some("--all-features"));
        assert_eq!(of(&[]), [None]);
        assert_eq!(of(&[("x", &[])]), [None, all]);
        assert_eq!(of(&[("default", &["x"]), ("x", &[])]), [None, none]);
        assert_eq!(of(&[("default", &["x"]), ("x", &[]), ("y", &[])]), [None, none, all]);
    }
}
