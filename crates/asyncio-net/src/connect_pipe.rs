//! `connect_read_pipe` and `connect_write_pipe`, and the same as streams: `open_read_pipe`, `open_write_pipe`, and the
//! process's own standard streams.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;

use asyncio_event_loop::{IoHandler, get_running_loop};

use crate::between::Between;
use crate::connection::{Direction, Io};
use crate::create_connection::Connecting;
use crate::pipe::Pipe;
use crate::protocol::Protocol;
use crate::stream::{LIMIT, check};
use crate::stream_reader::StreamReader;
use crate::stream_state::{State, StreamProtocol};
use crate::stream_writer::StreamWriter;

#[cfg(test)]
mod tests;

/// Reads from a pipe, and makes the protocol of it with `factory`.
///
/// `pipe` is the reading end of a pipe, a socket, or a character device such as a terminal, which is taken over: it is put
/// into nonblocking mode, and closed with the transport. When the other end is closed, the protocol gets `eof_received`,
/// whose answer means nothing here, and `connection_lost`. The transport cannot write.
///
/// The mode belongs to what was opened, and is seen by all who share it. For the standard streams there is [`stdin`].
///
/// # Cancel safety
///
/// Dropping it closes the pipe.
///
/// # Errors
///
/// `InvalidInput` when it is something else: read an ordinary file in a thread, or through `Command::stdin`.
///
/// # Panics
///
/// When it is awaited without a running event loop.
///
/// # Examples
///
/// ```
/// use asyncio_net::{Protocol, connect_read_pipe};
/// use std::cell::RefCell;
/// use std::io::Write;
///
/// struct Collect(RefCell<Vec<u8>>, asyncio::Future<()>);
///
/// impl Protocol for Collect {
///     fn data_received(&self, data: &[u8]) {
///         self.0.borrow_mut().extend_from_slice(data);
///     }
///     fn connection_lost(&self, _error: Option<std::io::Error>) {
///         self.1.set_result(()).unwrap();
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// asyncio::run(async {
///     let (read, mut write) = std::io::pipe()?;
///     let factory = || Collect(RefCell::default(), asyncio::Future::new());
///     let (_transport, protocol) = connect_read_pipe(factory, read).await?;
///     write.write_all(b"through the pipe")?;
///     drop(write);
///     protocol.1.clone().await;
///     assert_eq!(*protocol.0.borrow(), b"through the pipe");
///     Ok(())
/// })
/// # }
/// ```
///
/// # In Python
///
/// `loop.connect_read_pipe`, in `asyncio/base_events.py` and `asyncio/unix_events.py`.
pub fn connect_read_pipe<F, P>(factory: F, pipe: impl Into<OwnedFd>) -> Connecting<F, P>
where
    F: FnOnce() -> P,
    P: Protocol + 'static,
{
    Source::Given(pipe.into()).connect(Direction::Read, factory)
}

/// Writes to a pipe, and makes the protocol of it with `factory`.
///
/// `pipe` is the writing end of a pipe, a socket, or a character device, which is taken over: it is put into nonblocking
/// mode, and closed with the transport. `write_eof` and `close` are the same: what is buffered is written, then the pipe is
/// closed. When the reader goes away, the protocol gets `connection_lost` at once, without a write: with `BrokenPipe` if
/// something was buffered. What is written after the close is dropped.
///
/// # Cancel safety
///
/// Dropping it closes the pipe.
///
/// # Errors
///
/// `InvalidInput` when it is something else.
///
/// # Panics
///
/// When it is awaited without a running event loop.
///
/// # In Python
///
/// `loop.connect_write_pipe`, in `asyncio/base_events.py` and `asyncio/unix_events.py`.
pub fn connect_write_pipe<F, P>(factory: F, pipe: impl Into<OwnedFd>) -> Connecting<F, P>
where
    F: FnOnce() -> P,
    P: Protocol + 'static,
{
    Source::Given(pipe.into()).connect(Direction::Write, factory)
}

/// Where a pipe comes from.
#[derive(Debug)]
enum Source {
    Given(OwnedFd),
    /// It stays open, and in its mode.
    Shared(BorrowedFd<'static>),
    /// As `Shared`, where it cannot be opened anew.
    #[cfg(test)]
    Asked(BorrowedFd<'static>),
}

impl Source {
    fn connect<F, P>(self, direction: Direction, factory: F) -> Connecting<F, P> {
        Connecting::new(factory, async move { Ok((self.register(direction)?, None, Between::default())) })
    }

    fn register(self, direction: Direction) -> io::Result<Io> {
        let pipe = match self {
            Self::Given(fd) => Pipe::new(fd),
            Self::Shared(fd) => Pipe::shared(fd, direction),
            #[cfg(test)]
            Self::Asked(fd) => Pipe::asked(fd),
        };
        Io::register_pipe(&get_running_loop(), pipe?, direction, Rc::new(NotYet))
    }
}

/// Is told nothing: the connection is its own handler, and takes over in the same turn.
struct NotYet;

impl IoHandler for NotYet {
    fn ready(self: Rc<Self>, _: bool, _: bool) {}
}

/// Reads a pipe as a stream.
///
/// What it returns is awaited, after its options were set. The rest is as in [`connect_read_pipe`]. Dropping the reader
/// closes the pipe, which the other end notices as `BrokenPipe`; [`StreamReader::discard`] does not.
///
/// # Examples
///
/// ```
/// use asyncio_net::{open_read_pipe, open_write_pipe};
///
/// # fn main() -> std::io::Result<()> {
/// asyncio::run(async {
///     let (read, write) = std::io::pipe()?;
///     let mut reader = open_read_pipe(read).await?;
///     let writer = open_write_pipe(write).await?;
///     writer.write("one\ntwo\n");
///     drop(writer);
///     assert_eq!(reader.readline().await?, b"one\n");
///     assert_eq!(reader.read_to_end().await?, b"two\n");
///     Ok(())
/// })
/// # }
/// ```
///
/// # In Python
///
/// `loop.connect_read_pipe` with a `StreamReaderProtocol`, in `asyncio/streams.py`.
pub fn open_read_pipe(pipe: impl Into<OwnedFd>) -> OpenReadPipe {
    OpenReadPipe { source: Source::Given(pipe.into()), limit: LIMIT }
}

/// Writes to a pipe as a stream.
///
/// What it returns is awaited. The rest is as in [`connect_write_pipe`]. Dropping the last handle of the writer closes the
/// pipe, when everything is written.
///
/// # Examples
///
/// See [`open_read_pipe`].
///
/// # In Python
///
/// `loop.connect_write_pipe` with a `StreamWriter`, in `asyncio/streams.py`.
pub fn open_write_pipe(pipe: impl Into<OwnedFd>) -> OpenWritePipe {
    OpenWritePipe { source: Source::Given(pipe.into()) }
}

/// Reads the process's standard input as a stream, whatever it is: a terminal, a pipe, a socket, an ordinary file, the null
/// device.
///
/// What it returns is awaited, after its options were set. Nothing is read before that; from then on the reader takes what
/// comes, up to twice its limit, also if nobody asks. Dropping it leaves standard input open, and what it had taken is
/// lost. So make one, and read neither through another nor through [`std::io::stdin`] beside it.
///
/// No thread waits for input, so a program that has enough ends at once. The mode of what was opened, which is shared with
/// the shell and with other programs, stays as it is: on Linux, a pipe or terminal is opened anew. Where that cannot be,
/// each read asks first whether it would block; a program that reads the same pipe at the same time may then take the data
/// in between, and the loop waits for more. An ordinary file is read on the loop's thread.
///
/// # Errors
///
/// The platform's: mostly that standard input is closed.
///
/// # Panics
///
/// When it is awaited without a running event loop.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// asyncio::run(async {
///     let mut input = asyncio_net::stdin().await?;
///     while let Some(line) = input.lines().next().await {
///         println!("{} bytes", line?.len());
///     }
///     Ok(())
/// })
/// # }
/// ```
///
/// # In Python
///
/// `loop.connect_read_pipe(factory, sys.stdin)`, which changes the mode for everybody, and takes no file.
pub fn stdin() -> OpenReadPipe {
    OpenReadPipe { source: Source::Shared(rustix::stdio::stdin()), limit: LIMIT }
}

/// Writes to the process's standard output as a stream, whatever it is.
///
/// What it returns is awaited. A write goes out at once, past the buffer of `print!`; what the other end does not take is
/// buffered, and lost if the program ends before it is written: `close` and
/// [`wait_closed`](StreamWriter::wait_closed) wait for that. Closing it leaves standard output open. The rest is as in
/// [`stdin`].
///
/// # Errors
///
/// The platform's.
///
/// # Panics
///
/// When it is awaited without a running event loop.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// asyncio::run(async {
///     let output = asyncio_net::stdout().await?;
///     output.write("as much as the terminal takes\n");
///     output.drain().await?;
///     output.close();
///     output.wait_closed().await
/// })
/// # }
/// ```
///
/// # In Python
///
/// `loop.connect_write_pipe(factory, sys.stdout)`, which changes the mode for everybody, and takes no file.
pub fn stdout() -> OpenWritePipe {
    OpenWritePipe { source: Source::Shared(rustix::stdio::stdout()) }
}

/// Writes to the process's standard error as a stream: see [`stdout`].
///
/// # Errors
///
/// The platform's.
///
/// # Panics
///
/// When it is awaited without a running event loop.
///
/// # In Python
///
/// `loop.connect_write_pipe(factory, sys.stderr)`.
pub fn stderr() -> OpenWritePipe {
    OpenWritePipe { source: Source::Shared(rustix::stdio::stderr()) }
}

/// How a pipe is to be read: see [`open_read_pipe`] and [`stdin`].
#[derive(Debug)]
#[must_use = "nothing is done before it is awaited"]
pub struct OpenReadPipe {
    source: Source,
    limit: usize,
}

impl OpenReadPipe {
    /// The limit of the reader in bytes: see [`StreamReader`].
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = check(limit);
        self
    }
}

type Opening<T> = Pin<Box<dyn Future<Output = io::Result<T>>>>;

impl IntoFuture for OpenReadPipe {
    type Output = io::Result<StreamReader>;
    type IntoFuture = Opening<StreamReader>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let state = State::of_reader(self.limit);
            let protocol = StreamProtocol::new(state.clone(), None);
            let _ = self.source.connect(Direction::Read, || protocol).await?;
            Ok(StreamReader::new(state))
        })
    }
}

/// How a pipe is to be written to: see [`open_write_pipe`] and [`stdout`].
#[derive(Debug)]
#[must_use = "nothing is done before it is awaited"]
pub struct OpenWritePipe {
    source: Source,
}

impl IntoFuture for OpenWritePipe {
    type Output = io::Result<StreamWriter>;
    type IntoFuture = Opening<StreamWriter>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let state = State::new(LIMIT);
            let protocol = StreamProtocol::new(state.clone(), None);
            let (transport, _) = self.source.connect(Direction::Write, || protocol).await?;
            Ok(StreamWriter::new(state, transport))
        })
    }
}
