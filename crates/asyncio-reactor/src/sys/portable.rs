//! Every other platform: the waits, modes and notification of `polling`.
//!
//! Sources are edge-triggered where the platform has edges, and otherwise oneshot: armed when somebody waits, silent
//! after a report. Watches are level-triggered where the platform has levels, and otherwise oneshot, armed again before
//! the next wait.
//!
//! `polling` does not say that an end is near. With edges every report is therefore taken as if it might be, which costs
//! one call that finds nothing after a short read. Oneshot tells it again when armed.
//!
//! `polling` goes on waiting when a signal arrives. Signals have to end a wait through a notifier here.
//!
//! # Why the unsafe calls are sound
//!
//! 1. `polling` wants a descriptor to be deleted before it is closed, because some platforms would go on looking at the
//!    number. Whoever registers promises that, see [`AsSource`](crate::AsSource). Where it is broken, the platform looks
//!    at the readiness of what the number has come to mean: nothing is read, written or closed through it.
//! 2. The numbers were checked not to be the one that a borrowed descriptor cannot have, and are borrowed for one call.

#![expect(unsafe_code, reason = "polling takes raw descriptors on trust")]

use std::io;
#[cfg(unix)]
use std::os::fd::BorrowedFd as Borrowed;
#[cfg(windows)]
use std::os::windows::io::BorrowedSocket as Borrowed;
use std::sync::Arc;
use std::time::Duration;

use polling::PollMode;

use super::Event;
use crate::descriptor::RawSource;
use crate::watch::Interest;

/// Waits are no longer, and then end early. `polling` counts milliseconds in 32 bits on Windows, and takes what does not
/// fit for no timeout at all; kernels differ in how many seconds they take. It is what `epoll_wait` can count.
const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

#[derive(Debug)]
pub(crate) struct Poller {
    poller: Arc<polling::Poller>,
    source_mode: PollMode,
    watch_mode: PollMode,
}

impl Poller {
    /// With `fallback`, as on a platform with neither edges nor levels.
    pub(crate) fn new(fallback: bool) -> io::Result<Self> {
        // Where this is forced, so that it can be tested under everything that stands on it.
        let fallback =
            fallback || cfg!(asyncio_portable_reactor) && std::env::var_os("ASYNCIO_ONESHOT_REACTOR").is_some();
        let poller = polling::Poller::new()?;
        let source_mode = if poller.supports_edge() && !fallback { PollMode::Edge } else { PollMode::Oneshot };
        let watch_mode = if poller.supports_level() && !fallback { PollMode::Level } else { PollMode::Oneshot };
        Ok(Self { poller: Arc::new(poller), source_mode, watch_mode })
    }

    pub(crate) fn bell(&self) -> Bell {
        Bell { poller: Arc::clone(&self.poller) }
    }

    /// Whether a source falls silent after each report until it is armed again.
    pub(crate) fn sources_rearm(&self) -> bool {
        self.source_mode == PollMode::Oneshot
    }

    /// Whether a watch falls silent after each report until it is modified.
    pub(crate) fn watches_rearm(&self) -> bool {
        self.watch_mode == PollMode::Oneshot
    }

    /// It reports both directions, each until it was reported if sources rearm.
    pub(crate) fn add_source(&self, source: RawSource, token: usize) -> io::Result<()> {
        self.add(source, polling::Event::all(token), self.source_mode)
    }

    /// Makes a oneshot source report these directions, once.
    pub(crate) fn arm_source(&self, source: RawSource, token: usize, interest: Interest) -> io::Result<()> {
        let event = event(token, interest);
        with_borrowed(source, |source| self.poller.modify_with_mode(source, event, self.source_mode))
    }

    pub(crate) fn add_watch(&self, source: RawSource, token: usize, interest: Interest) -> io::Result<()> {
        self.add(source, event(token, interest), self.watch_mode)
    }

    pub(crate) fn modify_watch(&self, source: RawSource, token: usize, interest: Interest) -> io::Result<()> {
        let event = event(token, interest);
        with_borrowed(source, |source| self.poller.modify_with_mode(source, event, self.watch_mode))
    }

    pub(crate) fn delete(&self, source: RawSource) -> io::Result<()> {
        with_borrowed(source, |source| self.poller.delete(source))
    }

    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.list.clear();
        events.maybe_ending = !self.sources_rearm();
        let timeout = timeout.map(|timeout| timeout.min(LONGEST_WAIT));
        match self.poller.wait(&mut events.list, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn add(&self, source: RawSource, event: polling::Event, mode: PollMode) -> io::Result<()> {
        if !is_valid(source) {
            return Err(invalid(source));
        }
        // SAFETY: rule 1.
        unsafe { self.poller.add_with_mode(source, event, mode) }
    }
}

fn event(token: usize, interest: Interest) -> polling::Event {
    polling::Event::new(token, interest.is_readable(), interest.is_writable())
}

fn with_borrowed(source: RawSource, call: impl FnOnce(Borrowed<'_>) -> io::Result<()>) -> io::Result<()> {
    if !is_valid(source) {
        return Err(invalid(source));
    }
    // SAFETY: rule 2 and, that it is open, rule 1.
    call(unsafe { Borrowed::borrow_raw(source) })
}

/// Whether the number can be that of a descriptor at all. The platform's calls take no others.
fn is_valid(source: RawSource) -> bool {
    #[cfg(unix)]
    return source >= 0;
    #[cfg(windows)]
    return source != RawSource::MAX;
}

fn invalid(source: RawSource) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{source} is no descriptor"))
}

/// The list that a wait fills.
pub(crate) struct Events {
    list: polling::Events,
    maybe_ending: bool,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self { list: polling::Events::new(), maybe_ending: false }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.list.iter().map(|event| {
            // Where the platform reports trouble beside the directions, it counts as both.
            let trouble = event.is_interrupt() || event.is_err() == Some(true);
            Event {
                token: event.key,
                readable: event.readable || trouble,
                writable: event.writable || trouble,
                ending: self.maybe_ending,
            }
        })
    }
}

/// Ends a wait from another thread.
#[derive(Clone, Debug)]
pub(crate) struct Bell {
    poller: Arc<polling::Poller>,
}

impl Bell {
    pub(crate) fn ring(&self) {
        // There is nobody to tell; and the platforms' ways to notify fail only with the poller itself.
        let _ = self.poller.notify();
    }
}
