//! `AsyncioIo`: a stream as a connection of hyper's.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use asyncio_net::{StreamReader, StreamWriter};
use futures_io::{AsyncBufRead, AsyncWrite};
use hyper::rt::{Read, ReadBufCursor, Write};

/// A connection for hyper, made of the two ends of a stream.
///
/// What has arrived is copied once, from the stream's buffer into hyper's. Writes go to the socket at once, several pieces
/// in one system call; what it does not take is buffered up to the high-water mark of the transport, and then hyper waits.
/// Dropping it closes the connection when everything is sent.
///
/// The [limit](StreamReader) of the stream says how much may arrive before hyper asks for it.
#[derive(Debug)]
pub struct AsyncioIo {
    reader: StreamReader,
    writer: StreamWriter,
}

impl AsyncioIo {
    /// Takes the two ends of one stream.
    #[must_use]
    pub fn new(reader: StreamReader, writer: StreamWriter) -> Self {
        Self { reader, writer }
    }

    /// Gives the two ends back, for what follows HTTP on an upgraded connection: hyper has read more than its share,
    /// perhaps, and hands that over beside this one.
    #[must_use]
    pub fn into_inner(self) -> (StreamReader, StreamWriter) {
        (self.reader, self.writer)
    }

    /// The sending end, for addresses and the transport.
    #[must_use]
    pub fn writer(&self) -> &StreamWriter {
        &self.writer
    }
}

impl Read for AsyncioIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut target: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut reader = Pin::new(&mut self.reader);
        let available = ready!(reader.as_mut().poll_fill_buf(cx))?;
        let count = available.len().min(target.remaining());
        target.put_slice(&available[..count]);
        reader.consume(count);
        Poll::Ready(Ok(()))
    }
}

impl Write for AsyncioIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    /// Closes the sending half when everything is sent. The rest is closed when this is dropped.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // It fails if the connection is closed already, which is what was wanted.
        let _ = self.writer.write_eof();
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write_vectored(cx, slices)
    }
}
