//! One TLS connection: its life, from the handshake to the last callback of the protocol above.
//!
//! | state | how it comes | what still happens |
//! |---|---|---|
//! | handshake | made, or the transport below is there | what is written is kept |
//! | open | the handshake is complete | `connection_made` above, reads and writes |
//! | flushing | `close`, or the other end has closed | nothing is given to the protocol; what is kept is sent |
//! | shutdown | everything is sent, and then a close_notify | that of the other end is waited for, then the end below |
//! | over | the connection below is lost, or about to be | `connection_lost` above is on its way |
//!
//! Rules:
//!
//! 1. The session of rustls is taken out of its cell while it works. Code that then comes back here (of a configuration:
//!    verifiers, resolvers, key logs) finds none: what it writes is kept, and sent later.
//! 2. User code runs while no cell here is borrowed, as in `connection.rs`; after each call of it the state is looked at again.
//! 3. `connection_made` is called once, unless the protocol had it from the plain connection before; `connection_lost` once,
//!    if `connection_made` was.
//! 4. Who waits for the handshake is told once: that it is complete, or why not. A server, where nobody waits, reports.
//! 5. The connection below owns this, as its protocol, by a [`Layer`]; when that is dropped, the connection below is over,
//!    and the protocol above is let go. So the protocols and transports of a loop that ends do not keep one another.

use std::cell::{Cell, OnceCell, RefCell};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use asyncio_event_loop::{EventLoop, TimerHandle};
use asyncio_executor::Fault;
use rustls::{ClientConnection, Connection as Session, ServerConnection};

use crate::connection::{Io, ProtocolPanicked, report_panic};
use crate::name::Name;
use crate::protocol::Protocol;
use crate::read_buffer::ReadBuffer;
use crate::read_error::again;
use crate::tls::error::TlsError;
use crate::tls::info::TlsInfo;
use crate::tls::option::{End, Side};
use crate::tls::write::HIGH_WATER;
use crate::transport::Transport;
use crate::write_buffer::WriteBuffer;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Handshake,
    Open,
    Flushing,
    Shutdown,
    Over,
}

/// Told of the end of the handshake.
pub(crate) type Outcome = Box<dyn FnOnce(io::Result<()>)>;

/// One TLS connection, shared by its transport's handles and the connection below.
pub(crate) struct TlsConnection {
    pub(super) this: EventLoop,
    side: Side,
    pub(super) state: Cell<State>,
    /// Rule 1. Boxed, because it is moved.
    session: Cell<Option<Box<Session>>>,
    below: OnceCell<Transport>,
    protocol: RefCell<Option<Rc<dyn Protocol>>>,
    /// The protocol had its `connection_made`.
    made: Cell<bool>,
    outcome: Cell<Option<Outcome>>,
    /// Of the handshake, then of the end.
    timer: Cell<Option<TimerHandle>>,
    pub(super) info: OnceCell<Rc<TlsInfo>>,
    /// What was decrypted and not given to the protocol yet.
    pub(super) plain: RefCell<ReadBuffer>,
    /// `pause_reading` was called.
    pub(super) reading_paused: Cell<bool>,
    /// A callback that gives the protocol what is there is in the ready queue.
    pub(super) delivery_queued: Cell<bool>,
    /// Nothing will be decrypted after what is there: a close_notify came, or the end of the connection below.
    pub(super) read_ended: Cell<bool>,
    /// What was written and not encrypted yet.
    pub(super) backlog: RefCell<WriteBuffer>,
    pub(super) low_water: Cell<usize>,
    pub(super) high_water: Cell<usize>,
    /// The transport below asks for no more.
    pub(super) below_paused: Cell<bool>,
    /// `pause_writing` was called on the protocol.
    pub(super) writing_paused: Cell<bool>,
    /// A file is being sent, and nothing else is written.
    pub(super) sending_file: Cell<bool>,
    /// Who waits until nothing is left to write, during the handshake.
    pub(super) flushing: RefCell<Vec<Waker>>,
}

impl TlsConnection {
    /// `made`: the protocol has had its `connection_made`.
    pub(crate) fn new(
        this: &EventLoop,
        side: Side,
        protocol: Rc<dyn Protocol>,
        made: bool,
        outcome: Option<Outcome>,
    ) -> Rc<Self> {
        Rc::new(Self {
            this: this.clone(),
            side,
            state: Cell::new(State::Handshake),
            session: Cell::new(None),
            below: OnceCell::new(),
            protocol: RefCell::new(Some(protocol)),
            made: Cell::new(made),
            outcome: Cell::new(outcome),
            timer: Cell::new(None),
            info: OnceCell::new(),
            plain: RefCell::default(),
            reading_paused: Cell::new(false),
            delivery_queued: Cell::new(false),
            read_ended: Cell::new(false),
            backlog: RefCell::default(),
            low_water: Cell::new(HIGH_WATER / 4),
            high_water: Cell::new(HIGH_WATER),
            below_paused: Cell::new(false),
            writing_paused: Cell::new(false),
            sending_file: Cell::new(false),
            flushing: RefCell::default(),
        })
    }

    /// What the connection below calls.
    pub(crate) fn layer(self: &Rc<Self>) -> Rc<dyn Protocol> {
        Rc::new(Layer(self.clone()))
    }

    /// The transport below, as soon as it is known.
    pub(crate) fn stand_on(&self, below: &Transport) {
        // The second time it is the same.
        let _ = self.below.set(below.clone());
    }

    /// Begins the handshake.
    fn begin(self: &Rc<Self>) {
        if self.state.get() != State::Handshake {
            return;
        }
        self.start_timer(self.side.handshake_timeout, Self::handshake_timed_out);
        let session = match &self.side.end {
            End::Client(config, name) => ClientConnection::new(config.clone(), name.clone()).map(Session::Client),
            End::Server(config) => ServerConnection::new(config.clone()).map(Session::Server),
        };
        match session {
            Ok(mut session) => {
                // The backlog holds back what the transport below does not take.
                session.set_buffer_limit(None);
                self.session.set(Some(Box::new(session)));
                self.transmit();
            }
            Err(error) => self.fail(&self.error(error).into()),
        }
    }

    /// Takes a connection over that is there, and has had another protocol. `received`: what was read of it already.
    pub(crate) fn take_over(self: &Rc<Self>, below: &Transport, received: &[u8]) {
        let paused = below.is_writing_paused();
        self.below_paused.set(paused);
        // The protocol was told by the connection below, and is told of the end of it by this one.
        self.writing_paused.set(paused);
        below.represent(&Transport::tls_over(self.clone()));
        below.set_protocol(self.layer());
        self.stand_on(below);
        self.begin();
        if !received.is_empty() {
            self.receive(received);
        }
        if below.has_read_ended() {
            // The protocol was told, and nobody will be told again.
            self.end_below();
        }
        below.resume_reading();
    }

    /// Lets the session work. `None`: it is working already (rule 1), or there is none.
    pub(super) fn with_session<R>(&self, f: impl FnOnce(&mut Session) -> R) -> Option<R> {
        let mut session = self.session.take()?;
        let result = f(&mut session);
        self.session.set(Some(session));
        Some(result)
    }

    /// The session has completed the handshake.
    pub(super) fn handshake_complete(self: &Rc<Self>) {
        let server_name = match &self.side.end {
            End::Client(_, name) => Some(name.to_str().into_owned()),
            End::Server(_) => None,
        };
        if let Some(Some(info)) = self.with_session(|session| TlsInfo::of(session, server_name)) {
            let _ = self.info.set(Rc::new(info));
        }
        self.stop_timer();
        self.state.set(State::Open);
        if !self.made.replace(true) {
            let transport = Transport::tls_over(self.clone());
            self.call("connection_made", |protocol| protocol.connection_made(transport));
        }
        self.tell(Ok(()));
        self.send_backlog();
        self.wake_flushing();
    }

    /// Calls the protocol. A panic is reported, and ends the connection. `None` then, and if there is no protocol.
    pub(super) fn call<T>(self: &Rc<Self>, method: &'static str, f: impl FnOnce(&dyn Protocol) -> T) -> Option<T> {
        let protocol = self.protocol()?;
        let value = report_panic(method, catch_unwind(AssertUnwindSafe(|| f(&*protocol))));
        if value.is_none() {
            self.force_close(Some(io::Error::other(ProtocolPanicked(method))));
        }
        value
    }

    /// As `call`, for a method whose panic is only reported.
    pub(super) fn notify(&self, method: &'static str, f: impl FnOnce(&dyn Protocol)) {
        if let Some(protocol) = self.protocol() {
            report_panic(method, catch_unwind(AssertUnwindSafe(|| f(&*protocol))));
        }
    }

    fn tell(&self, outcome: io::Result<()>) {
        if let Some(tell) = self.outcome.take() {
            tell(outcome);
        }
    }

    pub(super) fn error(&self, error: rustls::Error) -> TlsError {
        let doing = if self.state.get() == State::Handshake { "the TLS handshake" } else { "TLS" };
        TlsError::new(doing, self.peer_name(), error)
    }

    /// What the other end is called in messages.
    fn peer_name(&self) -> String {
        match &self.side.end {
            End::Client(_, name) => format!("`{}`", name.to_str()),
            End::Server(_) => match self.peer().and_then(Name::as_socket) {
                Some(address) => address.to_string(),
                None => "a client".to_owned(),
            },
        }
    }

    /// Ends the connection because of an error, which everybody who is concerned is told.
    pub(super) fn fail(self: &Rc<Self>, error: &io::Error) {
        if self.state.get() == State::Handshake {
            self.handshake_failed(error);
        }
        self.force_close(Some(again(error)));
    }

    /// Rule 4.
    fn handshake_failed(&self, error: &io::Error) {
        if let Some(tell) = self.outcome.take() {
            return tell(Err(again(error)));
        }
        // A client that goes away says nothing of this end; those that only look whether a port is open all do.
        let gone = matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        if matches!(self.side.end, End::Server(_)) && (!gone || self.this.debug()) {
            Fault::new(format!("a connection that was accepted cannot be served: {error}")).report();
        }
    }

    fn handshake_timed_out(self: &Rc<Self>) {
        if self.state.get() == State::Handshake {
            let (peer, timeout) = (self.peer_name(), self.side.handshake_timeout);
            let message =
                format!("the TLS handshake with {peer} took longer than {timeout:?}: the connection is aborted");
            self.fail(&io::Error::new(io::ErrorKind::ConnectionAborted, message));
        }
    }

    fn start_timer(self: &Rc<Self>, timeout: Duration, expired: fn(&Rc<Self>)) {
        let this = Rc::downgrade(self);
        let timer = self.this.call_later(timeout, move || {
            if let Some(this) = this.upgrade() {
                expired(&this);
            }
        });
        if let Some(before) = self.timer.replace(Some(timer)) {
            before.cancel();
        }
    }

    fn stop_timer(&self) {
        if let Some(timer) = self.timer.take() {
            timer.cancel();
        }
    }

    /// Stops reading, sends what is kept, then ends the connection.
    pub(crate) fn close(self: &Rc<Self>) {
        match self.state.get() {
            State::Handshake => {
                let message = format!("the connection was closed during the TLS handshake with {}", self.peer_name());
                self.tell(Err(io::Error::new(io::ErrorKind::ConnectionAborted, message)));
                self.force_close(None);
            }
            State::Open => self.start_shutdown(),
            State::Flushing | State::Shutdown | State::Over => {}
        }
    }

    pub(super) fn start_shutdown(self: &Rc<Self>) {
        self.state.set(State::Flushing);
        self.start_timer(self.side.shutdown_timeout, Self::shutdown_timed_out);
        self.plain.borrow_mut().clear();
        if let Some(below) = self.below() {
            // Whatever comes now is dropped, but for the close_notify, which must be seen.
            below.resume_reading();
        }
        self.send_backlog();
    }

    /// Everything is sent: says so to the other end.
    pub(super) fn everything_sent(&self) {
        self.state.set(State::Shutdown);
        self.with_session(|session| session.send_close_notify());
        self.transmit();
        if self.read_ended.get() {
            self.shutdown_complete();
        }
    }

    /// The other end has closed too. The connection below still sends what it holds.
    pub(super) fn shutdown_complete(&self) {
        self.stop_timer();
        if let Some(below) = self.below() {
            below.close();
        }
    }

    fn shutdown_timed_out(self: &Rc<Self>) {
        if matches!(self.state.get(), State::Flushing | State::Shutdown) {
            let (peer, timeout) = (self.peer_name(), self.side.shutdown_timeout);
            let message = format!("the end of TLS with {peer} took longer than {timeout:?}: the connection is aborted");
            self.force_close(Some(io::Error::new(io::ErrorKind::TimedOut, message)));
        }
    }

    /// Ends the connection at once, without a close_notify.
    pub(crate) fn force_close(self: &Rc<Self>, error: Option<io::Error>) {
        if self.state.replace(State::Over) == State::Handshake {
            let message = format!("the connection was aborted during the TLS handshake with {}", self.peer_name());
            self.tell(Err(io::Error::new(io::ErrorKind::ConnectionAborted, message)));
        }
        self.stop_timer();
        self.backlog.borrow_mut().clear();
        self.wake_flushing();
        if let Some(below) = self.below() {
            below.force_close(error);
        }
    }

    /// The connection below is over.
    fn lost(self: &Rc<Self>, error: Option<io::Error>) {
        if self.state.get() == State::Handshake {
            match &error {
                Some(error) => self.handshake_failed(error),
                None => self.handshake_failed(&self.gone_in_handshake()),
            }
        }
        self.state.set(State::Over);
        self.stop_timer();
        self.backlog.borrow_mut().clear();
        if self.made.get()
            && let Some(protocol) = self.protocol()
        {
            self.this.call_soon(move || {
                let call = || protocol.connection_lost(error);
                report_panic("connection_lost", catch_unwind(AssertUnwindSafe(call)));
            });
        }
        self.wake_flushing();
    }

    pub(super) fn gone_in_handshake(&self) -> io::Error {
        let message = format!("{} closed the connection during the TLS handshake", self.peer_name());
        io::Error::new(io::ErrorKind::ConnectionReset, message)
    }

    /// Rule 5.
    fn let_go(&self) {
        self.state.set(State::Over);
        self.stop_timer();
        let protocol = self.protocol.take();
        drop(protocol);
        drop(self.outcome.take());
        self.wake_flushing();
    }

    pub(super) fn wake_flushing(&self) {
        let wakers = self.flushing.take();
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_closing(&self) -> bool {
        !matches!(self.state.get(), State::Handshake | State::Open) || self.below().is_some_and(Transport::is_closing)
    }

    pub(crate) fn protocol(&self) -> Option<Rc<dyn Protocol>> {
        self.protocol.borrow().clone()
    }

    pub(crate) fn set_protocol(&self, protocol: Rc<dyn Protocol>) {
        if self.state.get() != State::Over {
            let before = self.protocol.replace(Some(protocol));
            drop(before);
        }
    }

    pub(crate) fn info(&self) -> Option<Rc<TlsInfo>> {
        self.info.get().cloned()
    }

    /// `None` before it is there.
    pub(super) fn below(&self) -> Option<&Transport> {
        self.below.get()
    }

    pub(crate) fn local(&self) -> Option<&Name> {
        self.below()?.local()
    }

    pub(crate) fn peer(&self) -> Option<&Name> {
        self.below()?.peer()
    }

    pub(crate) fn io(&self) -> Option<Rc<Io>> {
        self.below()?.io()
    }

    /// Has the server that accepted the connection know it by this transport.
    pub(crate) fn represent(&self, transport: &Transport) {
        if let Some(below) = self.below() {
            below.represent(transport);
        }
    }
}

/// The protocol of the connection below.
struct Layer(Rc<TlsConnection>);

impl Protocol for Layer {
    fn connection_made(&self, transport: Transport) {
        transport.represent(&Transport::tls_over(self.0.clone()));
        self.0.stand_on(&transport);
        self.0.begin();
    }

    fn data_received(&self, data: &[u8]) {
        self.0.receive(data);
    }

    fn eof_received(&self) -> bool {
        self.0.end_below();
        // What is still to be sent is sent, and then it is closed.
        true
    }

    fn connection_lost(&self, error: Option<io::Error>) {
        self.0.lost(error);
    }

    fn pause_writing(&self) {
        self.0.below_paused.set(true);
    }

    fn resume_writing(&self) {
        self.0.below_paused.set(false);
        self.0.send_backlog();
    }
}

impl Drop for Layer {
    fn drop(&mut self) {
        self.0.let_go();
    }
}
