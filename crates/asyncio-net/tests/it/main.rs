//! What must hold of transports, streams, servers, sockets and datagrams, over real sockets on this machine.
#![cfg(unix)]

mod cancellation;
mod connecting;
mod datagram;
mod datagram_option;
mod flow;
mod load;
mod loopback;
mod order;
mod pipes;
mod reading;
mod resolve;
mod sendfile;
mod servers;
mod sock;
mod sock_cancel;
mod sock_split;
mod support;
mod taking;
#[cfg(feature = "tls")]
mod tls;
mod unix;
mod writing;
