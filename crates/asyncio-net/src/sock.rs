//! The loop's raw calls on sockets.

mod address;
mod line;
mod methods;
mod operation;
mod registration;
mod socket;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::OwnedFd;
#[cfg(unix)]
use std::path::Path;
use std::time::Duration;

#[cfg(doc)]
use asyncio_event_loop::EventLoop;

use crate::address::ToAddrs;
#[cfg(unix)]
use crate::create_connection::Connecting;
use crate::create_connection::CreateConnection;
use crate::create_server::CreateServer;
use crate::datagram::{CreateDatagramEndpoint, DatagramProtocol};
use crate::protocol::Protocol;
use crate::resolve::{AddrInfo, AddrInfoHints, NameInfoFlags, Service};
use crate::sendfile::{Sendfile, SockSendfile};
use crate::transport::Transport;

pub use address::{Address, Place};
pub(crate) use operation::{Attempt, Operation};
pub(crate) use registration::Direction;
pub use socket::{Accept, AsSocket, Socket};

/// How long to wait before a datagram is sent again to a Unix socket that is full: nobody tells when there is room unless
/// the two are connected. Shorter polls the receiver more often, longer delays the sender. A turn of a busy loop is of
/// this order.
pub(crate) const FULL_RECEIVER_PAUSE: Duration = Duration::from_millis(1);

/// The loop's calls on sockets and names, and what makes connections, servers, pipes and endpoints, as methods of [`EventLoop`].
///
/// The calls on sockets take any socket of the standard library, of `socket2`, or anything else with a descriptor, and a [`Socket`], which
/// stays registered and is the fast form. All of them
///
/// * try the system call at once, and register and wait only if it would block;
/// * need a socket in nonblocking mode, and say so with an `InvalidInput` error if it is not (on Windows, where a socket
///   cannot be asked, they put it into that mode);
/// * refuse, when they would have to wait, a descriptor that a transport has or that `add_reader` watches;
/// * may be under way several at a time on one socket: those that read take turns in the order of their calls, and so do
///   those that write;
/// * take away, when they are cancelled or dropped, only what they registered themselves.
///
/// # Examples
///
/// ```
/// use asyncio_event_loop::{get_running_loop, run};
/// use asyncio_net::LoopSockets;
/// use std::net::{TcpListener, TcpStream};
///
/// run(async {
///     let this = get_running_loop();
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     listener.set_nonblocking(true)?;
///     let client = TcpStream::connect(listener.local_addr()?)?;
///     client.set_nonblocking(true)?;
///     let (server, from) = this.sock_accept(&listener).await?;
///     assert_eq!(from.as_inet(), Some(client.local_addr()?));
///     this.sock_sendall(&client, b"ping").await?;
///     assert_eq!(this.sock_recv(&server, 16).await?, b"ping");
///     Ok::<_, std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # In Python
///
/// The `sock_…` methods of `asyncio.AbstractEventLoop`, in `asyncio/selector_events.py`.
pub trait LoopSockets: sealed::Sealed {
    /// Receives at most `n` bytes. None mean that the other side has ended the stream.
    ///
    /// The vector has room for `n` bytes, however many came.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// The platform's, and those of [`LoopSockets`].
    ///
    /// # In Python
    ///
    /// `loop.sock_recv`.
    #[track_caller]
    fn sock_recv<S: AsSocket + ?Sized>(&self, socket: &S, n: usize) -> impl Future<Output = io::Result<Vec<u8>>>;

    /// Receives into `buffer`, as many bytes as there are, and gives their number. Zero is the end of the stream.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// The platform's, and those of [`LoopSockets`].
    ///
    /// # In Python
    ///
    /// `loop.sock_recv_into`.
    #[track_caller]
    fn sock_recv_into<S: AsSocket + ?Sized>(
        &self,
        socket: &S,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<usize>>;

    /// Receives a datagram, of which no more than `n` bytes are kept, and who sent it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// The platform's, and those of [`LoopSockets`].
    ///
    /// # In Python
    ///
    /// `loop.sock_recvfrom`.
    #[track_caller]
    fn sock_recvfrom<S: AsSocket + ?Sized>(
        &self,
        socket: &S,
        n: usize,
    ) -> impl Future<Output = io::Result<(Vec<u8>, Address)>>;

    /// Receives a datagram into `buffer`, and gives its length and who sent it. What does not fit is lost.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// The platform's, and those of [`LoopSockets`].
    ///
    /// # In Python
    ///
    /// `loop.sock_recvfrom_into`; to use only a part of the buffer, give a part of it.
    #[track_caller]
    fn sock_recvfrom_into<S: AsSocket + ?Sized>(
        &self,
        socket: &S,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<(usize, Address)>>;

    /// Sends all of `data`.
    ///
    /// # Cancel safety
    ///
    /// After a cancellation or an error, nobody knows how much was sent.
    ///
    /// # Errors
    ///
    /// The platform's, and those of [`LoopSockets`].
    ///
    /// # In Python
    ///
    /// `loop.sock_sendall`.
    #[track_caller]
    fn sock_sendall<S: AsSocket + ?Sized>(&self, socket: &S, data: &[u8]) -> impl Future<Output = io::Result<()>>;

    /// Sends a datagram, and gives its length. A name is looked up for the socket's family, and its first address taken.
    ///
    /// # Cancel safety
    ///
    /// The datagram was sent if and only if this has ended.
    ///
    /// # Errors
    ///
    /// The platform's, and those of [`LoopSockets`].
    ///
    /// # In Python
    ///
    /// `loop.sock_sendto`, which looks names up on the loop's thread.
    #[track_caller]
    fn sock_sendto<S: AsSocket + ?Sized>(
        &self,
        socket: &S,
        data: &[u8],
        to: impl Into<Place>,
    ) -> impl Future<Output = io::Result<usize>>;

    /// Connects. A name is looked up for the socket's own family and type, and its first address taken.
    ///
    /// # Cancel safety
    ///
    /// The connection may still be made; connecting again goes on with it.
    ///
    /// # Errors
    ///
    /// Why there is no connection, and those of [`LoopSockets`]. A Unix socket whose listener has no place left gives
    /// `WouldBlock`: nobody tells when there is one.
    ///
    /// # In Python
    ///
    /// `loop.sock_connect`.
    #[track_caller]
    fn sock_connect<S: AsSocket + ?Sized>(
        &self,
        socket: &S,
        to: impl Into<Place>,
    ) -> impl Future<Output = io::Result<()>>;

    /// Accepts a connection, in nonblocking mode, and gives who it comes from. Connections that were aborted before they
    /// were accepted are passed over.
    ///
    /// # Cancel safety
    ///
    /// No connection is lost.
    ///
    /// # Errors
    ///
    /// The platform's, mostly for want of descriptors, and those of [`LoopSockets`].
    ///
    /// # In Python
    ///
    /// `loop.sock_accept`.
    #[track_caller]
    fn sock_accept<S: Accept>(&self, socket: &S) -> impl Future<Output = io::Result<(S::Connection, Address)>>;

    /// Sends a part of a file over a stream socket, and gives the number of bytes: see [`SockSendfile`].
    ///
    /// `count` of `None` is up to the end of the file.
    ///
    /// # In Python
    ///
    /// `loop.sock_sendfile`.
    #[track_caller]
    fn sock_sendfile<'a, S: AsSocket + ?Sized>(
        &'a self,
        socket: &'a S,
        file: &'a std::fs::File,
        offset: u64,
        count: Option<u64>,
    ) -> SockSendfile<'a, S>;

    /// Looks a host and a service up: see [`getaddrinfo`](crate::getaddrinfo).
    ///
    /// # In Python
    ///
    /// `loop.getaddrinfo`.
    fn getaddrinfo<'h>(
        &self,
        host: impl Into<Option<&'h str>>,
        service: impl Into<Service>,
        hints: AddrInfoHints,
    ) -> impl Future<Output = io::Result<Vec<AddrInfo>>>;

    /// Looks up the names of an address: see [`getnameinfo`](crate::getnameinfo).
    ///
    /// # In Python
    ///
    /// `loop.getnameinfo`.
    fn getnameinfo(
        &self,
        address: SocketAddr,
        flags: NameInfoFlags,
    ) -> impl Future<Output = io::Result<(String, String)>>;

    /// Connects, and makes the protocol of the connection: see [`create_connection`](crate::create_connection).
    ///
    /// # In Python
    ///
    /// `loop.create_connection`.
    fn create_connection<F, P>(&self, factory: F, address: impl ToAddrs) -> CreateConnection<F>
    where
        F: FnOnce() -> P,
        P: Protocol + 'static,
    {
        crate::create_connection(factory, address)
    }

    /// Makes a connection of a socket that was accepted: see [`connect_accepted_socket`](crate::connect_accepted_socket).
    ///
    /// # In Python
    ///
    /// `loop.connect_accepted_socket`.
    fn connect_accepted_socket<F, P>(&self, factory: F, socket: impl Into<socket2::Socket>) -> CreateConnection<F>
    where
        F: FnOnce() -> P,
        P: Protocol + 'static,
    {
        crate::connect_accepted_socket(factory, socket)
    }

    /// Connects to a Unix socket: see [`create_unix_connection`](crate::create_unix_connection).
    ///
    /// # In Python
    ///
    /// `loop.create_unix_connection`.
    #[cfg(unix)]
    fn create_unix_connection<F, P>(&self, factory: F, path: impl AsRef<Path>) -> CreateConnection<F>
    where
        F: FnOnce() -> P,
        P: Protocol + 'static,
    {
        crate::create_unix_connection(factory, path)
    }

    /// Listens, and makes the protocol of each connection: see [`create_server`](crate::create_server).
    ///
    /// # In Python
    ///
    /// `loop.create_server`.
    fn create_server<F, P>(&self, factory: F, address: impl ToAddrs) -> CreateServer
    where
        F: Fn() -> P + 'static,
        P: Protocol + 'static,
    {
        crate::create_server(factory, address)
    }

    /// Listens on a Unix socket: see [`create_unix_server`](crate::create_unix_server).
    ///
    /// # In Python
    ///
    /// `loop.create_unix_server`.
    #[cfg(unix)]
    fn create_unix_server<F, P>(&self, factory: F, path: impl AsRef<Path>) -> CreateServer
    where
        F: Fn() -> P + 'static,
        P: Protocol + 'static,
    {
        crate::create_unix_server(factory, path)
    }

    /// Reads from a pipe, and makes the protocol of it: see [`connect_read_pipe`](crate::connect_read_pipe).
    ///
    /// # In Python
    ///
    /// `loop.connect_read_pipe`.
    #[cfg(unix)]
    fn connect_read_pipe<F, P>(&self, factory: F, pipe: impl Into<OwnedFd>) -> Connecting<F, P>
    where
        F: FnOnce() -> P,
        P: Protocol + 'static,
    {
        crate::connect_read_pipe(factory, pipe)
    }

    /// Writes to a pipe, and makes the protocol of it: see [`connect_write_pipe`](crate::connect_write_pipe).
    ///
    /// # In Python
    ///
    /// `loop.connect_write_pipe`.
    #[cfg(unix)]
    fn connect_write_pipe<F, P>(&self, factory: F, pipe: impl Into<OwnedFd>) -> Connecting<F, P>
    where
        F: FnOnce() -> P,
        P: Protocol + 'static,
    {
        crate::connect_write_pipe(factory, pipe)
    }

    /// Sends a part of a file over the connection of a transport: see [`sendfile`](crate::sendfile).
    ///
    /// # In Python
    ///
    /// `loop.sendfile`.
    #[track_caller]
    fn sendfile<'a>(
        &self,
        transport: &'a Transport,
        file: &'a std::fs::File,
        offset: u64,
        count: Option<u64>,
    ) -> Sendfile<'a> {
        crate::sendfile(transport, file, offset, count)
    }

    /// Makes a datagram socket and a protocol that it serves: see [`CreateDatagramEndpoint`].
    ///
    /// # In Python
    ///
    /// `loop.create_datagram_endpoint`.
    fn create_datagram_endpoint<P, F>(&self, factory: F) -> CreateDatagramEndpoint<F>
    where
        P: DatagramProtocol + 'static,
        F: FnOnce() -> P;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for asyncio_event_loop::EventLoop {}
}
