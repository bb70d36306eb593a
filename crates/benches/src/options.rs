//! The command line.

use crate::row::{PEERS, WORKS};

/// What to do.
#[derive(Debug, Default)]
pub struct Options {
    /// Fewer rounds of smaller samples: for a first look.
    pub quick: bool,
    /// Count instructions instead of measuring time.
    pub instructions: bool,
    /// Only works whose name contains this.
    pub row: Option<String>,
    /// Only ours and this peer.
    pub peer: Option<String>,
    /// Take one sample in this process: the index of the work, the peer, the number of operations, whether to warm up.
    pub sample: Option<(usize, String, usize, bool)>,
}

impl Options {
    /// Reads the arguments.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut this = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--quick" => this.quick = true,
                "--instructions" => this.instructions = true,
                "--row" => this.row = Some(value()?),
                "--peer" => this.peer = Some(value()?),
                "--sample" => {
                    let (work, peer, size, warm) = (value()?, value()?, value()?, value()?);
                    let number = |text: &str| text.parse().map_err(|_| format!("`{text}` is no number"));
                    this.sample = Some((number(&work)?, peer, number(&size)?, warm == "warm"));
                }
                _ => return Err(format!("`{argument}` is not known; there are {USAGE}")),
            }
        }
        if let Some(peer) = &this.peer
            && !PEERS.contains(&peer.as_str())
        {
            return Err(format!("there is no peer `{peer}`; there are {}", PEERS.join(", ")));
        }
        if let Some(row) = &this.row
            && !WORKS.iter().any(|work| work.name.contains(row))
        {
            let names: Vec<_> = WORKS.iter().map(|work| work.name).collect();
            return Err(format!("no row contains `{row}`; there are: {}", names.join("; ")));
        }
        Ok(this)
    }

    /// Whether a work is asked for.
    pub fn wants(&self, work: &str) -> bool {
        self.row.as_ref().is_none_or(|row| work.contains(row))
    }

    /// Whether a peer is asked for.
    pub fn wants_peer(&self, peer: &str) -> bool {
        peer == PEERS[0] || self.peer.as_ref().is_none_or(|wanted| wanted == peer)
    }
}

const USAGE: &str = "--quick, --instructions, --row NAME, --peer NAME";
