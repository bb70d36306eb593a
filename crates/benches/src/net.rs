//! What the network rows are made of: a server in a process of its own, and a load generator in another.

pub mod load;

use std::io::Write;
use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The buffer of each connection: the largest request fits.
pub const BUFFER: usize = 16 * 1024;
/// What a server says before it closes.
pub const GREETING: &[u8] = b"!";

/// What a server does with each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Sends back what comes.
    Echo,
    /// Sends one byte, and closes.
    Greet,
}

impl Service {
    pub fn name(self) -> &'static str {
        match self {
            Service::Echo => "echo",
            Service::Greet => "greet",
        }
    }

    pub fn parse(name: &str) -> Result<Self, String> {
        [Service::Echo, Service::Greet]
            .into_iter()
            .find(|service| service.name() == name)
            .ok_or_else(|| format!("there is no service `{name}`"))
    }
}

/// Serves for ever.
pub type Serve = fn(Service);

/// What a load generator does to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// `connections` that each send `size` bytes and wait for them to come back, again and again, while `idle` others are
    /// open and silent.
    Echo { size: usize, connections: usize, idle: usize },
    /// Connects, reads to the end, and connects anew.
    Accept,
    /// Opens this many connections, sends something over each once, and then leaves them alone.
    Idle { connections: usize },
}

impl Load {
    pub fn service(self) -> Service {
        match self {
            Load::Accept => Service::Greet,
            Load::Echo { .. } | Load::Idle { .. } => Service::Echo,
        }
    }

    /// With no more connections than this process may have open.
    pub fn within_limits(self) -> Self {
        /// For everything that is no connection.
        const SPARE: usize = 200;
        let most = raise_limit().saturating_sub(SPARE);
        match self {
            Load::Echo { size, connections, idle } => {
                let connections = connections.min(most);
                Load::Echo { size, connections, idle: idle.min(most - connections) }
            }
            Load::Accept => self,
            Load::Idle { connections } => Load::Idle { connections: connections.min(most) },
        }
    }
}

/// Tells who started this server where it is.
pub fn announce(address: SocketAddr) {
    println!("{} {}", address.port(), std::process::id());
    std::io::stdout().flush().expect("somebody reads it");
}

/// Allows this process as many descriptors as it may have, and says how many those are.
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}
