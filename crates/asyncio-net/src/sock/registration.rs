//! Registrations of sockets with the reactor, shared by all calls on one descriptor.
//!
//! A descriptor is registered once at a time. Calls on the same number find each other's registration in a table of the
//! thread, which holds it weakly: it lives as long as a call that waits, or as a [`Socket`](super::Socket), holds it.
//! Both borrow or own the descriptor meanwhile, so no number is closed, and none given out again, while it is in the
//! table. (A call that is leaked, with `mem::forget`, breaks this: it borrows nothing any more, and stays in the table.)

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use asyncio_event_loop::EventLoop;
use asyncio_reactor::{RawSource, Source};

use super::line::{Left, Line, Ticket};

thread_local! {
    /// By the address of the loop's reactor, which stays while the registration holds the loop, and the descriptor.
    static TABLE: RefCell<HashMap<(usize, RawSource), Weak<Registration>>> = RefCell::default();
}

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

/// A registered descriptor and the calls that wait for it.
pub struct Registration {
    source: Source,
    this: EventLoop,
    read: Line,
    write: Line,
    /// Whether a read that took fewer bytes than it had room for took all there was.
    short_is_all: Cell<bool>,
}

fn address(this: &EventLoop) -> usize {
    std::ptr::from_ref(this.reactor()).addr()
}

impl Registration {
    /// The registration that calls on this descriptor use already.
    pub(super) fn find(this: &EventLoop, fd: RawSource) -> Option<Rc<Self>> {
        TABLE.try_with(|table| table.borrow().get(&(address(this), fd)).and_then(Weak::upgrade)).ok().flatten()
    }

    /// The registration that calls on this descriptor use already, or a new one.
    pub(super) fn obtain(this: &EventLoop, fd: RawSource) -> io::Result<Rc<Self>> {
        if let Some(found) = Self::find(this, fd) {
            return Ok(found);
        }
        let source = this.reactor().register(fd).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                let message = format!(
                    "descriptor {fd} belongs to a transport or stream, or has a callback of `add_reader` or \
                     `add_writer`: use it through that, or remove that first"
                );
                io::Error::new(io::ErrorKind::AlreadyExists, message)
            }
            _ => error,
        })?;
        let registration = Rc::new(Self {
            source,
            this: this.clone(),
            read: Line::default(),
            write: Line::default(),
            short_is_all: Cell::new(false),
        });
        // Without the table, at the end of the thread, calls on one descriptor do not find each other.
        let _ = TABLE.try_with(|table| table.borrow_mut().insert((address(this), fd), Rc::downgrade(&registration)));
        Ok(registration)
    }

    pub(super) fn is_of(&self, this: &EventLoop) -> bool {
        address(&self.this) == address(this)
    }

    pub(super) fn set_short_is_all(&self) {
        self.short_is_all.set(true);
    }

    /// A read took fewer bytes than it had room for.
    pub(super) fn read_short(&self) {
        if self.short_is_all.get() {
            self.source.clear_readable();
        }
    }

    /// Takes the last place in line.
    pub(super) fn join(&self, direction: Direction, waker: &Waker) -> Ticket {
        self.line(direction).join(waker)
    }

    /// Waits for a report, without trying first.
    pub(super) fn poll_ready(&self, direction: Direction, ticket: Ticket, cx: &mut Context<'_>) -> Poll<()> {
        if self.line(direction).is_front(ticket) { self.poll_source(direction, cx) } else { Poll::Pending }
    }

    /// Tries `operation` if its turn has come and it is not known to find nothing; else waits.
    pub(super) fn poll_with<T>(
        &self,
        direction: Direction,
        ticket: Ticket,
        cx: &mut Context<'_>,
        operation: impl FnOnce() -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let line = self.line(direction);
        if !line.is_front(ticket) {
            line.renew(ticket, cx.waker());
            return Poll::Pending;
        }
        match direction {
            Direction::Read => self.source.poll_read_with(cx, operation),
            Direction::Write => self.source.poll_write_with(cx, operation),
        }
    }

    /// Gives a place in line up, and sees to it that the next one is woken.
    pub(super) fn leave(&self, direction: Direction, ticket: Ticket, ended: bool) {
        match self.line(direction).leave(ticket) {
            Left::Next(waker) => {
                if self.poll_source(direction, &mut Context::from_waker(&waker)).is_ready() {
                    waker.wake();
                }
            }
            // The source keeps no task that does not wait any more.
            Left::Empty if !ended => {
                let _ = self.poll_source(direction, &mut Context::from_waker(Waker::noop()));
            }
            Left::Empty | Left::Behind => {}
        }
    }

    fn poll_source(&self, direction: Direction, cx: &mut Context<'_>) -> Poll<()> {
        match direction {
            Direction::Read => self.source.poll_readable(cx),
            Direction::Write => self.source.poll_writable(cx),
        }
    }

    fn line(&self, direction: Direction) -> &Line {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let key = (address(&self.this), self.source.raw_source());
        // What is removed is a weak count of this.
        let _ = TABLE.try_with(|table| table.borrow_mut().remove(&key));
    }
}
