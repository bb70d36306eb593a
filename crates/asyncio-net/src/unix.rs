//! Connections and servers over Unix sockets.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use asyncio_executor::Fault;
use socket2::{Domain, SockAddr, Socket, Type};

use crate::address::Target;
use crate::connect;
use crate::connection::Io;
use crate::create_connection::CreateConnection;
use crate::create_server::{CreateServer, erased};
use crate::listener::OnClose;
use crate::protocol::Protocol;

/// Connects to the Unix socket at `path`, and makes the protocol of the connection with `factory`.
///
/// A path that begins with a zero byte is, on Linux, a name in the abstract name space. A socket that is connected already
/// is given to [`create_connection`](crate::create_connection) instead.
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
pub fn create_unix_connection<F, P>(factory: F, path: impl AsRef<Path>) -> CreateConnection<F>
where
    F: FnOnce() -> P,
    P: Protocol + 'static,
{
    CreateConnection::new(factory, Target::path(path.as_ref()))
}

/// Listens on a Unix socket at `path`, and makes the protocol of each connection with `factory`.
///
/// What it returns is awaited, after its options were set. A socket file that is there is removed first; a file of another
/// kind is an error. When the server is closed, the file is removed, if it is still the same: see
/// [`cleanup_socket`](CreateServer::cleanup_socket). A socket that exists is given to
/// [`create_server`](crate::create_server) instead.
///
/// # Errors
///
/// `AddrInUse` if there is a file that is not a socket; else the platform's.
///
/// # In Python
///
/// `loop.create_unix_server`, in `asyncio/unix_events.py`.
pub fn create_unix_server<F, P>(factory: F, path: impl AsRef<Path>) -> CreateServer
where
    F: Fn() -> P + 'static,
    P: Protocol + 'static,
{
    CreateServer::new(erased(factory), Target::path(path.as_ref())).cleanup_socket(true)
}

fn socket() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

pub(crate) async fn connect(path: PathBuf) -> io::Result<(Io, Option<SockAddr>)> {
    let address = SockAddr::unix(&path)?;
    let said = |error: io::Error| io::Error::new(error.kind(), format!("cannot connect to {path:?}: {error}"));
    Ok((connect::connect(socket()?, &address).await.map_err(said)?, Some(address)))
}

pub(crate) fn bind(path: PathBuf, cleanup: bool) -> io::Result<(Socket, Option<OnClose>)> {
    let address = SockAddr::unix(&path)?;
    let socket = socket()?;
    let is_file = is_file(&path);
    if is_file {
        remove_stale(&path);
    }
    socket.bind(&address).map_err(|error| {
        let message = match error.kind() {
            io::ErrorKind::AddrInUse => format!("address {path:?} is already in use"),
            _ => format!("cannot bind to {path:?}: {error}"),
        };
        io::Error::new(error.kind(), message)
    })?;
    let on_close = if is_file && cleanup { removal(path) } else { None };
    Ok((socket, on_close))
}

/// The removal of the file of a socket that somebody else bound, if it has one.
pub(crate) fn removal_of(socket: &Socket) -> Option<OnClose> {
    let path = socket.local_addr().ok()?.as_pathname()?.to_owned();
    if is_file(&path) { removal(path) } else { None }
}

/// Whether it is a path, and not a name in the abstract name space.
fn is_file(path: &Path) -> bool {
    !matches!(path.as_os_str().as_bytes().first(), None | Some(0))
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
