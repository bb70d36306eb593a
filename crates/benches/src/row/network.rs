//! The works on the network, and the servers.

use super::{Entrant, Group, Kind, PYTHONS, Pace, Unit, Work};
use crate::net::{Load, Serve};
use crate::peer;

/// The servers that are compiled in: runtime, form, function.
const SERVERS: &[(&str, &str, Serve)] = &[
    ("asyncio", "sock_*", peer::asyncio::serve_sock),
    ("asyncio", "streams", peer::asyncio::serve_streams),
    ("asyncio", "protocols", peer::asyncio::serve_protocols),
    #[cfg(feature = "peers")]
    ("tokio", "", peer::tokio::serve),
    #[cfg(feature = "peers")]
    ("smol", "", peer::smol::serve),
    #[cfg(feature = "peers")]
    ("monoio", "", peer::monoio::serve::<peer::monoio::Epoll>),
    #[cfg(feature = "peers")]
    ("monoio-uring", "", peer::monoio::serve::<peer::monoio::Uring>),
    #[cfg(feature = "glommio")]
    ("glommio", "", peer::glommio::serve),
    ("raw", "", peer::raw::serve),
];

/// The forms of Python's servers.
const FORMS: [&str; 3] = ["sock_*", "streams", "protocols"];

/// The server of a runtime in a form.
pub fn serve_of(peer: &str, form: &str) -> Result<Serve, String> {
    let server = SERVERS.iter().find(|(name, of, _)| *name == peer && *of == form);
    server.map(|(.., serve)| *serve).ok_or_else(|| format!("`{peer}` has no server of the form `{form}`"))
}

/// Everybody who has a server, Python before the last, the minimum.
pub(super) fn entrants() -> Vec<Entrant> {
    let mut entrants: Vec<_> = SERVERS.iter().map(|&(peer, form, _)| Entrant { peer, form }).collect();
    let raw = entrants.pop();
    let python = PYTHONS.iter().flat_map(|peer| FORMS.map(|form| Entrant { peer, form }));
    entrants.extend(python);
    entrants.extend(raw);
    entrants
}

const SERVED: &[(&str, Unit)] = &[("server's processor time", Unit::Microseconds), ("rate", Unit::PerSecond)];

const fn echo(key: &'static str, name: &'static str, size: usize, connections: usize, idle: usize) -> Work {
    let kind = Kind::Network(Load::Echo { size, connections, idle });
    Work { key, name, group: Group::Network, size: 0, figures: SERVED, pace: Pace::Slow, drawn: idle == 0, kind }
}

pub(super) const WORKS: &[Work] = &[
    echo("echo-64-1", "echo 64 B × 1", 64, 1, 0),
    echo("echo-64-50", "echo 64 B × 50", 64, 50, 0),
    echo("echo-64-500", "echo 64 B × 500", 64, 500, 0),
    echo("echo-1k-1", "echo 1 KiB × 1", 1024, 1, 0),
    echo("echo-1k-50", "echo 1 KiB × 50", 1024, 50, 0),
    echo("echo-1k-500", "echo 1 KiB × 500", 1024, 500, 0),
    echo("echo-16k-1", "echo 16 KiB × 1", 16 * 1024, 1, 0),
    echo("echo-16k-50", "echo 16 KiB × 50", 16 * 1024, 50, 0),
    echo("echo-16k-500", "echo 16 KiB × 500", 16 * 1024, 500, 0),
    echo("echo-beside-1k", "echo 64 B × 50, beside 1,000 idle", 64, 50, 1000),
    echo("echo-beside-10k", "echo 64 B × 50, beside 10,000 idle", 64, 50, 10_000),
    Work {
        key: "accept",
        name: "accept, one byte, close",
        group: Group::Network,
        size: 0,
        figures: SERVED,
        pace: Pace::Slow,
        drawn: true,
        kind: Kind::Network(Load::Accept),
    },
    Work {
        key: "idle-connections",
        name: "idle connection, of 10,000",
        group: Group::Network,
        size: 0,
        figures: &[("resident", Unit::Bytes)],
        pace: Pace::Slow,
        drawn: true,
        kind: Kind::Network(Load::Idle { connections: 10_000 }),
    },
];
