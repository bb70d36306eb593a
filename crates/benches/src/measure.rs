//! The measurements: who takes samples of what, in which order.

use std::time::{Duration, Instant};

use crate::machine::Machine;
use crate::net::Load;
use crate::options::Options;
use crate::process;
use crate::row::{Entrant, Group, Kind, OURS, PYTHONS, Pace, Unit, Work, works};
use crate::sample::Sampler;

/// How many samples of each make a median.
const ROUNDS: usize = 9;
/// How many of a server.
const NETWORK_ROUNDS: usize = 5;
/// How many where a sample takes seconds.
const SLOW_ROUNDS: usize = 3;
/// How many with `--quick`, of which each is a fifth as large.
const QUICK_ROUNDS: usize = 2;
const QUICK_SHARE: f64 = 0.2;
/// After this, one round has to do for what is left: nobody waits longer for the whole than half as long again.
const ENOUGH: Duration = Duration::from_secs(18 * 60);

/// One row: what it says, and the samples of each who took part.
pub struct Row {
    pub work: &'static Work,
    /// What it says beyond the name of the work.
    pub detail: &'static str,
    pub unit: Unit,
    pub samples: Vec<(Entrant, Vec<f64>)>,
}

impl Row {
    /// The median of one who took part.
    pub fn median(&self, entrant: Entrant) -> Option<f64> {
        let (_, samples) = self.samples.iter().find(|(other, _)| *other == entrant)?;
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied()
    }

    /// The best of those of whom `who` is true: the least, or of a rate the most. Below zero is who wakes too early, which is
    /// not better.
    pub fn best(&self, who: impl Fn(Entrant) -> bool) -> Option<f64> {
        let medians = self.samples.iter().filter(|(entrant, _)| who(*entrant));
        let medians = medians.filter_map(|(entrant, _)| self.median(*entrant)).filter(|median| *median >= 0.0);
        if self.unit == Unit::PerSecond { medians.max_by(f64::total_cmp) } else { medians.min_by(f64::total_cmp) }
    }

    pub fn name(&self) -> String {
        if self.detail.is_empty() { self.work.name.into() } else { format!("{}: {}", self.work.name, self.detail) }
    }
}

/// All rows, and what is to be said about them.
pub struct Results {
    pub rows: Vec<Row>,
    pub facts: Vec<String>,
    /// Who or what took no part, and why.
    pub notes: Vec<String>,
}

/// Measures: one sample of each in turn, so that whatever else the machine does falls on all of them. What fails is noted,
/// and does not stop the others.
pub fn measure(options: &Options) -> Results {
    let machine = Machine::explore();
    let skipped = machine.skipped();
    let mut results = Results { rows: Vec::new(), facts: machine.facts.clone(), notes: Vec::new() };
    for (peer, reason) in skipped.iter().filter(|(peer, _)| options.wants_peer(peer)) {
        note(&mut results.notes, format!("{peer} skipped: {reason}"));
    }
    let takes_part =
        |entrant: &Entrant| options.wants_peer(entrant.peer) && skipped.iter().all(|(peer, _)| *peer != entrant.peer);
    let sampler = Sampler { machine: &machine };
    let began = Instant::now();
    for work in works().filter(|work| options.wants(work.key, work.name)) {
        if let Kind::Network(load) = work.kind
            && load.within_limits() != load
        {
            let possible = load.within_limits();
            note(&mut results.notes, format!("{}: scaled down to {possible:?}, the limit of descriptors", work.name));
        }
        let entrants: Vec<_> = work.entrants().into_iter().filter(takes_part).collect();
        let mut rows = rows_of(work, &entrants);
        let plan = Plan::of(work, options.quick, began.elapsed() > ENOUGH);
        if plan.is_cut {
            note(&mut results.notes, format!("{}: one round only, for want of time", work.name));
        }
        sample_rounds(&sampler, work, entrants.clone(), &plan, &mut rows, &mut results.notes);
        results.rows.extend(rows);
        if let Kind::Network(load) = work.kind
            && is_counted(load)
        {
            results.rows.extend(system_calls(&sampler, work, load, &entrants, &mut results.notes));
        }
    }
    results
}

/// Tells at once and in the document, there without places that only this machine has.
fn note(notes: &mut Vec<String>, text: String) {
    eprintln!("{text}");
    notes.push(without_places(&text));
}

/// Of each path only the last part.
fn without_places(text: &str) -> String {
    let is_place = |word: &str| word.trim_start_matches(['`', '\'', '"', '(']).starts_with('/');
    let words = text.split_whitespace();
    let words = words.map(|word| if is_place(word) { word.rsplit('/').next().unwrap_or(word) } else { word });
    words.collect::<Vec<_>>().join(" ")
}

fn rows_of(work: &'static Work, entrants: &[Entrant]) -> Vec<Row> {
    let samples: Vec<_> = entrants.iter().map(|entrant| (*entrant, Vec::new())).collect();
    let row = |&(detail, unit): &(&'static str, Unit)| Row { work, detail, unit, samples: samples.clone() };
    work.figures.iter().map(row).collect()
}

/// How often samples of a work are taken, and how large they are.
struct Plan {
    rounds: usize,
    share: f64,
    /// In how many of the rounds Python takes part.
    python_rounds: usize,
    /// Whether there are fewer rounds than there should be.
    is_cut: bool,
}

impl Plan {
    fn of(work: &Work, quick: bool, late: bool) -> Self {
        let is_slow = work.pace == Pace::Slow;
        let full = match (quick, is_slow, &work.kind) {
            (true, true, _) => 1,
            (true, false, _) => QUICK_ROUNDS,
            (false, true, _) => SLOW_ROUNDS,
            (false, false, Kind::Network(_)) => NETWORK_ROUNDS,
            (false, false, Kind::Local { .. }) => ROUNDS,
        };
        let rounds = if late { 1 } else { full };
        // A sample of Python takes many seconds where others take one.
        let python_rounds = match work.kind {
            Kind::Local { .. } if is_slow => usize::from(!quick),
            _ => rounds,
        };
        Self { rounds, share: if quick { QUICK_SHARE } else { 1.0 }, python_rounds, is_cut: rounds < full }
    }
}

fn sample_rounds(
    sampler: &Sampler<'_>,
    work: &Work,
    mut entrants: Vec<Entrant>,
    plan: &Plan,
    rows: &mut [Row],
    notes: &mut Vec<String>,
) {
    for round in 1..=plan.rounds {
        eprintln!("{} {round}/{}", work.name, plan.rounds);
        entrants.retain(|entrant| round <= plan.python_rounds || !PYTHONS.contains(&entrant.peer));
        entrants.retain(|&entrant| match sampler.measure(work, entrant, plan.share) {
            Ok(figures) => {
                for (row, figure) in rows.iter_mut().zip(figures) {
                    let samples = row.samples.iter_mut().find(|(other, _)| *other == entrant);
                    samples.expect("each has a place").1.push(figure);
                }
                true
            }
            Err(message) => {
                note(notes, format!("{}, {entrant}: failed: {message}", work.name));
                false
            }
        });
        // What somebody leaves behind, in caches or in the processor's heat, is not for the same one to bear each time.
        entrants.reverse();
    }
    // What is not there in Python's figures, such as allocations, leaves no empty column behind.
    for row in rows {
        row.samples.retain(|(_, samples)| !samples.is_empty());
    }
}

/// Whether what a request costs is also counted: with few bytes, so that it is about the number of requests.
fn is_counted(load: Load) -> bool {
    matches!(load, Load::Echo { size: 64, idle: 0, connections: 1 | 50 })
}

/// How many requests are counted.
const REQUESTS: usize = 2000;

/// The system calls of a request. One sample: they hardly vary.
fn system_calls(
    sampler: &Sampler<'_>,
    work: &'static Work,
    load: Load,
    entrants: &[Entrant],
    notes: &mut Vec<String>,
) -> Option<Row> {
    if !process::works("strace", &["-c", "-U", "calls,name", "-o", "/dev/null", "true"]) {
        note(notes, format!("{}, system calls: skipped: strace is not installed, or may not trace", work.name));
        return None;
    }
    eprintln!("{}: system calls", work.name);
    let samples = counted(work, entrants, notes, |entrant| sampler.system_calls(load, entrant, REQUESTS));
    Some(Row { work, detail: "system calls", unit: Unit::Calls, samples })
}

/// One count for each.
fn counted(
    work: &Work,
    entrants: &[Entrant],
    notes: &mut Vec<String>,
    count: impl Fn(Entrant) -> Result<f64, String>,
) -> Vec<(Entrant, Vec<f64>)> {
    let mut samples = Vec::new();
    for &entrant in entrants {
        match count(entrant) {
            Ok(figure) => samples.push((entrant, vec![figure])),
            Err(message) => note(notes, format!("{}, {entrant}: not counted: {message}", work.name)),
        }
    }
    samples
}

/// Counts instructions: once, because the count hardly varies.
pub fn count(options: &Options) -> Result<Results, String> {
    /// Small, because it runs fifty times as slowly; two batches of the work with the largest ones.
    const SIZE: usize = 20_000;
    if !process::works("valgrind", &["--version"]) {
        return Err("valgrind is not installed, which counts the instructions".into());
    }
    let machine = Machine::explore();
    let skipped = machine.skipped();
    let sampler = Sampler { machine: &machine };
    let mut results = Results { rows: Vec::new(), facts: machine.facts.clone(), notes: Vec::new() };
    let takes_part = |entrant: &Entrant| {
        let peer = entrant.peer;
        options.wants_peer(peer) && !PYTHONS.contains(&peer) && skipped.iter().all(|(other, _)| *other != peer)
    };
    for work in works().filter(|work| options.wants(work.key, work.name)) {
        let entrants: Vec<_> = work.entrants().into_iter().filter(takes_part).collect();
        let notes = &mut results.notes;
        let samples = match work.kind {
            Kind::Local { .. } if work.is_countable() => {
                eprintln!("{}", work.name);
                counted(work, &entrants, notes, |entrant| sampler.instructions(work, entrant.peer, SIZE))
            }
            Kind::Network(load) if is_counted(load) => {
                eprintln!("{}", work.name);
                let count = |entrant| sampler.instructions_of_request(load, entrant, REQUESTS);
                counted(work, &entrants, notes, count)
            }
            _ => continue,
        };
        let detail = if work.group == Group::Network { "for each request, without the kernel's" } else { "" };
        results.rows.push(Row { work, detail, unit: Unit::Instructions, samples });
    }
    Ok(results)
}

/// Runs each work of this library once, so small that it takes seconds altogether: whether it still works.
pub fn check() -> Result<(), String> {
    let machine = Machine::explore();
    let sampler = Sampler { machine: &machine };
    let (mut passed, mut failures) = (0, Vec::new());
    for work in works() {
        for entrant in work.entrants().into_iter().filter(|entrant| entrant.peer == OURS) {
            let outcome = match work.kind {
                Kind::Local { .. } => work.run_of(OURS).map(|run| run(TINY)).ok_or_else(|| "no function".to_owned()),
                Kind::Network(load) => sampler.once(tiny(load), entrant, TINY),
            };
            match outcome {
                Ok(figures)
                    if figures.len() == work.figures.len() && figures.iter().all(|figure| figure.is_finite()) =>
                {
                    passed += 1;
                }
                Ok(figures) => failures.push(format!("{} ({entrant}): the figures are {figures:?}", work.name)),
                Err(message) => failures.push(format!("{} ({entrant}): {message}", work.name)),
            }
        }
    }
    println!("benchmarks: {passed} ran, {} failed", failures.len());
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

/// How many operations are enough to see that a work works.
const TINY: usize = 100;

/// The same load with few connections.
fn tiny(load: Load) -> Load {
    match load {
        Load::Echo { size, connections, idle } => {
            Load::Echo { size, connections: connections.min(5), idle: idle.min(5) }
        }
        Load::Accept => Load::Accept,
        Load::Idle { .. } => Load::Idle { connections: 20 },
    }
}

/// Whether the rows of a group are shown with one line for each who took part, because there are too many for columns.
pub fn is_transposed(group: Group) -> bool {
    group == Group::Network
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_name_no_places() {
        let text = without_places("cannot start `/opt/a/program x`:\nno \"/tmp/b\" here, 1/2");
        assert_eq!(text, "cannot start program x`: no b\" here, 1/2");
    }
}
