#![expect(unsafe_code, reason = "a waker that names a handler is made from parts")]
//! Readiness callbacks: a descriptor, registered once, that calls a handler instead of waking a task.
//!
//! The reactor knows one way to tell of a registered descriptor: it hands out wakers. A handler's waker holds its number
//! in the loop's table in place of a pointer, and the loop knows it by the address of its table of functions. So a
//! readiness callback costs no allocation, no task and no entry of the ready queue.
//!
//! Rules:
//!
//! 1. The waker's data is a number and never followed; its functions do nothing. So it may be cloned, woken and dropped
//!    anywhere, any number of times, on any thread.
//! 2. It is given to the source of its own registration only. A source takes its wakers along when it is dropped, so a
//!    number that comes back from the reactor is that of a handler that is registered.
//! 3. A direction has the waker in it whenever it is not ready: from the registration on, and again from each `clear` on.
//! 4. The table is borrowed in this file only, and no handler is called or dropped meanwhile.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::{Rc, Weak};
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

use asyncio_executor::Fault;
use asyncio_reactor::Source;

use crate::event_loop::{EventLoop, Inner};

/// Is called when a registered descriptor became ready: see [`EventLoop::register_io`].
pub trait IoHandler {
    /// The descriptor became readable, writable or both. It is called outside any task, with nothing borrowed.
    ///
    /// A direction is told once, and again only after it was cleared.
    fn ready(self: Rc<Self>, readable: bool, writable: bool);
}

/// The handlers of a loop, by number.
#[derive(Default)]
pub(crate) struct Handlers {
    slots: RefCell<Vec<Option<Rc<dyn IoHandler>>>>,
    vacant: RefCell<Vec<usize>>,
}

impl Handlers {
    fn insert(&self, handler: Rc<dyn IoHandler>) -> usize {
        let mut slots = self.slots.borrow_mut();
        match self.vacant.borrow_mut().pop() {
            Some(key) => {
                slots[key] = Some(handler);
                key
            }
            None => {
                slots.push(Some(handler));
                slots.len() - 1
            }
        }
    }

    fn get(&self, key: usize) -> Option<Rc<dyn IoHandler>> {
        self.slots.borrow().get(key)?.clone()
    }

    /// Takes a handler out, for the caller to drop.
    #[must_use]
    fn remove(&self, key: usize) -> Option<Rc<dyn IoHandler>> {
        let handler = self.slots.borrow_mut().get_mut(key)?.take()?;
        self.vacant.borrow_mut().push(key);
        Some(handler)
    }

    /// Lets go of all handlers: the loop is closed.
    pub(crate) fn clear(&self) {
        // The numbers stay taken: their registrations may live on, and give them back.
        let keys = 0..self.slots.borrow().len();
        for key in keys {
            let handler = self.slots.borrow_mut().get_mut(key).and_then(Option::take);
            drop(handler);
        }
    }
}

static FUNCTIONS: RawWakerVTable = RawWakerVTable::new(|data| RawWaker::new(data, &FUNCTIONS), |_| {}, |_| {}, |_| {});

/// The waker of the handler with this number.
fn waker(key: usize) -> Waker {
    // SAFETY: `Waker::new` asks that the functions keep the contract of `RawWaker` and are thread-safe. They touch
    // nothing, and a clone has the same data and functions: rule 1.
    unsafe { Waker::new(ptr::without_provenance(key), &FUNCTIONS) }
}

/// The number that a waker names, if it is that of a handler.
fn key(waker: &Waker) -> Option<usize> {
    ptr::eq(waker.vtable(), &raw const FUNCTIONS).then(|| waker.data().addr())
}

/// A descriptor registered for readiness callbacks: see [`EventLoop::register_io`].
///
/// It remembers what the descriptor is ready for, as a [`Source`] does. Dropping it ends the registration: the handler is
/// not called any more, and the loop lets go of it. Drop it before the descriptor is closed.
pub struct IoRegistration {
    source: Source,
    key: usize,
    inner: Weak<Inner>,
}

impl IoRegistration {
    /// Whether there may be something to read: see [`Source::is_readable`].
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.source.is_readable()
    }

    /// Whether there may be room to write: see [`Source::is_writable`].
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.source.is_writable()
    }

    /// Forgets that it is readable, and has the handler called when it is again: see [`Source::clear_readable`].
    ///
    /// It may be readable still, where the end of a stream was reported along with its last bytes.
    pub fn clear_readable(&self) {
        self.source.clear_readable();
        // Ready: there is more to come without a report, and whoever cleared asks again.
        let _ = self.source.poll_readable(&mut Context::from_waker(&waker(self.key)));
    }

    /// Forgets that it is writable, and has the handler called when it is again: see [`Source::clear_writable`].
    pub fn clear_writable(&self) {
        self.source.clear_writable();
        let _ = self.source.poll_writable(&mut Context::from_waker(&waker(self.key)));
    }
}

impl Drop for IoRegistration {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            drop(inner.handlers.remove(self.key));
        }
    }
}

impl fmt::Debug for IoRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IoRegistration").field(&self.source).finish()
    }
}

impl EventLoop {
    /// Registers a descriptor for both directions, edge-triggered, and calls `handler` when it becomes ready. For crates
    /// that do I/O: no task is woken or made.
    ///
    /// The first call tells the readiness of the moment. Each direction is told once, until the registration's
    /// `clear_readable` or `clear_writable` says that an operation would block. Panics of the handler go to the exception
    /// handler. The loop keeps the handler until the registration is dropped or the loop is closed.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if the descriptor is registered or watched already; else the platform's: an ordinary file cannot be
    /// waited for.
    ///
    /// # Examples
    ///
    /// ```
    /// use asyncio_event_loop::{IoHandler, Runner, get_running_loop};
    /// use std::os::unix::net::UnixStream;
    /// use std::rc::Rc;
    ///
    /// struct Stop;
    /// impl IoHandler for Stop {
    ///     fn ready(self: Rc<Self>, readable: bool, _writable: bool) {
    ///         if readable {
    ///             get_running_loop().stop();
    ///         }
    ///     }
    /// }
    ///
    /// let mut runner = Runner::new()?;
    /// let (near, far) = UnixStream::pair()?;
    /// let registration = runner.get_loop().register_io(&near, Rc::new(Stop))?;
    /// drop(far);
    /// assert!(runner.run(std::future::pending::<()>()).is_err());
    /// assert!(registration.is_readable());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn register_io(&self, fd: impl AsFd, handler: Rc<dyn IoHandler>) -> io::Result<IoRegistration> {
        let source = self.reactor().register(fd.as_fd().as_raw_fd())?;
        let key = self.inner.handlers.insert(handler);
        let waker = waker(key);
        let mut cx = Context::from_waker(&waker);
        // Nothing was reported yet, so both wait.
        let _ = source.poll_readable(&mut cx);
        let _ = source.poll_writable(&mut cx);
        Ok(IoRegistration { source, key, inner: Rc::downgrade(&self.inner) })
    }
}

/// Calls the handler that these wakers of one descriptor name, or else wakes them, the reader first.
#[inline]
pub(crate) fn dispatch(this: &EventLoop, read: Option<Waker>, write: Option<Waker>) {
    match read.as_ref().or(write.as_ref()).and_then(key) {
        None => read.into_iter().chain(write).for_each(Waker::wake),
        Some(key) => {
            let Some(handler) = this.inner.handlers.get(key) else { return };
            let call = || handler.ready(read.is_some(), write.is_some());
            if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
                Fault::new("exception in a readiness callback").payload(payload).report();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::{Cell, OnceCell};
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    #[derive(Default)]
    struct Log {
        calls: Cell<(u32, u32)>,
        registration: OnceCell<IoRegistration>,
    }

    impl IoHandler for Log {
        fn ready(self: Rc<Self>, readable: bool, writable: bool) {
            let (reads, writes) = self.calls.get();
            self.calls.set((reads + u32::from(readable), writes + u32::from(writable)));
        }
    }

    fn turn(this: &EventLoop) {
        this.poll_events(Some(Duration::ZERO)).unwrap();
        this.process_events();
        this.process_ready();
    }

    #[test]
    fn a_direction_is_told_once_and_again_after_it_was_cleared() {
        let this = EventLoop::new(false).unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        let log = Rc::new(Log::default());
        let registration = this.register_io(&near, log.clone()).unwrap();
        turn(&this);
        assert_eq!(log.calls.get(), (0, 1));
        for _ in 0..2 {
            far.write_all(b"x").unwrap();
            turn(&this);
            turn(&this);
            assert_eq!(log.calls.get(), (1, 1));
        }
        registration.clear_readable();
        far.write_all(b"x").unwrap();
        turn(&this);
        assert_eq!(log.calls.get(), (2, 1));
    }

    #[test]
    fn a_dropped_registration_is_silent_and_lets_go_of_its_handler() {
        let this = EventLoop::new(false).unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        let log = Rc::new(Log::default());
        drop(this.register_io(&near, log.clone()).unwrap());
        let second = Rc::new(Log::default());
        let _registration = this.register_io(&near, second.clone()).unwrap();
        far.write_all(b"x").unwrap();
        turn(&this);
        assert_eq!(log.calls.get(), (0, 0));
        assert_eq!(Rc::strong_count(&log), 1);
        assert_eq!(second.calls.get(), (1, 1));
    }

    #[test]
    fn a_closed_loop_lets_go_of_handlers_that_own_their_registration() {
        let mut runner = crate::Runner::new().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        let log = Rc::new(Log::default());
        let registration = runner.get_loop().register_io(&near, log.clone()).unwrap();
        assert!(log.registration.set(registration).is_ok());
        let weak = Rc::downgrade(&log);
        drop(log);
        assert!(weak.upgrade().is_some());
        runner.close();
        assert!(weak.upgrade().is_none());
    }
}
