//! The read side of a connection: from readiness to the protocol.
//!
//! A readiness event reads once, as much as fits into the loop's buffer, and hands it to the protocol. Readiness is told on
//! a change, so what may be left is read in the next turn, from the ready queue. A short read leaves nothing, unless the
//! end is near, and then saves the call that would find nothing.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use asyncio_executor::Fault;

use crate::connection::{Connection, Direction, Io, report_panic};
use crate::protocol::Protocol;

/// What a protocol that brings its own buffer is told that the transport would take.
const SIZE_HINT: usize = 256 * 1024;

impl Connection {
    pub(crate) fn is_reading(&self) -> bool {
        self.direction != Direction::Write && !self.closing.get() && !self.reading_paused.get()
    }

    pub(crate) fn pause_reading(&self) {
        if self.is_reading() {
            self.reading_paused.set(true);
        }
    }

    pub(crate) fn resume_reading(self: &Rc<Self>) {
        if !self.closing.get() && self.reading_paused.replace(false) {
            self.read_on();
        }
    }

    /// The end was met, and the protocol kept the connection open.
    #[cfg(feature = "rustls")]
    pub(crate) fn has_read_ended(&self) -> bool {
        self.read_ended.get()
    }

    fn wants_to_read(&self) -> bool {
        self.started.get() && self.is_reading() && !self.read_ended.get()
    }

    /// Reads in the next turn, if there may be something that will not be told of again.
    pub(super) fn read_on(self: &Rc<Self>) {
        if self.wants_to_read()
            && self.io().is_some_and(|io| io.registration.is_readable())
            && !self.read_queued.replace(true)
        {
            let this = self.clone();
            self.this.call_soon(move || {
                this.read_queued.set(false);
                this.read_ready();
            });
        }
    }

    pub(super) fn read_ready(self: &Rc<Self>) {
        if !self.wants_to_read() {
            return;
        }
        let (Some(io), Some(protocol)) = (self.io(), self.protocol()) else { return };
        let outcome = match protocol.buffered() {
            None => self.receive(&io, &*protocol),
            Some(_) => self.receive_buffered(&io, &*protocol),
        };
        match outcome {
            Ok(Some(0)) => self.end_reading(&*protocol),
            Ok(_) => self.read_on(),
            Err(error) => self.fail_reading(error),
        }
    }

    /// Reads into the loop's buffer. How many bytes came; `None`: nothing, for now, or the protocol panicked.
    fn receive(self: &Rc<Self>, io: &Io, protocol: &dyn Protocol) -> io::Result<Option<usize>> {
        self.this.with_read_buffer(|buffer| {
            let Some(count) = io.read(buffer)? else { return Ok(None) };
            if count > 0 {
                let call = || protocol.data_received(&buffer[..count]);
                let outcome = catch_unwind(AssertUnwindSafe(call));
                if self.fatal_if_panicked("data_received", outcome).is_none() {
                    return Ok(None);
                }
            }
            Ok(Some(count))
        })
    }

    /// Reads into the protocol's buffer.
    fn receive_buffered(self: &Rc<Self>, io: &Io, protocol: &dyn Protocol) -> io::Result<Option<usize>> {
        let Some(buffered) = protocol.buffered() else { return Ok(None) };
        let call = || buffered.get_buffer(SIZE_HINT);
        let outcome = catch_unwind(AssertUnwindSafe(call));
        let Some(mut buffer) = self.fatal_if_panicked("get_buffer", outcome) else { return Ok(None) };
        if buffer.is_empty() {
            return Err(io::Error::other("`get_buffer` of the protocol returned an empty buffer"));
        }
        let result = io.read(&mut buffer);
        let (method, outcome) = match result {
            Ok(Some(count)) if count > 0 => {
                let call = || buffered.buffer_updated(buffer, count);
                ("buffer_updated", catch_unwind(AssertUnwindSafe(call)))
            }
            _ => {
                let call = || buffered.buffer_unused(buffer);
                ("buffer_unused", catch_unwind(AssertUnwindSafe(call)))
            }
        };
        match self.fatal_if_panicked(method, outcome) {
            Some(()) => result,
            None => Ok(None),
        }
    }

    fn end_reading(self: &Rc<Self>, protocol: &dyn Protocol) {
        if self.direction == Direction::Read {
            return self.end_pipe();
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| protocol.eof_received()));
        match self.fatal_if_panicked("eof_received", outcome) {
            Some(true) => self.read_ended.set(true),
            Some(false) => self.close(),
            None => {}
        }
    }
    /// The other end of a pipe was closed: nothing is left to keep open, so the protocol is told and not asked.
    fn end_pipe(self: &Rc<Self>) {
        self.closing.set(true);
        let this = self.clone();
        self.this.call_soon(move || {
            if let Some(protocol) = this.protocol() {
                report_panic("eof_received", catch_unwind(AssertUnwindSafe(|| protocol.eof_received())));
            }
        });
        self.lose(None);
    }

    fn fail_reading(self: &Rc<Self>, error: io::Error) {
        // A pipe has no errors in the ordinary way of things, other than that of a terminal whose other end is gone.
        if self.direction == Direction::Read && error.raw_os_error() != Some(libc::EIO) {
            Fault::new(format!("fatal error when a pipe was read: {error}")).report();
        }
        self.force_close(Some(error));
    }
}
