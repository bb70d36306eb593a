//! `open_connection` and `start_server`, and the same over Unix sockets, with their options.

use std::fmt;
use std::future::Future;
use std::io;
#[cfg(unix)]
use std::path::Path;
use std::pin::Pin;
use std::rc::Rc;
#[cfg(feature = "rustls")]
use std::sync::Arc;
use std::time::Duration;

#[cfg(unix)]
use crate::address::Target;
use crate::address::{Family, ToAddrs};
use crate::create_connection::{Connecting, How};
use crate::create_server::CreateServer;
use crate::listener::Factory;
use crate::server::Server;
use crate::stream_reader::StreamReader;
use crate::stream_state::{Handler, State, StreamProtocol, ends, in_tasks};
use crate::stream_writer::StreamWriter;
#[cfg(feature = "rustls")]
use crate::tls::TlsConfig;

/// The limit of a stream unless `limit` sets another: CPython's. See [`StreamReader`].
pub(crate) const LIMIT: usize = 64 * 1024;

type Ends = io::Result<(StreamReader, StreamWriter)>;

type Opening<T> = Pin<Box<dyn Future<Output = T>>>;

#[track_caller]
pub(crate) fn check(limit: usize) -> usize {
    assert!(limit > 0, "the limit of a stream must be at least one byte");
    limit
}

/// Connects to `address`, and gives the two ends of the stream.
///
/// What it returns is awaited, after its options were set. The rest is as in
/// [`create_connection`](crate::create_connection).
///
/// # Cancel safety
///
/// Dropping it closes what was opened.
///
/// # Errors
///
/// When the name cannot be looked up or no attempt succeeds. If several attempts failed for different reasons,
/// [`ConnectErrors`](crate::ConnectErrors) is inside.
///
/// # Panics
///
/// When it is awaited without a running event loop.
///
/// # Examples
///
/// ```
/// use asyncio_net::{open_connection, start_server};
///
/// # fn main() -> std::io::Result<()> {
/// asyncio::run(async {
///     let greet = async |mut reader: asyncio_net::StreamReader, writer: asyncio_net::StreamWriter| {
///         let Ok(name) = reader.readline().await else { return };
///         writer.writelines([b"hello ".as_slice(), &name]);
///     };
///     let server = start_server(greet, ("127.0.0.1", 0)).await?;
///     let (mut reader, writer) = open_connection(server.local_addrs()).limit(1024).await?;
///     writer.write("world\n");
///     writer.drain().await?;
///     assert_eq!(reader.readline().await?, b"hello world\n");
///     assert_eq!(reader.readline().await?, b"");
///     Ok(())
/// })
/// # }
/// ```
///
/// # In Python
///
/// `asyncio.open_connection`, in `asyncio/streams.py`.
pub fn open_connection(address: impl ToAddrs) -> OpenConnection {
    OpenConnection { how: How::new(address.to_target()), limit: LIMIT }
}

/// How a stream is to be opened: see [`open_connection`].
#[must_use = "nothing is done before it is awaited"]
pub struct OpenConnection {
    how: How,
    limit: usize,
}

impl OpenConnection {
    /// The limit of the reader in bytes: see [`StreamReader`].
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = check(limit);
        self
    }

    /// As [`CreateConnection::local_addr`](crate::CreateConnection::local_addr).
    pub fn local_addr(mut self, address: impl ToAddrs) -> Self {
        self.how.local_addr(address);
        self
    }

    /// As [`CreateConnection::happy_eyeballs_delay`](crate::CreateConnection::happy_eyeballs_delay).
    pub fn happy_eyeballs_delay(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.how.happy_eyeballs_delay(delay.into());
        self
    }

    /// As [`CreateConnection::interleave`](crate::CreateConnection::interleave).
    pub fn interleave(mut self, count: impl Into<Option<usize>>) -> Self {
        self.how.interleave(count.into());
        self
    }

    /// As [`CreateConnection::family`](crate::CreateConnection::family).
    pub fn family(mut self, family: impl Into<Option<Family>>) -> Self {
        self.how.family(family.into());
        self
    }

    /// As [`CreateConnection::tls`](crate::CreateConnection::tls).
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, config: impl Into<TlsConfig>) -> Self {
        self.how.tls.config = Some(config.into());
        self
    }

    /// As [`CreateConnection::server_hostname`](crate::CreateConnection::server_hostname).
    #[cfg(feature = "rustls")]
    pub fn server_hostname(mut self, name: impl Into<String>) -> Self {
        self.how.tls.server_hostname = Some(name.into());
        self
    }

    /// As [`CreateConnection::tls_handshake_timeout`](crate::CreateConnection::tls_handshake_timeout).
    #[cfg(feature = "rustls")]
    #[track_caller]
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.how.tls.handshake_timeout(timeout);
        self
    }

    /// As [`CreateConnection::tls_shutdown_timeout`](crate::CreateConnection::tls_shutdown_timeout).
    #[cfg(feature = "rustls")]
    #[track_caller]
    pub fn tls_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.how.tls.shutdown_timeout(timeout);
        self
    }
}

impl IntoFuture for OpenConnection {
    type Output = Ends;
    type IntoFuture = Opening<Ends>;

    fn into_future(self) -> Self::IntoFuture {
        let state = State::new(self.limit);
        Box::pin(open(state.clone(), Connecting::new(move || StreamProtocol::new(state, None), self.how.ready())))
    }
}

async fn open<F: FnOnce() -> StreamProtocol>(state: Rc<State>, connecting: Connecting<F, StreamProtocol>) -> Ends {
    let (transport, _) = connecting.await?;
    Ok(ends(&state, transport))
}

impl fmt::Debug for OpenConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenConnection").field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Makes the protocols of a server of streams.
fn factory(handler: Handler, limit: usize) -> Factory {
    Rc::new(move || Rc::new(StreamProtocol::new(State::new(limit), Some(handler.clone()))))
}

/// Listens on `address`, and calls `handler` with the two ends of each connection, in a task of its own.
///
/// What it returns is awaited, after its options were set. A handler that panics is reported to the exception handler; then,
/// and when it is cancelled, its connection is closed. When it returns, its writer is dropped, and that closes the
/// connection too. The rest is as in [`create_server`](crate::create_server).
///
/// # Errors
///
/// When the name cannot be looked up or no address be had.
///
/// # Panics
///
/// When it is awaited without a running event loop.
///
/// # Examples
///
/// See [`open_connection`].
///
/// # In Python
///
/// `asyncio.start_server`, in `asyncio/streams.py`.
pub fn start_server<H>(handler: H, address: impl ToAddrs) -> StartServer
where
    H: AsyncFn(StreamReader, StreamWriter) + 'static,
{
    let handler = in_tasks(handler);
    let server = CreateServer::new(factory(handler.clone(), LIMIT), address.to_target());
    StartServer { server, handler }
}

/// How a server of streams is to be made: see [`start_server`].
#[must_use = "nothing is done before it is awaited"]
pub struct StartServer {
    server: CreateServer,
    handler: Handler,
}

impl StartServer {
    /// The limit of the readers in bytes: see [`StreamReader`].
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub fn limit(mut self, limit: usize) -> Self {
        self.server.set_factory(factory(self.handler.clone(), check(limit)));
        self
    }

    /// As [`CreateServer::family`].
    pub fn family(mut self, family: impl Into<Option<Family>>) -> Self {
        self.server = self.server.family(family);
        self
    }

    /// As [`CreateServer::backlog`].
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.server = self.server.backlog(backlog);
        self
    }

    /// As [`CreateServer::reuse_address`].
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.server = self.server.reuse_address(reuse);
        self
    }

    /// As [`CreateServer::reuse_port`].
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.server = self.server.reuse_port(reuse);
        self
    }

    /// As [`CreateServer::keep_alive`].
    pub fn keep_alive(mut self, keep_alive: bool) -> Self {
        self.server = self.server.keep_alive(keep_alive);
        self
    }

    /// As [`CreateServer::start_serving`].
    pub fn start_serving(mut self, start: bool) -> Self {
        self.server = self.server.start_serving(start);
        self
    }

    /// As [`CreateServer::cleanup_socket`].
    pub fn cleanup_socket(mut self, cleanup: bool) -> Self {
        self.server = self.server.cleanup_socket(cleanup);
        self
    }

    /// As [`CreateServer::tls`]. The handler is called when the handshake is complete.
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, config: impl Into<Arc<rustls::ServerConfig>>) -> Self {
        self.server = self.server.tls(config);
        self
    }

    /// As [`CreateServer::tls_handshake_timeout`].
    #[cfg(feature = "rustls")]
    #[track_caller]
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.server = self.server.tls_handshake_timeout(timeout);
        self
    }

    /// As [`CreateServer::tls_shutdown_timeout`].
    #[cfg(feature = "rustls")]
    #[track_caller]
    pub fn tls_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.server = self.server.tls_shutdown_timeout(timeout);
        self
    }
}

impl IntoFuture for StartServer {
    type Output = io::Result<Server>;
    type IntoFuture = Opening<io::Result<Server>>;

    fn into_future(self) -> Self::IntoFuture {
        self.server.into_future()
    }
}

impl fmt::Debug for StartServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartServer").field(&self.server).finish()
    }
}

/// Connects to the Unix socket at `path`, and gives the two ends of the stream.
///
/// The rest is as in [`create_unix_connection`](crate::create_unix_connection) and [`open_connection`].
///
/// # In Python
///
/// `asyncio.open_unix_connection`, in `asyncio/streams.py`.
#[cfg(unix)]
pub fn open_unix_connection(path: impl AsRef<Path>) -> OpenConnection {
    open_connection(Target::path(path.as_ref()))
}

/// Listens on a Unix socket at `path`, and calls `handler` with the two ends of each connection, in a task of its own.
///
/// The rest is as in [`create_unix_server`](crate::create_unix_server) and [`start_server`].
///
/// # In Python
///
/// `asyncio.start_unix_server`, in `asyncio/streams.py`.
#[cfg(unix)]
pub fn start_unix_server<H>(handler: H, path: impl AsRef<Path>) -> StartServer
where
    H: AsyncFn(StreamReader, StreamWriter) + 'static,
{
    start_server(handler, Target::path(path.as_ref())).cleanup_socket(true)
}
