//! What can be set of a TLS connection, and what it comes to.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};

/// How long a handshake may take: CPython's.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the end of a connection may take: CPython's.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// Which end of TLS this is, and how it is configured. It is made of a `rustls::ClientConfig` or `ServerConfig`, or of an
/// `Arc` of one.
///
/// # In Python
///
/// `ssl.SSLContext`, and `server_side`.
#[derive(Clone)]
pub enum TlsConfig {
    /// This end begins, and checks the name of the other.
    Client(Arc<ClientConfig>),
    /// This end has a certificate.
    Server(Arc<ServerConfig>),
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client(_) => "<TlsConfig of a client>",
            Self::Server(_) => "<TlsConfig of a server>",
        })
    }
}

/// The two ways to hand over a configuration, for both ends.
macro_rules! from_config {
    ($($config:ident => $variant:ident),*) => {
        $(
            impl From<Arc<$config>> for TlsConfig {
                fn from(config: Arc<$config>) -> Self {
                    Self::$variant(config)
                }
            }

            impl From<$config> for TlsConfig {
                fn from(config: $config) -> Self {
                    Self::$variant(Arc::new(config))
                }
            }
        )*
    };
}

from_config!(ClientConfig => Client, ServerConfig => Server);

/// What was set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) config: Option<TlsConfig>,
    pub(crate) server_hostname: Option<String>,
    handshake_timeout: Option<Duration>,
    shutdown_timeout: Option<Duration>,
}

/// What makes the session of one connection.
#[derive(Clone)]
pub(crate) enum End {
    Client(Arc<ClientConfig>, ServerName<'static>),
    Server(Arc<ServerConfig>),
}

/// One end of TLS, ready to be put on a connection, or on every connection of a server.
#[derive(Clone)]
pub(crate) struct Side {
    pub(super) end: End,
    pub(super) handshake_timeout: Duration,
    pub(super) shutdown_timeout: Duration,
}

impl Options {
    pub(crate) fn new(config: TlsConfig) -> Self {
        Self { config: Some(config), ..Self::default() }
    }

    #[track_caller]
    pub(crate) fn handshake_timeout(&mut self, timeout: Duration) {
        assert!(!timeout.is_zero(), "the time for a handshake must be positive: with none, no handshake can succeed");
        self.handshake_timeout = Some(timeout);
    }

    #[track_caller]
    pub(crate) fn shutdown_timeout(&mut self, timeout: Duration) {
        assert!(
            !timeout.is_zero(),
            "the time for the end of a connection must be positive: to wait for nothing, abort"
        );
        self.shutdown_timeout = Some(timeout);
    }

    /// `None`: no TLS is wanted. `host`: the name that is connected to.
    pub(crate) fn side(self, host: Option<String>) -> io::Result<Option<Side>> {
        let end = match self.config {
            None => {
                return if self.server_hostname.is_some() {
                    Err(invalid("`server_hostname` has a meaning only with `tls`: set that too"))
                } else if self.handshake_timeout.or(self.shutdown_timeout).is_some() {
                    Err(invalid("the time-outs of TLS have a meaning only with `tls`: set that too"))
                } else {
                    Ok(None)
                };
            }
            Some(TlsConfig::Client(config)) => End::Client(config, server_name(self.server_hostname.or(host))?),
            Some(TlsConfig::Server(_)) if self.server_hostname.is_some() => {
                return Err(invalid("`server_hostname` has a meaning only for a client"));
            }
            Some(TlsConfig::Server(config)) => End::Server(config),
        };
        Ok(Some(Side {
            end,
            handshake_timeout: self.handshake_timeout.unwrap_or(HANDSHAKE_TIMEOUT),
            shutdown_timeout: self.shutdown_timeout.unwrap_or(SHUTDOWN_TIMEOUT),
        }))
    }
}

fn server_name(name: Option<String>) -> io::Result<ServerName<'static>> {
    let Some(name) = name else {
        return Err(invalid(
            "TLS needs the name of the server to check its certificate, and there is no host to take it from: \
             set `server_hostname`",
        ));
    };
    ServerName::try_from(name.clone()).map_err(|_| {
        let message = format!("`{name}` cannot be the name of a server: TLS needs a host name or an IP address");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
