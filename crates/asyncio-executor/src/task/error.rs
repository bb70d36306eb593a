//! How a task can end other than with a value.

use std::any::Any;
use std::fmt;

use crate::cancel::CancelledError;

/// The operation needs a task or future that is done, or one that is not, and this is the other.
///
/// # In Python
///
/// `asyncio.InvalidStateError`, in `asyncio/exceptions.py`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct InvalidStateError(&'static str);

impl InvalidStateError {
    pub(crate) const NOT_DONE: Self = Self("the result is not ready: await it, or ask `done()` first");
    pub(crate) const TAKEN: Self = Self("the result has already been taken");
    pub(crate) const DONE: Self =
        Self("the result has already been set, or the future was cancelled: ask `done()` first");
}

impl fmt::Display for InvalidStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl fmt::Debug for InvalidStateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InvalidStateError({:?})", self.0)
    }
}

impl std::error::Error for InvalidStateError {}

/// Why a task or future has no value.
#[non_exhaustive]
pub enum TaskError {
    /// It was cancelled.
    Cancelled(CancelledError),
    /// It panicked, with this payload. [`std::panic::resume_unwind`] goes on with the panic.
    Panicked(Box<dyn Any + Send>),
    /// It is not done, or its result was taken before.
    InvalidState(InvalidStateError),
}

impl TaskError {
    /// The cancellation, if that is what it is.
    #[must_use]
    pub fn cancelled(&self) -> Option<&CancelledError> {
        match self {
            Self::Cancelled(error) => Some(error),
            _ => None,
        }
    }

    /// The message of the panic, if it was one and its payload is a string, as that of `panic!` is.
    #[must_use]
    pub fn panic_message(&self) -> Option<&str> {
        match self {
            Self::Panicked(payload) => panic_message(payload.as_ref()),
            _ => None,
        }
    }
}

/// The text of a panic's payload, if it has one.
#[must_use]
pub fn panic_message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload.downcast_ref::<&str>().copied().or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled(error) => error.fmt(f),
            Self::Panicked(_) => match self.panic_message() {
                Some(message) => write!(f, "panicked: {message}"),
                None => f.write_str("panicked"),
            },
            Self::InvalidState(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled(error) => f.debug_tuple("Cancelled").field(error).finish(),
            Self::Panicked(_) => f.debug_tuple("Panicked").field(&self.panic_message().unwrap_or("…")).finish(),
            Self::InvalidState(error) => f.debug_tuple("InvalidState").field(error).finish(),
        }
    }
}

impl std::error::Error for TaskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Cancelled(error) => Some(error),
            Self::InvalidState(error) => Some(error),
            Self::Panicked(_) => None,
        }
    }
}

impl From<CancelledError> for TaskError {
    fn from(error: CancelledError) -> Self {
        Self::Cancelled(error)
    }
}
