//! `start_tls`: TLS on a connection that is there.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use asyncio_event_loop::get_running_loop;

use crate::create_connection::Waiting;
use crate::protocol::Protocol;
use crate::tls::connection::TlsConnection;
use crate::tls::option::{Options, Side, TlsConfig};
use crate::transport::{CloseOnDrop, Transport};

/// Puts TLS on a connection, from the next byte in each direction on, and gives the transport of what is inside.
///
/// `protocol` is what the new transport calls. It has had its `connection_made`, from the old transport, which must not be used
/// any more. Before the other end is told to begin, pause the old transport, lest it take the beginning of TLS for data.
///
/// What it returns is awaited, after its options were set. The connection may be a TLS connection itself.
///
/// # Cancel safety
///
/// Dropping it ends the connection.
///
/// # Errors
///
/// `InvalidInput` for a client without [`server_hostname`](StartTls::server_hostname); `NotConnected` if the connection is closed; `ResourceBusy` while a file is sent over it;
/// `ConnectionReset` if the other end closes it, `ConnectionAborted` if it takes too long; a [`TlsError`](crate::TlsError) if it
/// cannot be trusted, or does not speak TLS. The connection is then over.
///
/// # Panics
///
/// When it is awaited without a running event loop.
///
/// # In Python
///
/// `loop.start_tls`, in `asyncio/base_events.py`, which pauses and resumes the transport by itself.
pub fn start_tls(transport: &Transport, protocol: Rc<dyn Protocol>, config: impl Into<TlsConfig>) -> StartTls {
    let options = Options::new(config.into());
    StartTls { transport: transport.clone(), protocol, options }
}

/// How TLS is to be started: see [`start_tls`].
#[must_use = "nothing is done before it is awaited"]
pub struct StartTls {
    transport: Transport,
    protocol: Rc<dyn Protocol>,
    options: Options,
}

impl StartTls {
    /// The name of the server, which its certificate has to be for.
    pub fn server_hostname(mut self, name: impl Into<String>) -> Self {
        self.options.server_hostname = Some(name.into());
        self
    }

    /// How long the handshake may take. The default is 60 s.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[track_caller]
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.options.handshake_timeout(timeout);
        self
    }

    /// How long the end of the connection may take, from `close` until the other end has closed too. The default is 30 s.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[track_caller]
    pub fn tls_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.options.shutdown_timeout(timeout);
        self
    }

    async fn start(self) -> io::Result<Transport> {
        let side = self.options.side(None)?.expect("there is a configuration");
        let (transport, complete) = begin(&self.transport, self.protocol, side, &[])?;
        complete.await?;
        Ok(transport)
    }
}

impl IntoFuture for StartTls {
    type Output = io::Result<Transport>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<Transport>>>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl fmt::Debug for StartTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartTls").field(&self.transport).finish()
    }
}

/// Begins the handshake. `received`: what has been read of the connection already, and is TLS. The transport can be written to,
/// and the future gives the end of the handshake.
pub(crate) fn begin(
    below: &Transport,
    protocol: Rc<dyn Protocol>,
    side: Side,
    received: &[u8],
) -> io::Result<(Transport, impl Future<Output = io::Result<()>> + use<>)> {
    if below.is_closing() {
        return Err(io::Error::new(io::ErrorKind::NotConnected, "TLS cannot be started: the connection is closed"));
    }
    if below.has_write_ended() {
        let message = "TLS cannot be started: the connection was closed for writing";
        return Err(io::Error::new(io::ErrorKind::NotConnected, message));
    }
    below.check_not_busy()?;
    let mut waiting = Waiting::default();
    let outcome = Box::new(waiting.teller());
    let connection = TlsConnection::new(&get_running_loop(), side, protocol, true, Some(outcome));
    connection.take_over(below, received);
    let transport = Transport::tls_over(connection);
    let guard = CloseOnDrop::new(transport.clone());
    let complete = async move {
        poll_fn(|cx| waiting.poll(cx)).await?;
        drop(guard.disarm());
        Ok(())
    };
    Ok((transport, complete))
}
