//! One listening socket: accepts, and goes on accepting after whatever error.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};
use std::time::Duration;

use asyncio_event_loop::{EventLoop, IoHandler, IoRegistration, TimerHandle};
use asyncio_executor::{Context, Fault, copy_context};
use asyncio_reactor::AsDescriptor;
use socket2::Socket;

use crate::connection::{Connection, INHERITS_NODELAY, Io};
use crate::protocol::Protocol;
use crate::server::{Attachment, Core};
use crate::sock::Address;
use crate::sys;

/// How long a server does not accept after it ran out of descriptors or memory: CPython's `ACCEPT_RETRY_DELAY`.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Makes the protocol of a connection.
pub(crate) type Factory = Rc<dyn Fn() -> Rc<dyn Protocol>>;

/// Done when the listener is closed, after its socket.
pub(crate) type OnClose = Box<dyn FnOnce()>;

pub(crate) struct Listener {
    this: EventLoop,
    core: Weak<Core>,
    factory: Factory,
    backlog: i32,
    context: Context,
    registration: RefCell<Option<IoRegistration>>,
    socket: RefCell<Option<Rc<Socket>>>,
    on_close: Cell<Option<OnClose>>,
    local: Option<SocketAddr>,
    retry: Cell<Option<TimerHandle>>,
}

impl Listener {
    /// `socket` is bound.
    pub(crate) fn new(
        this: &EventLoop,
        core: &Weak<Core>,
        factory: &Factory,
        socket: Socket,
        backlog: i32,
        on_close: Option<OnClose>,
    ) -> Rc<Self> {
        Rc::new(Self {
            this: this.clone(),
            core: core.clone(),
            factory: factory.clone(),
            backlog,
            context: copy_context(),
            registration: RefCell::new(None),
            local: socket.local_addr().ok().and_then(|address| address.as_socket()),
            socket: RefCell::new(Some(Rc::new(socket))),
            on_close: Cell::new(on_close),
            retry: Cell::new(None),
        })
    }

    pub(crate) fn local_addr(&self) -> Option<SocketAddr> {
        self.local
    }

    pub(crate) fn listen(self: &Rc<Self>) -> io::Result<()> {
        let Some(socket) = self.socket.borrow().clone() else { return Ok(()) };
        if self.registration.borrow().is_some() {
            return Ok(());
        }
        if INHERITS_NODELAY && self.local.is_some() {
            // As for each connection elsewhere. It is an optimization.
            let _ = socket.set_tcp_nodelay(true);
        }
        socket.listen(self.backlog)?;
        let registration = self.this.register_io(&*socket, self.clone())?;
        let before = self.registration.replace(Some(registration));
        drop(before);
        Ok(())
    }

    pub(crate) fn close(&self) {
        if let Some(retry) = self.retry.take() {
            retry.cancel();
        }
        // The registration ends before the socket is closed.
        let registration = self.registration.take();
        drop(registration);
        let socket = self.socket.take();
        drop(socket);
        if let Some(on_close) = self.on_close.take() {
            on_close();
        }
    }

    /// Accepts as many connections as the backlog holds; if there may be more, goes on in the next turn.
    fn accept(self: &Rc<Self>) {
        if self.is_suspended() {
            return;
        }
        for _ in 0..self.backlog.max(1) {
            let Some(socket) = self.socket.borrow().clone() else { return };
            match sys::accept(socket.as_descriptor()) {
                Ok((socket, peer)) => self.serve(socket.into(), &peer),
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => {
                        if let Some(registration) = &*self.registration.borrow() {
                            registration.set_unreadable();
                        }
                        return;
                    }
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => {}
                    _ if sys::is_of_the_connection(&error) => {}
                    // Readiness is not told again while the queue is not empty: whatever it is, it is tried again later.
                    _ => return self.suspend(&error),
                },
            }
        }
        let this = self.clone();
        self.this.call_soon(move || this.accept());
    }

    fn serve(self: &Rc<Self>, socket: Socket, peer: &Address) {
        let Some(core) = self.core.upgrade() else { return };
        let io = match Io::register(&self.this, socket, self.clone()) {
            Ok(io) => io,
            Err(error) => return report("a connection that was accepted cannot be served", &error),
        };
        match catch_unwind(AssertUnwindSafe(|| (self.factory)())) {
            Ok(protocol) => {
                drop(Connection::start(
                    &self.this,
                    io,
                    peer.to_sock_addr().ok(),
                    protocol,
                    Some(Attachment::new(&core)),
                    || {},
                ));
            }
            Err(payload) => Fault::new("exception in the protocol factory of a server").payload(payload).report(),
        }
    }

    /// Nothing is accepted for a while.
    fn suspend(self: &Rc<Self>, error: &io::Error) {
        let why = if sys::is_exhaustion(error) { ", because the system is out of resources" } else { "" };
        report(&format!("the server accepts no connections for a second{why}"), error);
        let this = self.clone();
        let resume = move || {
            this.retry.set(None);
            this.accept();
        };
        self.retry.set(Some(self.this.call_later(RETRY_DELAY, resume)));
    }

    fn is_suspended(&self) -> bool {
        let retry = self.retry.take();
        let is_suspended = retry.is_some();
        self.retry.set(retry);
        is_suspended
    }
}

fn report(what: &str, error: &dyn Display) {
    Fault::new(format!("{what}: {error}")).report();
}

impl IoHandler for Listener {
    fn ready(self: Rc<Self>, readable: bool, _writable: bool) {
        if readable {
            let _context = self.context.enter();
            self.accept();
        }
    }

    fn loop_closed(self: Rc<Self>) {
        match self.core.upgrade() {
            Some(server) => server.close(),
            None => self.close(),
        }
    }
}
