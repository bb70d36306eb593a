//! The write side of a connection: at once if the socket takes it, else buffered, with water marks.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSlice};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::connection::{Connection, Direction, HIGH_WATER, report_panic};
use crate::sendfile::lost_meanwhile;
use crate::write_buffer::MOST_SLICES;

impl Connection {
    /// Sends what the socket takes now and keeps the rest. Nothing after the connection is lost.
    #[track_caller]
    pub(crate) fn write(self: &Rc<Self>, data: &[u8]) {
        self.check_not_ended();
        if data.is_empty() || self.drops_writes() {
            return;
        }
        let sent = match self.io() {
            Some(io) if self.output.borrow().is_empty() => io.send(data),
            _ => Ok(0),
        };
        match sent {
            Ok(count) if count == data.len() => {}
            Ok(count) => {
                self.output.borrow_mut().push(&data[count..]);
                self.write_on();
                self.maybe_pause();
            }
            Err(error) => self.force_close(Some(error)),
        }
    }

    /// Whether what is written goes nowhere. To close a pipe is to say that nothing more will be written, so what comes
    /// then is dropped; a socket that is closed still takes it, while it has something to send.
    fn drops_writes(&self) -> bool {
        self.lost.get() || (self.direction == Direction::Write && self.closing.get())
    }

    /// As `write` for each piece, with as few system calls as possible.
    #[track_caller]
    pub(crate) fn write_pieces(self: &Rc<Self>, pieces: &[&[u8]]) {
        self.check_not_ended();
        if self.drops_writes() {
            return;
        }
        let mut pieces = pieces.iter().copied().filter(|piece| !piece.is_empty()).peekable();
        if let Some(io) = self.io()
            && self.output.borrow().is_empty()
        {
            while pieces.peek().is_some() {
                let mut slices = [IoSlice::new(&[]); MOST_SLICES];
                let (mut count, mut total) = (0, 0);
                let mut batch: [&[u8]; MOST_SLICES] = [&[]; MOST_SLICES];
                while count < MOST_SLICES
                    && let Some(piece) = pieces.next()
                {
                    (slices[count], batch[count]) = (IoSlice::new(piece), piece);
                    total += piece.len();
                    count += 1;
                }
                let mut sent = match io.send_vectored(&slices[..count], total) {
                    Ok(sent) => sent,
                    Err(error) => return self.force_close(Some(error)),
                };
                if sent < total {
                    let mut output = self.output.borrow_mut();
                    for piece in &batch[..count] {
                        let skipped = sent.min(piece.len());
                        sent -= skipped;
                        output.push(&piece[skipped..]);
                    }
                    break;
                }
            }
        }
        let mut output = self.output.borrow_mut();
        pieces.for_each(|piece| output.push(piece));
        drop(output);
        self.write_on();
        self.maybe_pause();
    }

    #[track_caller]
    fn check_not_ended(&self) {
        assert!(
            self.direction != Direction::Read,
            "this transport reads from a pipe, and cannot write to it: connect the other end with `connect_write_pipe`"
        );
        assert!(
            !self.write_ended.get(),
            "`write_eof` was called: nothing can be written after it; write before, or close"
        );
    }

    /// Says that nothing more will be written. The other end is told when all is sent.
    pub(crate) fn write_eof(self: &Rc<Self>) {
        if self.direction != Direction::Both {
            // Nothing else could come of a pipe.
            self.close();
        } else if !self.closing.get() && !self.write_ended.replace(true) && self.output.borrow().is_empty() {
            self.shut_down_writing();
        }
    }

    pub(crate) fn can_write_eof(&self) -> bool {
        self.direction != Direction::Read
    }

    pub(crate) fn has_write_ended(&self) -> bool {
        self.write_ended.get()
    }

    pub(crate) fn write_buffer_size(&self) -> usize {
        self.output.borrow().len()
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

    #[cfg(feature = "rustls")]
    pub(crate) fn is_writing_paused(&self) -> bool {
        self.writing_paused.get()
    }

    fn maybe_pause(&self) {
        if self.write_buffer_size() > self.high_water.get()
            && !self.writing_paused.replace(true)
            && let Some(protocol) = self.protocol()
        {
            report_panic("pause_writing", catch_unwind(AssertUnwindSafe(|| protocol.pause_writing())));
        }
    }

    fn maybe_resume(&self) {
        if self.writing_paused.get() && self.write_buffer_size() <= self.low_water.get() {
            self.writing_paused.set(false);
            if let Some(protocol) = self.protocol() {
                report_panic("resume_writing", catch_unwind(AssertUnwindSafe(|| protocol.resume_writing())));
            }
        }
    }

    /// Writes in the next turn, if there may be room that will not be told of again.
    fn write_on(self: &Rc<Self>) {
        if !self.output.borrow().is_empty()
            && self.io().is_some_and(|io| io.registration.is_writable())
            && !self.write_queued.replace(true)
        {
            let this = self.clone();
            self.this.call_soon(move || {
                this.write_queued.set(false);
                this.write_ready();
            });
        }
    }

    /// Looks whether somebody still reads from the pipe that is written to: the end of the reader is told as readiness.
    pub(super) fn watch_reader(self: &Rc<Self>) {
        let Some(io) = self.io() else { return };
        if self.lost.get() || !self.started.get() || !io.registration.is_readable() {
            return;
        }
        if io.has_hung_up() {
            let unsent = !self.output.borrow().is_empty();
            self.force_close(unsent.then(|| io::Error::from(io::ErrorKind::BrokenPipe)));
        } else {
            io.registration.set_unreadable();
        }
    }

    /// There is room again: writes what is buffered.
    pub(super) fn write_ready(self: &Rc<Self>) {
        let Some(io) = self.io() else { return };
        if self.lost.get() || self.output.borrow().is_empty() {
            if self.sending_file.get() {
                self.flushing.wake();
            }
            return;
        }
        loop {
            let mut output = self.output.borrow_mut();
            if output.is_empty() {
                break;
            }
            let (slices, count) = output.slices();
            let total = slices[..count].iter().map(|slice| slice.len()).sum();
            match io.send_vectored(&slices[..count], total) {
                Ok(sent) => {
                    output.consume(sent);
                    if sent < total {
                        break;
                    }
                }
                Err(error) => {
                    drop(output);
                    return self.force_close(Some(error));
                }
            }
        }
        // The protocol may write more, and may close.
        self.maybe_resume();
        self.write_on();
        if self.lost.get() || !self.output.borrow().is_empty() {
            return;
        }
        if self.closing.get() {
            self.lost.set(true);
            self.end(None);
        } else if self.write_ended.get() {
            self.shut_down_writing();
        }
        self.flushing.wake();
    }

    /// Whether a file is being sent.
    pub(crate) fn sending_file(&self) -> &Cell<bool> {
        &self.sending_file
    }

    /// Sends some of a file, by the system call for it. Nothing else is to be written, and the file is said to be
    /// [sent](Self::sending_file). An error if the connection is lost.
    pub(crate) fn poll_sendfile(
        &self,
        cx: &Context<'_>,
        file: &File,
        from: u64,
        wanted: usize,
    ) -> Poll<io::Result<usize>> {
        let Some(io) = self.io().filter(|_| !self.lost.get()) else { return Poll::Ready(Err(lost_meanwhile())) };
        if io.registration.is_writable()
            && let Some(sent) = io.sendfile(file, from, wanted)?
        {
            return Poll::Ready(Ok(sent));
        }
        self.flushing.add(cx);
        Poll::Pending
    }

    /// Ready when nothing is left to write, or the connection is lost.
    pub(crate) fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.lost.get() || self.output.borrow().is_empty() {
            return Poll::Ready(());
        }
        self.flushing.add(cx);
        Poll::Pending
    }
}
