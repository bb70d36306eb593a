//! What must hold of transports, streams, servers, sockets and datagrams, over real sockets on this machine.
#![cfg_attr(not(unix), expect(unused_imports, dead_code, reason = "some of the tests are of what Unix has"))]

#[cfg(unix)]
mod binding;
#[cfg(unix)]
mod cancellation;
mod connecting;
mod datagram;
mod datagram_option;
mod ending;
mod feeding;
mod flow;
#[cfg(unix)]
mod load;
mod loopback;
mod order;
mod own_buffer;
#[cfg(unix)]
mod pipes;
mod reading;
mod resolve;
#[cfg(unix)]
mod sendfile;
#[cfg(unix)]
mod sendfile_transport;
mod servers;
mod sock;
mod sock_cancel;
#[cfg(unix)]
mod sock_split;
mod support;
#[cfg(unix)]
mod taking;
#[cfg(all(unix, feature = "tls"))]
mod tls;
#[cfg(unix)]
mod unix;
#[cfg(unix)]
mod woken;
mod writing;
