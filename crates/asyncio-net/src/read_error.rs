//! What a read of a stream can fail with.

use std::error::Error;
use std::fmt;
use std::io;

/// The stream ended in the middle of what was asked for.
///
/// # In Python
///
/// `asyncio.IncompleteReadError`, in `asyncio/exceptions.py`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncompleteReadError {
    /// What there was; it has been taken from the stream.
    pub partial: Vec<u8>,
    /// How many bytes were asked for; `None` when a separator was.
    pub expected: Option<usize>,
}

impl fmt::Display for IncompleteReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stream ended after {} bytes of ", self.partial.len())?;
        match self.expected {
            Some(expected) => write!(f, "{expected} expected"),
            None => f.write_str("what was to end with a separator"),
        }
    }
}

impl Error for IncompleteReadError {}

/// What was to end with a separator is longer than the limit of the stream.
///
/// # In Python
///
/// `asyncio.LimitOverrunError`, in `asyncio/exceptions.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitOverrunError {
    /// How many bytes at the start of the stream's buffer belong to no separator.
    pub consumed: usize,
    /// Whether the separator was found, after those bytes.
    pub found: bool,
}

impl fmt::Display for LimitOverrunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = if self.found { "was found, but only" } else { "was not found" };
        write!(f, "the separator {found} after {} bytes, which is above the limit of the stream", self.consumed)
    }
}

impl Error for LimitOverrunError {}

/// Why a read of a stream failed. `?` makes an `io::Error` of it where one is wanted.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The stream ended too early.
    Incomplete(IncompleteReadError),
    /// The separator is too far away.
    LimitOverrun(LimitOverrunError),
    /// The connection failed.
    Io(io::Error),
}

impl ReadError {
    /// The error of a stream that ended too early, if it is that.
    #[must_use]
    pub fn incomplete(self) -> Option<IncompleteReadError> {
        match self {
            Self::Incomplete(error) => Some(error),
            Self::LimitOverrun(_) | Self::Io(_) => None,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete(error) => error.fmt(f),
            Self::LimitOverrun(error) => error.fmt(f),
            Self::Io(error) => error.fmt(f),
        }
    }
}

impl Error for ReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Incomplete(_) | Self::LimitOverrun(_) => None,
            Self::Io(error) => error.source(),
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<ReadError> for io::Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Incomplete(error) => Self::new(io::ErrorKind::UnexpectedEof, error),
            ReadError::LimitOverrun(error) => Self::new(io::ErrorKind::InvalidData, error),
            ReadError::Io(error) => error,
        }
    }
}

/// The same error once more: it is told to everybody who asks, and an `io::Error` cannot be cloned.
pub(crate) fn again(error: &io::Error) -> io::Error {
    #[cfg(feature = "rustls")]
    if let Some(error) = error.get_ref().and_then(|inner| inner.downcast_ref::<crate::tls::TlsError>()) {
        return error.clone().into();
    }
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}
