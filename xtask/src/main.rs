//! The commands of this workspace: `cargo xtask ci` and its parts.
#![forbid(unsafe_code)]

mod bench;
mod ci;
mod cli;
mod conformance;
mod deps;
mod json;
mod layers;
mod ledger;
mod process;
mod report;
mod tidy;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match cli::dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            failure.exit_code()
        }
    }
}
