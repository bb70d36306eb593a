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

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::{Rc, Weak};
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

use asyncio_executor::Fault;
use asyncio_reactor::{AsDescriptor, Source};

use crate::event_loop::{EventLoop, Inner};
use crate::exception;

/// Is called when a registered descriptor became ready: see [`EventLoop::register_io`].
pub trait IoHandler {
    /// The descriptor became readable, writable or both. It is called outside any task, with nothing borrowed.
    ///
    /// A direction is told once, and again only after it was cleared.
    fn ready(self: Rc<Self>, readable: bool, writable: bool);

    /// The loop is closed: nothing will be told any more. Who owns the descriptor lets go of it here, since whoever could
    /// have been told to may be gone, or may own this handler.
    fn loop_closed(self: Rc<Self>) {}
}

/// How much is read of a descriptor in one go, and how much of one descriptor in one turn. It is what
/// CPython reads at most at once, and trades fairness among connections for calls per byte.
const READ_BUFFER_SIZE: usize = 256 * 1024;

/// Where in memory that buffer begins. Allocators put so large a piece 16 bytes behind the beginning of a page, where the
/// string instruction by which the kernel copies takes two to three times as long on some processors.
const READ_BUFFER_ALIGNMENT: usize = 64;

/// The handlers of a loop, by number.
#[derive(Default)]
pub(crate) struct Handlers {
    slots: RefCell<Vec<Option<Rc<dyn IoHandler>>>>,
    vacant: RefCell<Vec<usize>>,
    /// Made when it is first needed, and absent while it is in use.
    read_buffer: Cell<Option<Box<[u8]>>>,
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

    /// Puts a handler in place of another, for the caller to drop.
    #[must_use]
    fn replace(&self, key: usize, handler: Rc<dyn IoHandler>) -> Option<Rc<dyn IoHandler>> {
        self.slots.borrow_mut().get_mut(key)?.replace(handler)
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
            if let Some(handler) = handler
                && let Err(payload) = catch_unwind(AssertUnwindSafe(|| handler.loop_closed()))
            {
                Fault::new("exception in a readiness callback").payload(payload).report();
            }
        }
        drop(self.read_buffer.take());
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
    /// `None`: always ready.
    source: Option<Source>,
    key: usize,
    inner: Weak<Inner>,
}

impl IoRegistration {
    /// Has another handler called from now on. What is remembered stays, and is not told again.
    pub fn set_handler(&self, handler: Rc<dyn IoHandler>) {
        if let Some(inner) = self.inner.upgrade() {
            drop(inner.handlers.replace(self.key, handler));
        }
    }

    /// Whether there may be something to read: see [`Source::is_readable`].
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.source.as_ref().is_none_or(Source::is_readable)
    }

    /// Whether there may be room to write: see [`Source::is_writable`].
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.source.as_ref().is_none_or(Source::is_writable)
    }

    /// Forgets that it is readable after an operation that took all there was, and has the handler called when it is again:
    /// see [`Source::clear_readable`].
    ///
    /// It may be readable still, where the end of a stream was reported along with its last bytes. Then the handler is not
    /// called again: ask [`is_readable`](Self::is_readable).
    pub fn clear_readable(&self) {
        if let Some(source) = &self.source {
            source.clear_readable();
            // Ready: there is more to come without a report, and whoever cleared asks again.
            let _ = source.poll_readable(&mut Context::from_waker(&waker(self.key)));
        }
    }

    /// Forgets that it is readable after an operation that found nothing, and has the handler called when it is again: see
    /// [`Source::set_unreadable`].
    pub fn set_unreadable(&self) {
        if let Some(source) = &self.source {
            source.set_unreadable();
            let _ = source.poll_readable(&mut Context::from_waker(&waker(self.key)));
        }
    }

    /// Forgets that it is writable, and has the handler called when it is again: see [`Source::clear_writable`].
    pub fn clear_writable(&self) {
        if let Some(source) = &self.source {
            source.clear_writable();
            let _ = source.poll_writable(&mut Context::from_waker(&waker(self.key)));
        }
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
    /// `AlreadyExists` if the descriptor is registered or watched already; `NotConnected` when the loop is closed; else the platform's: an ordinary file cannot be
    /// waited for.
    ///
    /// # Examples
    ///
    /// ```
    /// use asyncio_event_loop::{IoHandler, Runner, get_running_loop};
    /// use std::net::{TcpListener, TcpStream};
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
    /// let listener = TcpListener::bind("127.0.0.1:0")?;
    /// let near = TcpStream::connect(listener.local_addr()?)?;
    /// let (far, _) = listener.accept()?;
    /// let registration = runner.get_loop().register_io(&near, Rc::new(Stop))?;
    /// drop(far);
    /// assert!(runner.run(std::future::pending::<()>()).is_err());
    /// assert!(registration.is_readable());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn register_io(&self, fd: impl AsDescriptor, handler: Rc<dyn IoHandler>) -> io::Result<IoRegistration> {
        if self.is_closed() {
            // Nobody would tell the handler of the end any more, and the loop would keep it.
            let message = "the event loop is closed: no descriptor can be registered with it";
            return Err(io::Error::new(io::ErrorKind::NotConnected, message));
        }
        let source = self.reactor().register(fd.as_descriptor())?;
        let key = self.inner.handlers.insert(handler);
        let waker = waker(key);
        let mut cx = Context::from_waker(&waker);
        // Nothing was reported yet, so both wait.
        let _ = source.poll_readable(&mut cx);
        let _ = source.poll_writable(&mut cx);
        Ok(IoRegistration { source: Some(source), key, inner: Rc::downgrade(&self.inner) })
    }

    /// Stands in for [`register_io`](Self::register_io) where a descriptor cannot be waited for because it never makes
    /// anybody wait, as an ordinary file or the null device: it is always ready, the handler is told nothing but the end
    /// of the loop, and what is cleared stays ready.
    pub fn register_always_ready(&self, handler: Rc<dyn IoHandler>) -> IoRegistration {
        let key = self.inner.handlers.insert(handler);
        IoRegistration { source: None, key, inner: Rc::downgrade(&self.inner) }
    }
}

impl EventLoop {
    /// Lends `f` the loop's buffer of 256 KiB for what it reads and hands on at once. For crates that do I/O.
    ///
    /// What is in it is left from earlier use. A call from inside `f` is lent a buffer of its own.
    pub fn with_read_buffer<R>(&self, f: impl FnOnce(&mut [u8]) -> R) -> R {
        let kept = &self.inner.handlers.read_buffer;
        let mut buffer =
            kept.take().unwrap_or_else(|| vec![0; READ_BUFFER_SIZE + READ_BUFFER_ALIGNMENT].into_boxed_slice());
        let begin = buffer.as_ptr().align_offset(READ_BUFFER_ALIGNMENT).min(READ_BUFFER_ALIGNMENT);
        let result = f(&mut buffer[begin..begin + READ_BUFFER_SIZE]);
        kept.set(Some(buffer));
        result
    }
}

/// Calls the handler that these wakers of one descriptor name, or else wakes them, the reader first.
#[inline]
pub(crate) fn dispatch(this: &EventLoop, read: Option<Waker>, write: Option<Waker>) {
    match read.as_ref().or(write.as_ref()).and_then(key) {
        None => {
            for waker in read.into_iter().chain(write) {
                exception::contain(this, "exception in a waker", || waker.wake());
            }
        }
        Some(key) => {
            let Some(handler) = this.inner.handlers.get(key) else { return };
            let call = || handler.ready(read.is_some(), write.is_some());
            if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
                Fault::new("exception in a readiness callback").payload(payload).report();
            }
        }
    }
}

#[cfg(all(test, unix))]
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
        registration.set_unreadable();
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
    fn what_is_always_ready_is_told_of_the_end_of_the_loop_only() {
        #[derive(Default)]
        struct Ended(Cell<bool>);
        impl IoHandler for Ended {
            fn ready(self: Rc<Self>, _: bool, _: bool) {
                panic!("nothing is reported of it");
            }
            fn loop_closed(self: Rc<Self>) {
                self.0.set(true);
            }
        }
        let ended = Rc::new(Ended::default());
        let mut runner = crate::Runner::new().unwrap();
        let registration = runner.get_loop().register_always_ready(ended.clone());
        registration.clear_readable();
        registration.clear_writable();
        assert!(registration.is_readable() && registration.is_writable());
        runner.run(crate::sleep(Duration::ZERO)).unwrap();
        assert!(!ended.0.get());
        runner.close();
        assert!(ended.0.get());
    }

    #[test]
    fn a_handler_that_takes_over_is_called_in_place_of_the_first() {
        let this = EventLoop::new(false).unwrap();
        let (near, mut far) = UnixStream::pair().unwrap();
        let (first, second) = (Rc::new(Log::default()), Rc::new(Log::default()));
        let registration = this.register_io(&near, first.clone()).unwrap();
        turn(&this);
        registration.set_handler(second.clone());
        assert_eq!(Rc::strong_count(&first), 1);
        far.write_all(b"x").unwrap();
        turn(&this);
        assert_eq!((first.calls.get(), second.calls.get()), ((0, 1), (1, 0)));
    }

    #[test]
    fn the_end_of_the_loop_is_told() {
        #[derive(Default)]
        struct Told(Cell<u32>);
        impl IoHandler for Told {
            fn ready(self: Rc<Self>, _: bool, _: bool) {}
            fn loop_closed(self: Rc<Self>) {
                self.0.set(self.0.get() + 1);
            }
        }
        let mut runner = crate::Runner::new().unwrap();
        let (near, _far) = UnixStream::pair().unwrap();
        let told = Rc::new(Told::default());
        let _registration = runner.get_loop().register_io(&near, told.clone()).unwrap();
        runner.close();
        assert_eq!((told.0.get(), Rc::strong_count(&told)), (1, 1));
    }

    #[test]
    fn a_closed_loop_takes_no_handler() {
        struct Registers(EventLoop, UnixStream, Cell<Option<io::ErrorKind>>);
        impl IoHandler for Registers {
            fn ready(self: Rc<Self>, _: bool, _: bool) {}
            fn loop_closed(self: Rc<Self>) {
                let again = self.0.register_io(&self.1, self.clone());
                self.2.set(again.err().map(|error| error.kind()));
            }
        }
        let mut runner = crate::Runner::new().unwrap();
        let (near, far) = UnixStream::pair().unwrap();
        let handler = Rc::new(Registers(runner.get_loop(), far, Cell::new(None)));
        let _registration = runner.get_loop().register_io(&near, handler.clone()).unwrap();
        runner.close();
        assert_eq!((handler.2.get(), Rc::strong_count(&handler)), (Some(io::ErrorKind::NotConnected), 1));
    }

    #[test]
    fn the_read_buffer_is_lent_to_one_and_a_second_is_made_for_another() {
        let this = EventLoop::new(false).unwrap();
        this.with_read_buffer(|outer| {
            outer[0] = 1;
            this.with_read_buffer(|inner| assert_eq!((inner.len(), inner[0]), (READ_BUFFER_SIZE, 0)));
        });
        this.with_read_buffer(|again| {
            assert_eq!(again[0], 1);
            assert!(again.as_ptr().addr().is_multiple_of(READ_BUFFER_ALIGNMENT));
        });
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
