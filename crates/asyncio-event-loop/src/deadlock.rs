//! The definite answer on virtual time when nothing can ever wake the loop again.
//!
//! A loop on virtual time that has nothing ready and no timer can only be woken from outside. It knows of: work on its
//! threads, every `LoopRemote`, watched descriptors and signals. Each counts itself in `outside` or is asked. If there is
//! none, waiting would be for ever, and the run ends with a [`Deadlock`]. (A waker that was handed to another thread by
//! other means is not known: keep a `LoopRemote` there.)

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;

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

/// Counts as something outside that may wake the loop, as long as it lives.
#[derive(Debug)]
pub(crate) struct Outside(Rc<Cell<usize>>);

impl Outside {
    pub(crate) fn new(this: &EventLoop) -> Self {
        let count = this.inner.outside.clone();
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
