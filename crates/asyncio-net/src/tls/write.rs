//! The write side of a TLS connection: encrypted and sent at once while the connection below takes it, else kept.
//!
//! What is kept is not encrypted yet, so it is held once; the connection below holds no more than its own high-water mark
//! and one slice. The water marks of this side count what is kept.

use std::cell::Cell;
use std::io::{self, IoSlice, Write};
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::tls::connection::{State, TlsConnection};
use crate::transport::Transport;

/// The high-water mark, before anybody sets another: CPython's.
pub(super) const HIGH_WATER: usize = 512 * 1024;

/// How much is encrypted before it is sent: eight records. More sends with fewer system calls, less keeps less in memory
/// twice.
const SLICE: usize = 128 * 1024;

impl TlsConnection {
    /// Sends what the connection below takes now, and keeps the rest. Nothing after `close`.
    pub(crate) fn write(self: &Rc<Self>, data: &[u8]) {
        match self.state.get() {
            State::Open if self.backlog.borrow().is_empty() => {
                let rest = self.send(data);
                if rest.is_empty() {
                    return;
                }
                self.backlog.borrow_mut().push(rest);
            }
            State::Handshake | State::Open => self.backlog.borrow_mut().push(data),
            State::Flushing | State::Shutdown | State::Over => return,
        }
        self.maybe_pause();
    }

    /// As `write` for all of them. Small pieces share records.
    pub(crate) fn write_pieces(self: &Rc<Self>, pieces: &[&[u8]]) {
        if let [piece] = pieces {
            return self.write(piece);
        }
        if matches!(self.state.get(), State::Handshake | State::Open) {
            let mut backlog = self.backlog.borrow_mut();
            pieces.iter().for_each(|piece| backlog.push(piece));
            drop(backlog);
            self.send_backlog();
            self.maybe_pause();
        }
    }

    /// Sends the start of `data`. The rest comes back.
    fn send<'a>(&self, mut data: &'a [u8]) -> &'a [u8] {
        while !data.is_empty() && self.may_send() {
            let (now, later) = data.split_at(data.len().min(SLICE));
            let Some(encrypted) = self.with_session(|session| session.writer().write_all(now)) else { break };
            if encrypted.is_err() {
                // The session has failed, and whoever found that out ends the connection.
                return &[];
            }
            self.transmit();
            data = later;
        }
        data
    }

    fn may_send(&self) -> bool {
        !self.below_paused.get() && !self.below().is_none_or(Transport::is_closing)
    }

    /// Sends what is kept, as far as the connection below takes it; then, if it is closing, says that this was all.
    pub(super) fn send_backlog(self: &Rc<Self>) {
        if !matches!(self.state.get(), State::Open | State::Flushing) {
            return;
        }
        while self.may_send() && !self.backlog.borrow().is_empty() {
            let encrypted = self.with_session(|session| {
                let mut backlog = self.backlog.borrow_mut();
                let (slices, count) = backlog.slices();
                let taken = encrypt(&mut session.writer(), &slices[..count])?;
                backlog.consume(taken);
                io::Result::Ok(())
            });
            match encrypted {
                Some(Ok(())) => self.transmit(),
                Some(Err(_)) => self.backlog.borrow_mut().clear(),
                None => return,
            }
        }
        self.maybe_resume();
        if self.state.get() == State::Flushing && self.backlog.borrow().is_empty() {
            self.everything_sent();
        }
    }

    /// Gives the connection below all records that there are, whether it asks for them or not.
    pub(super) fn transmit(&self) {
        let Some(below) = self.below() else { return };
        let mut records = Records(below);
        self.with_session(|session| while session.wants_write() && session.write_tls(&mut records).is_ok() {});
    }

    /// A TLS connection cannot be closed for writing alone.
    #[track_caller]
    pub(crate) fn write_eof(&self) {
        panic!("TLS cannot close one direction alone: ask `can_write_eof` first, and close the connection instead");
    }

    pub(crate) fn can_write_eof(&self) -> bool {
        false
    }

    pub(crate) fn has_write_ended(&self) -> bool {
        false
    }

    /// Whether a file is being sent.
    pub(crate) fn sending_file(&self) -> &Cell<bool> {
        &self.sending_file
    }

    pub(crate) fn write_buffer_size(&self) -> usize {
        self.backlog.borrow().len()
    }

    pub(crate) fn default_high_water(&self) -> usize {
        HIGH_WATER
    }

    pub(crate) fn water_marks(&self) -> (usize, usize) {
        (self.low_water.get(), self.high_water.get())
    }

    pub(crate) fn set_water_marks(&self, low: usize, high: usize) {
        self.low_water.set(low);
        self.high_water.set(high);
        self.maybe_pause();
    }

    pub(crate) fn is_writing_paused(&self) -> bool {
        self.writing_paused.get()
    }

    fn maybe_pause(&self) {
        if self.write_buffer_size() > self.high_water.get() && !self.writing_paused.replace(true) {
            self.notify("pause_writing", |protocol| protocol.pause_writing());
        }
    }

    fn maybe_resume(&self) {
        if self.writing_paused.get() && self.write_buffer_size() <= self.low_water.get() {
            self.writing_paused.set(false);
            self.notify("resume_writing", |protocol| protocol.resume_writing());
        }
    }

    /// Ready when nothing is left to write, or the connection is lost.
    pub(crate) fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.state.get() == State::Handshake && !self.backlog.borrow().is_empty() {
            let waker = cx.waker().clone();
            self.flushing.borrow_mut().push(waker);
            return Poll::Pending;
        }
        // While something is kept, the connection below has something to write.
        match self.below() {
            Some(below) if self.state.get() != State::Over => below.poll_flushed(cx),
            _ => Poll::Ready(()),
        }
    }
}

/// Encrypts the start of what is there, about a slice. How much of it.
fn encrypt(writer: &mut impl Write, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    let mut total = 0;
    let within = slices.iter().take_while(|slice| {
        total += slice.len();
        total <= SLICE
    });
    match within.count() {
        0 => {
            let first = &slices[0][..slices[0].len().min(SLICE)];
            writer.write_all(first)?;
            Ok(first.len())
        }
        count => writer.write_vectored(&slices[..count]),
    }
}

/// Takes records for the connection below, which keeps what it cannot send.
struct Records<'a>(&'a Transport);

impl Write for Records<'_> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        self.0.write(record);
        Ok(record.len())
    }

    fn write_vectored(&mut self, records: &[IoSlice<'_>]) -> io::Result<usize> {
        let records: Vec<&[u8]> = records.iter().map(|record| &**record).collect();
        self.0.write_pieces(&records);
        Ok(records.iter().map(|record| record.len()).sum())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
