//! A log that callbacks and tasks write to, and what else most tests need.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use asyncio_event_loop::Runner;

/// Lines, in the order in which they were written.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn add(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    /// A callback that writes `line`.
    pub fn line(&self, line: &'static str) -> impl FnOnce() + 'static {
        let log = self.clone();
        move || log.add(line)
    }

    /// What was written since the last call.
    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Says when it is dropped.
pub struct Dropped(Rc<Cell<bool>>);

impl Dropped {
    /// The value, and whether it was dropped.
    pub fn new() -> (Self, Rc<Cell<bool>>) {
        let dropped = Rc::new(Cell::new(false));
        (Self(dropped.clone()), dropped)
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

/// Runs a closure when it is dropped.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

pub fn virtual_runner() -> Runner {
    Runner::builder().virtual_time(true).build().unwrap()
}

pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
