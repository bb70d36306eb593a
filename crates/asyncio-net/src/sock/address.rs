//! Addresses of sockets, and the names that stand for them.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::path::{Path, PathBuf};

use socket2::SockAddr;

/// Where a socket is bound, or whom it talks to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Address {
    /// An IP address and a port.
    Inet(SocketAddr),
    /// A Unix socket with a path.
    Path(PathBuf),
    /// A Unix socket with a name that is no path, without the zero byte before it. Linux only.
    Abstract(Vec<u8>),
    /// No address: a Unix socket that is not bound, or the other end of a pair.
    Unnamed,
}

impl Address {
    /// The IP address and port, if it is one.
    #[must_use]
    pub fn as_inet(&self) -> Option<SocketAddr> {
        match self {
            Address::Inet(address) => Some(*address),
            _ => None,
        }
    }

    /// The path, if it is one.
    #[must_use]
    pub fn as_path(&self) -> Option<&Path> {
        match self {
            Address::Path(path) => Some(path),
            _ => None,
        }
    }

    /// Whether it is one of a Unix socket.
    #[must_use]
    pub fn is_unix(&self) -> bool {
        !matches!(self, Address::Inet(_))
    }

    /// As connections take it, where the platform has it.
    pub(crate) fn to_sock_addr(&self) -> io::Result<SockAddr> {
        match self {
            Address::Inet(address) => Ok((*address).into()),
            Address::Path(path) => SockAddr::unix(path),
            #[cfg(unix)]
            Address::Abstract(name) => {
                let name = [&[0], name.as_slice()].concat();
                SockAddr::unix(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(name))
            }
            #[cfg(not(unix))]
            Address::Abstract(_) => Err(io::ErrorKind::Unsupported.into()),
            Address::Unnamed => SockAddr::unix(""),
        }
    }
}

/// As Python prints it: an IP address with its port, a path, or a name after `@`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Inet(address) => address.fmt(f),
            Address::Path(path) => path.display().fmt(f),
            Address::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
            Address::Unnamed => f.write_str("(unnamed)"),
        }
    }
}

/// What to bind, connect or send to: an address, or a name and a port to be looked up.
///
/// It is made with `into()` from `(host, port)`, where the host is a name, a literal or an `IpAddr`, from a `SocketAddr`,
/// from an [`Address`], and, for Unix sockets, from a `Path` or `PathBuf`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// An address.
    Address(Address),
    /// A host name and a port.
    Name {
        /// The name; the empty one stands for every address of this machine, as in Python.
        host: String,
        /// The port.
        port: u16,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Address(address) => address.fmt(f),
            Place::Name { host, port } => write!(f, "{host}:{port}"),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Address::Inet(address)
    }
}

impl From<&Path> for Address {
    fn from(path: &Path) -> Self {
        Address::Path(path.to_owned())
    }
}

impl From<&Address> for Address {
    fn from(address: &Address) -> Self {
        address.clone()
    }
}

impl From<&Address> for Place {
    fn from(address: &Address) -> Self {
        Place::Address(address.clone())
    }
}

impl From<(&str, u16)> for Place {
    fn from((host, port): (&str, u16)) -> Self {
        match host.parse::<IpAddr>() {
            Ok(ip) => (ip, port).into(),
            Err(_) => Place::Name { host: host.to_owned(), port },
        }
    }
}

impl From<(String, u16)> for Place {
    fn from((host, port): (String, u16)) -> Self {
        (host.as_str(), port).into()
    }
}

impl From<(IpAddr, u16)> for Place {
    fn from(address: (IpAddr, u16)) -> Self {
        SocketAddr::from(address).into()
    }
}

macro_rules! is_an_address {
    ($($kind:ty: $variant:ident),*) => {
        $(impl From<$kind> for Place {
            fn from(address: $kind) -> Self {
                Place::Address(address.into())
            }
        })*
        $(is_an_address!(@ $kind, $variant);)*
    };
    (@ $kind:ty, Done) => {};
    (@ $kind:ty, $variant:ident) => {
        impl From<$kind> for Address {
            fn from(address: $kind) -> Self {
                Address::$variant(address.into())
            }
        }
    };
}

is_an_address!(SocketAddr: Done, &Path: Done, Address: Done, SocketAddrV4: Inet, SocketAddrV6: Inet, PathBuf: Path, &PathBuf: Path);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_form_for_connections() {
        for address in
            [Address::from(SocketAddr::from(([127, 0, 0, 1], 80))), Address::from(Path::new("/tmp/some socket"))]
        {
            let other_form = address.to_sock_addr().unwrap();
            assert_eq!(other_form.as_socket(), address.as_inet());
            assert_eq!(other_form.as_pathname(), address.as_path());
        }
        assert!(Address::Unnamed.to_sock_addr().unwrap().is_unnamed());
    }

    #[test]
    fn a_literal_is_an_address_and_a_name_is_not() {
        assert!(matches!(Place::from(("::1", 1)), Place::Address(Address::Inet(_))));
        assert!(matches!(Place::from(("localhost", 1)), Place::Name { .. }));
        assert_eq!(Place::from(("localhost", 1)).to_string(), "localhost:1");
    }
}
