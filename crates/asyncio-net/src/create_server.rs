//! `create_server` and its options.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
#[cfg(feature = "rustls")]
use std::sync::Arc;
#[cfg(feature = "rustls")]
use std::time::Duration;

use asyncio_event_loop::get_running_loop;
use socket2::{Domain, Socket, Type};

use crate::address::{Family, Target, ToAddrs};
use crate::between::Between;
use crate::listener::{Factory, Listener, OnClose};
use crate::protocol::Protocol;
use crate::server::Server;
use crate::target::{Resolved, Use};
#[cfg(feature = "rustls")]
use crate::tls;

/// How many connections wait for being accepted, and are accepted in one go, unless `backlog` says otherwise: CPython's.
pub(crate) const BACKLOG: u32 = 100;

/// Listens on `address`, and makes the protocol of each connection with `factory`.
///
/// What it returns is awaited, after its options were set. Each address that the name stands for gets a socket; those that
/// this machine does not have are skipped if another is left. The empty host is every interface: one socket for IPv4, and
/// one for IPv6 only. Port 0 lets the system choose, for each socket: see [`Server::local_addrs`].
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
/// See [`Protocol`].
///
/// # In Python
///
/// `loop.create_server`, in `asyncio/base_events.py`.
pub fn create_server<F, P>(factory: F, address: impl ToAddrs) -> CreateServer
where
    F: Fn() -> P + 'static,
    P: Protocol + 'static,
{
    CreateServer::new(erased(factory), address.to_target())
}

/// A factory whose protocols may be of any type.
pub(crate) fn erased<P: Protocol + 'static>(factory: impl Fn() -> P + 'static) -> Factory {
    Rc::new(move || Rc::new(factory()))
}

/// How a server is to be made: see [`create_server`].
#[must_use = "nothing is done before it is awaited"]
pub struct CreateServer {
    factory: Factory,
    target: Target,
    options: Options,
    #[cfg(feature = "rustls")]
    tls: tls::Options,
}

#[derive(Clone, Debug)]
struct Options {
    family: Option<Family>,
    backlog: u32,
    reuse_address: bool,
    reuse_port: bool,
    keep_alive: bool,
    start_serving: bool,
    cleanup_socket: bool,
}

/// A bound socket, and what is to be done when it is closed.
type Bound = (Socket, Option<OnClose>);

impl CreateServer {
    pub(crate) fn new(factory: Factory, target: Target) -> Self {
        let options = Options {
            family: None,
            backlog: BACKLOG,
            reuse_address: cfg!(unix),
            reuse_port: false,
            keep_alive: false,
            start_serving: true,
            cleanup_socket: false,
        };
        Self {
            factory,
            target,
            options,
            #[cfg(feature = "rustls")]
            tls: tls::Options::default(),
        }
    }

    pub(crate) fn set_factory(&mut self, factory: Factory) {
        self.factory = factory;
    }

    /// Uses addresses of this family only.
    pub fn family(mut self, family: impl Into<Option<Family>>) -> Self {
        self.options.family = family.into();
        self
    }

    /// How many connections may wait for being accepted, and how many are accepted in one go. The default is 100.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.options.backlog = backlog;
        self
    }

    /// Whether the address may be taken while connections of an earlier server linger on it. The default is `true` on Unix.
    pub fn reuse_address(mut self, reuse: bool) -> Self {
        self.options.reuse_address = reuse;
        self
    }

    /// Whether other sockets may listen on the same address, which share the connections. The default is `false`.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.options.reuse_port = reuse;
        self
    }

    /// Whether connections that are silent for long are probed by the system. The default is `false`.
    pub fn keep_alive(mut self, keep_alive: bool) -> Self {
        self.options.keep_alive = keep_alive;
        self
    }

    /// Whether the server listens at once, or only from [`Server::start_serving`] or [`Server::serve_forever`] on.
    pub fn start_serving(mut self, start: bool) -> Self {
        self.options.start_serving = start;
        self
    }

    /// Whether the file of a Unix socket is removed when the server is closed, if it is still the same. The default is `true`
    /// for [`create_unix_server`](crate::create_unix_server), and else, where a Unix socket that exists was given, `false`.
    pub fn cleanup_socket(mut self, cleanup: bool) -> Self {
        self.options.cleanup_socket = cleanup;
        self
    }

    /// Uses TLS. The protocol of a connection is made when it is accepted, and called when its handshake is complete; if that
    /// fails, it is never called, and the failure is reported to the exception handler. (A client that just goes away is
    /// reported in debug mode only.) The server goes on in any case.
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, config: impl Into<Arc<rustls::ServerConfig>>) -> Self {
        self.tls.config = Some(config.into().into());
        self
    }

    /// How long a handshake may take. The default is 60 s.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[cfg(feature = "rustls")]
    #[track_caller]
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.tls.handshake_timeout(timeout);
        self
    }

    /// How long the end of a connection may take, from `close` until the other end has closed too. The default is 30 s.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[cfg(feature = "rustls")]
    #[track_caller]
    pub fn tls_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.tls.shutdown_timeout(timeout);
        self
    }

    async fn create(self) -> io::Result<Server> {
        let this = get_running_loop();
        let between = Between {
            #[cfg(feature = "rustls")]
            tls: self.tls.side(None)?,
        };
        let factory = between.factory(&this, self.factory);
        let (target, options) = (self.target, self.options);
        let resolved = target.resolve(Use::Bind, options.family).await?;
        let bound = bind_all(resolved, &options)?;
        let backlog = i32::try_from(options.backlog).unwrap_or(i32::MAX);
        let server = Server::new(&this, |this, core| {
            let listener = |(socket, on_close)| Listener::new(this, core, &factory, socket, backlog, on_close);
            bound.into_iter().map(listener).collect()
        });
        if options.start_serving {
            server.start_serving().await?;
        }
        Ok(server)
    }
}

fn bind_all(resolved: Vec<Resolved>, options: &Options) -> io::Result<Vec<Bound>> {
    let mut bound = Vec::with_capacity(resolved.len());
    let mut skipped = None;
    for one in resolved {
        let address = match one {
            Resolved::Address(address) => address,
            #[cfg(unix)]
            Resolved::Path(path) => {
                bound.push(crate::unix::bind(path, options.cleanup_socket)?);
                continue;
            }
            Resolved::Socket(socket) => {
                #[cfg(unix)]
                let on_close = if options.cleanup_socket { crate::unix::removal_of(&socket) } else { None };
                #[cfg(not(unix))]
                let on_close = None;
                bound.push((socket, on_close));
                continue;
            }
        };
        // A family that this machine does not know.
        let socket = match Socket::new(Domain::for_address(address), Type::STREAM, None) {
            Ok(socket) => socket,
            Err(error) => {
                skipped = Some(error);
                continue;
            }
        };
        match bind(&socket, address, options) {
            Ok(()) => bound.push((socket, None)),
            Err(error) => {
                let absent = error.kind() == io::ErrorKind::AddrNotAvailable;
                let error = io::Error::new(error.kind(), format!("cannot bind to {address}: {error}"));
                if !absent {
                    return Err(error);
                }
                skipped = Some(error);
            }
        }
    }
    match skipped {
        Some(error) if bound.is_empty() => Err(error),
        _ => Ok(bound),
    }
}

fn bind(socket: &Socket, address: SocketAddr, options: &Options) -> io::Result<()> {
    socket.set_nonblocking(true)?;
    if options.reuse_address {
        socket.set_reuse_address(true)?;
    }
    if options.reuse_port {
        #[cfg(unix)]
        socket.set_reuse_port(true)?;
        #[cfg(not(unix))]
        return Err(io::Error::new(io::ErrorKind::Unsupported, "this platform cannot share ports"));
    }
    if options.keep_alive {
        socket.set_keepalive(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())
}

impl IntoFuture for CreateServer {
    type Output = io::Result<Server>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<Server>>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.create())
    }
}

impl fmt::Debug for CreateServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CreateServer").field(&self.target).field(&self.options).finish()
    }
}
