//! Tests of the crate through its public face, over the loopback.

#[cfg(unix)]
mod datagram;
#[cfg(unix)]
mod datagram_option;
#[cfg(unix)]
mod loopback;
#[cfg(unix)]
mod resolve;
#[cfg(unix)]
mod sendfile;
#[cfg(unix)]
mod sock;
#[cfg(unix)]
mod sock_cancel;
#[cfg(unix)]
mod sock_split;
