//! TLS between a transport and a protocol.
//!
//! A TLS connection is a protocol to the transport below it and a transport to the protocol above it, as in CPython's
//! `asyncio/sslproto.py`. So it stands on whatever has a transport: sockets, pipes, another TLS connection.
//!
//! rustls is driven directly: it does no I/O of its own, so that a `write` can encrypt and send before it returns, and what
//! arrives can be given to the protocol in the callback that read it. A wrapper with futures (futures-rustls) cannot: with it
//! a transport would need a task for each direction, and a queue between them and the caller.
//!
//! The life of a connection is in `tls/connection.rs`, reading in `tls/read.rs`, writing in `tls/write.rs`; `tls/start.rs`
//! and `tls/stream.rs` put TLS on a connection that is there; `tls/option.rs` has what can be set.

mod connection;
mod error;
mod info;
mod option;
mod read;
mod start;
mod stream;
mod write;

pub(crate) use connection::TlsConnection;
pub use error::TlsError;
pub use info::TlsInfo;
pub use option::TlsConfig;
pub(crate) use option::{Options, Side};
pub use start::{StartTls, start_tls};
pub(crate) use stream::Above;
pub use stream::StartTlsOnStream;
