//! One connected socket, or end of a pipe: its life, from the first callback of its protocol to the last.
//!
//! | state | how it comes | what still happens |
//! |---|---|---|
//! | new | made, registered | `connection_made` is on its way |
//! | started | `connection_made` was called | reads and writes |
//! | closing | `close` | nothing is read; what is buffered is written |
//! | lost | nothing left to write, `abort`, an error, a panic | `connection_lost` is on its way |
//! | over | `connection_lost` was called | nothing; registration, socket, protocol and server are let go, in this order |
//!
//! Rules:
//!
//! 1. User code (a method of the protocol, its destructor, a waker) runs while no cell here is borrowed: the protocol and
//!    the socket are cloned out of their cells, or moved out, first.
//! 2. After each call of user code the state may be any later one, and is looked at again.
//! 3. `lost` is set in one place, which schedules `connection_lost`; or, after the last byte of a closing connection, calls
//!    it, as CPython does. So it is called once.
//!
//! A pipe differs in that it goes one way. So the end that a reader meets is the end of all, and to end writing is to close;
//! a writer is told when the reader goes away, as readiness to read.
//!
//! Reading is in `connection/read.rs`, writing in `connection/write.rs`, the system calls in `connection/channel.rs`.

mod channel;
mod read;
mod write;

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::Shutdown;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use asyncio_event_loop::{EventLoop, IoHandler};
use asyncio_executor::{Fault, LazyContext};
use socket2::SockAddr;

pub(crate) use self::channel::{Direction, Io};

use crate::name::Name;
use crate::protocol::Protocol;
use crate::server::Attachment;
use crate::transport::Transport;
use crate::wakers::Wakers;
use crate::write_buffer::WriteBuffer;

/// Whether a socket that is accepted has the listener's `TCP_NODELAY`, so that it is set once and not for each connection.
pub(crate) const INHERITS_NODELAY: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The high-water mark of the write buffer, before anybody sets another: CPython's.
const HIGH_WATER: usize = 64 * 1024;

/// One connected socket or end of a pipe, shared by its transport's handles and the event loop.
pub(crate) struct Connection {
    this: EventLoop,
    /// What the protocol is called in.
    context: LazyContext,
    io: RefCell<Option<Rc<Io>>>,
    direction: Direction,
    protocol: RefCell<Option<Rc<dyn Protocol>>>,
    server: Cell<Option<Attachment>>,
    output: RefCell<WriteBuffer>,
    low_water: Cell<usize>,
    high_water: Cell<usize>,
    local: Option<Name>,
    peer: Option<Name>,
    started: Cell<bool>,
    closing: Cell<bool>,
    lost: Cell<bool>,
    /// `pause_reading` was called.
    reading_paused: Cell<bool>,
    /// The end was met, and the protocol keeps the connection open.
    read_ended: Cell<bool>,
    /// A callback that reads is in the ready queue.
    read_queued: Cell<bool>,
    /// A callback that writes is in the ready queue.
    write_queued: Cell<bool>,
    /// `pause_writing` was called on the protocol.
    writing_paused: Cell<bool>,
    /// `write_eof` was called.
    write_ended: Cell<bool>,
    /// A file is being sent, and nothing else is written.
    sending_file: Cell<bool>,
    /// Who waits until nothing is left to write, or to send a file.
    flushing: Wakers,
}

/// A panic of a protocol, as the error that ended its connection.
#[derive(Debug)]
pub(crate) struct ProtocolPanicked(pub(crate) &'static str);

impl std::fmt::Display for ProtocolPanicked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the connection was ended because `{}` of its protocol panicked", self.0)
    }
}

impl std::error::Error for ProtocolPanicked {}

impl Connection {
    /// Makes a connection of a registered, connected socket, or of a pipe. `connection_made` is called in the next turn, then `made`,
    /// then reading starts: whoever asked for the connection goes on before the protocol gets what was there already.
    pub(crate) fn start(
        this: &EventLoop,
        io: Io,
        peer: Option<SockAddr>,
        protocol: Rc<dyn Protocol>,
        server: Option<Attachment>,
        made: impl FnOnce() + 'static,
    ) -> Transport {
        let local = io.socket().local_addr().ok().map(Name::from);
        let peer = peer.or_else(|| io.socket().peer_addr().ok()).map(Name::from);
        let inherits = server.is_some() && INHERITS_NODELAY;
        if !inherits && matches!(local, Some(Name::Inet(_))) {
            // Small writes go out without waiting for the answer to the one before. It is an optimization.
            let _ = io.socket().set_tcp_nodelay(true);
        }
        let connection = Rc::new(Self {
            this: this.clone(),
            context: LazyContext::copy_current(),
            io: RefCell::new(None),
            direction: io.direction,
            protocol: RefCell::new(Some(protocol)),
            server: Cell::new(server),
            output: RefCell::default(),
            low_water: Cell::new(HIGH_WATER / 4),
            high_water: Cell::new(HIGH_WATER),
            local,
            peer,
            started: Cell::new(false),
            closing: Cell::new(false),
            lost: Cell::new(false),
            reading_paused: Cell::new(false),
            read_ended: Cell::new(false),
            read_queued: Cell::new(false),
            write_queued: Cell::new(false),
            writing_paused: Cell::new(false),
            write_ended: Cell::new(false),
            sending_file: Cell::new(false),
            flushing: Wakers::default(),
        });
        io.registration.set_handler(connection.clone());
        *connection.io.borrow_mut() = Some(Rc::new(io));
        let transport = Transport::plain(connection.clone());
        connection.represent(&transport);
        this.call_soon(move || {
            connection.made();
            made();
            connection.read_on();
        });
        transport
    }

    /// Has the server that accepted the connection know it by this transport.
    pub(crate) fn represent(&self, transport: &Transport) {
        if let Some(server) = self.server.take() {
            server.attach(transport);
            self.server.set(Some(server));
        }
    }

    fn made(self: &Rc<Self>) {
        if let Some(protocol) = self.protocol() {
            let transport = Transport::plain(self.clone());
            let call = || protocol.connection_made(transport);
            self.fatal_if_panicked("connection_made", catch_unwind(AssertUnwindSafe(call)));
        }
        self.started.set(true);
        if self.direction == Direction::Write {
            // Whoever asked for the connection gets it first.
            let this = self.clone();
            self.this.call_soon(move || this.watch_reader());
        }
    }

    pub(crate) fn protocol(&self) -> Option<Rc<dyn Protocol>> {
        self.protocol.borrow().clone()
    }

    pub(crate) fn set_protocol(&self, protocol: Rc<dyn Protocol>) {
        if self.io().is_some() {
            let before = self.protocol.replace(Some(protocol));
            drop(before);
        }
    }

    pub(crate) fn local(&self) -> Option<&Name> {
        self.local.as_ref()
    }

    pub(crate) fn peer(&self) -> Option<&Name> {
        self.peer.as_ref()
    }

    pub(crate) fn is_pipe(&self) -> bool {
        self.direction != Direction::Both
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// The socket, until the connection is over.
    pub(crate) fn io(&self) -> Option<Rc<Io>> {
        self.io.borrow().clone()
    }

    /// Stops reading, writes what is buffered, and ends the connection.
    pub(crate) fn close(self: &Rc<Self>) {
        if self.closing.replace(true) {
            return;
        }
        if self.output.borrow().is_empty() {
            self.lose(None);
        }
    }

    /// Ends the connection without writing what is buffered.
    pub(crate) fn force_close(self: &Rc<Self>, error: Option<io::Error>) {
        self.output.borrow_mut().clear();
        self.closing.set(true);
        self.lose(error);
    }

    fn lose(self: &Rc<Self>, error: Option<io::Error>) {
        if !self.lost.replace(true) {
            let this = self.clone();
            self.this.call_soon(move || this.end(error));
            self.flushing.wake();
        }
    }

    /// Rule 3: called once.
    fn end(&self, error: Option<io::Error>) {
        if let Some(protocol) = self.protocol() {
            let call = || protocol.connection_lost(error);
            report_panic("connection_lost", catch_unwind(AssertUnwindSafe(call)));
        }
        self.let_go();
    }

    fn let_go(&self) {
        let io = self.io.take();
        drop(io);
        let protocol = self.protocol.take();
        drop(protocol);
        drop(self.server.take());
    }

    /// Reports a panic of the protocol, and ends the connection because of it.
    fn fatal_if_panicked<T>(
        self: &Rc<Self>,
        method: &'static str,
        outcome: Result<T, Box<dyn Any + Send>>,
    ) -> Option<T> {
        let value = report_panic(method, outcome);
        if value.is_none() {
            self.force_close(Some(io::Error::other(ProtocolPanicked(method))));
        }
        value
    }

    fn shut_down_writing(&self) {
        if let Some(io) = self.io() {
            // It fails if the other end is gone, which a read or write will tell.
            let _ = io.socket().shutdown(Shutdown::Write);
        }
    }
}

pub(crate) fn report_panic<T>(method: &'static str, outcome: Result<T, Box<dyn Any + Send>>) -> Option<T> {
    outcome
        .map_err(|payload| Fault::new(format!("exception in `{method}` of a protocol")).payload(payload).report())
        .ok()
}

impl IoHandler for Connection {
    fn ready(self: Rc<Self>, readable: bool, writable: bool) {
        let _context = self.context.enter();
        if self.direction == Direction::Write {
            self.watch_reader();
        } else if readable && !self.read_queued.get() {
            // A read that is on its way has its place, behind whoever asked for the connection.
            self.read_ready();
        }
        if writable {
            self.write_ready();
        }
    }

    fn loop_closed(self: Rc<Self>) {
        self.closing.set(true);
        self.lost.set(true);
        self.output.borrow_mut().clear();
        self.let_go();
        self.flushing.wake();
    }
}
