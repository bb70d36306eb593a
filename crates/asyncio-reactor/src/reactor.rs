//! The reactor: waits, notes, and hands out what it noted.
//!
//! Rules that keep the user's code outside:
//!
//! 1. The registry and the list of events are borrowed only in this file, and no waker is cloned, woken or dropped while
//!    they are. Wakers are *moved* out of their cells under a borrow, which runs nothing.
//! 2. What is taken out of the registry is dropped after the borrow ended.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use crate::descriptor::{AsSource, RawSource};
use crate::notifier::Notifier;
use crate::registry::{Entry, Key, Registry, Watched};
use crate::source::{Source, State};
use crate::sys::{Events, Poller};
use crate::watch::{Interest, Watch};

/// What became ready, as [`Reactor::pop_ready`] hands it out.
#[derive(Debug)]
pub enum Ready {
    /// A [`Source`] became ready, and these waited for it, at least one. Wake the reader first.
    Wakers {
        /// Waits to read.
        read: Option<Waker>,
        /// Waits to write.
        write: Option<Waker>,
    },
    /// A [`Watch`] is ready, in at least one direction that it asked for.
    Watch {
        /// What was given to [`Reactor::watch`].
        key: usize,
        /// It can be read from.
        readable: bool,
        /// It can be written to.
        writable: bool,
    },
}

/// Knows which descriptors are ready.
///
/// A reactor belongs to one thread. See the [crate documentation](crate) for what it does and does not do.
///
/// # Examples
///
/// ```
/// # #[cfg(unix)] {
/// use asyncio_reactor::{Interest, Reactor, Ready};
/// use std::io::Write;
/// use std::os::unix::net::UnixStream;
///
/// let reactor = Reactor::new()?;
/// let (near, mut far) = UnixStream::pair()?;
/// let _watch = reactor.watch(&near, Interest::Readable, 7)?;
/// far.write_all(b"x")?;
/// reactor.poll(None)?;
/// assert!(matches!(reactor.pop_ready(), Some(Ready::Watch { key: 7, readable: true, writable: false })));
/// # }
/// # Ok::<_, std::io::Error>(())
/// ```
pub struct Reactor {
    inner: Rc<Inner>,
}

pub(crate) struct Inner {
    poller: Poller,
    notifier: Notifier,
    events: RefCell<Events>,
    registry: RefCell<Registry>,
    /// Watches that were reported and fell silent; used only where watches do that.
    silent: RefCell<Vec<Key>>,
}

impl Reactor {
    /// A reactor with nothing registered.
    ///
    /// # Errors
    ///
    /// The platform's, mostly for want of descriptors.
    pub fn new() -> io::Result<Self> {
        Self::with(false)
    }

    /// A reactor as it would be where the platform lacks what the ordinary one uses. For tests.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    #[doc(hidden)]
    pub fn with_fallbacks() -> io::Result<Self> {
        Self::with(true)
    }

    fn with(fallback: bool) -> io::Result<Self> {
        let poller = Poller::new(fallback)?;
        let notifier = Notifier::new(poller.bell());
        let (events, registry) = (RefCell::new(Events::new()), RefCell::default());
        Ok(Self { inner: Rc::new(Inner { poller, notifier, events, registry, silent: RefCell::default() }) })
    }

    /// What ends a wait of this reactor from another thread.
    pub fn notifier(&self) -> Notifier {
        self.inner.notifier.clone()
    }

    /// Waits until something became ready, and notes it, or until `timeout` passed or a notification came.
    ///
    /// Without a timeout the wait is for ever; with one of zero it is a look. A poll may return with nothing noted before
    /// the timeout: after a notification, also one that an earlier poll has seen, and on Linux after a signal. Notes that
    /// were not taken stay, and those of the same registration are joined.
    ///
    /// Timeouts are counted in nanoseconds where the platform can (Linux, kqueue, event ports), else rounded up to the
    /// millisecond, and on Windows to the next tick of the system's clock, which is 15.6 ms unless somebody asked for finer
    /// ones. They do not end early, save that no further than 24 days is counted, but on a Linux from 5.11 on.
    ///
    /// # Errors
    ///
    /// The platform's; there is none to be expected.
    pub fn poll(&self, timeout: Option<Duration>) -> io::Result<()> {
        let inner = &*self.inner;
        if inner.poller.watches_rearm() {
            inner.rearm_watches();
        }
        let parking = inner.notifier.parking();
        let events = &mut *inner.events.borrow_mut();
        let result = if timeout != Some(Duration::ZERO) && parking.park() {
            let result = inner.poller.wait(events, timeout);
            parking.unpark();
            result
        } else {
            let result = inner.poller.wait(events, Some(Duration::ZERO));
            parking.unpark_unannounced();
            result
        };
        result?;
        inner.note(events);
        Ok(())
    }

    /// Hands out the next of what was noted, in the order reported. `None`: that was all.
    ///
    /// Wakers are handed out, not woken. Sources that nobody waits for are passed over; so are directions that were cleared
    /// since they were noted, whose waiters wait on for the next report.
    pub fn pop_ready(&self) -> Option<Ready> {
        let mut registry = self.inner.registry.borrow_mut();
        loop {
            let (entry, noted) = registry.pop_noted()?;
            match entry {
                Entry::Source(state) => {
                    let read = if noted.is_readable() { state.read().take_waker_if_ready() } else { None };
                    let write = if noted.is_writable() { state.write().take_waker_if_ready() } else { None };
                    if read.is_some() || write.is_some() {
                        return Some(Ready::Wakers { read, write });
                    }
                }
                Entry::Watch(watched) => {
                    let interest = watched.interest.get();
                    let readable = noted.is_readable() && interest.is_readable();
                    let writable = noted.is_writable() && interest.is_writable();
                    if readable || writable {
                        return Some(Ready::Watch { key: watched.user_key, readable, writable });
                    }
                }
            }
        }
    }

    /// Whether [`pop_ready`](Self::pop_ready) may have something to hand out. It may turn out that it has not.
    pub fn has_ready(&self) -> bool {
        self.inner.registry.borrow().has_noted()
    }

    /// How many descriptors are registered or watched.
    pub fn len(&self) -> usize {
        self.inner.registry.borrow().len()
    }

    /// Whether no descriptor is registered or watched.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Registers a descriptor for both directions, edge-triggered. It must be in nonblocking mode to be of use.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the descriptor has a [`Source`] or [`Watch`] here; else the platform's: ordinary files, for
    /// one, cannot be waited for on Linux (`PermissionDenied`).
    pub fn register(&self, source: impl AsSource) -> io::Result<Source> {
        let descriptor = source.as_raw_source();
        let state = Rc::new(State::new(descriptor));
        let key = self.inner.insert(descriptor, Entry::Source(Rc::clone(&state)), |token| {
            self.inner.poller.add_source(descriptor, token)
        })?;
        Ok(Source::new(Rc::clone(&self.inner), state, key))
    }

    /// Watches a descriptor, level-triggered. `key` comes back with each report, and means nothing to the reactor.
    ///
    /// # Errors
    ///
    /// As [`register`](Self::register).
    pub fn watch(&self, source: impl AsSource, interest: Interest, key: usize) -> io::Result<Watch> {
        let descriptor = source.as_raw_source();
        let shared = Rc::new(Cell::new(interest));
        let entry = Entry::Watch(Box::new(Watched { descriptor, user_key: key, interest: Rc::clone(&shared) }));
        let key =
            self.inner.insert(descriptor, entry, |token| self.inner.poller.add_watch(descriptor, token, interest))?;
        Ok(Watch::new(Rc::clone(&self.inner), key, descriptor, shared))
    }

    /// Whether the descriptor has a [`Source`] here.
    pub fn is_registered(&self, source: impl AsSource) -> bool {
        matches!(self.inner.registry.borrow().find(source.as_raw_source()), Some(Entry::Source(_)))
    }

    /// Whether the descriptor has a [`Watch`] here.
    pub fn is_watched(&self, source: impl AsSource) -> bool {
        matches!(self.inner.registry.borrow().find(source.as_raw_source()), Some(Entry::Watch(_)))
    }
}

impl Inner {
    /// Sees to it that the platform reports what `state` is waited for; nothing to do where it always does.
    pub(crate) fn arm_source(&self, state: &State, key: Key) -> io::Result<()> {
        if !self.poller.sources_rearm() {
            return Ok(());
        }
        if !self.registry.borrow().holds(state.descriptor(), key) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.arm(|interest| self.poller.arm_source(state.descriptor(), key.token(), interest))
    }

    pub(crate) fn modify_watch(&self, descriptor: RawSource, key: Key, interest: Interest) -> io::Result<()> {
        if !self.registry.borrow().holds(descriptor, key) {
            return Err(io::ErrorKind::NotFound.into());
        }
        self.poller.modify_watch(descriptor, key.token(), interest).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let message = format!(
                    "descriptor {descriptor} was closed while it was watched, and its number is another one's now: end \
                     the watch first"
                );
                io::Error::new(io::ErrorKind::NotFound, message)
            }
            _ => error,
        })
    }

    fn insert(&self, descriptor: RawSource, entry: Entry, add: impl Fn(usize) -> io::Result<()>) -> io::Result<Key> {
        let mut registry = self.registry.borrow_mut();
        let Some(key) = registry.insert(entry) else {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "the reactor has no keys left"));
        };
        let mut result = add(key.token());
        if matches!(&result, Err(error) if error.kind() == io::ErrorKind::AlreadyExists)
            && registry.find(descriptor).is_none()
        {
            // Left from a descriptor that was closed before its registration ended, so that the end could not be told.
            // Now there is one of that number again, and it can.
            result = self.poller.delete(descriptor).and_then(|()| add(key.token()));
        }
        match result {
            Ok(()) => {
                registry.claim(descriptor, key);
                Ok(key)
            }
            Err(error) => {
                registry.remove(key);
                Err(if error.kind() == io::ErrorKind::AlreadyExists {
                    let message = format!("descriptor {descriptor} is already registered with this reactor");
                    io::Error::new(io::ErrorKind::AlreadyExists, message)
                } else {
                    error
                })
            }
        }
    }

    /// Ends a registration.
    pub(crate) fn remove(&self, descriptor: RawSource, key: Key) {
        let mut registry = self.registry.borrow_mut();
        let held = registry.release(descriptor, key);
        let entry = registry.remove(key);
        drop(registry);
        drop(entry);
        if held {
            // It fails if the descriptor was closed before, and then there is nothing to end.
            let _ = self.poller.delete(descriptor);
        }
    }

    fn note(&self, events: &Events) {
        let rearm = self.poller.sources_rearm() || self.poller.watches_rearm();
        for event in events.iter() {
            let key = self.registry.borrow_mut().note(event);
            if rearm && let Some(key) = key {
                self.rearm_reported(key);
            }
        }
    }

    /// A report silenced both directions. A source is armed at once for the one that it did not report, if that is
    /// waited for; a watch, which may be ready still, before the next wait.
    fn rearm_reported(&self, key: Key) {
        match self.registry.borrow().get(key) {
            Some(Entry::Source(state)) => {
                // It fails if the descriptor was closed; whoever uses it finds out.
                let _ = self.arm_source(state, key);
            }
            Some(Entry::Watch(_)) => self.silent.borrow_mut().push(key),
            None => {}
        }
    }

    fn rearm_watches(&self) {
        let registry = self.registry.borrow();
        for key in self.silent.borrow_mut().drain(..) {
            if let Some(Entry::Watch(watched)) = registry.get(key)
                && registry.holds(watched.descriptor, key)
            {
                // It fails if the descriptor was closed; its holder will find out by using it.
                let _ = self.poller.modify_watch(watched.descriptor, key.token(), watched.interest.get());
            }
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        // Sources keep the inside alive, and wakers may keep sources alive: nobody will be woken any more, let go.
        let states: Vec<Rc<State>> = self.inner.registry.borrow().sources().map(Rc::clone).collect();
        for state in states {
            drop(state.read().take_waker());
            drop(state.write().take_waker());
        }
    }
}

impl fmt::Debug for Reactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reactor").field("poller", &self.inner.poller).finish_non_exhaustive()
    }
}
