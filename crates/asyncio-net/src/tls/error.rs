//! `TlsError`: what TLS itself says went wrong.

use std::error::Error;
use std::fmt;
use std::io;

/// TLS went wrong: the other end does not speak it, has no certificate that can be trusted, or refuses ours.
///
/// It is inside of an `io::Error` of the kind `InvalidData`.
///
/// # In Python
///
/// `ssl.SSLError`, `ssl.SSLCertVerificationError`.
#[derive(Clone, Debug)]
pub struct TlsError {
    doing: &'static str,
    /// The name or address of the other end.
    peer: String,
    error: rustls::Error,
}

impl TlsError {
    pub(crate) fn new(doing: &'static str, peer: String, error: rustls::Error) -> Self {
        Self { doing, peer, error }
    }

    /// What rustls says.
    #[must_use]
    pub fn rustls_error(&self) -> &rustls::Error {
        &self.error
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} with {} failed: {}", self.doing, self.peer, self.error)
    }
}

impl Error for TlsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}
