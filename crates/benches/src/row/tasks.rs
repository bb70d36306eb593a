//! The works that need no network.

use super::{Group, Kind, Pace, Run, Unit, Work};
use crate::peer::asyncio::Asyncio;
#[cfg(feature = "glommio")]
use crate::peer::glommio::Glommio;
#[cfg(feature = "peers")]
use crate::peer::monoio::{MonoioEpoll, MonoioUring};
use crate::peer::raw::Raw;
#[cfg(feature = "peers")]
use crate::peer::smol::Smol;
#[cfg(feature = "peers")]
use crate::peer::tokio::Tokio;
use crate::work::{growth, own, sync, task, thread, time};

/// The same function for several peers, as far as they are compiled in.
macro_rules! of {
    ($run:path: $($peer:ident)+) => { of!(@list $run; [] $($peer)+) };
    (@list $run:path; [$($done:tt)*]) => { &[$($done)*] };
    (@list $run:path; [$($done:tt)*] Asyncio $($rest:ident)*) => {
        of!(@list $run; [$($done)* ("asyncio", of!(@run $run, Asyncio)),] $($rest)*)
    };
    (@list $run:path; [$($done:tt)*] Tokio $($rest:ident)*) => {
        of!(@list $run; [$($done)* #[cfg(feature = "peers")] ("tokio", of!(@run $run, Tokio)),] $($rest)*)
    };
    (@list $run:path; [$($done:tt)*] Smol $($rest:ident)*) => {
        of!(@list $run; [$($done)* #[cfg(feature = "peers")] ("smol", of!(@run $run, Smol)),] $($rest)*)
    };
    (@list $run:path; [$($done:tt)*] Monoio $($rest:ident)*) => {
        of!(@list $run; [
            $($done)*
            #[cfg(feature = "peers")] ("monoio", of!(@run $run, MonoioEpoll)),
            #[cfg(feature = "peers")] ("monoio-uring", of!(@run $run, MonoioUring)),
        ] $($rest)*)
    };
    (@list $run:path; [$($done:tt)*] Glommio $($rest:ident)*) => {
        of!(@list $run; [$($done)* #[cfg(feature = "glommio")] ("glommio", of!(@run $run, Glommio)),] $($rest)*)
    };
    (@list $run:path; [$($done:tt)*] Raw $($rest:ident)*) => {
        of!(@list $run; [$($done)* ("raw", of!(@run $run, Raw)),] $($rest)*)
    };
    (@run $run:path, $peer:ident) => {{
        use $run as run;
        run::<$peer>
    }};
}

type Runs = &'static [(&'static str, Run)];

const OPERATION: &[(&str, Unit)] =
    &[("", Unit::Nanoseconds), ("allocations", Unit::Allocations), ("bytes allocated", Unit::BytesAllocated)];
const SLEEPS: &[(&str, Unit)] = &[("processor time", Unit::Nanoseconds), ("memory", Unit::Bytes)];
const LATE: &[(&str, Unit)] =
    &[("median", Unit::Microseconds), ("99 %", Unit::Microseconds), ("earliest", Unit::Microseconds)];
const MICROSECONDS: &[(&str, Unit)] = &[("", Unit::Microseconds)];

/// Python does a twentieth of what others do, because it takes so much longer.
const PYTHON_SHARE: usize = 20;

/// A work whose operations cost processor time and allocations.
const fn operation(group: Group, key: &'static str, name: &'static str, size: usize, runs: Runs) -> Work {
    let kind = Kind::Local { runs, python: Some(size / PYTHON_SHARE) };
    Work { key, name, group, size, figures: OPERATION, pace: Pace::Usual, drawn: true, kind }
}

const fn task(key: &'static str, name: &'static str, size: usize, runs: Runs) -> Work {
    operation(Group::Tasks, key, name, size, runs)
}

const fn sync(key: &'static str, name: &'static str, size: usize, runs: Runs) -> Work {
    operation(Group::Synchronisation, key, name, size, runs)
}

/// An operation among many, which is measured for what it grows by.
const fn growth(key: &'static str, name: &'static str, size: usize, runs: Runs) -> Work {
    let kind = Kind::Local { runs, python: None };
    Work { drawn: false, pace: Pace::Slow, kind, ..operation(Group::Growth, key, name, size, &[]) }
}

const fn cold(group: Group, key: &'static str, name: &'static str, size: usize, runs: Runs) -> Work {
    let kind = Kind::Local { runs, python: Some(size) };
    Work { key, name, group, size, figures: MICROSECONDS, pace: Pace::Cold, drawn: true, kind }
}

pub(super) const WORKS: &[Work] = &[
    task("spawn-many", "spawn 10,000, join all", 500_000, of!(task::spawn_many: Asyncio Tokio Smol Monoio Glommio Raw)),
    task("spawn-one", "spawn one, await it", 500_000, of!(task::spawn_one: Asyncio Tokio Smol Monoio Glommio Raw)),
    task("yield-alone", "yield, alone", 1_000_000, of!(task::yield_alone: Asyncio Tokio Smol Monoio Glommio Raw)),
    task("yield-among", "yield among 1,000", 2_000_000, of!(task::yield_among: Asyncio Tokio Smol Raw)),
    task(
        "ping-pong",
        "ping-pong, there and back",
        500_000,
        of!(task::ping_pong: Asyncio Tokio Smol Monoio Glommio Raw),
    ),
    task("gather", "gather of 1,000", 500_000, of!(task::gather: Asyncio Tokio Smol Monoio Glommio Raw)),
    task("cancel", "cancel and await 100,000", 100_000, of!(task::cancel: Asyncio Tokio Smol Glommio)),
    task("catch-cancelled", "`catch_cancelled` around a yield", 1_000_000, &[("asyncio", own::catch_cancelled)]),
    task("task-group", "task group with one child", 300_000, of!(own::task_group: Asyncio Tokio)),
    task("call-soon", "`call_soon`", 1_000_000, &[("asyncio", own::call_soon)]),
    sync("lock-free", "lock, free", 5_000_000, of!(sync::lock_free: Asyncio Tokio Smol Raw)),
    sync("lock-2", "lock, 2 tasks", 500_000, of!(sync::lock_2: Asyncio Tokio Smol Raw)),
    sync("lock-10", "lock, 10 tasks", 500_000, of!(sync::lock_10: Asyncio Tokio Smol Raw)),
    sync(
        "semaphore-free",
        "semaphore, free",
        5_000_000,
        of!(sync::semaphore_free: Asyncio Tokio Smol Monoio Glommio Raw),
    ),
    sync("semaphore-10", "semaphore of 5, 10 tasks", 500_000, of!(sync::semaphore_contended: Asyncio Tokio Smol Raw)),
    sync("event", "event, 1,000 waiters", 1_000_000, of!(sync::event: Asyncio Tokio Smol Raw)),
    sync("queue", "queue of 128", 2_000_000, of!(sync::queue: Asyncio Tokio Smol Monoio Glommio Raw)),
    operation(
        Group::Time,
        "timeout",
        "`timeout(10 s)` around a yield",
        500_000,
        of!(time::timeout: Asyncio Tokio Smol Monoio Glommio),
    ),
    Work {
        key: "sleeps-100k",
        name: "100,000 sleeps",
        group: Group::Time,
        size: 100_000,
        figures: SLEEPS,
        pace: Pace::Slow,
        drawn: true,
        kind: Kind::Local { runs: of!(time::sleeps: Asyncio Tokio Smol Monoio Glommio Raw), python: Some(100_000) },
    },
    Work {
        key: "sleeps-1m",
        name: "1,000,000 sleeps",
        group: Group::Time,
        size: 1_000_000,
        figures: SLEEPS,
        pace: Pace::Slow,
        drawn: true,
        kind: Kind::Local { runs: of!(time::sleeps: Asyncio Tokio Smol Monoio Glommio Raw), python: Some(1_000_000) },
    },
    Work {
        figures: LATE,
        ..cold(
            Group::Time,
            "late-100us",
            "`sleep(100 µs)`, late by",
            1000,
            &[
                ("asyncio", time::lateness::<Asyncio, 100>),
                #[cfg(feature = "peers")]
                ("tokio", time::lateness::<Tokio, 100>),
                #[cfg(feature = "peers")]
                ("smol", time::lateness::<Smol, 100>),
                #[cfg(feature = "peers")]
                ("monoio", time::lateness::<MonoioEpoll, 100>),
                #[cfg(feature = "peers")]
                ("monoio-uring", time::lateness::<MonoioUring, 100>),
                #[cfg(feature = "glommio")]
                ("glommio", time::lateness::<Glommio, 100>),
                ("raw", time::lateness_of_thread::<100>),
            ],
        )
    },
    Work {
        figures: LATE,
        ..cold(
            Group::Time,
            "late-1500us",
            "`sleep(1.5 ms)`, late by",
            300,
            &[
                ("asyncio", time::lateness::<Asyncio, 1500>),
                #[cfg(feature = "peers")]
                ("tokio", time::lateness::<Tokio, 1500>),
                #[cfg(feature = "peers")]
                ("smol", time::lateness::<Smol, 1500>),
                #[cfg(feature = "peers")]
                ("monoio", time::lateness::<MonoioEpoll, 1500>),
                #[cfg(feature = "peers")]
                ("monoio-uring", time::lateness::<MonoioUring, 1500>),
                #[cfg(feature = "glommio")]
                ("glommio", time::lateness::<Glommio, 1500>),
                ("raw", time::lateness_of_thread::<1500>),
            ],
        )
    },
    cold(
        Group::Threads,
        "wake",
        "wake from another thread, there and back",
        10_000,
        &[
            ("asyncio", thread::wake::<Asyncio>),
            #[cfg(feature = "peers")]
            ("tokio", thread::wake::<Tokio>),
            #[cfg(feature = "peers")]
            ("smol", thread::wake::<Smol>),
            #[cfg(feature = "peers")]
            ("monoio", thread::wake::<MonoioEpoll>),
            #[cfg(feature = "peers")]
            ("monoio-uring", thread::wake::<MonoioUring>),
            #[cfg(feature = "glommio")]
            ("glommio", thread::wake::<Glommio>),
            ("raw", thread::wake_of_thread),
        ],
    ),
    cold(
        Group::Threads,
        "to-thread",
        "`to_thread`, there and back",
        10_000,
        of!(thread::blocking: Asyncio Tokio Smol Monoio Glommio Raw),
    ),
    Work {
        figures: &[("allocated", Unit::Bytes), ("resident", Unit::Bytes)],
        ..cold(
            Group::Memory,
            "idle-task",
            "idle task with 64 B of its own",
            100_000,
            of!(task::idle: Asyncio Tokio Smol Monoio Glommio Raw),
        )
    },
    growth("yields-1k", "yield, 1,000 tasks", 2_000_000, of!(growth::yields_1k: Asyncio Tokio Smol Raw)),
    growth("yields-100k", "yield, 100,000 tasks", 2_000_000, of!(growth::yields_100k: Asyncio Tokio Smol Raw)),
    growth("yields-1m", "yield, 1,000,000 tasks", 4_000_000, of!(growth::yields_1m: Asyncio Tokio Smol Raw)),
    growth("timeouts-1k", "timeout, 1,000 timers", 200_000, of!(growth::timeouts_1k: Asyncio Tokio Smol Monoio)),
    growth("timeouts-100k", "timeout, 100,000 timers", 200_000, of!(growth::timeouts_100k: Asyncio Tokio Smol Monoio)),
    growth("timeouts-1m", "timeout, 1,000,000 timers", 1_000_000, of!(growth::timeouts_1m: Asyncio Tokio Smol Monoio)),
    growth("handed-1k", "lock handed on, 1,000 waiters", 500_000, of!(growth::handed_1k: Asyncio Tokio Smol Raw)),
    growth("handed-100k", "lock handed on, 100,000 waiters", 500_000, of!(growth::handed_100k: Asyncio Tokio Smol Raw)),
    growth("handed-1m", "lock handed on, 1,000,000 waiters", 1_000_000, of!(growth::handed_1m: Asyncio Tokio Smol Raw)),
    growth(
        "given-up-1k",
        "wait for a lock cancelled, 1,000 waiters",
        300_000,
        of!(growth::given_up_1k: Asyncio Tokio Smol),
    ),
    growth(
        "given-up-100k",
        "wait for a lock cancelled, 100,000 waiters",
        300_000,
        of!(growth::given_up_100k: Asyncio Tokio Smol),
    ),
    growth(
        "given-up-1m",
        "wait for a lock cancelled, 1,000,000 waiters",
        1_000_000,
        of!(growth::given_up_1m: Asyncio Tokio Smol),
    ),
];
