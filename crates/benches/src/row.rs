//! The table of what is measured: for each work its size, its figures, and who takes part.

mod entrant;
mod network;
mod tasks;

pub use entrant::{Entrant, OURS, PEERS, PYTHONS, RAW};
pub use network::serve_of;

use crate::net::Load;

/// Runs a number of operations, and returns the figures.
pub type Run = fn(usize) -> Vec<f64>;

/// What a figure is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Nanoseconds,
    Microseconds,
    Bytes,
    PerSecond,
    Allocations,
    BytesAllocated,
    Calls,
    Instructions,
}

impl Unit {
    pub fn name(self) -> &'static str {
        match self {
            Unit::Nanoseconds => "ns",
            Unit::Microseconds => "µs",
            Unit::Bytes | Unit::BytesAllocated => "B",
            Unit::PerSecond => "1/s",
            Unit::Allocations => "allocations",
            Unit::Calls => "calls",
            Unit::Instructions => "instructions",
        }
    }

    /// Whether it is shown in the table of allocations, beside the one of time.
    pub fn is_of_allocation(self) -> bool {
        matches!(self, Unit::Allocations | Unit::BytesAllocated)
    }
}

/// The heading under which a work stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    Tasks,
    Synchronisation,
    Time,
    Threads,
    Memory,
    Network,
    Growth,
}

impl Group {
    pub const ALL: [Group; 7] = [
        Group::Tasks,
        Group::Synchronisation,
        Group::Time,
        Group::Threads,
        Group::Memory,
        Group::Network,
        Group::Growth,
    ];

    pub fn title(self) -> &'static str {
        match self {
            Group::Tasks => "Tasks",
            Group::Synchronisation => "Synchronisation",
            Group::Time => "Time",
            Group::Threads => "Threads",
            Group::Memory => "Memory",
            Group::Network => "Network",
            Group::Growth => "Growth",
        }
    }
}

/// How a work is done.
#[derive(Clone, Copy)]
pub enum Kind {
    /// In the process that takes the sample.
    Local {
        /// The runtimes that are compiled in, by their names in [`PEERS`].
        runs: &'static [(&'static str, Run)],
        /// The number of operations of Python, if it takes part.
        python: Option<usize>,
    },
    /// By a server and a load generator.
    Network(Load),
}

/// How often samples are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Many rounds, each after a warm-up.
    Usual,
    /// Without a warm-up: it waits, or is about memory.
    Cold,
    /// The same in fewer rounds, because a sample takes seconds; Python only once.
    Slow,
}

/// A piece of work, which makes one row for each of its figures.
#[derive(Clone, Copy)]
pub struct Work {
    /// What it is called on the command line of a sample.
    pub key: &'static str,
    pub name: &'static str,
    pub group: Group,
    /// The number of operations in one sample.
    pub size: usize,
    /// What each figure says beyond the name, and its unit.
    pub figures: &'static [(&'static str, Unit)],
    pub pace: Pace,
    /// Whether it is in the drawing.
    pub drawn: bool,
    pub kind: Kind,
}

impl Work {
    /// Whether its instructions can be counted: it does not wait, and costs the same in any amount.
    pub fn is_countable(&self) -> bool {
        self.pace == Pace::Usual && matches!(self.kind, Kind::Local { .. }) && self.group != Group::Growth
    }

    pub fn run_of(&self, peer: &str) -> Option<Run> {
        match self.kind {
            Kind::Local { runs, .. } => runs.iter().find(|(name, _)| *name == peer).map(|(_, run)| *run),
            Kind::Network(_) => None,
        }
    }

    /// Everybody who takes part, as far as it is compiled in.
    pub fn entrants(&self) -> Vec<Entrant> {
        match self.kind {
            Kind::Local { python, .. } => PEERS
                .iter()
                .filter(|peer| self.run_of(peer).is_some() || (python.is_some() && PYTHONS.contains(peer)))
                .map(|peer| Entrant { peer, form: "" })
                .collect(),
            Kind::Network(_) => network::entrants(),
        }
    }
}

/// Everything that is measured.
pub fn works() -> impl Iterator<Item = &'static Work> {
    tasks::WORKS.iter().chain(network::WORKS)
}

/// The work with this key.
pub fn work_of(key: &str) -> Result<&'static Work, String> {
    works().find(|work| work.key == key).ok_or_else(|| format!("there is no work `{key}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_different() {
        let mut keys: Vec<_> = works().map(|work| work.key).collect();
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }

    #[test]
    fn ours_takes_part_in_everything() {
        for work in works() {
            assert!(work.entrants().iter().any(|entrant| entrant.peer == OURS), "{}", work.name);
        }
    }
}
