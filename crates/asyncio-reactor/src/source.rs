//! A registered descriptor whose readiness is remembered.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::descriptor::RawSource;
use crate::reactor::Inner;
use crate::readiness::Direction;
use crate::registry::Key;
use crate::sys::Event;
use crate::watch::Interest;

/// What a source and the registry share.
pub(crate) struct State {
    descriptor: RawSource,
    read: Direction,
    write: Direction,
    /// The directions that the platform will report; used only where sources fall silent after a report.
    armed: Cell<Option<Interest>>,
}

impl State {
    pub(crate) fn new(descriptor: RawSource) -> Self {
        let armed = Cell::new(Some(Interest::Both));
        Self { descriptor, read: Direction::new(), write: Direction::new(), armed }
    }

    pub(crate) fn descriptor(&self) -> RawSource {
        self.descriptor
    }

    pub(crate) fn note(&self, event: Event) {
        if event.readable {
            self.read.note(event.ending);
        }
        if event.writable {
            self.write.note(false);
        }
        self.armed.set(None);
    }

    pub(crate) fn read(&self) -> &Direction {
        &self.read
    }

    pub(crate) fn write(&self) -> &Direction {
        &self.write
    }

    /// The directions that somebody waits for and that are not ready.
    fn wanted(&self) -> Option<Interest> {
        let wants = |direction: &Direction| !direction.is_ready() && direction.has_waker();
        Interest::new(wants(&self.read), wants(&self.write))
    }

    /// Has the platform report the directions that are wanted, if it does not already. A direction that it reports beyond
    /// that costs one report, which is remembered; to have it silenced would cost a call.
    pub(crate) fn arm(&self, arm: impl FnOnce(Interest) -> io::Result<()>) -> io::Result<()> {
        let Some(wanted) = self.wanted() else { return Ok(()) };
        if !self.armed.get().is_some_and(|armed| armed.covers(wanted)) {
            arm(wanted)?;
            self.armed.set(Some(wanted));
        }
        Ok(())
    }
}

/// A descriptor, registered once for both directions, that remembers what it is ready for.
///
/// Made by [`Reactor::register`](crate::Reactor::register). Operations are tried first: [`try_read`](Self::try_read) and
/// [`try_write`](Self::try_write) call the operation unless it is known to find nothing, and remember when it found
/// nothing. What waits then waits for a report of the platform, and *only for one that came after*: readiness is
/// reported when it changes, not for as long as it lasts.
///
/// Each direction has one waiter, the last that polled. Readiness is a hint: an operation may find nothing although it
/// was told, and must then be waited for again.
///
/// Dropping a source deregisters it; what was noted of it but not handed out yet vanishes, and its wakers are dropped.
/// Drop it before its descriptor is closed. A source may outlive its reactor; it then waits for ever.
pub struct Source {
    inner: Rc<Inner>,
    state: Rc<State>,
    key: Key,
}

impl Source {
    pub(crate) fn new(inner: Rc<Inner>, state: Rc<State>, key: Key) -> Self {
        Self { inner, state, key }
    }

    /// Whether it is remembered that there is something to read, or the end, or an error.
    ///
    /// A new source does not know yet, and says `false`.
    pub fn is_readable(&self) -> bool {
        self.state.read.is_ready()
    }

    /// Whether it is remembered that there is room to write, or an error to tell.
    ///
    /// A new source does not know yet, and says `false`.
    pub fn is_writable(&self) -> bool {
        self.state.write.is_ready()
    }

    /// Ready if the source [is readable](Self::is_readable); else the task of `cx` is woken when it is.
    ///
    /// A new source waits for its first report, which tells the truth of the moment: try before you wait.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost by not polling again; the waker stays until it is woken, replaced or the source is dropped.
    pub fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_direction(&self.state.read, cx).map(|_| ())
    }

    /// Ready if the source [is writable](Self::is_writable); else the task of `cx` is woken when it is.
    ///
    /// As [`poll_readable`](Self::poll_readable), for the other direction. The end of a `connect` is told this way; where
    /// the source was registered before the call, there may be a report of before, so look whether it is connected.
    ///
    /// # Cancel safety
    ///
    /// As [`poll_readable`](Self::poll_readable).
    pub fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_direction(&self.state.write, cx).map(|_| ())
    }

    /// Forgets that the source is readable: an operation took all there was.
    ///
    /// An operation that took some bytes, fewer than it had room for, took all there was (on a stream; a Unix socket on
    /// which descriptors are passed is an exception). To say so saves the call that would find nothing. Where the end of
    /// the stream was, or may have been, reported along with those bytes, the source stays readable until the end was met or
    /// the next operation clears too. An operation that met the end, zero bytes, must not clear.
    pub fn clear_readable(&self) {
        self.state.read.clear();
    }

    /// Forgets that the source is readable: an operation found nothing, not even the end.
    ///
    /// [`clear_readable`](Self::clear_readable) is for an operation that found something. After this, the source waits in any
    /// case.
    pub fn set_unreadable(&self) {
        self.state.read.clear_blocked();
    }

    /// Forgets that the source is writable: an operation wrote less than it had, or nothing.
    pub fn clear_writable(&self) {
        self.state.write.clear();
    }

    /// Calls `operation`, unless it is known to find nothing to read.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if `operation` said so, or was not called; then
    /// [`poll_readable`](Self::poll_readable) waits. Otherwise those of `operation`.
    pub fn try_read<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        try_direction(&self.state.read, operation)
    }

    /// Calls `operation`, unless it is known to find no room to write.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if `operation` said so, or was not called; then
    /// [`poll_writable`](Self::poll_writable) waits. Otherwise those of `operation`.
    pub fn try_write<T>(&self, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        try_direction(&self.state.write, operation)
    }

    /// [`try_read`](Self::try_read), and [`poll_readable`](Self::poll_readable) if that would block.
    ///
    /// # Cancel safety
    ///
    /// While it is pending, `operation` has had no effect.
    ///
    /// # Errors
    ///
    /// Those of `operation`.
    pub fn poll_read_with<T>(
        &self,
        cx: &mut Context<'_>,
        operation: impl FnOnce() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.poll_with(&self.state.read, cx, operation)
    }

    /// [`try_write`](Self::try_write), and [`poll_writable`](Self::poll_writable) if that would block.
    ///
    /// # Cancel safety
    ///
    /// While it is pending, `operation` has had no effect.
    ///
    /// # Errors
    ///
    /// Those of `operation`.
    pub fn poll_write_with<T>(
        &self,
        cx: &mut Context<'_>,
        operation: impl FnOnce() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        self.poll_with(&self.state.write, cx, operation)
    }

    /// The descriptor's number.
    pub fn raw_source(&self) -> RawSource {
        self.state.descriptor
    }

    fn poll_with<T>(
        &self,
        direction: &Direction,
        cx: &mut Context<'_>,
        operation: impl FnOnce() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        match try_direction(direction, operation) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.poll_direction(direction, cx).map(|result| {
                    // Absent readiness is never ready, so this is the error of arming.
                    result.and(Err(error))
                })
            }
            result => Poll::Ready(result),
        }
    }

    /// An error is that of arming, which a descriptor that was closed gives: the operation will find it too.
    fn poll_direction(&self, direction: &Direction, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if direction.is_ready() {
            return Poll::Ready(Ok(()));
        }
        direction.wait(cx.waker());
        match self.inner.arm_source(&self.state, self.key) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

fn try_direction<T>(direction: &Direction, operation: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    if direction.is_absent() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    let result = operation();
    if matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
        direction.clear_blocked();
    }
    result
}

impl Drop for Source {
    fn drop(&mut self) {
        self.inner.remove(self.state.descriptor, self.key);
        // Dropping a waker may run code of the user; nothing is borrowed here.
        drop(self.state.read.take_waker());
        drop(self.state.write.take_waker());
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("descriptor", &self.state.descriptor)
            .field("readable", &self.is_readable())
            .field("writable", &self.is_writable())
            .finish_non_exhaustive()
    }
}
