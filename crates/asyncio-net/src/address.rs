//! `ToAddrs`: what a connection is made to and a server bound to.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
#[cfg(unix)]
use std::path::{Path, PathBuf};

use socket2::Socket;

/// What a connection is made to and a server bound to: addresses, a name and a port, or a socket that exists.
///
/// `("example.org", 80)`, `"example.org:80"`, `("127.0.0.1", 80)`, `("example.org", "http")`, a `SocketAddr`; several of
/// one kind, in an array, a slice or a `Vec`; several hosts with one port, as in `(["127.0.0.1", "::1"], 80)`. IP addresses
/// are taken as they are; names are looked up on a thread of the loop's pool. The empty host is every interface for a
/// server, and this machine for a client.
///
/// A `TcpStream` or `UnixStream` that is connected, or a `TcpListener` or `UnixListener`, is taken over, and put into
/// nonblocking mode. Where options are about making a socket, they have no effect on one that exists.
///
/// # In Python
///
/// The arguments `host`, `port` and `sock`.
pub trait ToAddrs {
    /// What is to be resolved.
    fn to_target(self) -> Target;
}

/// Addresses, what is to be looked up for them, or sockets: see [`ToAddrs`].
#[derive(Debug)]
pub struct Target(pub(crate) Vec<Part>);

#[derive(Debug)]
pub(crate) enum Part {
    Address(SocketAddr),
    Name(String, Port),
    #[cfg(unix)]
    Path(PathBuf),
    Socket(Socket),
    Invalid(String),
}

/// A family of IP addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub fn of(address: &SocketAddr) -> Self {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

/// A port, or the name of a service that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Port {
    Number(u16),
    Service(String),
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(port) => port.fmt(f),
            Self::Service(name) => name.fmt(f),
        }
    }
}

impl Target {
    fn one(part: Part) -> Self {
        Self(vec![part])
    }

    fn named(host: &str, port: Port) -> Self {
        Self::one(match (host.parse::<IpAddr>(), port) {
            (Ok(ip), Port::Number(port)) => Part::Address(SocketAddr::new(ip, port)),
            (_, port) => Part::Name(host.to_owned(), port),
        })
    }

    fn text(text: &str) -> Self {
        if let Ok(address) = text.parse() {
            return Self::one(Part::Address(address));
        }
        match text.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            // In brackets: the name of an interface is what made it no literal.
            Some((host, Ok(port))) => {
                let scoped = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
                Self::named(scoped.unwrap_or(host), Port::Number(port))
            }
            _ => Self::one(Part::Invalid(format!("`{text}` is not an address: write `host:port`"))),
        }
    }

    /// The host, if it is one.
    #[cfg(feature = "rustls")]
    pub(crate) fn host(&self) -> Option<String> {
        let mut hosts = self.0.iter().map(|part| match part {
            Part::Address(address) => Some(address.ip().to_string()),
            Part::Name(host, _) if !host.is_empty() => Some(host.clone()),
            _ => None,
        });
        let first = hosts.next()??;
        hosts.all(|host| host.as_ref() == Some(&first)).then_some(first)
    }

    #[cfg(unix)]
    pub(crate) fn path(path: &Path) -> Self {
        Self::one(Part::Path(path.to_owned()))
    }
}

impl FromIterator<Target> for Target {
    fn from_iter<T: IntoIterator<Item = Target>>(targets: T) -> Self {
        Self(targets.into_iter().flat_map(|target| target.0).collect())
    }
}

pub(crate) fn invalid(message: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message.into())
}

impl ToAddrs for Target {
    fn to_target(self) -> Target {
        self
    }
}

impl ToAddrs for (&str, u16) {
    fn to_target(self) -> Target {
        Target::named(self.0, Port::Number(self.1))
    }
}

impl ToAddrs for (String, u16) {
    fn to_target(self) -> Target {
        (self.0.as_str(), self.1).to_target()
    }
}

impl ToAddrs for (&String, u16) {
    fn to_target(self) -> Target {
        (self.0.as_str(), self.1).to_target()
    }
}

/// A host and the name of a service, such as `"http"`, or a port as text.
impl ToAddrs for (&str, &str) {
    fn to_target(self) -> Target {
        let (host, service) = self;
        Target::named(host, service.parse().map_or_else(|_| Port::Service(service.to_owned()), Port::Number))
    }
}

impl ToAddrs for &str {
    fn to_target(self) -> Target {
        Target::text(self)
    }
}

impl ToAddrs for String {
    fn to_target(self) -> Target {
        Target::text(&self)
    }
}

impl ToAddrs for &String {
    fn to_target(self) -> Target {
        Target::text(self)
    }
}

/// Several, one after the other.
impl<T: ToAddrs> ToAddrs for Vec<T> {
    fn to_target(self) -> Target {
        self.into_iter().map(T::to_target).collect()
    }
}

impl<T: ToAddrs, const N: usize> ToAddrs for [T; N] {
    fn to_target(self) -> Target {
        self.into_iter().map(T::to_target).collect()
    }
}

impl<T: ToAddrs + Clone> ToAddrs for &[T] {
    fn to_target(self) -> Target {
        self.iter().cloned().map(T::to_target).collect()
    }
}

impl<T: ToAddrs + Clone> ToAddrs for &Vec<T> {
    fn to_target(self) -> Target {
        self.as_slice().to_target()
    }
}

/// Several hosts with one port.
impl<const N: usize> ToAddrs for ([&str; N], u16) {
    fn to_target(self) -> Target {
        (self.0.as_slice(), self.1).to_target()
    }
}

impl ToAddrs for (&[&str], u16) {
    fn to_target(self) -> Target {
        self.0.iter().map(|&host| (host, self.1).to_target()).collect()
    }
}

/// Ways to write one address.
macro_rules! one_address {
    ($($address:ty),*) => {
        $(impl ToAddrs for $address {
            fn to_target(self) -> Target {
                Target::one(Part::Address(self.into()))
            }
        })*
    };
}

one_address!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

/// Sockets that exist.
macro_rules! sockets {
    ($($(#[$attribute:meta])* $socket:ty),*) => {
        $($(#[$attribute])* impl ToAddrs for $socket {
            fn to_target(self) -> Target {
                Target::one(Part::Socket(self.into()))
            }
        })*
    };
}

sockets!(
    TcpStream,
    TcpListener,
    #[cfg(unix)]
    UnixStream,
    #[cfg(unix)]
    UnixListener,
    Socket
);

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(address: impl ToAddrs) -> String {
        format!("{:?}", address.to_target().0)
    }

    #[test]
    fn addresses_are_not_looked_up() {
        for target in [("127.0.0.1", 7).to_target(), "127.0.0.1:7".to_target(), (Ipv4Addr::LOCALHOST, 7).to_target()] {
            assert!(matches!(target.0[..], [Part::Address(address)] if address == (Ipv4Addr::LOCALHOST, 7).into()));
        }
        for target in [("::1", 7).to_target(), "[::1]:7".to_target()] {
            assert!(matches!(target.0[..], [Part::Address(address)] if address == (Ipv6Addr::LOCALHOST, 7).into()));
        }
    }

    #[test]
    fn names_are_looked_up_and_nonsense_is_refused() {
        assert!(matches!(&"localhost:7".to_target().0[..], [Part::Name(host, Port::Number(7))] if host == "localhost"));
        assert!(matches!("localhost".to_target().0[..], [Part::Invalid(_)]));
        assert!(matches!("localhost:port".to_target().0[..], [Part::Invalid(_)]));
    }

    #[test]
    fn the_scope_of_an_address_is_kept_and_the_name_of_an_interface_looked_up() {
        let scoped = SocketAddr::from(SocketAddrV6::new("fe80::1".parse().unwrap(), 7, 0, 1));
        for target in ["[fe80::1%1]:7".to_target(), ("fe80::1%1", 7).to_target()] {
            assert_eq!(asyncio::run(target.resolve_addresses(None)).unwrap(), [scoped]);
        }
        for target in ["[fe80::1%eth0]:7".to_target(), ("fe80::1%eth0", 7).to_target()] {
            assert!(
                matches!(&target.0[..], [Part::Name(host, Port::Number(7))] if host == "fe80::1%eth0"),
                "{target:?}"
            );
        }
    }

    #[test]
    fn several_are_one_after_the_other() {
        let both = ["127.0.0.1:7", "[::1]:7"];
        let expected = parts(both);
        assert_eq!(parts(both.as_slice()), expected);
        assert_eq!(parts(both.to_vec()), expected);
        assert_eq!(parts((["127.0.0.1", "::1"], 7)), expected);
        assert_eq!(parts(both.map(|address| address.parse::<SocketAddr>().unwrap())), expected);
        assert_eq!(parts(Vec::<SocketAddr>::new()), "[]");
    }

    #[test]
    fn a_service_may_be_a_number_or_a_name() {
        assert_eq!(parts(("::1", "80")), parts(("::1", 80)));
        assert!(matches!(&("::1", "http").to_target().0[..], [Part::Name(_, Port::Service(name))] if name == "http"));
    }
}
