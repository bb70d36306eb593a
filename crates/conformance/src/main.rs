//! `conformance live`, `conformance record` and `conformance run`: see `docs/conformance.md`.
#![forbid(unsafe_code)]

use std::collections::VecDeque;
use std::error::Error;
use std::fs;
use std::io::Write;

use conformance::coverage::{self, Meetings};
use conformance::generator;
use conformance::interpreter;
use conformance::printer;
use conformance::python::Python;
use conformance::recording::{self, Case};
use conformance::shrinker;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str, default: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        at.and_then(|at| arguments.get(at + 1)).and_then(|value| value.parse().ok()).unwrap_or(default)
    };
    match arguments.first().map(String::as_str) {
        Some("live") => live(option("--cases", 1000), option("--seed", 1), option("--show", 5) as usize),
        Some("record") => record(option("--cases", 20_000), option("--seed", 1), option("--keep", 2000)),
        Some("run") => run(),
        _ => {
            Err("usage: conformance live --cases N --seed S | record --cases N --seed S --keep K | run < programs"
                .into())
        }
    }
}

fn python() -> Result<Python, Box<dyn Error>> {
    let command = std::env::var("PYTHON").unwrap_or_else(|_| "python3.13".to_owned());
    Python::start(&command).map_err(|error| format!("cannot start {command}: {error}").into())
}

/// Seeds of a run, far from those of its neighbours.
fn seeds(seed: u64, cases: u64) -> impl Iterator<Item = u64> {
    (0..cases).map(move |index| (seed << 32) + index)
}

/// How many programs Python has in hand while one runs here: so that neither side waits for the other. More would gain
/// nothing, and might fill the pipes.
const AHEAD: usize = 8;

/// Runs random programs on both sides, `each` with program, CPython's trace, and what ran here.
fn compare(
    python: &mut Python,
    seeds: impl Iterator<Item = u64>,
    mut each: impl FnMut(String, String, interpreter::Run),
) -> Outcome {
    let mut sent = VecDeque::new();
    let mut programs = seeds.map(generator::program);
    loop {
        while sent.len() < AHEAD
            && let Some(program) = programs.next()
        {
            python.send(&program)?;
            sent.push_back(program);
        }
        let Some(program) = sent.pop_front() else { return Ok(()) };
        // If this side does not come back, here is what it was doing.
        fs::write(std::env::temp_dir().join(format!("conformance-last-{}", std::process::id())), &program)?;
        let run = interpreter::run(&program);
        each(program, python.receive()?, run);
    }
}

/// Compares, and shows the first differences, shrunk.
fn live(cases: u64, seed: u64, show: usize) -> Outcome {
    let mut python = python()?;
    let mut meetings = Meetings::new();
    let mut differing = Vec::new();
    compare(&mut python, seeds(seed, cases), |program, trace, run| {
        coverage::add(&mut meetings, &run.meetings);
        if !recording::matches(&trace, &run.trace) {
            differing.push(program);
        }
    })?;
    for program in differing.iter().take(show) {
        let smaller = shrinker::shrink(program, |text| differs(&mut python, text));
        let (trace, here) = (python.run(&smaller)?, interpreter::run(&smaller).trace);
        println!("{smaller}\n\n{}\n{}", printer::python(&smaller), printer::rust(&smaller));
        println!("{}", recording::difference(&trace, &here));
        std::io::stdout().flush()?;
    }
    println!("{}", coverage::table(&meetings));
    println!("{cases} programs of seed {seed}: {} differ", differing.len());
    if differing.is_empty() { Ok(()) } else { Err("the traces differ".into()) }
}

fn differs(python: &mut Python, program: &str) -> bool {
    let Ok(trace) = python.run(program) else { return false };
    !trace.starts_with("invalid") && !recording::matches(&trace, &interpreter::run(program).trace)
}

/// Records programs that add to what is covered, and records anew those that once differed.
fn record(cases: u64, seed: u64, keep: u64) -> Outcome {
    let mut python = python()?;
    fs::create_dir_all(recording::folder())?;
    let differed = recording::folder().join("differed.txt");
    let old = fs::read_to_string(&differed).unwrap_or_default();
    let mut text = String::new();
    let mut lines = old.lines().filter(|line| !line.is_empty());
    while let Some(line) = lines.next() {
        if line.starts_with('#') {
            text.push_str(&format!("{line}\n"));
        } else {
            lines.next();
            text.push_str(&format!("{line}\n{}\n", python.run(line)?));
        }
    }
    fs::write(&differed, text)?;

    let mut seen = Meetings::new();
    let mut kept: Vec<Case> = Vec::new();
    for rarity in [1, 4, u64::MAX] {
        // In the first pass, what brings a pair that was never seen; then what brings a rare one; then anything short.
        compare(&mut python, seeds(seed + rarity % 7, cases / 3), |program, trace, run| {
            let adds = run.meetings.keys().any(|pair| seen.get(pair).copied().unwrap_or(0) < rarity);
            let short = program.len() < 450 && trace.len() < 600;
            if adds && short && (kept.len() as u64) < keep && recording::matches(&trace, &run.trace) {
                for pair in run.meetings.keys() {
                    *seen.entry(pair.clone()).or_default() += 1;
                }
                kept.push(Case { program, trace });
            }
        })?;
    }
    let text: String = kept.iter().map(|case| format!("{}\n{}\n", case.program, case.trace)).collect();
    fs::write(recording::folder().join("programs.txt"), text)?;
    println!("{} programs recorded, with {} pairs of operations that met", kept.len(), seen.len());
    Ok(())
}

/// Runs the programs of standard input here.
fn run() -> Outcome {
    for line in std::io::stdin().lines() {
        println!("{}", interpreter::run(&line?).trace);
    }
    Ok(())
}
