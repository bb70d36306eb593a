//! `TlsInfo`: what the two ends agreed on.

use std::cell::Cell;
use std::fmt;

use rustls::pki_types::CertificateDer;
use rustls::{HandshakeKind, ProtocolVersion, SupportedCipherSuite};

/// What the two ends of a TLS connection agreed on: see [`Transport::tls`](crate::Transport::tls).
///
/// # In Python
///
/// `transport.get_extra_info` of `"cipher"`, `"peercert"`, `"ssl_object"`.
pub struct TlsInfo {
    version: ProtocolVersion,
    cipher_suite: SupportedCipherSuite,
    kind: HandshakeKind,
    alpn_protocol: Option<Vec<u8>>,
    peer_certificates: Vec<CertificateDer<'static>>,
    server_name: Option<String>,
    close_notify: Cell<bool>,
}

impl TlsInfo {
    /// Of a session whose handshake is complete.
    pub(super) fn of(session: &rustls::Connection, server_name: Option<String>) -> Option<Self> {
        Some(Self {
            version: session.protocol_version()?,
            cipher_suite: session.negotiated_cipher_suite()?,
            kind: session.handshake_kind()?,
            alpn_protocol: session.alpn_protocol().map(<[u8]>::to_vec),
            peer_certificates: session.peer_certificates().unwrap_or_default().to_vec(),
            server_name: match session {
                rustls::Connection::Client(_) => server_name,
                rustls::Connection::Server(session) => session.server_name().map(str::to_owned),
            },
            close_notify: Cell::new(false),
        })
    }

    /// TLS 1.2 or 1.3.
    #[must_use]
    pub fn protocol_version(&self) -> ProtocolVersion {
        self.version
    }

    /// The cipher suite.
    #[must_use]
    pub fn cipher_suite(&self) -> SupportedCipherSuite {
        self.cipher_suite
    }

    /// Whether the handshake was a whole one, or resumed an earlier session.
    #[must_use]
    pub fn handshake_kind(&self) -> HandshakeKind {
        self.kind
    }

    /// The protocol that ALPN chose; `None` if the two ends offered none.
    #[must_use]
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.alpn_protocol.as_deref()
    }

    /// The certificates of the other end, its own first. Empty for a client that was not asked for one.
    #[must_use]
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        &self.peer_certificates
    }

    /// The name that the client asked for; on a server `None` if it asked for none.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Whether the other end has said that it will send nothing more. An end of the connection without this may be the work of
    /// a third party: where a protocol does not mark the end of its messages, do not trust one that ends so.
    #[must_use]
    pub fn received_close_notify(&self) -> bool {
        self.close_notify.get()
    }

    pub(super) fn set_close_notify(&self) {
        self.close_notify.set(true);
    }
}

impl fmt::Debug for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsInfo")
            .field("version", &self.version)
            .field("cipher_suite", &self.cipher_suite.suite())
            .field("kind", &self.kind)
            .field("alpn_protocol", &self.alpn_protocol.as_deref().map(String::from_utf8_lossy))
            .field("peer_certificates", &self.peer_certificates.len())
            .field("server_name", &self.server_name)
            .field("received_close_notify", &self.close_notify)
            .finish()
    }
}
