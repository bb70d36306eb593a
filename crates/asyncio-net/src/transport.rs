//! `Transport`: the handle of a connection.

use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use crate::connection::{Connection, Io};
use crate::name::Name;
use crate::protocol::Protocol;
#[cfg(feature = "rustls")]
use crate::tls::{TlsConnection, TlsInfo};

/// A connection over TCP or a Unix socket, or the end of a pipe: a handle, cheap to clone, bound to its thread.
///
/// A connection does not end because its handles are dropped: the event loop keeps it until it is closed, the other end
/// goes away, or the loop ends. (A [`StreamWriter`](crate::StreamWriter) closes when it is dropped.)
///
/// # In Python
///
/// `asyncio.Transport`, in `asyncio/transports.py` and `asyncio/selector_events.py`.
#[derive(Clone)]
pub struct Transport(Link);

/// What a handle stands for.
#[derive(Clone)]
enum Link {
    Plain(Rc<Connection>),
    #[cfg(feature = "rustls")]
    Tls(Rc<TlsConnection>),
}

/// Does the same with whatever a handle stands for.
macro_rules! each {
    ($transport:expr, $link:ident => $what:expr) => {
        match &$transport.0 {
            Link::Plain($link) => $what,
            #[cfg(feature = "rustls")]
            Link::Tls($link) => $what,
        }
    };
}

impl Transport {
    /// Writes bytes: at once what the socket takes, and later, in the background, the rest, which is buffered. It never
    /// waits. When the buffer grows above the high-water mark, the protocol's `pause_writing` is called before this returns.
    ///
    /// Errors come to `connection_lost`. After the connection is lost nothing happens.
    ///
    /// # Panics
    ///
    /// After [`write_eof`](Self::write_eof), and while a file is sent by [`sendfile`](crate::sendfile).
    #[track_caller]
    pub fn write(&self, data: impl AsRef<[u8]>) {
        self.check_no_file();
        each!(self, link => link.write(data.as_ref()));
    }

    /// Writes several pieces one after the other, with one system call for many of them.
    ///
    /// # Panics
    ///
    /// After [`write_eof`](Self::write_eof), and while a file is sent by [`sendfile`](crate::sendfile).
    #[track_caller]
    pub fn writelines<T: AsRef<[u8]>>(&self, pieces: impl IntoIterator<Item = T>) {
        let pieces: Vec<T> = pieces.into_iter().collect();
        let slices: Vec<&[u8]> = pieces.iter().map(AsRef::as_ref).collect();
        self.write_pieces(&slices);
    }

    /// Closes the sending half when all is written. Receiving goes on. No effect the second time, and after `close`.
    ///
    /// # Panics
    ///
    /// When it is not possible: see [`can_write_eof`](Self::can_write_eof). While a file is sent by
    /// [`sendfile`](crate::sendfile).
    #[track_caller]
    pub fn write_eof(&self) {
        self.check_no_file();
        each!(self, link => link.write_eof());
    }

    /// Whether `write_eof` is possible: on sockets it is, and on a pipe that is written to, where it is the same as `close`;
    /// through TLS it is not.
    #[must_use]
    pub fn can_write_eof(&self) -> bool {
        each!(self, link => link.can_write_eof())
    }

    /// Stops reading, writes what is buffered in the background, then ends the connection; the protocol gets
    /// `connection_lost(None)`, in a later turn. No effect the second time.
    ///
    /// If the other end never takes what is buffered, that end does not come: [`abort`](Self::abort) does not wait for it.
    pub fn close(&self) {
        each!(self, link => link.close());
    }

    /// Ends the connection and drops what is buffered; `connection_lost(None)` comes in the next turn.
    pub fn abort(&self) {
        each!(self, link => link.force_close(None));
    }

    /// Whether it is closed or on its way to be.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        each!(self, link => link.is_closing())
    }

    /// No more bytes are given to the protocol until [`resume_reading`](Self::resume_reading). No effect the second time,
    /// and after `close`.
    pub fn pause_reading(&self) {
        each!(self, link => link.pause_reading());
    }

    /// Undoes `pause_reading`. What is there is given to the protocol from the next turn on.
    pub fn resume_reading(&self) {
        each!(self, link => link.resume_reading());
    }

    /// Whether it is neither paused nor closing.
    #[must_use]
    pub fn is_reading(&self) -> bool {
        each!(self, link => link.is_reading())
    }

    /// How many bytes are buffered because the socket did not take them.
    #[must_use]
    pub fn write_buffer_size(&self) -> usize {
        each!(self, link => link.write_buffer_size())
    }

    /// The water marks of the write buffer in bytes, low and high.
    #[must_use]
    pub fn write_buffer_limits(&self) -> (usize, usize) {
        each!(self, link => link.water_marks())
    }

    /// Sets the water marks: `pause_writing` is called when the buffer grows *above* `high`, and `resume_writing` when it
    /// has shrunk to `low` or below. The defaults are 64 KiB and 16 KiB, and through TLS 512 KiB and 128 KiB. `None`: four
    /// times `low`, and a quarter of `high`.
    ///
    /// If more than `high` is buffered already, `pause_writing` is called before this returns.
    ///
    /// # Panics
    ///
    /// When `low` is above `high`.
    #[track_caller]
    pub fn set_write_buffer_limits(&self, high: impl Into<Option<usize>>, low: impl Into<Option<usize>>) {
        let (high, low) = match (high.into(), low.into()) {
            (None, None) => {
                let high = each!(self, link => link.default_high_water());
                (high, high / 4)
            }
            (None, Some(low)) => (low.saturating_mul(4), low),
            (Some(high), None) => (high, high / 4),
            (Some(high), Some(low)) => (high, low),
        };
        assert!(high >= low, "the high-water mark ({high}) must not be below the low-water mark ({low})");
        each!(self, link => link.set_water_marks(low, high));
    }

    /// The protocol; `None` when the connection is over.
    #[must_use]
    pub fn protocol(&self) -> Option<Rc<dyn Protocol>> {
        each!(self, link => link.protocol())
    }

    /// Puts another protocol in place. It is called from now on, without a `connection_made`.
    pub fn set_protocol(&self, protocol: Rc<dyn Protocol>) {
        each!(self, link => link.set_protocol(protocol));
    }

    /// The other end's address, as it was when the connection was made.
    ///
    /// # Errors
    ///
    /// When it is not an IP address: the socket is a Unix socket. And when the other end was gone already.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        ip(self.peer())
    }

    /// This end's address.
    ///
    /// # Errors
    ///
    /// When it is not an IP address: the socket is a Unix socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        ip(self.local())
    }

    /// The other end's address on a Unix socket.
    #[cfg(unix)]
    #[must_use]
    pub fn unix_peer_addr(&self) -> Option<std::os::unix::net::SocketAddr> {
        self.peer().and_then(Name::as_unix)
    }

    /// This end's address on a Unix socket.
    #[cfg(unix)]
    #[must_use]
    pub fn unix_local_addr(&self) -> Option<std::os::unix::net::SocketAddr> {
        self.local().and_then(Name::as_unix)
    }

    /// What the two ends of TLS agreed on, also after the end; `None` if this is no TLS connection, and during the handshake.
    #[cfg(feature = "rustls")]
    #[must_use]
    pub fn tls(&self) -> Option<Rc<TlsInfo>> {
        match &self.0 {
            Link::Plain(_) => None,
            Link::Tls(connection) => connection.info(),
        }
    }

    /// Lets `f` see the socket, to ask it or to set its options. Do not read, write or close it. `None` when the connection is
    /// over.
    #[cfg(unix)]
    pub fn with_fd<R>(&self, f: impl FnOnce(BorrowedFd<'_>) -> R) -> Option<R> {
        let io = self.io()?;
        Some(f(io.socket().as_fd()))
    }
}

/// What the crate does with a transport.
impl Transport {
    pub(crate) fn plain(connection: Rc<Connection>) -> Self {
        Self(Link::Plain(connection))
    }

    #[cfg(feature = "rustls")]
    pub(crate) fn tls_over(connection: Rc<TlsConnection>) -> Self {
        Self(Link::Tls(connection))
    }

    pub(crate) fn downgrade(&self) -> WeakTransport {
        match &self.0 {
            Link::Plain(connection) => WeakTransport::Plain(Rc::downgrade(connection)),
            #[cfg(feature = "rustls")]
            Link::Tls(connection) => WeakTransport::Tls(Rc::downgrade(connection)),
        }
    }

    pub(crate) fn io(&self) -> Option<Rc<Io>> {
        each!(self, link => link.io())
    }

    pub(crate) fn peer(&self) -> Option<&Name> {
        each!(self, link => link.peer())
    }

    pub(crate) fn local(&self) -> Option<&Name> {
        each!(self, link => link.local())
    }

    /// Ends the connection without writing what is buffered.
    #[cfg(feature = "rustls")]
    pub(crate) fn force_close(&self, error: Option<io::Error>) {
        each!(self, link => link.force_close(error));
    }

    #[track_caller]
    pub(crate) fn write_pieces(&self, pieces: &[&[u8]]) {
        self.check_no_file();
        each!(self, link => link.write_pieces(pieces));
    }

    #[track_caller]
    fn check_no_file(&self) {
        assert!(!self.is_sending_file(), "nothing can be written while a file is sent: wait for `sendfile` first");
    }

    /// An error while a file is sent.
    pub(crate) fn check_not_busy(&self) -> io::Result<()> {
        if self.is_sending_file() {
            let message = "a file is being sent over the connection: wait for that `sendfile` first";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, message));
        }
        Ok(())
    }

    fn is_sending_file(&self) -> bool {
        each!(self, link => link.sending_file().get())
    }

    /// Says whether a file is being sent: what is written comes from that alone then.
    pub(crate) fn set_sending_file(&self, sending: bool) {
        each!(self, link => link.sending_file().set(sending));
    }

    /// Whether it goes one way.
    pub(crate) fn is_pipe(&self) -> bool {
        self.as_plain().is_some_and(|connection| connection.is_pipe())
    }

    /// Writes a block of the file that is being sent.
    pub(crate) fn write_of_file(&self, block: &[u8]) {
        each!(self, link => link.write(block));
    }

    /// The connection that a file can be sent over by the system call; `None` if it has to be encrypted.
    pub(crate) fn as_plain(&self) -> Option<&Rc<Connection>> {
        match &self.0 {
            Link::Plain(connection) => Some(connection),
            #[cfg(feature = "rustls")]
            Link::Tls(_) => None,
        }
    }

    /// Whether `pause_writing` was called on the protocol, and `resume_writing` was not.
    #[cfg(feature = "rustls")]
    pub(crate) fn is_writing_paused(&self) -> bool {
        each!(self, link => link.is_writing_paused())
    }

    /// Whether nothing more comes, and the protocol knows.
    #[cfg(feature = "rustls")]
    pub(crate) fn has_read_ended(&self) -> bool {
        each!(self, link => link.has_read_ended())
    }

    /// Has the server that accepted the connection know it by this transport.
    #[cfg(feature = "rustls")]
    pub(crate) fn represent(&self, transport: &Self) {
        each!(self, link => link.represent(transport));
    }

    pub(crate) fn has_write_ended(&self) -> bool {
        each!(self, link => link.has_write_ended())
    }

    /// Ready when nothing is left to write, or the connection is lost.
    pub(crate) fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<()> {
        each!(self, link => link.poll_flushed(cx))
    }
}

/// A handle that keeps nothing alive.
pub(crate) enum WeakTransport {
    Plain(Weak<Connection>),
    #[cfg(feature = "rustls")]
    Tls(Weak<TlsConnection>),
}

impl WeakTransport {
    pub(crate) fn upgrade(&self) -> Option<Transport> {
        match self {
            Self::Plain(connection) => connection.upgrade().map(Transport::plain),
            #[cfg(feature = "rustls")]
            Self::Tls(connection) => connection.upgrade().map(Transport::tls_over),
        }
    }
}

/// Closes a transport that nobody took.
pub(crate) struct CloseOnDrop(Option<Transport>);

impl CloseOnDrop {
    pub(crate) fn new(transport: Transport) -> Self {
        Self(Some(transport))
    }

    /// The transport, which is not closed.
    pub(crate) fn disarm(mut self) -> Transport {
        self.0.take().expect("it is taken once")
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(transport) = self.0.take() {
            transport.close();
        }
    }
}

fn ip(address: Option<&Name>) -> io::Result<SocketAddr> {
    match address {
        None => Err(io::Error::new(io::ErrorKind::NotConnected, "the address of the connection was not known in time")),
        Some(address) => address.as_socket().ok_or_else(|| {
            io::Error::new(io::ErrorKind::Unsupported, "the address of the connection is not an IP address")
        }),
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match (self.io().is_some(), self.is_closing()) {
            (false, _) => "closed",
            (true, true) => "closing",
            (true, false) => "open",
        };
        write!(f, "<Transport {state} reading={} write_buffer={}>", self.is_reading(), self.write_buffer_size())
    }
}
