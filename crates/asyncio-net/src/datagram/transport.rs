//! The transport of a datagram endpoint: sends, queues what cannot be sent, and hands on what is received.
//!
//! Rules:
//!
//! 1. User code, which is the protocol, runs in `tell` only, and nothing is borrowed there.
//! 2. The registration is dropped before the socket is closed.
//! 3. While the queue is not empty, something will flush it: the registration, which was told that sending would block; or,
//!    where no report would come, a timer.
//! 4. While there is something to read that was not read, either a report is to come or `read` is in the ready queue.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use asyncio_event_loop::{EventLoop, IoHandler, IoRegistration};
use asyncio_executor::{Context, Fault, Future, copy_context};
use asyncio_reactor::{AsDescriptor, AsSource, OwnedDescriptor};
use socket2::Domain;

use super::DatagramProtocol;
use super::limits::{Limits, Tell};
use super::open::Opened;
use crate::sock::{Address, FULL_RECEIVER_PAUSE};
use crate::sys::{self, BoundPath};

/// How much one datagram of IP may hold: its length is a number of 16 bits.
const LONGEST_OF_IP: usize = 64 * 1024;

/// How much one datagram of a Unix socket may hold here. CPython's number, and above what a sender may queue by default on
/// Linux.
const LONGEST_OF_UNIX: usize = 256 * 1024;

/// How many datagrams are received before everything else in the loop gets its turn. More save entries of the ready queue
/// under load, fewer keep the turn short: at a microsecond each, this is some tens of them.
const BUDGET: usize = 32;

/// What a datagram in the queue counts beside its data. CPython's number.
const HEADER: usize = 8;

/// The transport of a datagram endpoint: a handle, cheap to clone.
///
/// Dropping it closes nothing: the loop keeps the endpoint until it is closed.
///
/// # In Python
///
/// `asyncio.DatagramTransport`, in `asyncio/transports.py`; its rules are those of `asyncio/selector_events.py`.
#[derive(Clone)]
pub struct DatagramTransport {
    inner: Rc<Inner>,
}

/// A datagram, and where it goes if not to whom the socket is connected.
type Queued = (Box<[u8]>, Option<Address>);

struct Inner {
    this: EventLoop,
    registration: RefCell<Option<IoRegistration>>,
    socket: RefCell<Option<OwnedDescriptor>>,
    path: RefCell<Option<BoundPath>>,
    protocol: RefCell<Option<Rc<dyn DatagramProtocol>>>,
    context: Context,
    remote: Option<Address>,
    connected: bool,
    queue: RefCell<VecDeque<Queued>>,
    queued: Cell<usize>,
    limits: Limits,
    /// `connection_made` has been called.
    made: Cell<bool>,
    closing: Cell<bool>,
    /// `connection_lost` has been called, or will be.
    lost: Cell<bool>,
    /// A timer will flush the queue.
    retrying: Cell<bool>,
    /// `read` is in the ready queue.
    reading: Cell<bool>,
    longest: usize,
    buffer: Cell<Vec<u8>>,
}

impl DatagramTransport {
    pub(super) fn new(this: EventLoop, opened: Opened, protocol: Rc<dyn DatagramProtocol>) -> io::Result<Self> {
        let Opened { socket, remote, connected, path } = opened;
        let is_unix = sys::family(socket.as_descriptor())? == Domain::UNIX;
        let inner = Rc::new(Inner {
            this,
            registration: RefCell::new(None),
            socket: RefCell::new(Some(socket)),
            path: RefCell::new(path),
            protocol: RefCell::new(Some(protocol)),
            context: copy_context(),
            remote,
            connected,
            queue: RefCell::default(),
            queued: Cell::new(0),
            limits: Limits::new(),
            made: Cell::new(false),
            closing: Cell::new(false),
            lost: Cell::new(false),
            retrying: Cell::new(false),
            reading: Cell::new(false),
            longest: if is_unix { LONGEST_OF_UNIX } else { LONGEST_OF_IP },
            buffer: Cell::default(),
        });
        let registration = match &*inner.socket.borrow() {
            Some(socket) => inner.this.register_io(socket, Rc::new(Held(inner.clone())))?,
            None => unreachable!("it was put there above"),
        };
        inner.registration.replace(Some(registration));
        Ok(Self { inner })
    }

    /// Has the protocol told of the transport in the next turn. The future is done when it has been.
    pub(super) fn start(&self) -> Future<()> {
        let made = Future::new();
        let (transport, done) = (self.clone(), made.clone());
        self.inner.this.call_soon(move || {
            let inner = &transport.inner;
            inner.context.clone().run(|| {
                inner.tell(|protocol| protocol.connection_made(transport.clone()));
                inner.made.set(true);
                inner.read();
            });
            // Nobody waits if the task was cancelled.
            let _ = done.set_result(());
        });
        made
    }

    /// Sends a datagram to `to`, at once if it can, else when there is room. An empty one is sent too.
    ///
    /// The system's errors go to the protocol's `error_received`, which is called before this returns if it comes to that
    /// at once. After the endpoint is lost, nothing is sent, silently.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the endpoint has a remote address and `to` is another one.
    ///
    /// # In Python
    ///
    /// `transport.sendto`.
    pub fn sendto(&self, data: &[u8], to: impl Into<Address>) -> io::Result<()> {
        let to = to.into();
        if let Some(remote) = &self.inner.remote {
            if to != *remote {
                let message = format!("a datagram for {to} was given to an endpoint whose remote address is {remote}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
            return self.send(data);
        }
        self.inner.transmit(data, Some(to));
        Ok(())
    }

    /// Sends a datagram to the endpoint's remote address: see [`sendto`](Self::sendto).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the endpoint has none.
    ///
    /// # In Python
    ///
    /// `transport.sendto` without an address.
    pub fn send(&self, data: &[u8]) -> io::Result<()> {
        match &self.inner.remote {
            Some(_) if self.inner.connected => self.inner.transmit(data, None),
            Some(remote) => self.inner.transmit(data, Some(remote.clone())),
            None => {
                let message = "a datagram without an address was given to an endpoint that has no remote address";
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        }
        Ok(())
    }

    /// Closes the endpoint: nothing is received any more, what is queued is sent, then `connection_lost` is called with
    /// `None`, in a later turn. A second call does nothing.
    ///
    /// # In Python
    ///
    /// `transport.close`.
    pub fn close(&self) {
        let inner = &self.inner;
        if !inner.closing.replace(true) && inner.queue.borrow().is_empty() {
            inner.lose();
        }
    }

    /// Closes the endpoint, and throws away what is queued.
    ///
    /// # In Python
    ///
    /// `transport.abort`.
    pub fn abort(&self) {
        self.inner.closing.set(true);
        drop(self.inner.queue.take());
        self.inner.queued.set(0);
        self.inner.lose();
    }

    /// Whether the endpoint is closed or being closed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.inner.closing.get()
    }

    /// Where it receives.
    ///
    /// # Errors
    ///
    /// `NotConnected` when it is closed; else the platform's.
    pub fn local_addr(&self) -> io::Result<Address> {
        match &*self.inner.socket.borrow() {
            Some(socket) => sys::local_address(socket.as_descriptor()),
            None => Err(io::Error::new(io::ErrorKind::NotConnected, "the datagram endpoint is closed")),
        }
    }

    /// Where it sends, if it has a remote address.
    #[must_use]
    pub fn peer_addr(&self) -> Option<Address> {
        self.inner.remote.clone()
    }

    /// How much is queued: the data, and 8 bytes for each datagram.
    #[must_use]
    pub fn write_buffer_size(&self) -> usize {
        self.inner.queued.get()
    }

    /// The limits of the queue, lower and upper.
    #[must_use]
    pub fn write_buffer_limits(&self) -> (usize, usize) {
        self.inner.limits.get()
    }

    /// Sets the limits of the queue: the protocol's `pause_writing` is called when it grows past `high`, `resume_writing`
    /// when it has shrunk to `low` again.
    ///
    /// Without `high` it is four times `low`, or 64 KiB; without `low` it is a quarter of `high`.
    ///
    /// # Panics
    ///
    /// When `high` is below `low`.
    #[track_caller]
    pub fn set_write_buffer_limits(&self, high: impl Into<Option<usize>>, low: impl Into<Option<usize>>) {
        self.inner.limits.set(high.into(), low.into());
        self.inner.tell_of(self.inner.limits.grown(self.inner.queued.get()));
    }
}

impl Inner {
    /// Calls the protocol. A panic is reported.
    fn tell(&self, f: impl FnOnce(&dyn DatagramProtocol)) {
        let Some(protocol) = self.protocol.borrow().clone() else { return };
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| f(&*protocol))) {
            let fault = Fault::new("exception in a callback of a datagram protocol").payload(payload);
            self.this.call_exception_handler(fault);
        }
    }

    fn tell_of(&self, what: Tell) {
        match what {
            Tell::Nothing => {}
            Tell::Pause => self.tell(|protocol| protocol.pause_writing()),
            Tell::Resume => self.tell(|protocol| protocol.resume_writing()),
        }
    }

    fn transmit(self: &Rc<Self>, data: &[u8], to: Option<Address>) {
        if self.lost.get() {
            return;
        }
        if self.queue.borrow().is_empty() {
            match self.try_send(data, to.as_ref()) {
                Ok(()) => return,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return self.tell(|protocol| protocol.error_received(error)),
            }
        }
        self.queue.borrow_mut().push_back((data.into(), to));
        self.queued.set(self.queued.get() + data.len() + HEADER);
        self.tell_of(self.limits.grown(self.queued.get()));
    }

    /// Sends, or sees to it that the queue is flushed later: rule 3.
    fn try_send(self: &Rc<Self>, data: &[u8], to: Option<&Address>) -> io::Result<()> {
        let result = match (&*self.socket.borrow(), to) {
            (Some(socket), Some(to)) => sys::sendto(socket.as_descriptor(), data, to),
            (Some(socket), None) => sys::send(socket.as_descriptor(), data),
            (None, _) => return Ok(()),
        };
        match result {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                if let Some(registration) = &*self.registration.borrow() {
                    registration.clear_writable();
                }
                // It is the receiver that is full, and the system does not tell when it is not.
                if to.is_some_and(Address::is_unix) && !self.retrying.replace(true) {
                    let inner = self.clone();
                    self.this.call_later(FULL_RECEIVER_PAUSE, move || {
                        inner.retrying.set(false);
                        inner.context.clone().run(|| inner.flush());
                    });
                }
                Err(error)
            }
            result => result.map(|_| ()),
        }
    }

    /// Sends what is queued, as far as it goes.
    fn flush(self: &Rc<Self>) {
        loop {
            let Some((data, to)) = self.queue.borrow_mut().pop_front() else { break };
            let result = self.try_send(&data, to.as_ref());
            if matches!(&result, Err(error) if error.kind() == io::ErrorKind::WouldBlock) {
                self.queue.borrow_mut().push_front((data, to));
                break;
            }
            self.queued.set(self.queued.get() - data.len() - HEADER);
            if let Err(error) = result {
                self.tell(|protocol| protocol.error_received(error));
            }
        }
        if self.lost.get() {
            // Aborted: what is said next is that the connection is lost.
            return;
        }
        self.tell_of(self.limits.shrunk(self.queued.get()));
        // The protocol may have sent more, or closed the transport.
        if self.closing.get() && self.queue.borrow().is_empty() {
            self.lose();
        }
    }

    /// Receives some datagrams, and comes again if there may be more: rule 4.
    fn read(self: &Rc<Self>) {
        let is_readable = || self.registration.borrow().as_ref().is_some_and(IoRegistration::is_readable);
        if self.reading.get() || !self.made.get() {
            return;
        }
        let mut buffer = self.buffer.take();
        buffer.resize(self.longest, 0);
        for _ in 0..BUDGET {
            if self.closing.get() || !is_readable() {
                break;
            }
            let received = match &*self.socket.borrow() {
                Some(socket) => sys::recvfrom_into(socket.as_descriptor(), &mut buffer),
                None => break,
            };
            match received {
                Ok((length, from)) => self.tell(|protocol| protocol.datagram_received(&buffer[..length], &from)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if let Some(registration) = &*self.registration.borrow() {
                        registration.set_unreadable();
                    }
                }
                Err(error) => self.tell(|protocol| protocol.error_received(error)),
            }
        }
        self.buffer.set(buffer);
        if !self.closing.get() && is_readable() {
            self.reading.set(true);
            let inner = self.clone();
            self.this.call_soon(move || {
                inner.reading.set(false);
                inner.read();
            });
        }
    }

    /// Calls `connection_lost` in the next turn, once, and then lets go of everything.
    fn lose(self: &Rc<Self>) {
        if self.lost.replace(true) {
            return;
        }
        let inner = self.clone();
        self.this.call_soon(move || {
            inner.context.clone().run(|| inner.tell(|protocol| protocol.connection_lost(None)));
            inner.release();
        });
    }

    /// Rule 2 gives the order.
    fn release(&self) {
        let registration = self.registration.take();
        drop(registration);
        let path = self.path.take();
        drop(path);
        let socket = self.socket.take();
        drop(socket);
        let protocol = self.protocol.take();
        drop(protocol);
    }
}

/// What the loop holds: the endpoint, and the end of it when the loop is closed. Without that, a protocol that keeps its
/// transport would keep itself, and the socket, for ever.
struct Held(Rc<Inner>);

impl IoHandler for Held {
    fn ready(self: Rc<Self>, readable: bool, writable: bool) {
        let inner = &self.0;
        inner.context.clone().run(|| {
            if readable {
                inner.read();
            }
            if writable && !inner.queue.borrow().is_empty() {
                inner.flush();
            }
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // If the registration is gone, it is being dropped just now, and `release` goes on after that: rule 2.
        if self.0.registration.borrow().is_some() {
            self.0.lost.set(true);
            self.0.release();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // An endpoint that could not be registered.
        self.release();
    }
}

impl fmt::Debug for DatagramTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.inner;
        f.debug_struct("DatagramTransport")
            .field("descriptor", &inner.socket.borrow().as_ref().map(|socket| socket.as_descriptor().as_raw_source()))
            .field("peer", &inner.remote)
            .field("closing", &inner.closing.get())
            .field("queued", &inner.queued.get())
            .finish_non_exhaustive()
    }
}
