//! What the two ends of a stream share, and the protocol that fills it.
//!
//! What has arrived is in `incoming`, and a read takes its part from there. Only a caller of `fill_buf`, who is shown what there
//! is, holds it until he consumes some. The limit counts both. Rule: wakers and methods of the transport are called while
//! nothing here is borrowed.

use std::cell::{Cell, Ref, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Waker};

use asyncio_executor::create_task;

use crate::protocol::Protocol;
use crate::read_buffer::ReadBuffer;
use crate::read_error::again;
use crate::stream_reader::StreamReader;
use crate::stream_writer::StreamWriter;
use crate::transport::Transport;
use crate::wakers::Wakers;

/// What a server calls with the two ends of a stream.
pub(crate) type Handler = Rc<dyn Fn(StreamReader, StreamWriter, Rc<State>)>;

pub(crate) struct State {
    limit: usize,
    transport: RefCell<Option<Transport>>,
    incoming: RefCell<ReadBuffer>,
    /// How many bytes of it the read that is under way, or was given up last, has found too few.
    seen: Cell<usize>,
    /// How many bytes the reader holds.
    held: Cell<usize>,
    eof: Cell<bool>,
    error: RefCell<Option<io::Error>>,
    /// The reader is there; else what arrives is dropped.
    has_reader: Cell<bool>,
    /// Nobody but the reader has the connection, which ends with it.
    ends_with_reader: Cell<bool>,
    reading_paused: Cell<bool>,
    reading: Cell<Option<Waker>>,
    /// Set while the transport asks for no more.
    writing_paused: Cell<bool>,
    /// How often writing has gone on after a pause.
    resumes: Cell<u32>,
    /// The last callback has come.
    lost: Cell<bool>,
    /// Who waits for writing to go on, or for the end.
    waiting: Wakers,
}

impl State {
    pub(crate) fn new(limit: usize) -> Rc<Self> {
        Rc::new(Self {
            limit,
            transport: RefCell::new(None),
            incoming: RefCell::default(),
            seen: Cell::new(0),
            held: Cell::new(0),
            eof: Cell::new(false),
            error: RefCell::new(None),
            has_reader: Cell::new(true),
            ends_with_reader: Cell::new(false),
            reading_paused: Cell::new(false),
            reading: Cell::new(None),
            writing_paused: Cell::new(false),
            resumes: Cell::new(0),
            lost: Cell::new(false),
            waiting: Wakers::default(),
        })
    }

    /// Of what can only be read: dropping the reader ends it.
    #[cfg(unix)]
    pub(crate) fn of_reader(limit: usize) -> Rc<Self> {
        let state = Self::new(limit);
        state.ends_with_reader.set(true);
        state
    }

    /// The connection goes on without the reader, and what arrives is dropped.
    pub(crate) fn outlive_reader(&self) {
        self.ends_with_reader.set(false);
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn is_eof(&self) -> bool {
        self.eof.get()
    }

    /// The error that ended the connection, for each who asks.
    #[inline]
    pub(crate) fn check(&self) -> io::Result<()> {
        match &*self.error.borrow() {
            None => Ok(()),
            Some(error) => failed(error),
        }
    }

    /// What has arrived and is not held, for a read to look at. The next arrival is one that makes it more.
    pub(crate) fn see(&self) -> Ref<'_, ReadBuffer> {
        let incoming = self.incoming.borrow();
        self.seen.set(incoming.len());
        incoming
    }

    /// Ends a read that takes so many bytes, or all if there are fewer: lets more come, if there was too much.
    pub(crate) fn take(&self, count: usize) -> Vec<u8> {
        let taken = self.incoming.borrow_mut().take(count);
        self.settle();
        taken
    }

    /// Ends a read that drops so many bytes; there are at least so many.
    pub(crate) fn skip(&self, count: usize) {
        self.incoming.borrow_mut().consume(count);
        self.settle();
    }

    /// Has the reader hold everything.
    pub(crate) fn hold(&self, held: &mut ReadBuffer) {
        held.append(&mut self.incoming.borrow_mut());
        self.held.set(held.len());
        self.seen.set(0);
    }

    /// The reader has consumed some of what it holds, and gives back the rest.
    #[cold]
    pub(crate) fn give_back(&self, mut left: ReadBuffer) {
        if !left.is_empty() {
            let mut incoming = self.incoming.borrow_mut();
            left.append(&mut incoming);
            *incoming = left;
        }
        self.held.set(0);
        self.settle();
    }

    fn settle(&self) {
        self.seen.set(0);
        if self.reading_paused.get() && self.buffered() <= self.limit {
            self.resume_reading();
        }
    }

    /// Whether the transport is to be asked for no more.
    pub(crate) fn is_full(&self) -> bool {
        self.buffered() > self.limit.saturating_mul(2)
    }

    /// How many bytes have arrived and were not read.
    pub(crate) fn buffered(&self) -> usize {
        self.held.get() + self.incoming.borrow().len()
    }

    #[inline]
    fn resume_reading(&self) {
        if self.reading_paused.replace(false)
            && let Some(transport) = self.transport()
        {
            transport.resume_reading();
        }
    }

    fn transport(&self) -> Option<Transport> {
        self.transport.borrow().clone()
    }

    /// What has arrived and has not been read, for another transport to take over, which is not paused. An error if a read has
    /// some of it.
    #[cfg(feature = "rustls")]
    pub(crate) fn hand_over(&self) -> io::Result<ReadBuffer> {
        match self.held.get() + self.seen.get() {
            0 => {
                self.reading_paused.set(false);
                Ok(self.incoming.take())
            }
            taken => {
                let message = format!(
                    "TLS cannot be started: a read that has not ended, or `fill_buf`, holds {taken} bytes that may belong to it"
                );
                Err(io::Error::new(io::ErrorKind::InvalidInput, message))
            }
        }
    }

    #[cfg(feature = "rustls")]
    pub(crate) fn set_transport(&self, transport: Transport) {
        let before = self.transport.replace(Some(transport));
        drop(before);
    }

    /// Has the task of `cx` woken when something has arrived, the end or an error. Until then reading goes on, whatever the
    /// limit says.
    pub(crate) fn wait_for_arrival(&self, cx: &Context<'_>) {
        self.resume_reading();
        let waker = cx.waker().clone();
        let before = self.reading.replace(Some(waker));
        drop(before);
    }

    fn wake_reader(&self) {
        if let Some(waker) = self.reading.take() {
            waker.wake();
        }
    }

    pub(crate) fn drop_reader(&self) {
        self.has_reader.set(false);
        drop(self.reading.take());
        let incoming = self.incoming.take();
        drop(incoming);
        self.seen.set(0);
        self.held.set(0);
        if self.ends_with_reader.get()
            && let Some(transport) = self.transport()
        {
            transport.close();
        }
        self.resume_reading();
    }

    pub(crate) fn is_writing_paused(&self) -> bool {
        self.writing_paused.get()
    }

    pub(crate) fn resumes(&self) -> u32 {
        self.resumes.get()
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.get()
    }

    /// Who waits for writing to go on, or for the end.
    pub(crate) fn waiting(&self) -> &Wakers {
        &self.waiting
    }
}

/// Apart, so that a read that finds no error does not make room for one.
#[cold]
fn failed(error: &io::Error) -> io::Result<()> {
    Err(again(error))
}

/// Fills the state of a stream from its transport.
pub(crate) struct StreamProtocol {
    state: Rc<State>,
    /// Of a server: what to call with the two ends, once.
    handler: Cell<Option<Handler>>,
}

impl StreamProtocol {
    pub(crate) fn new(state: Rc<State>, handler: Option<Handler>) -> Self {
        Self { state, handler: Cell::new(handler) }
    }
}

impl Protocol for StreamProtocol {
    fn connection_made(&self, transport: Transport) {
        *self.state.transport.borrow_mut() = Some(transport.clone());
        if let Some(handler) = self.handler.take() {
            let (reader, writer) = ends(&self.state, transport);
            handler(reader, writer, self.state.clone());
        }
    }

    fn data_received(&self, data: &[u8]) {
        let state = &*self.state;
        if !state.has_reader.get() {
            return;
        }
        state.incoming.borrow_mut().push(data);
        state.wake_reader();
        if !state.reading_paused.get()
            && state.is_full()
            && let Some(transport) = state.transport()
        {
            state.reading_paused.set(true);
            transport.pause_reading();
        }
    }

    fn eof_received(&self) -> bool {
        self.state.eof.set(true);
        self.state.wake_reader();
        true
    }

    fn connection_lost(&self, error: Option<io::Error>) {
        let state = &*self.state;
        match error {
            None => state.eof.set(true),
            Some(error) => *state.error.borrow_mut() = Some(error),
        }
        let transport = state.transport.take();
        drop(transport);
        state.lost.set(true);
        state.wake_reader();
        state.waiting.wake();
    }

    fn pause_writing(&self) {
        self.state.writing_paused.set(true);
    }

    fn resume_writing(&self) {
        self.state.writing_paused.set(false);
        self.state.resumes.set(self.state.resumes.get().wrapping_add(1));
        self.state.waiting.wake();
    }
}

/// The two ends of a stream.
pub(crate) fn ends(state: &Rc<State>, transport: Transport) -> (StreamReader, StreamWriter) {
    (StreamReader::new(state.clone()), StreamWriter::new(state.clone(), transport))
}

/// Makes a task of each call of the handler of a server.
pub(crate) fn in_tasks<H: AsyncFn(StreamReader, StreamWriter) + 'static>(handler: H) -> Handler {
    let handler = Rc::new(handler);
    Rc::new(move |reader, writer, state| {
        let handler = handler.clone();
        // A handler that is cancelled or panics ends its connection, also if somebody else has the writer.
        let guard = CloseOnDrop(Some(state));
        create_task(async move {
            handler(reader, writer).await;
            guard.disarm();
        });
    })
}

/// Closes a stream, whatever its transport is by then.
struct CloseOnDrop(Option<Rc<State>>);

impl CloseOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(transport) = self.0.take().and_then(|state| state.transport()) {
            transport.close();
        }
    }
}
