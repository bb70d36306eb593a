//! `sock_sendfile`: a file over a socket, by the system call that does that, or else by reading and sending.
//!
//! The same over a transport is in `sendfile/over_transport.rs`.

mod over_transport;

use std::error::Error;
use std::fmt;
use std::fs::File;
use std::future::Future;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;

use asyncio_context::WaitKind;
use asyncio_event_loop::{EventLoop, to_thread};
use asyncio_executor::yield_now;
use socket2::{SockRef, Type};

use crate::sock::{AsSocket, Attempt, Direction, LoopSockets, Operation};
use crate::sys;

pub(crate) use over_transport::lost_meanwhile;
pub use over_transport::{Sendfile, sendfile};

static SENDFILE: WaitKind = WaitKind::new("sock_sendfile");

/// How much is read at a time when the system call is not available. CPython's number: less costs more hops between
/// threads, more costs memory and lets the socket idle.
const BLOCK: usize = 256 * 1024;

/// How much one system call may send. After each, everything else in the loop gets its turn; a fast receiver would
/// otherwise keep the loop from it for as long as the file lasts. It takes some tenths of a millisecond.
const SLICE: u64 = 1024 * 1024;

/// The system call cannot send this file over this socket, and copying was not wanted.
///
/// It is inside of an `io::Error` of the kind `Unsupported`, and its source says why.
///
/// # In Python
///
/// `asyncio.SendfileNotAvailableError`.
#[derive(Debug)]
pub struct SendfileNotAvailableError(io::Error);

impl fmt::Display for SendfileNotAvailableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sendfile is not available for this file and connection: {}", self.0)
    }
}

impl Error for SendfileNotAvailableError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Sends a part of a file when it is awaited: see [`LoopSockets::sock_sendfile`].
///
/// On Linux it uses `sendfile`, which copies inside of the system. Where that is not available, because of the platform
/// or because the file is none that it takes, the file is read on a thread of the loop's pool and sent from there.
///
/// When it has ended, in whatever way, the position of the file is behind the last byte that was sent; it has not moved if
/// none was. A process that wants to survive the other side closing must ignore SIGPIPE, as the standard library does.
///
/// # Cancel safety
///
/// It stops where it is, and the position of the file tells where.
///
/// # Errors
///
/// `InvalidInput` for a socket that is no stream, and for a `count` of zero. Without fallback, a
/// [`SendfileNotAvailableError`], and then nothing was sent. Else the platform's.
///
/// # Panics
///
/// When copying is needed and the loop is not the running one.
///
/// # Examples
///
/// ```
/// use asyncio_event_loop::{get_running_loop, run};
/// use asyncio_net::{LoopSockets, Socket};
/// use std::os::unix::net::UnixStream;
///
/// run(async {
///     let (near, far) = UnixStream::pair()?;
///     let (near, far) = (Socket::new(near)?, Socket::new(far)?);
///     let this = get_running_loop();
///     let file = std::fs::File::open("Cargo.toml")?;
///     assert_eq!(this.sock_sendfile(&near, &file, 1, Some(7)).await?, 7);
///     assert_eq!(this.sock_recv(&far, 100).await?, b"package");
///     Ok::<_, std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # In Python
///
/// `loop.sock_sendfile`, in `asyncio/base_events.py` and `asyncio/unix_events.py`.
#[must_use = "nothing is sent before it is awaited"]
pub struct SockSendfile<'a, S: ?Sized> {
    this: &'a EventLoop,
    socket: &'a S,
    file: &'a File,
    offset: u64,
    count: Option<u64>,
    fallback: bool,
    location: &'static Location<'static>,
}

impl<'a, S: AsSocket + ?Sized> SockSendfile<'a, S> {
    pub(crate) fn new(
        this: &'a EventLoop,
        socket: &'a S,
        file: &'a File,
        offset: u64,
        count: Option<u64>,
        location: &'static Location<'static>,
    ) -> Self {
        Self { this, socket, file, offset, count, fallback: true, location }
    }

    /// Whether to read and send where the system call is not available. The default is `true`.
    pub fn fallback(mut self, fallback: bool) -> Self {
        self.fallback = fallback;
        self
    }

    async fn send(self) -> io::Result<u64> {
        if SockRef::from(&self.socket.descriptor()).r#type()? != Type::STREAM {
            return Err(invalid("a file can be sent over a stream socket only"));
        }
        let mut part = Part::new(self.file, self.offset, self.count)?;
        let unavailable = match self.native(&mut part).await {
            Ok(()) => return Ok(part.sent),
            Err(Failure::Io(error)) => return Err(error),
            Err(Failure::Unavailable(error)) => error,
        };
        if !self.fallback {
            return Err(not_available(unavailable));
        }
        self.copy(&mut part).await?;
        Ok(part.sent)
    }

    async fn native(&self, part: &mut Part<'_>) -> Result<(), Failure> {
        part.send_natively(|file, from, wanted| {
            let call = move |attempt: Attempt<'_>| sys::sendfile(attempt.fd(), file, from, wanted);
            Operation::new(self.this, self.socket, Direction::Write, &SENDFILE, self.location, call)
        })
        .await
    }

    async fn copy(&self, part: &mut Part<'_>) -> io::Result<()> {
        part.copy(BLOCK, async |block: &[u8]| self.this.sock_sendall(self.socket, block).await).await
    }
}

impl<'a, S: AsSocket + ?Sized> IntoFuture for SockSendfile<'a, S> {
    type Output = io::Result<u64>;
    type IntoFuture = Pin<Box<dyn Future<Output = io::Result<u64>> + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl<S: ?Sized> fmt::Debug for SockSendfile<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SockSendfile")
            .field("file", &self.file)
            .field("offset", &self.offset)
            .field("count", &self.count)
            .field("fallback", &self.fallback)
            .finish_non_exhaustive()
    }
}

enum Failure {
    /// Nothing was sent, and copying may do it.
    Unavailable(io::Error),
    Io(io::Error),
}

/// What is sent of a file, and how far that got. Puts the file there when it is dropped.
struct Part<'a> {
    file: &'a File,
    offset: u64,
    count: Option<u64>,
    sent: u64,
    seeks: bool,
    /// The file is put there even if nothing was sent.
    always: bool,
}

impl<'a> Part<'a> {
    fn new(file: &'a File, offset: u64, count: Option<u64>) -> io::Result<Self> {
        if count == Some(0) {
            return Err(invalid("the number of bytes to send is 0; it must be positive, or `None` for all"));
        }
        Ok(Self { file, offset, count, sent: 0, seeks: true, always: false })
    }

    /// Where the next byte is.
    fn at(&self) -> u64 {
        self.offset.saturating_add(self.sent)
    }

    /// How much is still wanted, if that is less than `most`.
    fn wanted(&self, most: u64) -> usize {
        self.count.map_or(most, |count| (count - self.sent).min(most)) as usize
    }

    /// Has `send` called with an offset and a length until all is sent.
    async fn send_natively<F: Future<Output = io::Result<usize>>>(
        &mut self,
        mut send: impl FnMut(&'a File, u64, usize) -> F,
    ) -> Result<(), Failure> {
        loop {
            let wanted = self.wanted(SLICE);
            if wanted == 0 {
                return Ok(());
            }
            match send(self.file, self.at(), wanted).await {
                Ok(0) => return Ok(()),
                Ok(sent) => self.sent += sent as u64,
                // As in Python: whatever is the matter with the first call, copying finds it out or does without.
                Err(error) if self.sent == 0 && is_refusal(&error) => {
                    return Err(Failure::Unavailable(error));
                }
                Err(error) => return Err(Failure::Io(error)),
            }
            yield_now().await;
        }
    }

    /// Reads blocks on a thread, and sends each before the next is.
    async fn copy(&mut self, most: usize, mut send: impl AsyncFnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let file = Arc::new(self.file.try_clone()?);
        // A pipe or a terminal has no offset: it is read from where it is.
        self.seeks = (&*file).stream_position().is_ok();
        if !self.seeks && self.offset > 0 {
            return Err(invalid("a file that cannot seek can be sent from offset 0 only"));
        }
        let mut block = Vec::new();
        loop {
            let wanted = self.wanted(most as u64);
            if wanted == 0 {
                return Ok(());
            }
            block.resize(wanted, 0);
            let (file, at, seeks) = (file.clone(), self.at(), self.seeks);
            let result;
            (block, result) = to_thread(move || {
                let result = read_block(&file, &mut block, at, seeks);
                (block, result)
            })
            .await;
            let read = result?;
            if read == 0 {
                return Ok(());
            }
            send(&block[..read]).await?;
            self.sent += read as u64;
        }
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        if self.seeks && (self.always || self.sent > 0) {
            let mut file = self.file;
            // It was read from, so it is open; there is nobody to tell otherwise.
            let _ = file.seek(SeekFrom::Start(self.at()));
        }
    }
}

/// Whether the system said no, or there is no such call.
fn is_refusal(error: &io::Error) -> bool {
    error.raw_os_error().is_some() || error.kind() == io::ErrorKind::Unsupported
}

fn read_block(mut file: &File, block: &mut [u8], at: u64, seeks: bool) -> io::Result<usize> {
    loop {
        let read = if seeks { sys::read_at(file, block, at) } else { file.read(block) };
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

fn not_available(why: io::Error) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, SendfileNotAvailableError(why))
}

fn invalid(message: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use asyncio_event_loop::{get_running_loop, run};
    use asyncio_executor::create_task;
    use futures_util::join;

    use super::*;
    use crate::sock::Socket;

    fn file(data: &[u8]) -> File {
        let name = format!("asyncio-net-{}-{}", std::process::id(), data.len());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, data).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file
    }

    fn sockets() -> (Socket<OwnedFd>, Socket<OwnedFd>) {
        let (near, far) = UnixStream::pair().unwrap();
        (Socket::new(near.into()).unwrap(), Socket::new(far.into()).unwrap())
    }

    /// Copies, as if the system call were not available.
    async fn copy(socket: &Socket<OwnedFd>, file: &File, offset: u64, count: Option<u64>) -> io::Result<u64> {
        let this = get_running_loop();
        let call = SockSendfile::new(&this, socket, file, offset, count, Location::caller());
        let mut part = Part::new(file, offset, count)?;
        call.copy(&mut part).await?;
        Ok(part.sent)
    }

    async fn receive_all(socket: &Socket<OwnedFd>) -> Vec<u8> {
        let this = get_running_loop();
        let mut all = Vec::new();
        loop {
            let data = this.sock_recv(socket, 64 * 1024).await.unwrap();
            if data.is_empty() {
                return all;
            }
            all.extend(data);
        }
    }

    #[test]
    fn copying_gives_the_same_as_the_system_call() {
        let data: Vec<u8> = (0..1_000_001_u32).map(|n| n.to_le_bytes()[1]).collect();
        let mut file = file(&data);
        for (offset, count) in [(0, None), (3, None), (3, Some(600_000)), (1_000_000, Some(5)), (2_000_000, None)] {
            file.seek(SeekFrom::Start(1)).unwrap();
            let (sent, received) = run(async {
                let (near, far) = sockets();
                let send = async {
                    let near = near;
                    copy(&near, &file, offset as u64, count.map(|count| count as u64)).await.unwrap()
                };
                join!(send, receive_all(&far))
            });
            let begin = offset.min(data.len());
            let end = count.map_or(data.len(), |count| (begin + count).min(data.len()));
            assert!(received == data[begin..end]);
            assert_eq!(sent, (end - begin) as u64);
            let position = file.stream_position().unwrap();
            assert_eq!(position, if sent == 0 { 1 } else { end as u64 });
        }
    }

    #[test]
    fn copying_that_is_cancelled_shows_in_the_position_what_was_sent_in_whole_blocks() {
        let mut file = file(&vec![7; 3_000_002]);
        run(async {
            let this = get_running_loop();
            let (near, far) = sockets();
            let sender = file.try_clone().unwrap();
            let task = create_task(async move { copy(&near, &sender, 2, None).await });
            let mut received = 0;
            while received < 2 * BLOCK {
                received += this.sock_recv(&far, 64 * 1024).await.unwrap().len();
            }
            task.cancel();
            while !task.done() {
                yield_now().await;
            }
            received += receive_all(&far).await.len();
            let position = file.stream_position().unwrap() as usize - 2;
            assert!(position.is_multiple_of(BLOCK) && position > 0 && position <= received, "{position} of {received}");
        });
    }
}
