//! The end of a pipe, or what a program was given in place of one: how it is read and written without blocking.
//!
//! | what | how | why |
//! |---|---|---|
//! | a pipe or device of our own | nonblocking mode | it belongs to us |
//! | a socket | a flag of each call | as good, and no signal comes of a peer that is gone |
//! | a standard stream that is a pipe or terminal | opened anew, nonblocking | other processes share what was opened first |
//! | … where that cannot be | asked before each call | so that the call does not block |
//! | a file | as it is | it never waits for long, and cannot be waited for |
//!
//! The mode belongs to what was opened, not to the descriptor: a shell, and the other programs of a pipeline, have the same
//! terminal in hand, and would find their own calls failing.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::FileType;
use rustix::net::{RecvFlags, SendFlags};

use crate::connection::Direction;
use crate::sys::SEND_FLAGS;

/// How much is written at a time to what would block if it took more: POSIX promises that a pipe that has room at all has
/// it for this much. Larger saves system calls and may block.
const ASKED_WRITE: usize = 512;

pub(crate) struct Pipe {
    fd: OwnedFd,
    way: Way,
    /// A read that gave less than there was room for has taken everything.
    short_is_all: bool,
}

enum Way {
    /// In nonblocking mode, or never blocks.
    Plain,
    /// A socket, in whatever mode.
    Socket,
    /// In blocking mode: it is asked first.
    Asked,
}

impl Pipe {
    /// Takes a descriptor over, and puts it into nonblocking mode.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        let kind = kind(fd.as_fd())?;
        let way = match kind {
            FileType::Socket => Way::Socket,
            FileType::Fifo | FileType::CharacterDevice => Way::Plain,
            kind => {
                let message = format!(
                    "descriptor {} is {}: it must be a pipe, a socket or a character device",
                    fd.as_raw_fd(),
                    name(kind)
                );
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        };
        rustix::io::ioctl_fionbio(&fd, true)?;
        let short_is_all = kind == FileType::Fifo && !is_packeted(fd.as_fd());
        Ok(Self { fd, way, short_is_all })
    }

    /// Another handle of a descriptor that stays open and in its mode, as the standard streams must.
    pub(crate) fn shared(fd: BorrowedFd<'_>, direction: Direction) -> io::Result<Self> {
        let kind = kind(fd)?;
        let way = match kind {
            FileType::Socket => Way::Socket,
            FileType::Fifo | FileType::CharacterDevice => {
                if let Some(fd) = reopened(fd, direction) {
                    let short_is_all = kind == FileType::Fifo && !is_packeted(fd.as_fd());
                    return Ok(Self { fd, way: Way::Plain, short_is_all });
                }
                return Self::asked(fd);
            }
            _ => Way::Plain,
        };
        Ok(Self { fd: fd.try_clone_to_owned()?, way, short_is_all: false })
    }

    /// As `shared`, for what cannot be opened anew.
    pub(crate) fn asked(fd: BorrowedFd<'_>) -> io::Result<Self> {
        Ok(Self { fd: fd.try_clone_to_owned()?, way: Way::Asked, short_is_all: false })
    }

    pub(crate) fn is_empty_after_short_read(&self) -> bool {
        self.short_is_all
    }

    pub(crate) fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.way {
            Way::Plain => Ok(rustix::io::read(&self.fd, buffer)?),
            Way::Socket => Ok(rustix::net::recv(&self.fd, buffer, RecvFlags::DONTWAIT)?.0),
            Way::Asked => {
                self.ask(PollFlags::IN)?;
                Ok(rustix::io::read(&self.fd, buffer)?)
            }
        }
    }

    /// Writes as much as there is room for.
    pub(crate) fn write(&self, data: &[u8]) -> io::Result<usize> {
        match self.way {
            Way::Plain => Ok(rustix::io::write(&self.fd, data)?),
            Way::Socket => {
                let flags = SendFlags::from_bits_retain(SEND_FLAGS.cast_unsigned()) | SendFlags::DONTWAIT;
                Ok(rustix::net::send(&self.fd, data, flags)?)
            }
            Way::Asked => all_of(data.chunks(ASKED_WRITE), |chunk| {
                self.ask(PollFlags::OUT)?;
                Ok(rustix::io::write(&self.fd, chunk)?)
            }),
        }
    }

    pub(crate) fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.way {
            Way::Plain => Ok(rustix::io::writev(&self.fd, slices)?),
            Way::Socket | Way::Asked => all_of(slices.iter().map(|slice| &**slice), |slice| self.write(slice)),
        }
    }

    /// `WouldBlock` unless it is ready. An end or an error counts as ready.
    fn ask(&self, flags: PollFlags) -> io::Result<()> {
        if self.poll(flags)?.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    }

    fn poll(&self, flags: PollFlags) -> io::Result<PollFlags> {
        let mut asked = [PollFd::new(&self.fd, flags)];
        rustix::event::poll(&mut asked, Some(&rustix::event::Timespec::default()))?;
        Ok(asked[0].revents())
    }

    /// Whether nobody reads any more what is written here.
    pub(crate) fn has_hung_up(&self) -> bool {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let asked = PollFlags::RDHUP;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let asked = PollFlags::empty();
        // Nothing is known if it cannot be asked, and a write will tell.
        self.poll(asked).is_ok_and(|told| told.intersects(PollFlags::ERR | PollFlags::HUP | asked))
    }
}

impl AsFd for Pipe {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Writes piece by piece until one does not go in whole. An error counts if it comes first; else the next write finds it.
fn all_of<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    mut write: impl FnMut(&[u8]) -> io::Result<usize>,
) -> io::Result<usize> {
    let mut written = 0;
    for piece in pieces {
        match write(piece) {
            Ok(count) => {
                written += count;
                if count < piece.len() {
                    break;
                }
            }
            Err(error) if written == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(written)
}

fn kind(fd: BorrowedFd<'_>) -> io::Result<FileType> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(fd)?.st_mode))
}

fn name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a regular file",
        FileType::Directory => "a directory",
        FileType::BlockDevice => "a block device",
        _ => "of an unknown kind",
    }
}

/// Whether each read gives one write, however much room there is.
fn is_packeted(fd: BorrowedFd<'_>) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return rustix::fs::fcntl_getfl(fd).is_ok_and(|flags| flags.contains(rustix::fs::OFlags::DIRECT));
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = fd;
        false
    }
}

/// Opens a pipe or terminal anew, in nonblocking mode. `None`: that cannot be had.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn reopened(fd: BorrowedFd<'_>, direction: Direction) -> Option<OwnedFd> {
    use rustix::fs::{Mode, OFlags};
    use std::io::IsTerminal;

    let stat = rustix::fs::fstat(fd).ok()?;
    // The master of a terminal counts as one, but opening it anew would make another terminal.
    let is_master = (rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)) == (5, 2);
    // To open other devices may do something of its own.
    if is_master || !(FileType::from_raw_mode(stat.st_mode) == FileType::Fifo || fd.is_terminal()) {
        return None;
    }
    let access = if direction == Direction::Read { OFlags::RDONLY } else { OFlags::WRONLY };
    let flags = access | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    // It fails where `/proc` is not mounted, for the terminal of another user, and for a pipe without a reader.
    rustix::fs::open(format!("/proc/self/fd/{}", fd.as_raw_fd()), flags, Mode::empty()).ok()
}

/// Elsewhere, `/dev/fd` gives the same opening again, with its mode.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn reopened(_: BorrowedFd<'_>, _: Direction) -> Option<OwnedFd> {
    None
}
