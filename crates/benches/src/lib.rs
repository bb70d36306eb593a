#![cfg(target_os = "linux")]
//! Benchmarks of asyncio against its peers. `cargo xtask bench` builds and runs them as they are to be run.
//!
//! Everything is in this library, which is empty on other systems than Linux: it reads what the system tells of processes,
//! pins them to cores and serves with epoll.

mod allocator;
mod guard;
mod machine;
mod measure;
mod meter;
mod net;
mod options;
mod peer;
mod process;
mod report;
mod row;
mod sample;
mod work;

use std::process::ExitCode;

use options::{Command, Options};

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

/// The program.
pub fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("benches: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    match &options.command {
        Command::Measure => report::write(&measure::measure(options), options),
        Command::Instructions => report::write(&measure::count(options)?, options),
        Command::Check => measure::check(),
        Command::Guard => guard::compare(),
        Command::Record => guard::record(),
        Command::Sample { work, peer, size, warm } => sample::take(work, peer, *size, *warm),
        Command::Serve { peer, form, service } => {
            net::raise_limit();
            net::end_with_input();
            row::serve_of(peer, form)?(*service);
            Ok(())
        }
        Command::Load { load, server, amount } => {
            let figures = net::load::run(*load, server, *amount).map_err(|error| format!("load: {error}"))?;
            sample::print(&figures);
            Ok(())
        }
    }
}
