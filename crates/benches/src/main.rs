//! Benchmarks of asyncio against its peers: prints a table. `cargo xtask bench` runs it as it is to be run.

mod allocator;
mod clock;
mod options;
mod peer;
mod row;
mod sample;
mod table;
mod work;

use std::process::ExitCode;

use options::Options;
use row::{PEERS, WORKS};
use sample::Sampler;
use table::Row;

#[global_allocator]
static ALLOCATOR: allocator::Counting = allocator::Counting;

/// How many samples of each peer make a median.
const ROUNDS: usize = 5;
/// How many with `--quick`, of which each is a tenth as large.
const QUICK_ROUNDS: usize = 3;

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("benches: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    if let Some((work, peer, size, warm)) = &options.sample {
        return sample::take(*work, peer, *size, *warm);
    }
    let rows = if options.instructions { count(options)? } else { measure(options)? };
    println!("{}", table::markdown(&rows));
    Ok(())
}

/// Measures: one sample of each peer in turn, so that whatever else the machine does falls on all of them.
fn measure(options: &Options) -> Result<Vec<Row>, String> {
    let sampler = Sampler::new();
    let rounds = if options.quick { QUICK_ROUNDS } else { ROUNDS };
    let mut rows = Vec::new();
    for (index, work) in WORKS.iter().enumerate().filter(|(_, work)| options.wants(work.name)) {
        let size = if options.quick && work.size > 100_000 && work.countable { work.size / 10 } else { work.size };
        let mut samples = vec![vec![Vec::new(); PEERS.len()]; work.figures.len()];
        for round in 1..=rounds {
            eprintln!("{} {round}/{rounds}", work.name);
            for (column, peer) in taking_part(work, options) {
                for (figure, value) in sampler.measure(index, peer, size)?.into_iter().enumerate() {
                    samples[figure][column].push(value);
                }
            }
        }
        for ((detail, unit), samples) in work.figures.iter().zip(samples) {
            let name = if detail.is_empty() { work.name.into() } else { format!("{}: {detail}", work.name) };
            rows.push(Row { name, unit, samples });
        }
    }
    Ok(rows)
}

/// Counts instructions: once, because the count hardly varies.
fn count(options: &Options) -> Result<Vec<Row>, String> {
    /// Small, because it runs fifty times as slowly; two batches of the work with the largest ones.
    const SIZE: usize = 20_000;
    let sampler = Sampler::new();
    let mut rows = Vec::new();
    for (index, work) in WORKS.iter().enumerate().filter(|(_, work)| options.wants(work.name) && work.countable) {
        eprintln!("{}", work.name);
        let mut samples = vec![Vec::new(); PEERS.len()];
        for (column, peer) in taking_part(work, options) {
            samples[column].push(sampler.instructions(index, peer, SIZE)?);
        }
        rows.push(Row { name: work.name.into(), unit: "instructions", samples });
    }
    Ok(rows)
}

/// The peers that a work is measured with, each with its column.
fn taking_part<'a>(work: &'a row::Work, options: &'a Options) -> impl Iterator<Item = (usize, &'static str)> + 'a {
    let peers = PEERS.iter().copied().enumerate();
    peers.filter(|(_, peer)| options.wants_peer(peer) && work.run_of(peer).is_some())
}
