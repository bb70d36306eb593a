//! Tests of the crate through its public face, over the loopback.

#[cfg(unix)]
mod datagram;
#[cfg(unix)]
mod resolve;
#[cfg(unix)]
mod sendfile;
#[cfg(unix)]
mod sock;
#[cfg(unix)]
mod sock_cancel;
