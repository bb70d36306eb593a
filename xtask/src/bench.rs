//! `cargo xtask bench`: builds the benchmarks as they are to be built, and runs them.

use crate::cli::Outcome;
use crate::process;

/// Runs the package `benches` with the arguments, which are its own: `--quick`, `--row NAME`, `--peer NAME`,
/// `--instructions`. The release profile of the workspace has the link-time optimisation that the figures are for.
pub fn run(arguments: &[String]) -> Outcome {
    let mut command = process::cargo(&["run", "--quiet", "--release", "--package", "benches", "--"]);
    command.args(arguments);
    process::run(command)
}
