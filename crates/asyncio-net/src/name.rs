//! The address of one end of a connection, kept for as long as its transport.

use std::net::SocketAddr;

use socket2::SockAddr;

/// An address as it was when the connection was made. The system's form of it takes four times as much, in every connection.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    Inet(SocketAddr),
    #[cfg_attr(not(unix), expect(dead_code, reason = "only Unix sockets have names that are looked into"))]
    Other(Box<SockAddr>),
}

impl Name {
    pub(crate) fn as_socket(&self) -> Option<SocketAddr> {
        match self {
            Self::Inet(address) => Some(*address),
            Self::Other(_) => None,
        }
    }

    #[cfg(unix)]
    pub(crate) fn as_unix(&self) -> Option<std::os::unix::net::SocketAddr> {
        match self {
            Self::Inet(_) => None,
            Self::Other(address) => address.as_unix(),
        }
    }
}

impl From<SockAddr> for Name {
    fn from(address: SockAddr) -> Self {
        match address.as_socket() {
            Some(address) => Self::Inet(address),
            None => Self::Other(Box::new(address)),
        }
    }
}
