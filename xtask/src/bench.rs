//! `cargo xtask bench`: builds the benchmarks as they are to be built, and runs them.

mod weight;

use crate::cli::Outcome;
use crate::{process, workspace};

/// The package of the benchmarks.
pub const PACKAGE: &str = "benches";
/// Its feature that compiles the peers.
pub const PEERS: &str = "peers";
/// The same with a peer that does not build everywhere.
const ALL_PEERS: &str = "peers,glommio";

/// Runs the package `benches` with the arguments, which are its own: `--quick`, `--row NAME`, `--peer NAME`,
/// `--instructions`. The release profile of the workspace has the link-time optimisation that the figures are for.
///
/// `--weight` measures builds instead, and `--record` records the instructions that `ci --full` compares with.
pub fn run(arguments: &[String]) -> Outcome {
    match arguments {
        [weight] if weight == "--weight" => weight::run(false),
        [weight, quick] if weight == "--weight" && quick == "--quick" => weight::run(true),
        [record] if record == "--record" => alone("--record"),
        _ => {
            let features = if process::run(release("build", ALL_PEERS)).is_ok() { ALL_PEERS } else { PEERS };
            let mut command = release("run", features);
            command.args(["--", "--output"]).arg(workspace::root().join("docs/benchmarks")).args(arguments);
            process::run(command)
        }
    }
}

fn release(what: &str, features: &str) -> std::process::Command {
    process::cargo(&[what, "--quiet", "--release", "--package", PACKAGE, "--features", features])
}

/// Runs each work of this library once, as small as it gets, without the peers.
pub fn check() -> Outcome {
    process::run(process::cargo(&["run", "--quiet", "--package", PACKAGE, "--", "--check"]))
}

/// Fails if an operation takes a tenth more instructions than was recorded.
pub fn guard() -> Outcome {
    alone("--guard")
}

/// Runs the benchmarks in their release profile, without the peers.
fn alone(argument: &str) -> Outcome {
    process::run(process::cargo(&["run", "--quiet", "--release", "--package", PACKAGE, "--", argument]))
}
