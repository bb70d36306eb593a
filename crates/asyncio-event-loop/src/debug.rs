//! Debug mode: reports of task steps and callbacks that keep the loop too long.

use std::cell::Cell;
use std::panic::Location;
use std::time::Duration;

use asyncio_executor::Entry;

use crate::exception::say;

/// The switches of debug mode.
pub(crate) struct Debugging {
    on: Cell<bool>,
    slow: Cell<Duration>,
}

impl Debugging {
    /// As the environment says: `ASYNCIO_DEBUG` set to anything but nothing or `0`.
    pub(crate) fn new() -> Self {
        let on = std::env::var_os("ASYNCIO_DEBUG").is_some_and(|value| !value.is_empty() && value != "0");
        Self { on: Cell::new(on), slow: Cell::new(Duration::from_millis(100)) }
    }

    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.get()
    }

    pub(crate) fn set(&self, on: bool) {
        self.on.set(on);
    }

    pub(crate) fn set_slow(&self, slow: Duration) {
        self.slow.set(slow);
    }

    /// Says that `entry` took `took`, if that was long. The machine's clock counts here, on virtual time too.
    pub(crate) fn note(&self, entry: &Entry, took: Duration) {
        match entry {
            Entry::Callback(location) => self.note_callback(location, took),
            _ if took < self.slow.get() => {}
            Entry::Task(task) => say(format_args!("executing {task:?} took {took:.3?}")),
            _ => say(format_args!("executing {entry:?} took {took:.3?}")),
        }
    }

    /// The same of a callback: one of a timer, a descriptor or a signal is not in the ready queue.
    pub(crate) fn note_callback(&self, location: &Location<'_>, took: Duration) {
        if took >= self.slow.get() {
            say(format_args!("executing the callback scheduled at {location} took {took:.3?}"));
        }
    }
}
