//! What must hold of TLS, between two ends of this library and against a peer that is driven by hand.

mod cancel;
mod ending;
mod ends;
mod flow;
mod handshake;
mod interop;
mod peer;
mod sendfile;
mod split;
mod starting;
