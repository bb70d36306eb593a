//! `ExecutorRemote`: what other threads can do with an executor.

use std::fmt;
use std::sync::Arc;

use crate::shared::{Remote, Shared};

/// What other threads can do with an executor: hand it closures.
#[derive(Clone)]
pub struct ExecutorRemote {
    shared: Arc<Shared>,
}

/// The executor is gone, and with it what was to run on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExecutorClosed;

impl fmt::Display for ExecutorClosed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the event loop is closed: nothing can be scheduled on it any more")
    }
}

impl std::error::Error for ExecutorClosed {}

impl ExecutorRemote {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Runs `f` on the executor's thread, at the end of its ready queue. The order of the calls of one thread is kept.
    ///
    /// # Errors
    ///
    /// When the executor is gone; `f` is dropped.
    pub fn call_soon_threadsafe(&self, f: impl FnOnce() + Send + 'static) -> Result<(), ExecutorClosed> {
        self.shared.call(Box::new(f)).map_err(|_: Remote| ExecutorClosed)
    }

    /// Makes the executor's owner step it, as if something had been sent.
    pub fn notify(&self) {
        self.shared.notify();
    }

    /// Whether the caller is on the executor's thread.
    #[must_use]
    pub fn is_home(&self) -> bool {
        self.shared.is_home()
    }

    /// Whether the executor is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.shared.is_closed()
    }
}

impl fmt::Debug for ExecutorRemote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutorRemote").field("closed", &self.is_closed()).finish()
    }
}
