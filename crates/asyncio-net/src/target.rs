//! From what was given to addresses, paths and sockets: the look-up of names, and the checks of sockets.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;

use asyncio_event_loop::{ThreadFuture, to_thread};
use socket2::{Socket, Type};

use crate::address::{Family, Part, Port, Target, invalid};
use crate::sys;

/// What the addresses are wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Connect,
    Bind,
}

/// What can be connected to or bound.
pub(crate) enum Resolved {
    Address(SocketAddr),
    #[cfg(unix)]
    Path(PathBuf),
    /// A stream socket in nonblocking mode.
    Socket(Socket),
}

impl Target {
    /// What it stands for, each address once; at least one. With `family`, only addresses of that one.
    pub(crate) async fn resolve(self, to: Use, family: Option<Family>) -> io::Result<Vec<Resolved>> {
        let is_wanted = |address: &SocketAddr| family.is_none_or(|family| family == Family::of(address));
        // All look-ups begin before the first is waited for.
        let begun: Vec<Begun> = self.0.into_iter().map(|part| begin(part, to)).collect::<io::Result<_>>()?;
        let mut resolved = Vec::with_capacity(begun.len());
        let mut seen = Vec::new();
        for part in begun {
            let addresses = match part {
                Begun::Done(done) => {
                    resolved.push(done);
                    continue;
                }
                Begun::Addresses(addresses) => addresses,
                Begun::LookUp(found) => found.await?,
            };
            for address in addresses.into_iter().filter(is_wanted) {
                if !seen.contains(&address) {
                    seen.push(address);
                    resolved.push(Resolved::Address(address));
                }
            }
        }
        if resolved.is_empty() {
            let message = match family {
                None => "there is no address to use".to_owned(),
                Some(family) => format!("there is no address of the family {family:?} to use"),
            };
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, message));
        }
        Ok(resolved)
    }

    /// As [`resolve`](Self::resolve), where only addresses make sense.
    pub(crate) async fn resolve_addresses(self, family: Option<Family>) -> io::Result<Vec<SocketAddr>> {
        only_addresses(self.resolve(Use::Connect, family).await?)
    }
}

/// The addresses; an error if there is anything else.
pub(crate) fn only_addresses(resolved: Vec<Resolved>) -> io::Result<Vec<SocketAddr>> {
    let address = |resolved| match resolved {
        Resolved::Address(address) => Ok(address),
        _ => Err(invalid("a socket that exists, or the path of one, cannot be one of several, nor a local address")),
    };
    resolved.into_iter().map(address).collect()
}

/// A part of a target, on its way.
enum Begun {
    Done(Resolved),
    Addresses(Vec<SocketAddr>),
    LookUp(ThreadFuture<io::Result<Vec<SocketAddr>>>),
}

fn begin(part: Part, to: Use) -> io::Result<Begun> {
    Ok(match part {
        Part::Address(address) => Begun::Addresses(vec![address]),
        #[cfg(unix)]
        Part::Path(path) => Begun::Done(Resolved::Path(path)),
        Part::Socket(socket) => Begun::Done(Resolved::Socket(taken_over(socket, to)?)),
        Part::Invalid(message) => return Err(invalid(message)),
        Part::Name(host, Port::Number(port)) if host.is_empty() => Begun::Addresses(match to {
            Use::Bind => vec![(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()],
            Use::Connect => vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()],
        }),
        Part::Name(host, port) => Begun::LookUp(to_thread(move || look_up(&host, &port, to))),
    })
}

fn look_up(host: &str, port: &Port, to: Use) -> io::Result<Vec<SocketAddr>> {
    let service = match port {
        Port::Number(port) => port.to_string(),
        Port::Service(name) => name.clone(),
    };
    crate::resolve::stream_addresses(host, service, to == Use::Bind)
}

/// Checks a socket that somebody else made, and puts it into nonblocking mode.
fn taken_over(socket: Socket, to: Use) -> io::Result<Socket> {
    let kind = socket.r#type()?;
    if kind != Type::STREAM {
        return Err(invalid(format!("a stream socket is needed, and this one is of the kind {kind:?}")));
    }
    if to == Use::Connect && sys::is_listener(&socket) {
        return Err(invalid("this socket listens, and is connected to nobody: make a server of it"));
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
