//! `StreamReader`: the receiving end of a stream.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use asyncio_context::{WaitKind, report_wait};
use futures_core::Stream;
use futures_io::{AsyncBufRead, AsyncRead};

use crate::read_buffer::ReadBuffer;
use crate::read_error::{IncompleteReadError, LimitOverrunError, ReadError};
use crate::stream_state::State;

static READ: WaitKind = WaitKind::new("data of a stream");

/// The receiving end of a stream: what arrives is buffered until it is read.
///
/// When more than twice the *limit* is buffered, no more is taken from the socket until a read has brought it down to the
/// limit; so a slow reader makes the sender wait. The limit is 64 KiB unless `limit` of
/// [`open_connection`](crate::open_connection) or [`start_server`](crate::start_server) set another.
///
/// Dropping it drops what arrives; it does not close the connection, unless that can only be read: then the pipe is closed.
///
/// # Cancel safety
///
/// Every read is safe: what it has not returned stays for the next one.
///
/// # In Python
///
/// `asyncio.StreamReader`, in `asyncio/streams.py`.
pub struct StreamReader {
    state: Rc<State>,
    /// What the caller of `fill_buf` was shown. In a box because readers are moved into tasks, which have few such callers.
    held: Option<Box<ReadBuffer>>,
}

/// One separator or several, for [`StreamReader::readuntil`].
pub trait Separators {
    /// The separators.
    fn separators(&self) -> impl Iterator<Item = &[u8]>;
}

impl Separators for [u8] {
    fn separators(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self)
    }
}

impl<const N: usize> Separators for [u8; N] {
    fn separators(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.as_slice())
    }
}

impl Separators for str {
    fn separators(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(self.as_bytes())
    }
}

impl Separators for [&[u8]] {
    fn separators(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().copied()
    }
}

impl<const N: usize> Separators for [&[u8]; N] {
    fn separators(&self) -> impl Iterator<Item = &[u8]> {
        self.iter().copied()
    }
}

impl StreamReader {
    pub(crate) fn new(state: Rc<State>) -> Self {
        Self { state, held: None }
    }

    /// Reads what there is, at least one byte and at most `n`. Empty: the end of the stream, or `n` is 0.
    ///
    /// # Errors
    ///
    /// That which ended the connection.
    ///
    /// # In Python
    ///
    /// `StreamReader.read(n)`.
    #[track_caller]
    pub fn read(&mut self, n: usize) -> impl Future<Output = io::Result<Vec<u8>>> {
        let location = Location::caller();
        poll_fn(move |cx| {
            self.give_back();
            self.state.check()?;
            if n > 0 && self.state.see().is_empty() && !self.state.is_eof() {
                return self.wait(cx, Some(location));
            }
            Poll::Ready(Ok(self.state.take(n)))
        })
    }

    /// Reads to the end of the stream, however long it is.
    ///
    /// # Errors
    ///
    /// That which ended the connection.
    ///
    /// # In Python
    ///
    /// `StreamReader.read()`, which loses what it has read when it is cancelled.
    #[track_caller]
    pub fn read_to_end(&mut self) -> impl Future<Output = io::Result<Vec<u8>>> {
        let location = Location::caller();
        poll_fn(move |cx| {
            self.give_back();
            self.state.check()?;
            drop(self.state.see());
            if !self.state.is_eof() {
                return self.wait(cx, Some(location));
            }
            Poll::Ready(Ok(self.state.take(usize::MAX)))
        })
    }

    /// Reads exactly `n` bytes, also more than the limit.
    ///
    /// # Errors
    ///
    /// [`Incomplete`](ReadError::Incomplete), with what there was, if the stream ends before; else that which ended the
    /// connection.
    ///
    /// # In Python
    ///
    /// `StreamReader.readexactly`.
    #[track_caller]
    pub fn readexactly(&mut self, n: usize) -> impl Future<Output = Result<Vec<u8>, ReadError>> {
        let location = Location::caller();
        poll_fn(move |cx| {
            self.give_back();
            self.state.check()?;
            if self.state.see().len() < n {
                if self.state.is_eof() {
                    let partial = self.state.take(n);
                    let error = IncompleteReadError { partial, expected: Some(n) };
                    return Poll::Ready(Err(ReadError::Incomplete(error)));
                }
                return self.wait(cx, Some(location));
            }
            Poll::Ready(Ok(self.state.take(n)))
        })
    }

    /// Reads a line, with its `\n`. At the end of the stream: what there is, without; empty, if there is nothing.
    ///
    /// # Errors
    ///
    /// [`LimitOverrun`](ReadError::LimitOverrun) if the line is longer than the limit, the `\n` not counted. The line is then
    /// dropped if it is there as a whole, else everything that is buffered. Else that which ended the connection.
    ///
    /// # Examples
    ///
    /// See [`open_connection`](crate::open_connection).
    ///
    /// # In Python
    ///
    /// `StreamReader.readline`.
    #[track_caller]
    pub fn readline(&mut self) -> impl Future<Output = Result<Vec<u8>, ReadError>> {
        let location = Location::caller();
        let mut offset = 0;
        poll_fn(move |cx| {
            Poll::Ready(match ready!(self.poll_until(cx, b"\n", &mut offset, location)) {
                Err(ReadError::Incomplete(error)) => Ok(error.partial),
                Err(ReadError::LimitOverrun(error)) => {
                    self.state.skip(if error.found { error.consumed + 1 } else { self.state.buffered() });
                    Err(ReadError::LimitOverrun(error))
                }
                result => result,
            })
        })
    }

    /// Reads up to and with a separator, such as `b"\r\n"`; of several, such as `&[b"\n".as_slice(), b"\r\n"]`, the one that
    /// gives the shortest result.
    ///
    /// # Errors
    ///
    /// [`Incomplete`](ReadError::Incomplete), with what there was, if the stream ends before;
    /// [`LimitOverrun`](ReadError::LimitOverrun) if the result without the separator would be longer than the limit: then the
    /// bytes stay, and can be read in another way. Else that which ended the connection.
    ///
    /// # Panics
    ///
    /// Without a separator, and with an empty one.
    ///
    /// # In Python
    ///
    /// `StreamReader.readuntil`.
    #[track_caller]
    pub fn readuntil<S: Separators + ?Sized>(
        &mut self,
        separators: &S,
    ) -> impl Future<Output = Result<Vec<u8>, ReadError>> {
        let shortest = separators.separators().map(<[u8]>::len).min();
        assert!(
            shortest.is_some_and(|shortest| shortest > 0),
            "`readuntil` needs a separator of at least one byte: with an empty one every result would be empty"
        );
        let location = Location::caller();
        let mut offset = 0;
        poll_fn(move |cx| self.poll_until(cx, separators, &mut offset, location))
    }

    /// No separator begins before `offset`, which is 0 at first and kept from one call to the next.
    fn poll_until<S: Separators + ?Sized>(
        &mut self,
        cx: &Context<'_>,
        separators: &S,
        offset: &mut usize,
        location: &'static Location<'static>,
    ) -> Poll<Result<Vec<u8>, ReadError>> {
        self.give_back();
        self.state.check()?;
        let limit = self.state.limit();
        let incoming = self.state.see();
        let ends = separators
            .separators()
            .filter_map(|separator| incoming.find(separator, *offset).map(|start| (start + separator.len(), start)));
        // The shorter separator first, where two end at the same place: then the longer result without it counts.
        let first = ends.reduce(|a, b| if b.0 < a.0 || (b.0 == a.0 && b.1 > a.1) { b } else { a });
        let len = incoming.len();
        drop(incoming);
        let Some((end, start)) = first else {
            let longest = separators.separators().map(<[u8]>::len).max().unwrap_or(1);
            *offset = (len + 1).saturating_sub(longest);
            if *offset > limit {
                return Poll::Ready(Err(ReadError::LimitOverrun(LimitOverrunError {
                    consumed: *offset,
                    found: false,
                })));
            }
            if self.state.is_eof() {
                let partial = self.state.take(len);
                return Poll::Ready(Err(ReadError::Incomplete(IncompleteReadError { partial, expected: None })));
            }
            return self.wait(cx, Some(location));
        };
        if start > limit {
            return Poll::Ready(Err(ReadError::LimitOverrun(LimitOverrunError { consumed: start, found: true })));
        }
        Poll::Ready(Ok(self.state.take(end)))
    }

    /// The lines of the stream, as a `Stream`, each with its `\n` but perhaps the last.
    ///
    /// # In Python
    ///
    /// `async for line in reader`.
    pub fn lines(&mut self) -> Lines<'_> {
        Lines(self)
    }

    /// Whether the end was met and everything has been read.
    #[must_use]
    pub fn at_eof(&self) -> bool {
        self.state.is_eof() && self.state.buffered() == 0
    }

    /// Drops the reader, and drops what arrives until the end: whoever writes at the other end goes on undisturbed, where a
    /// pipe would be closed in his face.
    pub fn discard(self) {
        self.state.outlive_reader();
    }

    /// What `fill_buf` has shown and nobody has consumed is there for every read.
    #[inline]
    fn give_back(&mut self) {
        if let Some(held) = self.held.take() {
            self.state.give_back(*held);
        }
    }

    /// Waits until something arrives, the end or an error.
    fn wait<T>(&self, cx: &Context<'_>, location: Option<&'static Location<'static>>) -> Poll<T> {
        self.state.wait_for_arrival(cx);
        report_wait(&READ, location);
        Poll::Pending
    }

    /// Ready when there is something to read, or the end.
    fn poll_available(&self, cx: &Context<'_>) -> Poll<io::Result<()>> {
        if self.state.buffered() == 0 {
            self.state.check()?;
            if !self.state.is_eof() {
                return self.wait(cx, None);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for StreamReader {
    fn drop(&mut self) {
        self.state.drop_reader();
    }
}

impl AsyncBufRead for StreamReader {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_available(cx))?;
        let held = this.held.get_or_insert_default();
        this.state.hold(held);
        Poll::Ready(Ok(held.as_slice()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        if let Some(held) = &mut this.held {
            held.consume(amount);
        }
        this.give_back();
    }
}

impl AsyncRead for StreamReader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, target: &mut [u8]) -> Poll<io::Result<usize>> {
        if target.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let this = self.get_mut();
        this.give_back();
        ready!(this.poll_available(cx))?;
        let incoming = this.state.see();
        let count = incoming.len().min(target.len());
        target[..count].copy_from_slice(&incoming.as_slice()[..count]);
        drop(incoming);
        this.state.skip(count);
        Poll::Ready(Ok(count))
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("StreamReader");
        text.field("buffered", &self.state.buffered())
            .field("at_eof", &self.at_eof())
            .field("limit", &self.state.limit());
        if let Err(error) = self.state.check() {
            text.field("error", &error);
        }
        text.finish()
    }
}

/// The lines of a stream: see [`StreamReader::lines`].
#[derive(Debug)]
#[must_use = "nothing is read before it is polled"]
pub struct Lines<'a>(&'a mut StreamReader);

impl Lines<'_> {
    /// The next line; `None` at the end. Errors as for [`StreamReader::readline`].
    #[expect(clippy::should_implement_trait, reason = "it is the `next` of a stream, which is awaited")]
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = Option<Result<Vec<u8>, ReadError>>> {
        let line = self.0.readline();
        async move { line.await.map(|line| (!line.is_empty()).then_some(line)).transpose() }
    }
}

impl Stream for Lines<'_> {
    type Item = Result<Vec<u8>, ReadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // A read keeps nothing of its own, so it may be begun anew each time.
        let this = self.get_mut();
        let next = std::pin::pin!(this.next());
        next.poll(cx)
    }
}
