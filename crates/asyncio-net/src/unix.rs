//! Connections and servers over Unix sockets.

use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;

use asyncio_event_loop::get_running_loop;
use asyncio_executor::Fault;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::connect::connect;
use crate::connection::Io;
use crate::create_connection::Connecting;
use crate::create_server::{BACKLOG, erased};
use crate::listener::{Factory, Listener, OnClose};
use crate::protocol::Protocol;
use crate::server::Server;

/// Connects to the Unix socket at `path`, and makes the protocol of the connection with `factory`.
///
/// A path that begins with a zero byte is, on Linux, a name in the abstract name space.
///
/// # Cancel safety
///
/// Dropping it closes what was opened.
///
/// # Errors
///
/// The platform's. `WouldBlock`: the backlog of the server is full.
///
/// # In Python
///
/// `loop.create_unix_connection`, in `asyncio/unix_events.py`.
pub fn create_unix_connection<F, P>(factory: F, path: impl AsRef<Path>) -> Connecting<F, P>
where
    F: FnOnce() -> P,
    P: Protocol + 'static,
{
    Connecting::new(factory, connect_unix(path.as_ref().to_owned()))
}

pub(crate) async fn connect_unix(path: PathBuf) -> io::Result<(Io, Option<SockAddr>)> {
    let address = SockAddr::unix(&path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let said = |error: io::Error| io::Error::new(error.kind(), format!("cannot connect to {path:?}: {error}"));
    Ok((connect(socket, &address).await.map_err(said)?, Some(address)))
}

/// Listens on a Unix socket at `path`, and makes the protocol of each connection with `factory`.
///
/// What it returns is awaited, after its options were set. A socket file that is there is removed first; a file of another
/// kind is an error. When the server is closed, the file is removed, if it is still the same.
///
/// # Errors
///
/// `AddrInUse` if there is a file that is not a socket; else the platform's.
///
/// # In Python
///
/// `loop.create_unix_server`, in `asyncio/unix_events.py`.
pub fn create_unix_server<F, P>(factory: F, path: impl AsRef<Path>) -> CreateUnixServer
where
    F: Fn() -> P + 'static,
    P: Protocol + 'static,
{
    CreateUnixServer::new(erased(factory), path.as_ref())
}

/// How a server on a Unix socket is to be made: see [`create_unix_server`].
#[must_use = "nothing is done before it is awaited"]
pub struct CreateUnixServer {
    factory: Factory,
    path: PathBuf,
    backlog: u32,
    start_serving: bool,
    cleanup_socket: bool,
}

impl CreateUnixServer {
    pub(crate) fn new(factory: Factory, path: &Path) -> Self {
        Self { factory, path: path.to_owned(), backlog: BACKLOG, start_serving: true, cleanup_socket: true }
    }

    pub(crate) fn set_factory(&mut self, factory: Factory) {
        self.factory = factory;
    }

    /// How many connections may wait for being accepted, and how many are accepted in one go. The default is 100.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Whether the server listens at once, or only from [`Server::start_serving`] or [`Server::serve_forever`] on.
    pub fn start_serving(mut self, start: bool) -> Self {
        self.start_serving = start;
        self
    }

    /// Whether the socket file is removed when the server is closed. The default is `true`.
    pub fn cleanup_socket(mut self, cleanup: bool) -> Self {
        self.cleanup_socket = cleanup;
        self
    }

    async fn create(self) -> io::Result<Server> {
        let this = get_running_loop();
        let address = SockAddr::unix(&self.path)?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        let is_file = !matches!(self.path.as_os_str().as_bytes().first(), None | Some(0));
        if is_file {
            remove_stale(&self.path);
        }
        socket.bind(&address).map_err(|error| {
            let path = &self.path;
            let message = match error.kind() {
                io::ErrorKind::AddrInUse => format!("address {path:?} is already in use"),
                _ => format!("cannot bind to {path:?}: {error}"),
            };
            io::Error::new(error.kind(), message)
        })?;
        let on_close = if is_file && self.cleanup_socket { removal(self.path) } else { None };
        let backlog = i32::try_from(self.backlog).unwrap_or(i32::MAX);
        let server =
            Server::new(&this, |this, core| vec![Listener::new(this, core, &self.factory, socket, backlog, on_close)]);
        if self.start_serving {
            server.start_serving().await?;
        }
        Ok(server)
    }
}

/// Removes the socket that an earlier server left.
fn remove_stale(path: &Path) {
    let removed = match fs::metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => fs::remove_file(path),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    if let Err(error) = removed
        && error.kind() != io::ErrorKind::NotFound
    {
        Fault::new(format!("cannot check or remove the stale socket {path:?}: {error}")).report();
    }
}

/// Removes the file at the end, unless somebody has put another in its place.
fn removal(path: PathBuf) -> Option<OnClose> {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    let made = fs::metadata(&path).ok().map(identity)?;
    Some(Box::new(move || {
        let now = fs::metadata(&path).map(identity);
        let removed = match now {
            Ok(now) if now == made => fs::remove_file(&path),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = removed
            && error.kind() != io::ErrorKind::NotFound
        {
            Fault::new(format!("cannot remove the socket {path:?}: {error}")).report();
        }
    }))
}

impl IntoFuture for CreateUnixServer {
    type Output = io::Result<Server>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<Server>>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.create())
    }
}

impl fmt::Debug for CreateUnixServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<CreateUnixServer on {:?}>", self.path)
    }
}
