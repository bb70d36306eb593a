//! A level-triggered watch on a descriptor.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;

use crate::descriptor::RawSource;
use crate::reactor::Inner;
use crate::registry::Key;

/// Which directions a [`Watch`] is told of.
///
/// There is none for "neither": that is a watch dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interest {
    /// It can be read from, or the end or an error is there to be read.
    Readable,
    /// It can be written to, or an error is there to be told.
    Writable,
    /// Either.
    Both,
}

impl Interest {
    /// The interest in these directions; `None` for neither.
    pub fn new(readable: bool, writable: bool) -> Option<Self> {
        match (readable, writable) {
            (true, true) => Some(Interest::Both),
            (true, false) => Some(Interest::Readable),
            (false, true) => Some(Interest::Writable),
            (false, false) => None,
        }
    }

    /// Whether reading is in it.
    pub fn is_readable(self) -> bool {
        matches!(self, Interest::Readable | Interest::Both)
    }

    /// Whether writing is in it.
    pub fn is_writable(self) -> bool {
        matches!(self, Interest::Writable | Interest::Both)
    }

    pub(crate) fn covers(self, other: Self) -> bool {
        self == Interest::Both || self == other
    }
}

/// A persistent, level-triggered watch on a descriptor: each poll reports it for as long as it is ready.
///
/// Made by [`Reactor::watch`](crate::Reactor::watch); dropping it ends the watch, and what was noted of it but not handed
/// out yet vanishes. One descriptor has one watch, for both directions.
///
/// In Python: what a selector keeps for `loop.add_reader` and `loop.add_writer` (`asyncio.selector_events`).
pub struct Watch {
    inner: Rc<Inner>,
    key: Key,
    descriptor: RawSource,
    interest: Rc<Cell<Interest>>,
}

impl Watch {
    pub(crate) fn new(inner: Rc<Inner>, key: Key, descriptor: RawSource, interest: Rc<Cell<Interest>>) -> Self {
        Self { inner, key, descriptor, interest }
    }

    /// What the watch is told of now.
    pub fn interest(&self) -> Interest {
        self.interest.get()
    }

    /// Changes what the watch is told of. What was noted of a direction that is not asked for any more vanishes.
    ///
    /// # Errors
    ///
    /// When the descriptor was closed, also if its number is another descriptor's by now, and also if nothing changes; the
    /// interest is then as before.
    pub fn set_interest(&self, interest: Interest) -> io::Result<()> {
        self.inner.modify_watch(self.descriptor, self.key, interest)?;
        self.interest.set(interest);
        Ok(())
    }

    /// The descriptor's number.
    pub fn raw_source(&self) -> RawSource {
        self.descriptor
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.inner.remove(self.descriptor, self.key);
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interest = self.interest.get();
        f.debug_struct("Watch").field("descriptor", &self.descriptor).field("interest", &interest).finish()
    }
}
