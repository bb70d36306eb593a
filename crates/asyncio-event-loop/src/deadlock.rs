//! The definite answer on virtual time when nothing can ever wake the loop again.
//!
//! A loop on virtual time that has nothing ready and no timer can only be woken from outside. It knows of: work on its
//! threads, every `LoopRemote`, watched descriptors and signals. Each counts itself in `outside` or is asked. If there is
//! none, waiting would be for ever, and the run ends with a [`Deadlock`]. (A waker that was handed to another thread by
//! other means is not known: keep a `LoopRemote` there.)
//!
//! Rules for what other threads end:
//!
//! 1. A thread first sends or wakes, then stops counting (`Release`), then rings.
//! 2. The loop first asks who counts (`Acquire`), then looks at what is ready. If nobody counts, it sees by rule 1 all
//!    that was sent; so nothing ready and nobody counting is the end.
//! 3. If somebody counts, the loop waits, and is rung when that is over.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use asyncio_executor::ExecutorRemote;

use crate::event_loop::EventLoop;

/// Every task that waits for something that cannot happen: the run on virtual time could not go on.
#[derive(Clone)]
pub struct Deadlock {
    tasks: Vec<String>,
}

impl Deadlock {
    pub(crate) fn new(this: &EventLoop) -> Self {
        Self { tasks: this.all_tasks().iter().map(|task| format!("{task:?}")).collect() }
    }

    /// A line for each task: its name, where it was made, what it waits for and where.
    #[must_use]
    pub fn tasks(&self) -> &[String] {
        &self.tasks
    }
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "nothing can wake the event loop again: {} waiting, for ever:", plural(self.tasks.len()))?;
        for task in &self.tasks {
            write!(f, "\n  {task}")?;
        }
        Ok(())
    }
}

fn plural(count: usize) -> String {
    if count == 1 { "1 task is".to_owned() } else { format!("{count} tasks are") }
}

impl fmt::Debug for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Deadlock {}

/// Counts as something outside that may wake the loop, as long as it lives, on whatever thread. Only a loop on virtual
/// time wants to know.
pub(crate) struct Outside(Option<(Arc<AtomicUsize>, ExecutorRemote)>);

impl Outside {
    pub(crate) fn new(this: &EventLoop) -> Self {
        Self(this.is_virtual().then(|| {
            let count = this.inner.outside.clone();
            count.fetch_add(1, Ordering::Relaxed);
            (count, this.inner.executor.remote())
        }))
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        if let Some((count, remote)) = &self.0 {
            // Release pairs with the acquire in `is_anybody_outside`: see the rules above.
            count.fetch_sub(1, Ordering::Release);
            remote.notify();
        }
    }
}

/// Whether something counts itself in `outside`. What was sent by those that do not any more is seen after this.
pub(crate) fn is_anybody_outside(this: &AtomicUsize) -> bool {
    // Acquire pairs with the release of `Outside`.
    this.load(Ordering::Acquire) > 0
}
