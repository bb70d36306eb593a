//! What fails at a queue. Items that could not be put are handed back.

use std::error::Error;
use std::fmt;

/// The queue has been shut down. From a put, with the item that was not put; from a get, with `()`.
///
/// In Python: `asyncio.QueueShutDown`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueShutDown<T>(pub T);

/// Why [`put_nowait`](super::BaseQueue::put_nowait) did not put, with the item.
///
/// In Python: `asyncio.QueueFull` and `asyncio.QueueShutDown`.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutError<T> {
    /// The queue is full.
    Full(T),
    /// The queue has been shut down.
    ShutDown(T),
}

/// Why [`get_nowait`](super::BaseQueue::get_nowait) got nothing.
///
/// In Python: `asyncio.QueueEmpty` and `asyncio.QueueShutDown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GetError {
    /// The queue is empty.
    Empty,
    /// The queue is empty and has been shut down.
    ShutDown,
}

/// [`task_done`](super::BaseQueue::task_done) was called more often than items were put.
///
/// In Python: `ValueError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskDoneError(pub(super) ());

impl<T> QueueShutDown<T> {
    /// The item that was not put.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> PutError<T> {
    /// The item that was not put.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(item) | Self::ShutDown(item) => item,
        }
    }
}

const SHUT_DOWN: &str = "the queue has been shut down";

impl<T> fmt::Display for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHUT_DOWN)
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("cannot put an item without waiting: the queue is full"),
            Self::ShutDown(_) => write!(f, "cannot put an item: {SHUT_DOWN}"),
        }
    }
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("cannot get an item without waiting: the queue is empty"),
            Self::ShutDown => write!(f, "cannot get an item: {SHUT_DOWN}"),
        }
    }
}

impl fmt::Display for TaskDoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task_done was called though all items are done: it was called more often than items were put")
    }
}

// Without the item, so that these are errors whatever the item is.
impl<T> fmt::Debug for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueShutDown(..)")
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::ShutDown(_) => "ShutDown(..)",
        })
    }
}

impl<T> Error for QueueShutDown<T> {}
impl<T> Error for PutError<T> {}
impl Error for GetError {}
impl Error for TaskDoneError {}
