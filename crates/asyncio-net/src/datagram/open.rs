//! Makes the socket of a datagram endpoint, and takes its path away afterwards.

use std::io;
use std::net::SocketAddr;

use asyncio_reactor::{AsDescriptor, OwnedDescriptor};
use socket2::{Domain, Protocol, SockRef, Type};

use crate::address::Family;
use crate::resolve::{AddrInfoFlags, AddrInfoHints, SocketKind, getaddrinfo, nothing_found};
use crate::sock::{Address, Place};
use crate::sys::{self, BoundPath};

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    pub(super) local: Option<Place>,
    pub(super) remote: Option<Place>,
    pub(super) family: Option<Family>,
    pub(super) protocol: i32,
    pub(super) flags: AddrInfoFlags,
    pub(super) reuse_port: bool,
    pub(super) allow_broadcast: bool,
}

/// A socket, and how it is to be used.
pub(super) struct Opened {
    pub(super) socket: OwnedDescriptor,
    /// To whom everything goes.
    pub(super) remote: Option<Address>,
    /// Whether the system knows that.
    pub(super) connected: bool,
    pub(super) path: Option<BoundPath>,
}

/// One family that the endpoint may have, and the addresses in it.
struct Candidate {
    domain: Domain,
    local: Option<Address>,
    remote: Option<Address>,
}

fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.into())
}

/// Opens a socket: the first candidate that can be bound and connected. The error is that of the first that cannot.
pub(super) async fn open(options: &Options) -> io::Result<Opened> {
    let mut first_error = None;
    for candidate in candidates(options).await? {
        match open_one(options, candidate) {
            Ok(opened) => return Ok(opened),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| invalid("no family of addresses has both the local and the remote address")))
}

/// Takes a socket that exists.
pub(super) fn adopt(socket: OwnedDescriptor, options: &Options) -> io::Result<Opened> {
    if options.local.is_some()
        || options.remote.is_some()
        || options.family.is_some()
        || options.protocol != 0
        || options.flags != AddrInfoFlags::NONE
        || options.reuse_port
        || options.allow_broadcast
    {
        return Err(invalid("a socket that exists is taken as it is: give it no addresses and no options"));
    }
    if SockRef::from(&socket).r#type()? != Type::DGRAM {
        return Err(invalid("a datagram endpoint needs a datagram socket"));
    }
    SockRef::from(&socket).set_nonblocking(true)?;
    let remote = sys::peer_address(socket.as_descriptor())?;
    Ok(Opened { socket, connected: remote.is_some(), remote, path: None })
}

async fn candidates(options: &Options) -> io::Result<Vec<Candidate>> {
    let is_unix = |target: &Option<Place>| matches!(target, Some(Place::Address(address)) if address.is_unix());
    match (&options.local, &options.remote) {
        (None, None) => match options.family {
            Some(family) => Ok(vec![Candidate { domain: domain(family), local: None, remote: None }]),
            None => Err(invalid("a datagram endpoint needs a local address, a remote address, or a family")),
        },
        (local, remote) if (is_unix(local) || is_unix(remote)) && !sys::HAS_UNIX_SOCKETS => {
            Err(invalid("Unix sockets are not supported on this platform: give an IP address"))
        }
        (local, remote) if is_unix(local) || is_unix(remote) => {
            let unix = |target: &Option<Place>| match target {
                Some(Place::Address(address)) if address.is_unix() => Ok(Some(address.clone())),
                Some(other) => Err(invalid(format!("{other} is no address of a Unix socket, as the other one is"))),
                None => Ok(None),
            };
            Ok(vec![Candidate { domain: Domain::UNIX, local: unix(local)?, remote: unix(remote)? }])
        }
        (local, remote) => {
            let locals = look_up(local.as_ref(), options).await?;
            let remotes = look_up(remote.as_ref(), options).await?;
            let mut found = Vec::new();
            // In the order of the local addresses, if there are any.
            let order: Vec<Family> = locals.iter().chain(&remotes).map(Family::of).collect();
            for (index, family) in order.iter().enumerate() {
                if order[..index].contains(family) {
                    continue;
                }
                let first = |all: &[SocketAddr]| all.iter().find(|address| Family::of(address) == *family).copied();
                let (here, there) = (first(&locals), first(&remotes));
                if (local.is_none() || here.is_some()) && (remote.is_none() || there.is_some()) {
                    let (local, remote) = (here.map(Address::Inet), there.map(Address::Inet));
                    found.push(Candidate { domain: domain(*family), local, remote });
                }
            }
            Ok(found)
        }
    }
}

async fn look_up(target: Option<&Place>, options: &Options) -> io::Result<Vec<SocketAddr>> {
    let (host, port) = match target {
        None => return Ok(Vec::new()),
        Some(Place::Address(Address::Inet(address))) => {
            let wanted = options.family.is_none_or(|family| family == Family::of(address));
            return if wanted { Ok(vec![*address]) } else { Err(invalid(format!("{address} is of another family"))) };
        }
        Some(Place::Name { host, port }) => (host, *port),
        Some(Place::Address(_)) => unreachable!("Unix addresses were told apart before"),
    };
    let hints = AddrInfoHints {
        family: options.family,
        kind: Some(SocketKind::Datagram),
        protocol: options.protocol,
        flags: options.flags,
    };
    let found = getaddrinfo(host.as_str(), port, hints).await?;
    if found.is_empty() { Err(nothing_found(host)) } else { Ok(found.iter().map(|info| info.address).collect()) }
}

fn domain(family: Family) -> Domain {
    match family {
        Family::V4 => Domain::IPV4,
        Family::V6 => Domain::IPV6,
    }
}

fn open_one(options: &Options, candidate: Candidate) -> io::Result<Opened> {
    let protocol = (options.protocol != 0).then(|| Protocol::from(options.protocol));
    let socket = socket2::Socket::new(candidate.domain, Type::DGRAM, protocol)?;
    socket.set_nonblocking(true)?;
    if options.reuse_port {
        #[cfg(unix)]
        socket.set_reuse_port(true)?;
        #[cfg(not(unix))]
        return Err(invalid("ports cannot be reused by several sockets on this platform: leave `reuse_port` out"));
    }
    if options.allow_broadcast {
        socket.set_broadcast(true)?;
    }
    let socket = OwnedDescriptor::from(socket);
    let mut path = None;
    if let Some(local) = &candidate.local {
        if let Some(path) = local.as_path() {
            sys::remove_stale(path)?;
        }
        sys::bind(socket.as_descriptor(), local)?;
        path = local.as_path().and_then(BoundPath::new);
    }
    // A broadcast address cannot be connected to, and answers come from others.
    let connected = candidate.remote.is_some() && !options.allow_broadcast;
    if let (true, Some(remote)) = (connected, &candidate.remote) {
        sys::connect(socket.as_descriptor(), remote)?;
    }
    Ok(Opened { socket, remote: candidate.remote, connected, path })
}
