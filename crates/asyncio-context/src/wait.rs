//! What a task waits for: said by the future that suspends, read by the executor that polled it.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;

/// A kind of wait, such as `Lock.acquire`. Make one `static` for each place of code that suspends.
#[derive(Debug, PartialEq, Eq)]
pub struct WaitKind {
    name: &'static str,
}

impl WaitKind {
    /// A kind with the name that reports show: Python's name of the operation where there is one.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name }
    }

    /// The name given to [`WaitKind::new`].
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// What a suspended task waits for, and where in the user's code that wait began.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// What kind of operation it is.
    pub kind: &'static WaitKind,
    /// Where the operation was called, as far as it could know.
    pub location: Option<&'static Location<'static>>,
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.name)?;
        match self.location {
            Some(at) => write!(f, " at {at}"),
            None => Ok(()),
        }
    }
}

/// A place for what is waited for, in two words that are written and read one by one: a read of both at once right after
/// the writes would have to wait until they have left the processor's store buffer.
pub struct WaitCell {
    kind: Cell<Option<&'static WaitKind>>,
    location: Cell<Option<&'static Location<'static>>>,
}

impl WaitCell {
    /// Nothing is waited for.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self { kind: Cell::new(None), location: Cell::new(None) }
    }

    /// What is waited for, if anything is.
    #[must_use]
    pub fn get(&self) -> Option<Wait> {
        self.kind.get().map(|kind| Wait { kind, location: self.location.get() })
    }

    /// Nothing is waited for any more.
    #[inline]
    pub fn clear(&self) {
        self.kind.set(None);
    }

    /// Moves the last report on this thread to here, if there was one since it was taken last. For executors: call it after
    /// each poll of a task, and [`take_wait`] before.
    #[inline]
    pub fn take_report(&self) {
        // Only what was reported: an unconditional copy of both words is compiled to one read of both.
        WAIT.with(|wait| match wait.kind.take() {
            Some(kind) => {
                self.kind.set(Some(kind));
                self.location.set(wait.location.get());
            }
            None => self.kind.set(None),
        });
    }
}

impl Default for WaitCell {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for WaitCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WaitCell").field(&self.get()).finish()
    }
}

thread_local! {
    static WAIT: WaitCell = const { WaitCell::new() };
}

/// Says what the future being polled on this thread is about to wait for.
///
/// Call it just before returning `Poll::Pending`. It costs two stores. Where several futures of a task suspend in one
/// poll, the last report stands.
#[inline]
pub fn report_wait(kind: &'static WaitKind, location: Option<&'static Location<'static>>) {
    WAIT.with(|wait| {
        wait.kind.set(Some(kind));
        wait.location.set(location);
    });
}

/// Takes the last report on this thread. For executors: call it before and after each poll of a task.
#[inline]
#[must_use]
pub fn take_wait() -> Option<Wait> {
    WAIT.with(|wait| {
        let kind = wait.kind.take()?;
        Some(Wait { kind, location: wait.location.get() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    static SLEEP: WaitKind = WaitKind::new("sleep");

    #[test]
    fn the_last_report_stands_and_is_taken_once() {
        static LOCK: WaitKind = WaitKind::new("Lock.acquire");
        report_wait(&LOCK, None);
        let here = Location::caller();
        report_wait(&SLEEP, Some(here));
        let wait = take_wait().unwrap();
        assert_eq!(wait.to_string(), format!("sleep at {here}"));
        assert!(take_wait().is_none());
    }

    #[test]
    fn a_report_without_a_place_names_the_kind() {
        report_wait(&SLEEP, None);
        assert_eq!(take_wait().unwrap().to_string(), "sleep");
    }
}
