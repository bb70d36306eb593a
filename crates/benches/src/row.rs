//! The table of what is measured: for each work its size, its figures, and who takes part.

use crate::peer::asyncio::Asyncio;
use crate::peer::monoio::Monoio;
use crate::peer::raw::Raw;
use crate::peer::smol::Smol;
use crate::peer::tokio::Tokio;
use crate::work::{own, sync, task, thread, time};

/// Runs a number of operations, and returns the figures.
pub type Run = fn(usize) -> Vec<f64>;

/// The peers, in the order of the table. Ours comes first.
pub const PEERS: &[&str] = &["asyncio", "tokio", "smol", "monoio", "raw"];

/// A piece of work, which makes one row for each of its figures.
pub struct Work {
    pub name: &'static str,
    /// The number of operations in one sample.
    pub size: usize,
    /// What each figure says beyond the name, and its unit.
    pub figures: &'static [(&'static str, &'static str)],
    /// Whether its instructions can be counted: it does not wait, and costs the same in any amount.
    pub countable: bool,
    /// Who takes part, by the names in [`PEERS`].
    pub runs: &'static [(&'static str, Run)],
}

impl Work {
    pub fn run_of(&self, peer: &str) -> Option<Run> {
        self.runs.iter().find(|(name, _)| *name == peer).map(|(_, run)| *run)
    }
}

/// The same function for several peers.
macro_rules! of {
    ($run:path: $($peer:ident)+) => { &[$((of!(@$peer), of!(@@$run, $peer)),)+] };
    (@Asyncio) => { "asyncio" };
    (@Tokio) => { "tokio" };
    (@Smol) => { "smol" };
    (@Monoio) => { "monoio" };
    (@Raw) => { "raw" };
    (@@$run:path, $peer:ident) => {{
        use $run as run;
        run::<$peer>
    }};
}

const NS: &[(&str, &str)] = &[("", "ns")];
const US: &[(&str, &str)] = &[("", "µs")];
const SLEEPS: &[(&str, &str)] = &[("processor time", "ns"), ("memory", "B")];
const LATE: &[(&str, &str)] = &[("median", "µs"), ("99 %", "µs"), ("earliest", "µs")];

const fn cpu(name: &'static str, size: usize, runs: &'static [(&'static str, Run)]) -> Work {
    Work { name, size, figures: NS, countable: true, runs }
}

/// Everything that is measured.
pub const WORKS: &[Work] = &[
    cpu("spawn 10,000, join all", 500_000, of!(task::spawn_many: Asyncio Tokio Smol Monoio Raw)),
    cpu("spawn one, await it", 500_000, of!(task::spawn_one: Asyncio Tokio Smol Monoio Raw)),
    cpu("yield, alone", 2_000_000, of!(task::yield_alone: Asyncio Tokio Smol Monoio Raw)),
    cpu("yield among 1,000", 2_000_000, of!(task::yield_among: Asyncio Tokio Smol Raw)),
    cpu("ping-pong, there and back", 1_000_000, of!(task::ping_pong: Asyncio Tokio Smol Monoio Raw)),
    cpu("lock, free", 5_000_000, of!(sync::lock_free: Asyncio Tokio Smol Raw)),
    cpu(
        "lock, 2 tasks",
        1_000_000,
        &[
            ("asyncio", sync::lock_contended::<Asyncio, 2>),
            ("tokio", sync::lock_contended::<Tokio, 2>),
            ("smol", sync::lock_contended::<Smol, 2>),
            ("raw", sync::lock_contended::<Raw, 2>),
        ],
    ),
    cpu(
        "lock, 10 tasks",
        1_000_000,
        &[
            ("asyncio", sync::lock_contended::<Asyncio, 10>),
            ("tokio", sync::lock_contended::<Tokio, 10>),
            ("smol", sync::lock_contended::<Smol, 10>),
            ("raw", sync::lock_contended::<Raw, 10>),
        ],
    ),
    cpu("semaphore, free", 5_000_000, of!(sync::semaphore_free: Asyncio Tokio Smol Monoio Raw)),
    cpu("semaphore of 5, 10 tasks", 1_000_000, of!(sync::semaphore_contended: Asyncio Tokio Smol Raw)),
    cpu("event, 1,000 waiters", 1_000_000, of!(sync::event: Asyncio Tokio Smol Raw)),
    cpu("queue of 128", 2_000_000, of!(sync::queue: Asyncio Tokio Smol Monoio Raw)),
    cpu("`timeout(10 s)` around a yield", 500_000, of!(time::timeout: Asyncio Tokio Smol Monoio)),
    cpu("gather of 1,000", 500_000, of!(task::gather: Asyncio Tokio Smol Monoio Raw)),
    cpu("cancel and await 100,000", 100_000, of!(task::cancel: Asyncio Tokio Smol)),
    cpu("`catch_cancelled` around a yield", 1_000_000, &[("asyncio", own::catch_cancelled)]),
    cpu("task group with one child", 300_000, &[("asyncio", own::task_group)]),
    cpu("`call_soon`", 1_000_000, &[("asyncio", own::call_soon)]),
    Work {
        name: "idle task with 64 B of its own",
        size: 10_000,
        figures: &[("", "B")],
        countable: false,
        runs: of!(task::idle: Asyncio Tokio Smol Monoio Raw),
    },
    Work {
        name: "100,000 sleeps",
        size: 100_000,
        figures: SLEEPS,
        countable: false,
        runs: of!(time::sleeps: Asyncio Tokio Smol Monoio Raw),
    },
    Work {
        name: "1,000,000 sleeps",
        size: 1_000_000,
        figures: SLEEPS,
        countable: false,
        runs: of!(time::sleeps: Asyncio Tokio Smol Monoio Raw),
    },
    Work {
        name: "`sleep(100 µs)`, late by",
        size: 1000,
        figures: LATE,
        countable: false,
        runs: &[
            ("asyncio", time::lateness::<Asyncio, 100>),
            ("tokio", time::lateness::<Tokio, 100>),
            ("smol", time::lateness::<Smol, 100>),
            ("monoio", time::lateness::<Monoio, 100>),
            ("raw", time::lateness_of_thread::<100>),
        ],
    },
    Work {
        name: "`sleep(1.5 ms)`, late by",
        size: 300,
        figures: LATE,
        countable: false,
        runs: &[
            ("asyncio", time::lateness::<Asyncio, 1500>),
            ("tokio", time::lateness::<Tokio, 1500>),
            ("smol", time::lateness::<Smol, 1500>),
            ("monoio", time::lateness::<Monoio, 1500>),
            ("raw", time::lateness_of_thread::<1500>),
        ],
    },
    Work {
        name: "wake from another thread, there and back",
        size: 10_000,
        figures: US,
        countable: false,
        runs: &[
            ("asyncio", thread::wake::<Asyncio>),
            ("tokio", thread::wake::<Tokio>),
            ("smol", thread::wake::<Smol>),
            ("monoio", thread::wake::<Monoio>),
            ("raw", thread::wake_of_thread),
        ],
    },
    Work {
        name: "`to_thread`, there and back",
        size: 10_000,
        figures: US,
        countable: false,
        runs: of!(thread::blocking: Asyncio Tokio Smol Monoio Raw),
    },
];
