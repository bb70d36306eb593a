//! What the network rows are made of: a server in a process of its own, and a load generator in another.

pub mod load;

use std::io::Write;
use std::net::SocketAddr;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The largest request.
pub const LARGEST: usize = 16 * 1024;
/// The buffer of each connection where many are idle: as large as in the documents of the peers.
const SMALL: usize = 1024;
/// What a server says before it closes.
pub const GREETING: &[u8] = b"!";

/// What a server does with each connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Sends back what comes, over a buffer of this size if it is the server that has the buffers.
    Echo(usize),
    /// Sends one byte, and closes.
    Greet,
}

impl Service {
    /// How it is written on the command line: the size of the buffer, or zero.
    pub fn write(self) -> String {
        match self {
            Service::Echo(buffer) => buffer.to_string(),
            Service::Greet => "0".into(),
        }
    }

    pub fn parse(text: &str) -> Result<Self, String> {
        match text.parse() {
            Ok(0) => Ok(Service::Greet),
            Ok(buffer) => Ok(Service::Echo(buffer)),
            Err(_) => Err(format!("there is no service `{text}`; it is the size of a buffer, or 0 to greet")),
        }
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
            Load::Echo { .. } => Service::Echo(LARGEST),
            Load::Idle { .. } => Service::Echo(SMALL),
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

/// Ends this process when whoever started it closes the standard input, also by ending.
pub fn end_with_input() {
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(0);
    });
}

/// Allows this process as many descriptors as it may have, and says how many those are.
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let limit = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}
