//! A call on a socket, as a future: tried first, waited for after.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};
use asyncio_event_loop::EventLoop;
use asyncio_reactor::{AsSource, BorrowedDescriptor};

use super::line::Ticket;
use super::registration::{Direction, Registration};
use super::socket::AsSocket;

/// What a try has to do with.
pub(crate) struct Attempt<'a> {
    fd: BorrowedDescriptor<'a>,
    registration: Option<&'a Registration>,
}

impl<'a> Attempt<'a> {
    pub(crate) fn fd(&self) -> BorrowedDescriptor<'a> {
        self.fd
    }

    /// A read had room for `room` bytes and took some.
    pub(crate) fn took(&self, taken: usize, room: usize) {
        if let Some(registration) = self.registration
            && 0 < taken
            && taken < room
        {
            registration.read_short();
        }
    }
}

/// Refuses a plain socket in blocking mode, on which a call could stop the whole loop.
pub(crate) fn check_mode<S: AsSocket + ?Sized>(socket: &S, kind: &WaitKind) -> io::Result<()> {
    if !socket.is_plain() {
        return Ok(());
    }
    let fd = socket.descriptor();
    if crate::sys::is_nonblocking(fd)? {
        return Ok(());
    }
    let message = format!(
        "{}: descriptor {} is in blocking mode; call `set_nonblocking(true)` on the socket first",
        kind.name(),
        fd.as_raw_source()
    );
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// Calls `call` until it does not say `WouldBlock`, whenever the socket is ready.
///
/// A system call is made before anything is registered. What waits takes a place in line, and gives it up when it ends or
/// is dropped.
pub(crate) struct Operation<'l, 's, S: AsSocket + ?Sized, F> {
    this: &'l EventLoop,
    socket: &'s S,
    direction: Direction,
    kind: &'static WaitKind,
    location: &'static Location<'static>,
    begun: bool,
    registration: Option<Rc<Registration>>,
    ticket: Option<Ticket>,
    call: F,
}

impl<'l, 's, S: AsSocket + ?Sized, F> Operation<'l, 's, S, F> {
    pub(crate) fn new(
        this: &'l EventLoop,
        socket: &'s S,
        direction: Direction,
        kind: &'static WaitKind,
        location: &'static Location<'static>,
        call: F,
    ) -> Self {
        Self { this, socket, direction, kind, location, begun: false, registration: None, ticket: None, call }
    }

    fn begin(&mut self) -> io::Result<()> {
        self.begun = true;
        check_mode(self.socket, self.kind)?;
        self.registration = self.socket.registration(self.this);
        Ok(())
    }

    /// Gives up the place in line, and the registration with it if nobody else holds it.
    fn leave(&mut self, ended: bool) {
        if let (Some(registration), Some(ticket)) = (&self.registration, self.ticket.take()) {
            registration.leave(self.direction, ticket, ended);
        }
        let registration = self.registration.take();
        drop(registration);
    }
}

impl<S, F, T> Operation<'_, '_, S, F>
where
    S: AsSocket + ?Sized,
    F: FnMut(Attempt<'_>) -> io::Result<T>,
{
    fn step(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if !self.begun {
            self.begin()?;
        }
        let fd = self.socket.descriptor();
        if self.registration.is_none() {
            match (self.call)(Attempt { fd, registration: None }) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return Poll::Ready(result),
            }
            let registration = self.registration.insert(self.socket.register(self.this)?);
            let ticket = *self.ticket.insert(registration.join(self.direction, cx.waker()));
            // A new registration reports the readiness of the moment, so it was not in vain to try before.
            if registration.poll_ready(self.direction, ticket, cx).is_pending() {
                return Poll::Pending;
            }
        }
        let Some(registration) = &self.registration else { unreachable!("it was made above") };
        let ticket = *self.ticket.get_or_insert_with(|| registration.join(self.direction, cx.waker()));
        let call = &mut self.call;
        registration.poll_with(self.direction, ticket, cx, || call(Attempt { fd, registration: Some(registration) }))
    }
}

/// No pinned field: `call` is only called.
impl<S: AsSocket + ?Sized, F> Unpin for Operation<'_, '_, S, F> {}

impl<S, F, T> Future for Operation<'_, '_, S, F>
where
    S: AsSocket + ?Sized,
    F: FnMut(Attempt<'_>) -> io::Result<T>,
{
    type Output = io::Result<T>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = self.step(cx);
        if polled.is_pending() {
            report_wait(self.kind, Some(self.location));
        } else {
            self.leave(true);
        }
        polled
    }
}

impl<S: AsSocket + ?Sized, F> Drop for Operation<'_, '_, S, F> {
    fn drop(&mut self) {
        self.leave(false);
    }
}
