//! TLS on the stream of a reader and a writer.

use std::cell::OnceCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use crate::stream_writer::StreamWriter;
use crate::tls::option::{Options, TlsConfig};
use crate::tls::start::begin;
use crate::transport::Transport;

/// How TLS is to be started on a stream: see [`StreamWriter::start_tls`].
#[must_use = "nothing is done before it is awaited"]
pub struct StartTlsOnStream<'a> {
    writer: &'a StreamWriter,
    options: Options,
}

impl<'a> StartTlsOnStream<'a> {
    pub(crate) fn new(writer: &'a StreamWriter, config: TlsConfig) -> Self {
        Self { writer, options: Options::new(config) }
    }

    /// As [`StartTls::server_hostname`](crate::StartTls::server_hostname).
    pub fn server_hostname(mut self, name: impl Into<String>) -> Self {
        self.options.server_hostname = Some(name.into());
        self
    }

    /// As [`StartTls::tls_handshake_timeout`](crate::StartTls::tls_handshake_timeout).
    #[track_caller]
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.options.handshake_timeout(timeout);
        self
    }

    /// As [`StartTls::tls_shutdown_timeout`](crate::StartTls::tls_shutdown_timeout).
    #[track_caller]
    pub fn tls_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.options.shutdown_timeout(timeout);
        self
    }

    async fn start(self) -> io::Result<()> {
        let side = self.options.side(None)?.expect("there is a configuration");
        self.writer.drain().await?;
        let core = self.writer.core();
        let below = core.transport();
        let Some(protocol) = below.protocol() else {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "TLS cannot be started: the connection is closed"));
        };
        let mut received = core.state().hand_over()?;
        let (transport, complete) = begin(below, protocol, side, &received.take_all())?;
        core.state().set_transport(transport.clone());
        core.put_above(transport);
        complete.await
    }
}

impl<'a> IntoFuture for StartTlsOnStream<'a> {
    type Output = io::Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<()>> + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.start())
    }
}

impl fmt::Debug for StartTlsOnStream<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StartTlsOnStream").field(self.writer).finish()
    }
}

/// The transports that stand above another, each on the one before. It only grows, so that it can lend them.
#[derive(Default)]
pub(crate) struct Above(OnceCell<Box<(Transport, Above)>>);

impl Above {
    pub(crate) fn topmost(&self) -> Option<&Transport> {
        let mut topmost = self.0.get()?;
        while let Some(above) = topmost.1.0.get() {
            topmost = above;
        }
        Some(&topmost.0)
    }

    pub(crate) fn put(&self, transport: Transport) {
        let mut last = self;
        while let Some(above) = last.0.get() {
            last = &above.1;
        }
        let _ = last.0.set(Box::new((transport, Self::default())));
    }
}
