//! Name look-up: `getaddrinfo`, `getnameinfo` and `resolve`.

mod info;
mod native;

use std::ffi::CString;
use std::io;
use std::net::{IpAddr, SocketAddr};

use asyncio_event_loop::to_thread;

use crate::sock::{Address, Place};

pub use info::{AddrInfo, AddrInfoFlags, AddrInfoHints, LookupError, NameInfoFlags, Service, SocketKind};

/// The addresses of `host` with the port of `service`, in the order in which they are to be tried.
///
/// Without a host they are those of this machine: every address to listen at with [`AddrInfoFlags::PASSIVE`], the loopback
/// address otherwise. Without a kind of socket in the hints, an address comes once for each kind.
///
/// The look-up is done by the platform, on a thread of the loop's pool. A host that is an IP literal, or none, with a
/// port that is a number, needs no look-up and no thread.
///
/// # Cancel safety
///
/// A look-up that has begun goes on, and its outcome is lost.
///
/// # Errors
///
/// A [`LookupError`] inside of the `io::Error` says why nothing was found; or the platform's own error.
///
/// # Panics
///
/// When there is no running event loop and a thread is needed.
///
/// # Examples
///
/// ```
/// use asyncio_net::{AddrInfoHints, SocketKind, getaddrinfo};
///
/// let hints = AddrInfoHints { kind: Some(SocketKind::Stream), ..AddrInfoHints::default() };
/// let found = asyncio_event_loop::run(getaddrinfo("::1", 80, hints))?;
/// assert_eq!(found[0].address.to_string(), "[::1]:80");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # In Python
///
/// `loop.getaddrinfo`, in `asyncio/base_events.py`, and `socket.getaddrinfo`.
pub fn getaddrinfo<'h>(
    host: impl Into<Option<&'h str>>,
    service: impl Into<Service>,
    hints: AddrInfoHints,
) -> impl Future<Output = io::Result<Vec<AddrInfo>>> {
    let host = host.into().filter(|host| !host.is_empty()).map(str::to_owned);
    let service = service.into();
    async move {
        let needs_no_lookup = host.as_ref().is_none_or(|host| host.parse::<IpAddr>().is_ok()) && service.is_number();
        let service = service.text();
        if needs_no_lookup {
            let flags = AddrInfoFlags::NUMERIC_SERVICE
                | if host.is_some() { AddrInfoFlags::NUMERIC_HOST } else { AddrInfoFlags::NONE };
            let hints = AddrInfoHints { flags: hints.flags | flags, ..hints };
            look_up(host, service, hints)
        } else {
            to_thread(move || look_up(host, service, hints)).await
        }
    }
}

fn look_up(host: Option<String>, service: Option<String>, hints: AddrInfoHints) -> io::Result<Vec<AddrInfo>> {
    let host = host.map(|host| no_zeros(host, "host")).transpose()?;
    let service = service.map(|service| no_zeros(service, "service")).transpose()?;
    native::getaddrinfo(host.as_deref(), service.as_deref(), &hints)
}

/// The addresses for a stream to a host, or for a listener. It blocks.
pub(crate) fn stream_addresses(host: &str, service: String, passive: bool) -> io::Result<Vec<SocketAddr>> {
    let flags = if passive { AddrInfoFlags::PASSIVE } else { AddrInfoFlags::NONE };
    let hints = AddrInfoHints { kind: Some(SocketKind::Stream), flags, ..AddrInfoHints::default() };
    let name = Some(host).filter(|host| !host.is_empty()).map(str::to_owned);
    let found = look_up(name, Some(service), hints)?;
    if found.is_empty() { Err(nothing_found(host)) } else { Ok(found.iter().map(|info| info.address).collect()) }
}

fn no_zeros(text: String, what: &str) -> io::Result<CString> {
    CString::new(text).map_err(|error| {
        let message = format!("the name of a {what} has a zero byte in it: {:?}", error.into_vec().escape_ascii());
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

/// The names of host and service that belong to an address.
///
/// Without flags, a host that has no name gives its literal, and a port that has none its number. The look-up is done by
/// the platform, on a thread of the loop's pool, unless both are asked for in numbers.
///
/// # Cancel safety
///
/// A look-up that has begun goes on, and its outcome is lost.
///
/// # Errors
///
/// A [`LookupError`] inside of the `io::Error` says why nothing was found; or the platform's own error.
///
/// # Panics
///
/// When there is no running event loop and a thread is needed.
///
/// # Examples
///
/// ```
/// use asyncio_net::{NameInfoFlags, getnameinfo};
///
/// let flags = NameInfoFlags::NUMERIC_HOST | NameInfoFlags::NUMERIC_SERVICE;
/// let names = asyncio_event_loop::run(getnameinfo(([127, 0, 0, 1], 80).into(), flags))?;
/// assert_eq!(names, ("127.0.0.1".to_owned(), "80".to_owned()));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # In Python
///
/// `loop.getnameinfo`, in `asyncio/base_events.py`, and `socket.getnameinfo`.
pub async fn getnameinfo(address: SocketAddr, flags: NameInfoFlags) -> io::Result<(String, String)> {
    if flags.contains(NameInfoFlags::NUMERIC_HOST | NameInfoFlags::NUMERIC_SERVICE) {
        native::getnameinfo(address, flags)
    } else {
        to_thread(move || native::getnameinfo(address, flags)).await
    }
}

/// The IP addresses that `target` stands for, each once, in the order in which they are to be tried. There is one at
/// least.
///
/// An address or literal is given back without a look-up; a name is looked up as by [`getaddrinfo`], for stream sockets.
///
/// # Cancel safety
///
/// As [`getaddrinfo`].
///
/// # Errors
///
/// As [`getaddrinfo`]; and `InvalidInput` for the address of a Unix socket.
///
/// # Panics
///
/// When there is no running event loop and a thread is needed.
///
/// # Examples
///
/// ```
/// let found = asyncio_event_loop::run(asyncio_net::resolve(("127.0.0.1", 80)))?;
/// assert_eq!(found, [([127, 0, 0, 1], 80).into()]);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # In Python
///
/// `BaseEventLoop._ensure_resolved`, in `asyncio/base_events.py`.
pub fn resolve(target: impl Into<Place>) -> impl Future<Output = io::Result<Vec<SocketAddr>>> {
    let target = target.into();
    async move {
        let (host, port) = match target {
            Place::Address(Address::Inet(address)) => return Ok(vec![address]),
            Place::Name { host, port } => (host, port),
            Place::Address(other) => {
                let message = format!("{other} is the address of a Unix socket, not a host to look up");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        };
        let hints = AddrInfoHints { kind: Some(SocketKind::Stream), ..AddrInfoHints::default() };
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for info in getaddrinfo(host.as_str(), port, hints).await? {
            if !addresses.contains(&info.address) {
                addresses.push(info.address);
            }
        }
        if addresses.is_empty() { Err(nothing_found(&host)) } else { Ok(addresses) }
    }
}

/// The platform found nothing and called that a success.
pub(crate) fn nothing_found(host: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("the look-up of `{host}` gave no address"))
}
