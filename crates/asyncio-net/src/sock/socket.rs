//! What a call on a socket takes: anything with a descriptor, or a socket that stays registered.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;

use asyncio_event_loop::EventLoop;
use rustix::net::{AddressFamily, SocketType};

use super::registration::Registration;

/// A socket that stays registered with the loop from one call to the next.
///
/// The calls of [`LoopSockets`](super::LoopSockets) take any socket, but they must register a plain one each time they
/// wait, and deregister it afterwards: once a call is over, nothing keeps it from being closed, and its number from being
/// given to another. This wrapper owns the socket, or borrows it (`Socket<&TcpStream>`), so it can register once, when a
/// call first waits, and deregister when it is dropped. It also remembers when there is nothing to read. An echo server
/// then costs one receive, one send and a share of one wait per request.
///
/// While it lives, the descriptor cannot be given to a transport, nor to `add_reader`.
///
/// # Examples
///
/// ```
/// use asyncio_event_loop::{get_running_loop, run};
/// use asyncio_net::{LoopSockets, Socket};
/// use std::os::unix::net::UnixStream;
///
/// run(async {
///     let (near, far) = UnixStream::pair()?;
///     let (near, far) = (Socket::new(near)?, Socket::new(far)?);
///     let this = get_running_loop();
///     this.sock_sendall(&near, b"hello").await?;
///     assert_eq!(this.sock_recv(&far, 100).await?, b"hello");
///     Ok::<_, std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # In Python
///
/// There is none: each call of `loop.sock_recv` that waits registers the socket anew.
pub struct Socket<S> {
    // Dropped before the descriptor may be closed.
    registration: RefCell<Option<Rc<Registration>>>,
    io: S,
}

impl<S: AsFd> Socket<S> {
    /// Wraps a socket, and puts it into nonblocking mode. It is registered when a call first waits.
    ///
    /// # Errors
    ///
    /// The platform's, when the mode cannot be set.
    pub fn new(io: S) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&io, true)?;
        Ok(Self { registration: RefCell::new(None), io })
    }
}

impl<S> Socket<S> {
    /// The socket inside. Do not close its descriptor or put it into blocking mode.
    pub fn get_ref(&self) -> &S {
        &self.io
    }

    /// The socket, no longer registered; it stays in nonblocking mode.
    pub fn into_inner(self) -> S {
        self.io
    }
}

impl<S: fmt::Debug> fmt::Debug for Socket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Socket").field(&self.io).finish()
    }
}

/// What the calls of [`LoopSockets`](super::LoopSockets) take: anything that has a descriptor, in nonblocking mode, or a
/// [`Socket`].
///
/// It cannot be implemented outside this crate.
pub trait AsSocket: sealed::Kept {}

impl<S: AsFd + ?Sized> AsSocket for S {}
impl<S: AsFd> AsSocket for Socket<S> {}

pub(super) mod sealed {
    use super::*;

    /// How a call reaches its registration.
    pub trait Kept {
        /// The descriptor, open while `self` is borrowed.
        fn descriptor(&self) -> BorrowedFd<'_>;
        /// Whether somebody else may change its mode.
        fn is_plain(&self) -> bool;
        /// The registration that there is.
        fn registration(&self, this: &EventLoop) -> Option<Rc<Registration>>;
        /// The registration, made if there is none.
        fn register(&self, this: &EventLoop) -> io::Result<Rc<Registration>>;
    }
}

impl<S: AsFd + ?Sized> sealed::Kept for S {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn is_plain(&self) -> bool {
        true
    }

    fn registration(&self, this: &EventLoop) -> Option<Rc<Registration>> {
        Registration::find(this, self.as_fd().as_raw_fd())
    }

    fn register(&self, this: &EventLoop) -> io::Result<Rc<Registration>> {
        Registration::obtain(this, self.as_fd().as_raw_fd())
    }
}

impl<S: AsFd> sealed::Kept for Socket<S> {
    fn descriptor(&self) -> BorrowedFd<'_> {
        self.io.as_fd()
    }

    fn is_plain(&self) -> bool {
        false
    }

    fn registration(&self, this: &EventLoop) -> Option<Rc<Registration>> {
        self.registration.borrow().as_ref().filter(|kept| kept.is_of(this)).cloned()
    }

    fn register(&self, this: &EventLoop) -> io::Result<Rc<Registration>> {
        let registration = Registration::obtain(this, self.io.as_fd().as_raw_fd())?;
        if empties_when_short(self.io.as_fd()) {
            registration.set_short_is_all();
        }
        // One of another loop goes.
        let before = self.registration.replace(Some(registration.clone()));
        drop(before);
        Ok(registration)
    }
}

/// Whether a short read means that nothing is left: on TCP. Datagrams have ends of their own, and on Unix sockets a read
/// stops where descriptors were passed.
fn empties_when_short(fd: BorrowedFd<'_>) -> bool {
    let is_stream = rustix::net::sockopt::socket_type(fd).is_ok_and(|kind| kind == SocketType::STREAM);
    is_stream && matches!(super::call::family(fd), Ok(AddressFamily::INET | AddressFamily::INET6))
}

/// A socket that connections can be accepted from, and what they come as.
pub trait Accept: AsSocket {
    /// A connection, in nonblocking mode.
    type Connection: From<OwnedFd>;
}

impl Accept for TcpListener {
    type Connection = TcpStream;
}

impl Accept for UnixListener {
    type Connection = UnixStream;
}

impl Accept for socket2::Socket {
    type Connection = socket2::Socket;
}

impl Accept for OwnedFd {
    type Connection = OwnedFd;
}

impl Accept for BorrowedFd<'_> {
    type Connection = OwnedFd;
}

impl<S: Accept + AsFd> Accept for &S {
    type Connection = S::Connection;
}

impl<S: Accept + AsFd> Accept for Rc<S> {
    type Connection = S::Connection;
}

impl<S: Accept + AsFd> Accept for Socket<S> {
    type Connection = S::Connection;
}
