//! What a name look-up asks and answers.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::BitOr;

use asyncio_reactor::BorrowedDescriptor;
use socket2::{Domain, SockRef, Type};

use crate::address::Family;
use crate::sys::{self, lookup};

/// A kind of socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketKind {
    /// A stream: TCP.
    Stream,
    /// Datagrams: UDP.
    Datagram,
    /// Packets of a protocol below those.
    Raw,
}

/// What a look-up is to be restricted to. The default is not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AddrInfoHints {
    /// Addresses of one family only.
    pub family: Option<Family>,
    /// Services of one kind of socket only.
    pub kind: Option<SocketKind>,
    /// The number of a protocol; 0 for any.
    pub protocol: i32,
    /// What else.
    pub flags: AddrInfoFlags,
}

impl AddrInfoHints {
    /// Those that find what this socket can be connected to.
    pub(crate) fn of_socket(fd: BorrowedDescriptor<'_>) -> io::Result<Self> {
        let family = match sys::family(fd)? {
            Domain::IPV4 => Some(Family::V4),
            Domain::IPV6 => Some(Family::V6),
            _ => {
                let message = "a host name was given to a socket that is not one of IP; give it a path";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        };
        let kind = match SockRef::from(&fd).r#type()? {
            Type::STREAM => Some(SocketKind::Stream),
            Type::DGRAM => Some(SocketKind::Datagram),
            Type::RAW => Some(SocketKind::Raw),
            _ => None,
        };
        Ok(Self { family, kind, ..Self::default() })
    }
}

/// One answer of a look-up.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AddrInfo {
    /// The family of the address.
    pub family: Family,
    /// The kind of socket that the service takes, if it is one that this crate knows.
    pub kind: Option<SocketKind>,
    /// The number of the protocol.
    pub protocol: i32,
    /// The proper name of the host, in the first answer, if [`AddrInfoFlags::CANONICAL_NAME`] asked for it.
    pub canonical_name: Option<String>,
    /// The address.
    pub address: SocketAddr,
}

/// The service, or the port, of a look-up: made with `into()` from a number, a name, or `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Any,
    Port(u16),
    Name(String),
}

impl Service {
    pub(super) fn is_number(&self) -> bool {
        match &self.0 {
            Kind::Any | Kind::Port(_) => true,
            Kind::Name(name) => name.parse::<u16>().is_ok(),
        }
    }

    /// As the platform wants it. Without a service the port is 0, which needs to be said where there is no host either.
    pub(super) fn text(&self) -> Option<String> {
        match &self.0 {
            Kind::Any => Some("0".to_owned()),
            Kind::Port(port) => Some(port.to_string()),
            Kind::Name(name) => Some(name.clone()),
        }
    }
}

impl From<u16> for Service {
    fn from(port: u16) -> Self {
        Self(Kind::Port(port))
    }
}

impl From<&str> for Service {
    fn from(name: &str) -> Self {
        Self(if name.is_empty() { Kind::Any } else { Kind::Name(name.to_owned()) })
    }
}

impl From<Option<u16>> for Service {
    fn from(port: Option<u16>) -> Self {
        Self(port.map_or(Kind::Any, Kind::Port))
    }
}

macro_rules! flags {
    ($(#[$outer:meta])* $kind:ident { $($(#[$inner:meta])* $name:ident = $value:expr;)* }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $kind(i32);

        impl $kind {
            /// None of them.
            pub const NONE: Self = Self(0);
            $($(#[$inner])* pub const $name: Self = Self($value);)*

            /// Whether all of `other` are among these.
            #[must_use]
            pub fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }

            pub(super) fn bits(self) -> i32 {
                self.0
            }
        }

        impl BitOr for $kind {
            type Output = Self;
            fn bitor(self, other: Self) -> Self {
                Self(self.0 | other.0)
            }
        }
    };
}

flags! {
    /// Flags of [`getaddrinfo`](crate::getaddrinfo), joined with `|`.
    ///
    /// # In Python
    ///
    /// `socket.AI_PASSIVE` and its like.
    AddrInfoFlags {
        /// Addresses to listen at: without a host, every address of this machine.
        PASSIVE = lookup::AI_PASSIVE;
        /// The proper name of the host as well.
        CANONICAL_NAME = lookup::AI_CANONNAME;
        /// The host is a literal: no look-up.
        NUMERIC_HOST = lookup::AI_NUMERICHOST;
        /// The service is a number: no look-up.
        NUMERIC_SERVICE = lookup::AI_NUMERICSERV;
        /// Only families of which this machine has an address.
        ADDRESS_CONFIGURED = lookup::AI_ADDRCONFIG;
        /// IPv4 addresses in the form of IPv6, where IPv6 is asked for and there is none.
        V4_MAPPED = lookup::AI_V4MAPPED;
        /// With `V4_MAPPED`: both, even where there is IPv6.
        ALL = lookup::AI_ALL;
    }
}

flags! {
    /// Flags of [`getnameinfo`](crate::getnameinfo), joined with `|`.
    ///
    /// # In Python
    ///
    /// `socket.NI_NUMERICHOST` and its like.
    NameInfoFlags {
        /// The host as a literal: no look-up.
        NUMERIC_HOST = lookup::NI_NUMERICHOST;
        /// The port as a number: no look-up.
        NUMERIC_SERVICE = lookup::NI_NUMERICSERV;
        /// An error if the host has no name.
        NAME_REQUIRED = lookup::NI_NAMEREQD;
        /// The service is one of datagrams.
        DATAGRAM = lookup::NI_DGRAM;
        /// Only the first part of the names of hosts in the own domain.
        NO_DOMAIN = lookup::NI_NOFQDN;
    }
}

/// A name look-up came to nothing. It is inside of the `io::Error` of the look-up.
///
/// # In Python
///
/// `socket.gaierror`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookupError {
    code: i32,
    what: String,
    reason: String,
}

impl LookupError {
    pub(super) fn new(code: i32, what: String, reason: String) -> Self {
        Self { code, what, reason }
    }

    /// The platform's number: one of `EAI_NONAME` and its like.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.code
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot look up {}: {}", self.what, self.reason)
    }
}

impl Error for LookupError {}

impl From<LookupError> for io::Error {
    fn from(error: LookupError) -> Self {
        let kind = match error.code {
            lookup::EAI_NONAME => io::ErrorKind::NotFound,
            lookup::EAI_BADFLAGS | lookup::EAI_FAMILY | lookup::EAI_SERVICE | lookup::EAI_SOCKTYPE => {
                io::ErrorKind::InvalidInput
            }
            lookup::EAI_MEMORY => io::ErrorKind::OutOfMemory,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}
