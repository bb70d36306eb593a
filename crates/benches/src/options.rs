//! The command line.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::net::load::{Amount, Server};
use crate::net::{Load, Service};
use crate::row::{OURS, PEERS, works};

/// What to do.
pub struct Options {
    pub command: Command,
    /// Fewer rounds of smaller samples: for a first look.
    pub quick: bool,
    /// Only works whose name or key contains this.
    pub row: Option<String>,
    /// Only ours and this peer.
    pub peer: Option<String>,
    /// Where the tables and the drawing are written, if everything was measured.
    pub output: Option<PathBuf>,
}

pub enum Command {
    /// Measure time, memory, system calls.
    Measure,
    /// Count instructions.
    Instructions,
    /// Run each work of this library once, as small as it gets.
    Check,
    /// Compare instructions with the recorded ones.
    Guard,
    /// Record the instructions anew.
    Record,
    /// Take one sample in this process.
    Sample { work: String, peer: String, size: usize, warm: bool },
    /// Be a server of the network rows.
    Serve { peer: String, form: String, service: Service },
    /// Be the load generator of the network rows.
    Load { load: Load, server: Server, amount: Amount },
}

impl Options {
    /// Reads the arguments.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut this = Self { command: Command::Measure, quick: false, row: None, peer: None, output: None };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` needs a value"));
            match argument.as_str() {
                "--quick" => this.quick = true,
                "--instructions" => this.command = Command::Instructions,
                "--check" => this.command = Command::Check,
                "--guard" => this.command = Command::Guard,
                "--record" => this.command = Command::Record,
                "--row" => this.row = Some(value()?),
                "--peer" => this.peer = Some(value()?),
                "--output" => this.output = Some(value()?.into()),
                "--sample" => {
                    let (work, peer) = (value()?, value()?);
                    this.command = Command::Sample { work, peer, size: number(&value()?)?, warm: value()? == "warm" };
                }
                "--serve" => {
                    let (peer, form) = (value()?, value()?);
                    this.command = Command::Serve { peer, form, service: Service::parse(&value()?)? };
                }
                "--load" => {
                    let load = load(&value()?)?;
                    let server = Server { port: number(&value()?)?, process: number(&value()?)? };
                    this.command = Command::Load { load, server, amount: amount(&value()?)? };
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
            && !works().any(|work| this.wants(work.key, work.name))
        {
            let names: Vec<_> = works().map(|work| work.key).collect();
            return Err(format!("no row contains `{row}`; there are: {}", names.join(", ")));
        }
        Ok(this)
    }

    /// Whether a work is asked for.
    pub fn wants(&self, key: &str, name: &str) -> bool {
        self.row.as_ref().is_none_or(|row| name.contains(row) || key.contains(row))
    }

    /// Whether a peer is asked for.
    pub fn wants_peer(&self, peer: &str) -> bool {
        peer == OURS || self.peer.as_ref().is_none_or(|wanted| wanted == peer)
    }

    /// Whether nothing is left out.
    pub fn is_whole(&self) -> bool {
        self.row.is_none() && self.peer.is_none()
    }
}

const USAGE: &str = "--quick, --row NAME, --peer NAME, --instructions, --output FOLDER, --check, --guard, --record";

fn number<T: FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number in range"))
}

/// `echo:SIZE:CONNECTIONS:IDLE`, `accept`, `idle:CONNECTIONS`.
fn load(text: &str) -> Result<Load, String> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts[..] {
        ["echo", size, connections, idle] => {
            Ok(Load::Echo { size: number(size)?, connections: number(connections)?, idle: number(idle)? })
        }
        ["accept"] => Ok(Load::Accept),
        ["idle", connections] => Ok(Load::Idle { connections: number(connections)? }),
        _ => Err(format!("`{text}` is no load")),
    }
}

/// How a load is written on the command line.
pub fn write_load(load: Load) -> String {
    match load {
        Load::Echo { size, connections, idle } => format!("echo:{size}:{connections}:{idle}"),
        Load::Accept => "accept".into(),
        Load::Idle { connections } => format!("idle:{connections}"),
    }
}

/// `300ms`, or a number of operations.
fn amount(text: &str) -> Result<Amount, String> {
    match text.strip_suffix("ms") {
        Some(time) => Ok(Amount::For(Duration::from_millis(number(time)?))),
        None => Ok(Amount::Count(number(text)?)),
    }
}

/// How an amount is written on the command line.
pub fn write_amount(amount: Amount) -> String {
    match amount {
        Amount::For(time) => format!("{}ms", time.as_millis()),
        Amount::Count(count) => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loads_and_amounts_come_back_as_they_were_written() {
        for this in [Load::Accept, Load::Idle { connections: 7 }, Load::Echo { size: 1, connections: 2, idle: 3 }] {
            assert_eq!(load(&write_load(this)).unwrap(), this);
        }
        for this in [Amount::Count(5), Amount::For(Duration::from_millis(250))] {
            assert_eq!(amount(&write_amount(this)).unwrap(), this);
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        let refused = |arguments: &[&str]| Options::parse(arguments.iter().map(ToString::to_string)).err().unwrap();
        assert!(refused(&["--fast"]).contains("`--fast`"));
        assert!(refused(&["--peer", "none"]).contains("`none`"));
        assert!(refused(&["--row", "none of them"]).contains("`none of them`"));
        assert!(refused(&["--row"]).contains("needs a value"));
    }
}
