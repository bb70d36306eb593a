//! `sendfile`: a file over the connection of a transport, between what is written before and after.
//!
//! The bytes go past the write buffer, or through it in blocks, so both begin when it is empty, and until the end nothing
//! else is written, which the transport refuses. The protocol is not told of more than one block.

use std::fmt;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};

use super::{Failure, Part, not_available};
use crate::transport::Transport;

static SENDFILE: WaitKind = WaitKind::new("sendfile");

/// How much is read at a time when the system call is not available: what a transport keeps by default before it asks the
/// protocol to write no more. Less costs more hops between threads. CPython's is a quarter of it.
const BLOCK: usize = 64 * 1024;

/// Sends a part of a file over the connection of a transport, and gives the number of bytes. `count` of `None` is up to the
/// end of the file.
///
/// On Linux it uses `sendfile`, which copies inside of the system. Through TLS, and where that call is not available because
/// of the platform or because the file is none that it takes, the file is read on a thread of the loop's pool and written,
/// as fast as the other end takes it.
///
/// What was written before is sent before. Until this has ended the transport does not read, and refuses `write`,
/// `writelines` and `write_eof`; then reading goes on, if it went on before. When it is copied, the last block may still be
/// in the transport's buffer at the end.
///
/// When it has ended, in whatever way, the position of the file is behind the last byte that was sent or written, and at
/// `offset` if none was; it has not moved if sending was refused. A process that wants to survive the other side closing
/// must ignore SIGPIPE, as the standard library does.
///
/// # Cancel safety
///
/// It stops where it is, and the position of the file tells where. The connection stays open and can be used.
///
/// # Errors
///
/// Before anything is sent: `NotConnected` if the transport is closed, or closed for writing; `InvalidInput` for a `count`
/// of zero; `Unsupported` for a pipe; `ResourceBusy` while another file is sent; without
/// [`fallback`](Sendfile::fallback) a [`SendfileNotAvailableError`](crate::SendfileNotAvailableError).
///
/// `ConnectionReset` or `BrokenPipe` if the other end closes the connection, `ConnectionReset` if this end does. Else the
/// platform's; an error of the file leaves the connection as it is.
///
/// # Panics
///
/// When copying is needed and there is no running event loop.
///
/// # Examples
///
/// ```
/// use asyncio_net::{open_connection, sendfile, start_server};
///
/// # fn main() -> std::io::Result<()> {
/// asyncio::run(async {
///     let server = start_server(
///         async |_reader, writer| {
///             let file = std::fs::File::open("Cargo.toml").unwrap();
///             writer.write("a ");
///             sendfile(writer.transport(), &file, 1, Some(7)).await.unwrap();
///             writer.write(" file");
///         },
///         ("127.0.0.1", 0),
///     )
///     .await?;
///     let (mut reader, _writer) = open_connection(server.local_addrs()).await?;
///     assert_eq!(reader.read_to_end().await?, b"a package file");
///     Ok(())
/// })
/// # }
/// ```
///
/// # In Python
///
/// `loop.sendfile`, in `asyncio/base_events.py` and `asyncio/selector_events.py`, which does not refuse to write while it
/// copies. A closed transport is a `RuntimeError` there.
#[track_caller]
pub fn sendfile<'a>(transport: &'a Transport, file: &'a File, offset: u64, count: Option<u64>) -> Sendfile<'a> {
    Sendfile { transport, file, offset, count, fallback: true, location: Location::caller() }
}

/// Sends a part of a file when it is awaited: see [`sendfile`].
#[must_use = "nothing is sent before it is awaited"]
pub struct Sendfile<'a> {
    transport: &'a Transport,
    file: &'a File,
    offset: u64,
    count: Option<u64>,
    fallback: bool,
    location: &'static Location<'static>,
}

impl<'a> Sendfile<'a> {
    /// Whether to read and write where the system call is not available. The default is `true`.
    pub fn fallback(mut self, fallback: bool) -> Self {
        self.fallback = fallback;
        self
    }

    async fn send(self) -> io::Result<u64> {
        let mut part = Part::new(self.file, self.offset, self.count)?;
        let _sending = Sending::begin(self.transport)?;
        part.always = true;
        let unavailable = match self.native(&mut part).await {
            Ok(()) => return Ok(part.sent),
            Err(Failure::Io(error)) => return Err(error),
            Err(Failure::Unavailable(error)) => error,
        };
        if !self.fallback {
            part.always = false;
            return Err(not_available(unavailable));
        }
        self.copy(&mut part).await?;
        Ok(part.sent)
    }

    async fn native(&self, part: &mut Part<'a>) -> Result<(), Failure> {
        let Some(connection) = self.transport.as_plain() else {
            let message = "what goes through TLS is encrypted first";
            return Err(Failure::Unavailable(io::Error::new(io::ErrorKind::Unsupported, message)));
        };
        self.flushed().await.map_err(Failure::Io)?;
        part.send_natively(|file, from, wanted| {
            self.until_ready(move |cx| connection.poll_sendfile(cx, file, from, wanted))
        })
        .await
    }

    async fn copy(&self, part: &mut Part<'a>) -> io::Result<()> {
        part.copy(BLOCK, async |block: &[u8]| {
            self.flushed().await?;
            self.transport.write_of_file(block);
            Ok(())
        })
        .await
    }

    /// Waits until the transport's buffer is empty. An error if the connection is closed.
    async fn flushed(&self) -> io::Result<()> {
        self.until_ready(|cx| self.transport.poll_flushed(cx)).await;
        if self.transport.is_closing() { Err(lost_meanwhile()) } else { Ok(()) }
    }

    async fn until_ready<T>(&self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        poll_fn(|cx| {
            let polled = poll(cx);
            if polled.is_pending() {
                report_wait(&SENDFILE, Some(self.location));
            }
            polled
        })
        .await
    }
}

impl<'a> IntoFuture for Sendfile<'a> {
    type Output = io::Result<u64>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<u64>> + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl fmt::Debug for Sendfile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sendfile")
            .field("transport", &self.transport)
            .field("file", &self.file)
            .field("offset", &self.offset)
            .field("count", &self.count)
            .field("fallback", &self.fallback)
            .finish_non_exhaustive()
    }
}

/// A transport that a file is sent over: it does not read, and nothing else is written.
struct Sending<'a> {
    transport: &'a Transport,
    was_reading: bool,
}

impl<'a> Sending<'a> {
    fn begin(transport: &'a Transport) -> io::Result<Self> {
        let not_connected = |message: &str| Err(io::Error::new(io::ErrorKind::NotConnected, message));
        if transport.is_closing() {
            return not_connected("a file cannot be sent: the connection is closed");
        }
        if transport.has_write_ended() {
            return not_connected("a file cannot be sent: the connection was closed for writing");
        }
        if transport.is_pipe() {
            let message = "a file can be sent over a socket only, and this transport is that of a pipe";
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        transport.check_not_busy()?;
        let was_reading = transport.is_reading();
        transport.pause_reading();
        transport.set_sending_file(true);
        Ok(Self { transport, was_reading })
    }
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.transport.set_sending_file(false);
        if self.was_reading {
            self.transport.resume_reading();
        }
    }
}

/// The connection was closed, by whichever end.
pub(crate) fn lost_meanwhile() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "the connection was closed while a file was sent")
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{Read, Seek};

    use asyncio_event_loop::{run, to_thread};

    use super::*;
    use crate::protocol::Protocol;

    struct Nothing;

    impl Protocol for Nothing {}

    fn file(data: &[u8]) -> File {
        let path =
            std::env::temp_dir().join(format!("asyncio-net-{}-over-transport-{}", std::process::id(), data.len()));
        std::fs::write(&path, data).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file
    }

    /// Copies, as if the system call were not available.
    async fn copy(transport: &Transport, file: &File, offset: u64, count: Option<u64>) -> io::Result<u64> {
        let call = sendfile(transport, file, offset, count);
        let mut part = Part::new(file, offset, count)?;
        let _sending = Sending::begin(transport)?;
        part.always = true;
        call.copy(&mut part).await?;
        Ok(part.sent)
    }

    #[test]
    fn copying_gives_the_same_as_the_system_call() {
        let data: Vec<u8> = (0..1_000_001_u32).map(|n| n.to_le_bytes()[1]).collect();
        let mut file = file(&data);
        for (offset, count) in [(0, None), (3, Some(600_000)), (1_000_000, Some(5)), (2_000_000, None)] {
            run(async {
                let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
                let (transport, _) = crate::create_connection(|| Nothing, near).await.unwrap();
                let receiver = std::thread::spawn(move || {
                    let mut all = Vec::new();
                    far.read_to_end(&mut all).map(|_| all)
                });
                let sent = copy(&transport, &file, offset as u64, count.map(|count| count as u64)).await.unwrap();
                transport.close();
                let received = to_thread(move || receiver.join().unwrap().unwrap()).await;
                let begin = offset.min(data.len());
                let end = count.map_or(data.len(), |count| (begin + count).min(data.len()));
                assert!(received == data[begin..end]);
                assert_eq!(sent, (end - begin) as u64);
                assert_eq!(file.stream_position().unwrap(), offset as u64 + sent);
            });
        }
    }

    #[test]
    fn copying_to_an_end_that_closes_in_the_middle_shows_the_progress_in_the_position() {
        let mut file = file(&vec![7; 5_000_002]);
        run(async {
            let (near, mut far) = std::os::unix::net::UnixStream::pair().unwrap();
            let (transport, _) = crate::create_connection(|| Nothing, near).await.unwrap();
            let receiver = std::thread::spawn(move || far.read_exact(&mut [0; 100_000]));
            let error = copy(&transport, &file, 2, None).await.unwrap_err();
            receiver.join().unwrap().unwrap();
            assert!(matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset), "{error}");
            let position = file.stream_position().unwrap();
            assert!((100_002..5_000_002).contains(&position), "{position}");
            assert!(transport.is_closing());
        });
    }
}
