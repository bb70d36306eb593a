//! Who is measured.

use std::fmt;

/// This library.
pub const OURS: &str = "asyncio";
/// The hand-written minimum.
pub const RAW: &str = "raw";
/// Those that run in Python.
pub const PYTHONS: &[&str] = &["CPython", "uvloop"];
/// All, in the order of the tables.
pub const PEERS: &[&str] = &[OURS, "tokio", "smol", "monoio", "monoio-uring", "glommio", PYTHONS[0], PYTHONS[1], RAW];

/// A runtime, and on the network the form in which its server is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entrant {
    pub peer: &'static str,
    /// Empty where there is one form only.
    pub form: &'static str,
}

impl Entrant {
    /// Whether it is compared with: neither this library nor the minimum.
    pub fn is_a_peer(self) -> bool {
        self.peer != OURS && self.peer != RAW
    }
}

impl fmt::Display for Entrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.form {
            "" => f.write_str(self.peer),
            form => write!(f, "{}, {form}", self.peer),
        }
    }
}
