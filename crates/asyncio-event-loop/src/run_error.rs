//! How a run can end other than with the main task's value.

use std::fmt;

use asyncio_executor::CancelledError;

use crate::deadlock::Deadlock;

/// Why [`Runner::run`](crate::Runner::run) has no value to return.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunError {
    /// The main task ended cancelled.
    Cancelled(CancelledError),
    /// SIGINT came, and the main task ended cancelled because of it.
    Interrupted,
    /// `stop` was called before the main task had ended. The main task has been dropped.
    Stopped,
    /// On virtual time: nothing could ever happen again.
    Deadlock(Deadlock),
}

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled(error) => write!(f, "the main task was {error}"),
            Self::Interrupted => f.write_str("interrupted by SIGINT"),
            Self::Stopped => f.write_str("the event loop was stopped before the main task had ended"),
            Self::Deadlock(deadlock) => deadlock.fmt(f),
        }
    }
}

impl std::error::Error for RunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Cancelled(error) => Some(error),
            Self::Deadlock(deadlock) => Some(deadlock),
            Self::Interrupted | Self::Stopped => None,
        }
    }
}
