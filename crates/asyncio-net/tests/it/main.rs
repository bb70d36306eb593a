//! What must hold of transports, streams and servers, over real sockets on this machine.
#![cfg(unix)]

mod cancellation;
mod connecting;
mod flow;
mod order;
mod reading;
mod servers;
mod support;
mod unix;
mod writing;
