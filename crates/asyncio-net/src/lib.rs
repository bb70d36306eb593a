//! Transports and protocols, streams, servers, datagrams, sockets and name look-up for asyncio.

#[cfg(unix)]
mod datagram;
#[cfg(unix)]
mod resolve;
#[cfg(unix)]
mod sendfile;
#[cfg(unix)]
mod sock;

#[cfg(unix)]
pub use datagram::{CreateDatagramEndpoint, DatagramProtocol, DatagramTransport, create_datagram_endpoint};
#[cfg(unix)]
pub use resolve::{
    AddrInfo, AddrInfoFlags, AddrInfoHints, Family, LookupError, NameInfoFlags, Service, SocketKind, getaddrinfo,
    getnameinfo, resolve,
};
#[cfg(unix)]
pub use sendfile::{SendfileNotAvailableError, SockSendfile};
#[cfg(unix)]
pub use sock::{Accept, Address, AsSocket, LoopSockets, Place, Socket};
