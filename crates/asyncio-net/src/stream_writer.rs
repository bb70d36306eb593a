//! `StreamWriter`: the sending end of a stream.

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use asyncio_context::{WaitKind, report_wait};
use asyncio_executor::yield_now;
use futures_io::AsyncWrite;

use crate::stream_state::State;
#[cfg(feature = "rustls")]
use crate::tls::Above;
use crate::transport::Transport;
use crate::write_buffer::MOST_SLICES;

static DRAIN: WaitKind = WaitKind::new("room to write to a stream");
static CLOSED: WaitKind = WaitKind::new("the end of a stream");

/// The sending end of a stream: a handle, cheap to clone.
///
/// Dropping the last one closes the connection, in both directions, when everything is sent.
///
/// # In Python
///
/// `asyncio.StreamWriter`, in `asyncio/streams.py`.
#[derive(Clone)]
pub struct StreamWriter {
    core: Rc<Core>,
}

pub(crate) struct Core {
    state: Rc<State>,
    transport: Transport,
    /// What `start_tls` put above it.
    #[cfg(feature = "rustls")]
    above: Above,
}

impl Core {
    pub(crate) fn state(&self) -> &Rc<State> {
        &self.state
    }

    /// The topmost.
    pub(crate) fn transport(&self) -> &Transport {
        #[cfg(feature = "rustls")]
        if let Some(transport) = self.above.topmost() {
            return transport;
        }
        &self.transport
    }

    #[cfg(feature = "rustls")]
    pub(crate) fn put_above(&self, transport: Transport) {
        self.above.put(transport);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.transport().close();
    }
}

impl Core {
    /// Ready when something may be written, or never again.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (state, transport) = (self.state(), self.transport());
        state.check()?;
        if transport.is_closing() || transport.has_write_ended() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::BrokenPipe, "the stream is closed for writing")));
        }
        transport.check_not_busy()?;
        if state.is_writing_paused() && !state.is_lost() {
            state.waiting().add(cx);
            report_wait(&DRAIN, None);
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl StreamWriter {
    pub(crate) fn new(state: Rc<State>, transport: Transport) -> Self {
        let core = Core {
            state,
            transport,
            #[cfg(feature = "rustls")]
            above: Above::default(),
        };
        Self { core: Rc::new(core) }
    }

    /// Writes bytes: at once what the socket takes, and later, in the background, the rest, which is buffered. It never waits
    /// and tells no errors; follow it with [`drain`](Self::drain), which does both.
    ///
    /// # Panics
    ///
    /// After [`write_eof`](Self::write_eof), and while a file is sent by [`sendfile`](crate::sendfile).
    ///
    /// # In Python
    ///
    /// `StreamWriter.write`.
    #[track_caller]
    pub fn write(&self, data: impl AsRef<[u8]>) {
        self.core.transport().write(data);
    }

    /// Writes several pieces one after the other, with one system call for many of them.
    ///
    /// # Panics
    ///
    /// After [`write_eof`](Self::write_eof), and while a file is sent by [`sendfile`](crate::sendfile).
    ///
    /// # In Python
    ///
    /// `StreamWriter.writelines`.
    #[track_caller]
    pub fn writelines<T: AsRef<[u8]>>(&self, pieces: impl IntoIterator<Item = T>) {
        self.core.transport().writelines(pieces);
    }

    /// Waits while too much is buffered: returns at once unless the buffer has grown above its high-water mark, and else when
    /// it has shrunk to the low-water mark. Several tasks may wait.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// That which ended the connection; `ConnectionReset` if it was closed.
    ///
    /// # In Python
    ///
    /// `StreamWriter.drain`.
    #[track_caller]
    pub fn drain(&self) -> impl Future<Output = io::Result<()>> {
        let location = Location::caller();
        async move {
            let state = &self.core.state;
            state.check()?;
            if self.core.transport().is_closing() {
                // Gives the end of the connection a turn to come, so that a loop that writes and drains meets it.
                yield_now().await;
            }
            state.check()?;
            if state.is_lost() {
                return Err(io::Error::new(io::ErrorKind::ConnectionReset, "the connection is closed"));
            }
            if state.is_writing_paused() {
                // Over when writing went on for a moment, as in Python, though it may have paused again by now.
                let resumes = state.resumes();
                let is_over = || state.resumes() != resumes || !state.is_writing_paused() || state.is_lost();
                // Apart, so that tasks which hardly ever wait here need no room for it.
                Box::pin(wait(state, is_over, &DRAIN, location)).await;
                state.check()?;
            }
            Ok(())
        }
    }

    /// Closes the sending half when all is written; the other end reads to its end. Receiving goes on.
    ///
    /// # Errors
    ///
    /// `NotConnected` when the connection is closed already, `ResourceBusy` while a file is sent by
    /// [`sendfile`](crate::sendfile), `Unsupported` through TLS: see [`can_write_eof`](Self::can_write_eof).
    ///
    /// # In Python
    ///
    /// `StreamWriter.write_eof`, which tells no error.
    pub fn write_eof(&self) -> io::Result<()> {
        if self.core.transport().is_closing() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the connection is closed"));
        }
        if !self.can_write_eof() {
            let message = "TLS cannot close one direction alone: close the connection instead";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        self.core.transport().check_not_busy()?;
        self.core.transport().write_eof();
        Ok(())
    }

    /// Whether `write_eof` is possible: on these sockets it is, through TLS it is not.
    #[must_use]
    pub fn can_write_eof(&self) -> bool {
        self.core.transport().can_write_eof()
    }

    /// Closes the connection, in both directions, when all is written. It does not wait: see
    /// [`wait_closed`](Self::wait_closed).
    ///
    /// # In Python
    ///
    /// `StreamWriter.close`.
    pub fn close(&self) {
        self.core.transport().close();
    }

    /// Whether it is closed or on its way to be.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.core.transport().is_closing()
    }

    /// Waits until the connection is closed. It may be called before `close`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Errors
    ///
    /// That which ended the connection.
    ///
    /// # In Python
    ///
    /// `StreamWriter.wait_closed`.
    #[track_caller]
    pub fn wait_closed(&self) -> impl Future<Output = io::Result<()>> {
        let location = Location::caller();
        async move {
            wait(&self.core.state, || self.core.state.is_lost(), &CLOSED, location).await;
            self.core.state.check()
        }
    }

    /// The other end's address.
    ///
    /// # Errors
    ///
    /// When it is not an IP address: the socket is a Unix socket. And when the other end was gone already.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.core.transport().peer_addr()
    }

    /// This end's address.
    ///
    /// # Errors
    ///
    /// When it is not an IP address: the socket is a Unix socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.core.transport().local_addr()
    }

    /// Starts TLS on the stream, as protocols ask for it that begin without: waits until the buffer is drained, then for the
    /// handshake. What is written meanwhile is sent through TLS, when the handshake is complete.
    ///
    /// The configuration is a `rustls::ClientConfig` or `ServerConfig`, or an `Arc` of one, and says which end this is. What has
    /// arrived and was not read is taken for the beginning of TLS: so nothing is lost of a client that did not wait for an
    /// answer, and nothing that somebody slipped in before TLS is taken for something that came through it.
    ///
    /// What it returns is awaited, after its options were set.
    ///
    /// # Cancel safety
    ///
    /// Dropping it ends the connection, once it has begun.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a client without `server_hostname`, and while a read holds bytes; `NotConnected` if the connection is
    /// closed; `ConnectionReset` if the other end closes it, `ConnectionAborted` if it takes too long; a
    /// [`TlsError`](crate::TlsError) if it cannot be trusted, or does not speak TLS. Unless it is the first, the connection is
    /// then over.
    ///
    /// # In Python
    ///
    /// `StreamWriter.start_tls`, in `asyncio/streams.py`. There the end that `start_server` made is the server, and for the other
    /// one what has arrived stays readable, as if it had come through TLS.
    #[cfg(feature = "rustls")]
    pub fn start_tls(&self, config: impl Into<crate::tls::TlsConfig>) -> crate::tls::StartTlsOnStream<'_> {
        crate::tls::StartTlsOnStream::new(self, config.into())
    }

    #[cfg(feature = "rustls")]
    pub(crate) fn core(&self) -> &Core {
        &self.core
    }

    /// The transport.
    #[must_use]
    pub fn transport(&self) -> &Transport {
        self.core.transport()
    }
}

/// Waits until it is over, and says what for.
async fn wait(
    state: &State,
    is_over: impl Fn() -> bool,
    kind: &'static WaitKind,
    location: &'static Location<'static>,
) {
    let place = state.waiting().place();
    poll_fn(|cx| {
        if is_over() {
            return Poll::Ready(());
        }
        place.stay(cx);
        report_wait(kind, Some(location));
        Poll::Pending
    })
    .await;
}

/// A write waits as [`drain`](StreamWriter::drain) does, before it writes, and is an error while a file is sent; a flush waits until the socket took everything; a
/// close waits as [`wait_closed`](StreamWriter::wait_closed) does.
impl AsyncWrite for StreamWriter {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.core.poll_room(cx))?;
        self.core.transport().write(data);
        Poll::Ready(Ok(data.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.core.poll_room(cx))?;
        // As many as one system call takes; for the rest the caller calls again.
        let mut pieces = [[].as_slice(); MOST_SLICES];
        let (mut count, mut total) = (0, 0);
        for (piece, slice) in pieces.iter_mut().zip(slices) {
            *piece = slice;
            count += 1;
            total += slice.len();
        }
        self.core.transport().write_pieces(&pieces[..count]);
        Poll::Ready(Ok(total))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (state, transport) = (self.core.state(), self.core.transport());
        if transport.poll_flushed(cx).is_pending() {
            report_wait(&DRAIN, None);
            return Poll::Pending;
        }
        Poll::Ready(state.check())
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (state, transport) = (self.core.state(), self.core.transport());
        transport.close();
        if !state.is_lost() {
            state.waiting().add(cx);
            report_wait(&CLOSED, None);
            return Poll::Pending;
        }
        Poll::Ready(state.check())
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamWriter").field(self.core.transport()).finish()
    }
}
