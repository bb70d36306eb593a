//! `ToAddrs`: what a connection is made to and a server bound to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs};

use asyncio_event_loop::to_thread;

/// What a connection is made to and a server bound to: addresses, or a name and a port.
///
/// `("example.org", 80)`, `"example.org:80"`, `("127.0.0.1", 80)`, a `SocketAddr`, several of them. IP addresses are taken
/// as they are; names are looked up on a thread of the loop's pool. The empty host is every interface for a server, and this
/// machine for a client.
pub trait ToAddrs {
    /// What is to be resolved.
    fn to_target(self) -> Target;
}

/// Addresses, or what is to be looked up for them: see [`ToAddrs`].
#[derive(Clone, Debug)]
pub struct Target(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Addresses(Vec<SocketAddr>),
    Name(String, u16),
    Invalid(String),
}

/// What the addresses are wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Connect,
    Bind,
}

impl Target {
    fn named(host: &str, port: u16) -> Self {
        match host.parse::<IpAddr>() {
            Ok(ip) => Self(Kind::Addresses(vec![SocketAddr::new(ip, port)])),
            Err(_) => Self(Kind::Name(host.to_owned(), port)),
        }
    }

    fn text(text: &str) -> Self {
        if let Ok(address) = text.parse() {
            return Self(Kind::Addresses(vec![address]));
        }
        match text.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) => Self::named(host, port),
            _ => Self(Kind::Invalid(format!("`{text}` is not an address: write `host:port`"))),
        }
    }

    /// The addresses, at least one.
    pub(crate) async fn resolve(self, to: Use) -> io::Result<Vec<SocketAddr>> {
        let addresses = match self.0 {
            Kind::Addresses(addresses) => addresses,
            Kind::Invalid(message) => return Err(io::Error::new(io::ErrorKind::InvalidInput, message)),
            Kind::Name(host, port) if host.is_empty() => match to {
                Use::Bind => vec![(Ipv4Addr::UNSPECIFIED, port).into(), (Ipv6Addr::UNSPECIFIED, port).into()],
                Use::Connect => vec![(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()],
            },
            Kind::Name(host, port) => {
                let look_up = move || {
                    let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
                    found.map_err(|error| io::Error::new(error.kind(), format!("cannot look up `{host}`: {error}")))
                };
                to_thread(look_up).await?
            }
        };
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, "there is no address to use"));
        }
        let mut distinct = Vec::with_capacity(addresses.len());
        for address in addresses {
            if !distinct.contains(&address) {
                distinct.push(address);
            }
        }
        Ok(distinct)
    }
}

impl ToAddrs for Target {
    fn to_target(self) -> Target {
        self
    }
}

impl ToAddrs for (&str, u16) {
    fn to_target(self) -> Target {
        Target::named(self.0, self.1)
    }
}

impl ToAddrs for (String, u16) {
    fn to_target(self) -> Target {
        Target::named(&self.0, self.1)
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

impl ToAddrs for Vec<SocketAddr> {
    fn to_target(self) -> Target {
        Target(Kind::Addresses(self))
    }
}

impl ToAddrs for &[SocketAddr] {
    fn to_target(self) -> Target {
        self.to_vec().to_target()
    }
}

impl ToAddrs for &Vec<SocketAddr> {
    fn to_target(self) -> Target {
        self.clone().to_target()
    }
}

impl<const N: usize> ToAddrs for [SocketAddr; N] {
    fn to_target(self) -> Target {
        self.to_vec().to_target()
    }
}

/// Ways to write one address.
macro_rules! one_address {
    ($($address:ty),*) => {
        $(impl ToAddrs for $address {
            fn to_target(self) -> Target {
                Target(Kind::Addresses(vec![self.into()]))
            }
        })*
    };
}

one_address!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_not_looked_up() {
        for target in [("127.0.0.1", 7).to_target(), "127.0.0.1:7".to_target(), (Ipv4Addr::LOCALHOST, 7).to_target()] {
            assert!(matches!(target.0, Kind::Addresses(addresses) if addresses == [(Ipv4Addr::LOCALHOST, 7).into()]));
        }
        for target in [("::1", 7).to_target(), "[::1]:7".to_target()] {
            assert!(matches!(target.0, Kind::Addresses(addresses) if addresses == [(Ipv6Addr::LOCALHOST, 7).into()]));
        }
    }

    #[test]
    fn names_are_looked_up_and_nonsense_is_refused() {
        assert!(matches!("localhost:7".to_target().0, Kind::Name(host, 7) if host == "localhost"));
        assert!(matches!("localhost".to_target().0, Kind::Invalid(_)));
        assert!(matches!("localhost:port".to_target().0, Kind::Invalid(_)));
    }
}
