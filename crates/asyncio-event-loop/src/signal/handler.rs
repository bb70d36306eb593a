//! The process's side of signals: which came, and one handler, which counts and rings.
//!
//! The handler does two things: it sets an atomic flag and rings a bell that is never taken down, a descriptor that a loop
//! watches. [`Installed`] puts it in place and, dropped, puts back what was there. Several loops in one process share the
//! flags and the bell: only loops of the main thread install, and one runs there at a time. What another loop's signals
//! rang, it hears when it runs next (`Signals::ring_again`).
//!
//! How that is done is the platform's, of which one is compiled. Each has the same names:
//!
//! * the bell: `bell`, `ring`, `drain`;
//! * what the process does on a signal: `Before`, `install`, `restore`, `is_default`, `set_default`;
//! * `check_number`, `is_main_thread`, `die`.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
use unix as platform;
#[cfg(windows)]
use windows as platform;

pub(super) use platform::{bell, die, drain, is_default, is_main_thread, ring};

/// One more than the largest signal number of the platforms at hand.
const SIGNALS: usize = 128;

/// Which signals came since they were last taken.
static CAME: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];

fn flag(signal: i32) -> Option<&'static AtomicBool> {
    usize::try_from(signal).ok().and_then(|signal| CAME.get(signal))
}

/// What the handler does, and may do, when a signal comes.
fn note(signal: i32) {
    if let Some(came) = flag(signal) {
        // Release pairs with the acquire of `take` and `came`.
        came.store(true, Ordering::Release);
    }
    ring();
}

/// Whether `signal` came since the last call of this.
pub(super) fn take(signal: i32) -> bool {
    flag(signal).is_some_and(|came| came.swap(false, Ordering::AcqRel))
}

/// Whether `signal` came since the last call of `take`.
pub(super) fn came(signal: i32) -> bool {
    flag(signal).is_some_and(|came| came.load(Ordering::Acquire))
}

/// Refuses what is no signal, cannot be handled, or comes from the wrong thread.
pub(super) fn check(signal: i32) -> io::Result<()> {
    if !(1..SIGNALS as i32).contains(&signal) {
        let message = format!("{signal} is not the number of a signal");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    platform::check_number(signal)?;
    if !is_main_thread() {
        let message = "signal handlers can be set on the process's main thread only";
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    Ok(())
}

/// For how many signals the handler stays in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Times {
    /// For one: after that the system does what it does by default, whether the loop looks or not.
    Once,
    Each,
}

/// The handler, in place for one signal. Dropped, it puts back what was there.
pub(super) struct Installed {
    signal: i32,
    before: platform::Before,
}

impl Installed {
    /// Puts the handler in place.
    pub(super) fn new(signal: i32, times: Times) -> io::Result<Self> {
        bell()?;
        take(signal);
        Ok(Self { signal, before: platform::install(signal, times)? })
    }

    /// Puts it in place anew.
    pub(super) fn set_times(&self, times: Times) {
        // It worked before.
        let _ = platform::install(self.signal, times);
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        platform::restore(self.signal, &self.before);
    }
}
