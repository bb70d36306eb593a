//! What a call on a socket takes: anything with a descriptor, or a socket that stays registered.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::{TcpListener, TcpStream};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;

use asyncio_event_loop::EventLoop;
use asyncio_reactor::{AsDescriptor, AsSource, BorrowedDescriptor, OwnedDescriptor};
use socket2::{Domain, SockRef, Type};

use super::registration::Registration;
use crate::sys;

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
/// use std::net::{TcpListener, TcpStream};
///
/// run(async {
///     let listener = TcpListener::bind("127.0.0.1:0")?;
///     let near = Socket::new(TcpStream::connect(listener.local_addr()?)?)?;
///     let far = Socket::new(listener.accept()?.0)?;
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

impl<S: AsDescriptor> Socket<S> {
    /// Wraps a socket, and puts it into nonblocking mode. It is registered when a call first waits.
    ///
    /// # Errors
    ///
    /// The platform's, when the mode cannot be set.
    pub fn new(io: S) -> io::Result<Self> {
        SockRef::from(&io.as_descriptor()).set_nonblocking(true)?;
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

impl<S: AsDescriptor + ?Sized> AsSocket for S {}
impl<S: AsDescriptor> AsSocket for Socket<S> {}

pub(super) mod sealed {
    use super::*;

    /// How a call reaches its registration.
    pub trait Kept {
        /// The descriptor, open while `self` is borrowed.
        fn descriptor(&self) -> BorrowedDescriptor<'_>;
        /// Whether somebody else may change its mode.
        fn is_plain(&self) -> bool;
        /// The registration that there is.
        fn registration(&self, this: &EventLoop) -> Option<Rc<Registration>>;
        /// The registration, made if there is none.
        fn register(&self, this: &EventLoop) -> io::Result<Rc<Registration>>;
    }
}

impl<S: AsDescriptor + ?Sized> sealed::Kept for S {
    fn descriptor(&self) -> BorrowedDescriptor<'_> {
        self.as_descriptor()
    }

    fn is_plain(&self) -> bool {
        true
    }

    fn registration(&self, this: &EventLoop) -> Option<Rc<Registration>> {
        Registration::find(this, self.as_descriptor().as_raw_source())
    }

    fn register(&self, this: &EventLoop) -> io::Result<Rc<Registration>> {
        Registration::obtain(this, self.as_descriptor().as_raw_source())
    }
}

impl<S: AsDescriptor> sealed::Kept for Socket<S> {
    fn descriptor(&self) -> BorrowedDescriptor<'_> {
        self.io.as_descriptor()
    }

    fn is_plain(&self) -> bool {
        false
    }

    fn registration(&self, this: &EventLoop) -> Option<Rc<Registration>> {
        self.registration.borrow().as_ref().filter(|kept| kept.is_of(this)).cloned()
    }

    fn register(&self, this: &EventLoop) -> io::Result<Rc<Registration>> {
        let registration = Registration::obtain(this, self.io.as_descriptor().as_raw_source())?;
        if empties_when_short(self.io.as_descriptor()) {
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
fn empties_when_short(fd: BorrowedDescriptor<'_>) -> bool {
    let is_stream = SockRef::from(&fd).r#type().is_ok_and(|kind| kind == Type::STREAM);
    is_stream && matches!(sys::family(fd), Ok(Domain::IPV4 | Domain::IPV6))
}

/// A socket that connections can be accepted from, and what they come as.
pub trait Accept: AsSocket {
    /// A connection, in nonblocking mode.
    type Connection: From<OwnedDescriptor>;
}

impl Accept for TcpListener {
    type Connection = TcpStream;
}

#[cfg(unix)]
impl Accept for UnixListener {
    type Connection = UnixStream;
}

impl Accept for socket2::Socket {
    type Connection = socket2::Socket;
}

impl Accept for OwnedDescriptor {
    type Connection = OwnedDescriptor;
}

impl Accept for BorrowedDescriptor<'_> {
    type Connection = OwnedDescriptor;
}

impl<'s, S: Accept> Accept for &'s S
where
    &'s S: AsDescriptor,
{
    type Connection = S::Connection;
}

impl<S: Accept> Accept for Rc<S>
where
    Rc<S>: AsDescriptor,
{
    type Connection = S::Connection;
}

impl<S: Accept + AsDescriptor> Accept for Socket<S> {
    type Connection = S::Connection;
}
