//! Linux: an epoll descriptor of our own.
//!
//! `polling`, with which the other platforms wait, keeps two more descriptors for each poller here, and its `Poller::wait`
//! makes up to four system calls beside the wait. Here the wait is `epoll_pwait2` alone. What makes that possible:
//!
//! * Timeouts go to the kernel to the nanosecond, so there is no timer descriptor to set.
//! * The bell is an eventfd, registered once, edge-triggered and never read: every write to it is an edge, whatever the
//!   counter holds. (It would take 2^64 writes to fill the counter.)
//! * Sources are registered edge-triggered for both directions, once.
//!
//! Nor has `polling` a name for `EPOLLRDHUP`. Without that flag a short read could not tell "there is nothing left" from
//! "only the end is left", see `readiness`. So nothing of it would be used but the making of the descriptor, for which it
//! and what it stands on would be a quarter of the time that the smallest program takes to build.

mod syscall;

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use syscall::Operation;

use super::Event;
use crate::descriptor::RawSource;
use crate::watch::Interest;

/// The bell's token, which the registry does not give out.
const BELL: u64 = usize::MAX as u64 - 1;

/// How many events one wait can report; more are reported by the next. Large enough that a busy server rarely needs a
/// second wait in a turn, small enough that the list (12 bytes an event) stays in the first-level cache.
const EVENTS_PER_WAIT: usize = 1024;

const READABLE: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLHUP | libc::EPOLLERR) as u32;
const WRITABLE: u32 = (libc::EPOLLOUT | libc::EPOLLHUP | libc::EPOLLERR) as u32;
const ENDING: u32 = (libc::EPOLLRDHUP | libc::EPOLLHUP) as u32;
const SOURCE: u32 = (libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLOUT | libc::EPOLLET) as u32;

#[derive(Debug)]
pub(crate) struct Poller {
    epoll: OwnedFd,
    bell: Bell,
    /// Whether to wait with `epoll_pwait2`. Goes to `false` once, when the kernel refuses that call.
    precise: Cell<bool>,
}

impl Poller {
    /// With `fallback`, waits as on a kernel without `epoll_pwait2`.
    pub(crate) fn new(fallback: bool) -> io::Result<Self> {
        let epoll = syscall::epoll()?;
        let bell = Bell { eventfd: Arc::new(syscall::eventfd()?.into()) };
        let flags = (libc::EPOLLIN | libc::EPOLLET) as u32;
        syscall::control(epoll.as_fd(), Operation::Add, bell.eventfd.as_raw_fd(), flags, BELL)?;
        Ok(Self { epoll, bell, precise: Cell::new(!fallback) })
    }

    fn epoll(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }

    pub(crate) fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// Whether a source falls silent after each report until it is armed again.
    pub(crate) fn sources_rearm(&self) -> bool {
        false
    }

    /// Whether a watch falls silent after each report until it is modified.
    pub(crate) fn watches_rearm(&self) -> bool {
        false
    }

    pub(crate) fn add_source(&self, source: RawSource, token: usize) -> io::Result<()> {
        syscall::control(self.epoll(), Operation::Add, source, SOURCE, token as u64)
    }

    /// Never called here, see `sources_rearm`.
    pub(crate) fn arm_source(&self, _source: RawSource, _token: usize, _: Interest) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn add_watch(&self, source: RawSource, token: usize, interest: Interest) -> io::Result<()> {
        syscall::control(self.epoll(), Operation::Add, source, watch_flags(interest), token as u64)
    }

    pub(crate) fn modify_watch(&self, source: RawSource, token: usize, interest: Interest) -> io::Result<()> {
        syscall::control(self.epoll(), Operation::Modify, source, watch_flags(interest), token as u64)
    }

    pub(crate) fn delete(&self, source: RawSource) -> io::Result<()> {
        syscall::control(self.epoll(), Operation::Delete, source, 0, 0)
    }

    /// Waits; returns early, with no events, when a signal arrives.
    pub(crate) fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.list.clear();
        // A look costs less by the call that has nothing to count.
        if self.precise.get() && timeout != Some(Duration::ZERO) {
            match syscall::wait_precise(self.epoll(), &mut events.list, timeout) {
                // Before Linux 5.11 the call is unknown; sandboxes that do not know it refuse it.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
                    self.precise.set(false);
                }
                result => return ignore_signal(result),
            }
        }
        ignore_signal(syscall::wait_coarse(self.epoll(), &mut events.list, timeout))
    }
}

fn ignore_signal(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        result => result,
    }
}

fn watch_flags(interest: Interest) -> u32 {
    let read = if interest.is_readable() { libc::EPOLLIN } else { 0 };
    let write = if interest.is_writable() { libc::EPOLLOUT } else { 0 };
    (read | write) as u32
}

/// The list that a wait fills.
pub(crate) struct Events {
    list: Vec<libc::epoll_event>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self { list: Vec::with_capacity(EVENTS_PER_WAIT) }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.list.iter().filter(|event| event.u64 < BELL).map(|event| Event {
            token: event.u64 as usize,
            readable: event.events & READABLE != 0,
            writable: event.events & WRITABLE != 0,
            ending: event.events & ENDING != 0,
        })
    }
}

/// Ends a wait from another thread.
#[derive(Clone, Debug)]
pub(crate) struct Bell {
    eventfd: Arc<File>,
}

impl Bell {
    pub(crate) fn ring(&self) {
        // A write to a nonblocking eventfd is not interrupted, and fails only when the counter is full.
        let _ = (&*self.eventfd).write(&1u64.to_ne_bytes());
    }
}
