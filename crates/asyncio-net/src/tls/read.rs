//! The read side of a TLS connection: from records to the protocol.
//!
//! What the connection below has read is decrypted at once and given to the protocol in one piece. If the protocol takes
//! less (it pauses, or brings a small buffer), the rest is kept, and the connection below does not read until it is taken; so
//! no more is kept than one read brings.

use std::io::{self, BufRead};
use std::rc::Rc;

use rustls::{Connection as Session, Error};

use crate::protocol::Protocol;
use crate::read_buffer::ReadBuffer;
use crate::tls::connection::{State, TlsConnection};

impl TlsConnection {
    pub(crate) fn is_reading(&self) -> bool {
        !self.is_closing() && !self.reading_paused.get()
    }

    pub(crate) fn pause_reading(&self) {
        if self.is_reading() {
            self.reading_paused.set(true);
            self.steer();
        }
    }

    pub(crate) fn resume_reading(self: &Rc<Self>) {
        if !self.is_closing() && self.reading_paused.replace(false) {
            self.deliver_soon();
        }
    }

    pub(crate) fn has_read_ended(&self) -> bool {
        self.read_ended.get()
    }

    fn deliver_soon(self: &Rc<Self>) {
        if !self.delivery_queued.replace(true) {
            let this = self.clone();
            self.this.call_soon(move || {
                this.delivery_queued.set(false);
                this.deliver();
            });
        }
    }

    /// Lets the connection below read, or not.
    fn steer(&self) {
        if self.state.get() == State::Open
            && let Some(below) = self.below()
        {
            if self.reading_paused.get() || !self.plain.borrow().is_empty() {
                below.pause_reading();
            } else {
                below.resume_reading();
            }
        }
    }

    /// Records, cut anywhere, from the connection below.
    pub(crate) fn receive(self: &Rc<Self>, data: &[u8]) {
        let mut plain = self.plain.take();
        // Records are longer than what is in them.
        plain.reserve(data.len());
        let outcome = self.with_session(|session| decrypt(session, data, &mut plain));
        self.plain.replace(plain);
        let Some(outcome) = outcome else { return };
        // Answers, and the alert that says why it failed.
        self.transmit();
        let error = match outcome {
            Ok(ended) => {
                if ended {
                    self.close_notify_received();
                }
                None
            }
            Err(error) => Some(error),
        };
        let is_handshaking = || self.with_session(|session| session.is_handshaking());
        if self.state.get() == State::Handshake && is_handshaking() == Some(false) {
            self.handshake_complete();
        }
        self.deliver();
        if let Some(error) = error
            && self.state.get() != State::Over
        {
            self.fail(&self.error(error).into());
        }
    }

    fn close_notify_received(&self) {
        self.read_ended.set(true);
        if let Some(info) = self.info.get() {
            info.set_close_notify();
        }
    }

    /// Nothing more comes from the connection below.
    pub(super) fn end_below(self: &Rc<Self>) {
        if self.state.get() == State::Handshake {
            return self.fail(&self.gone_in_handshake());
        }
        self.read_ended.set(true);
        self.deliver();
    }

    /// Gives the protocol what is there, and the end when that is all.
    fn deliver(self: &Rc<Self>) {
        match self.state.get() {
            State::Open => {}
            State::Flushing | State::Shutdown => {
                self.plain.borrow_mut().clear();
                if self.read_ended.get() && self.state.get() == State::Shutdown {
                    self.shutdown_complete();
                }
                return;
            }
            State::Handshake | State::Over => return,
        }
        if !self.reading_paused.get()
            && !self.plain.borrow().is_empty()
            && let Some(protocol) = self.protocol()
        {
            match protocol.buffered() {
                None => self.give(),
                Some(_) => self.give_buffered(&*protocol),
            }
        }
        if self.state.get() != State::Open {
            return;
        }
        if self.plain.borrow().is_empty() && self.read_ended.get() && !self.reading_paused.get() {
            self.call("eof_received", |protocol| {
                protocol.eof_received();
            });
            // Whatever it says: TLS has no half that could stay open.
            if self.state.get() == State::Open {
                self.start_shutdown();
            }
            return;
        }
        self.steer();
    }

    /// Everything at once.
    fn give(self: &Rc<Self>) {
        let mut plain = self.plain.take();
        self.call("data_received", |protocol| protocol.data_received(plain.as_slice()));
        plain.clear();
        // Nothing has been received meanwhile: the connection below is in its callback, or paused.
        self.plain.borrow_mut().append(&mut plain);
    }

    /// As much as the protocol's buffer takes, and the rest in the next turn.
    fn give_buffered(self: &Rc<Self>, protocol: &dyn Protocol) {
        let Some(buffered) = protocol.buffered() else { return };
        let size_hint = self.plain.borrow().len();
        let Some(mut buffer) = self.call("get_buffer", |_| buffered.get_buffer(size_hint)) else { return };
        if buffer.is_empty() {
            return self.fail(&io::Error::other("`get_buffer` of the protocol returned an empty buffer"));
        }
        let count = {
            let mut plain = self.plain.borrow_mut();
            let count = plain.len().min(buffer.len());
            buffer[..count].copy_from_slice(&plain.as_slice()[..count]);
            plain.consume(count);
            count
        };
        self.call("buffer_updated", |_| buffered.buffer_updated(buffer, count));
        if !self.plain.borrow().is_empty() {
            self.deliver_soon();
        }
    }
}

/// Decrypts all of `data`. Whether the other end has said that nothing more will come; what it then still sends is ignored.
fn decrypt(session: &mut Session, mut data: &[u8], plain: &mut ReadBuffer) -> Result<bool, Error> {
    while !data.is_empty() {
        match session.read_tls(&mut data) {
            Ok(0) => return Ok(true),
            Ok(_) => {}
            Err(error) => return Err(Error::General(format!("a TLS message is too long: {error}"))),
        }
        let state = session.process_new_packets()?;
        if state.plaintext_bytes_to_read() > 0 {
            take_plain(session, plain);
        }
        if state.peer_has_closed() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn take_plain(session: &mut Session, plain: &mut ReadBuffer) {
    let mut reader = session.reader();
    while let Ok(chunk) = reader.fill_buf() {
        if chunk.is_empty() {
            return;
        }
        plain.push(chunk);
        let count = chunk.len();
        reader.consume(count);
    }
}
