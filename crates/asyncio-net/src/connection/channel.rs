//! What a connection reads from and writes to: a registered socket or pipe.

use std::fs::File;
use std::io::{self, IoSlice, Read};
use std::rc::Rc;

use asyncio_event_loop::{EventLoop, IoHandler, IoRegistration};
use asyncio_reactor::AsDescriptor;
use socket2::{SockRef, Socket};

#[cfg(unix)]
use crate::pipe::Pipe;
use crate::sys;

/// Which ways a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// A connected socket.
    Both,
    /// The reading end of a pipe.
    Read,
    /// The writing end of a pipe.
    Write,
}

/// A registered socket or pipe. The registration comes first: it ends before the descriptor is closed.
pub(crate) struct Io {
    pub(super) registration: IoRegistration,
    channel: Channel,
    pub(super) direction: Direction,
}

enum Channel {
    Socket(Socket),
    #[cfg(unix)]
    Pipe(Pipe),
}

impl Io {
    /// Registers a socket for a handler that is set by who takes it over.
    pub(crate) fn register(this: &EventLoop, socket: Socket, handler: Rc<dyn IoHandler>) -> io::Result<Self> {
        let registration = this.register_io(&socket, handler)?;
        Ok(Self { registration, channel: Channel::Socket(socket), direction: Direction::Both })
    }

    /// Registers a pipe. What the platform cannot wait for is always ready, if it is of a kind that never waits.
    #[cfg(unix)]
    pub(crate) fn register_pipe(
        this: &EventLoop,
        pipe: Pipe,
        direction: Direction,
        handler: Rc<dyn IoHandler>,
    ) -> io::Result<Self> {
        let registration = match this.register_io(&pipe, handler.clone()) {
            // What `epoll` says of ordinary files, and of devices such as the null device.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => this.register_always_ready(handler),
            registration => registration?,
        };
        Ok(Self { registration, channel: Channel::Pipe(pipe), direction })
    }

    /// The descriptor as a socket, which a pipe need not be: to ask it.
    pub(crate) fn socket(&self) -> SockRef<'_> {
        match &self.channel {
            Channel::Socket(socket) => SockRef::from(socket),
            #[cfg(unix)]
            Channel::Pipe(pipe) => SockRef::from(pipe),
        }
    }

    /// Whether the reader of a pipe that is written to is gone.
    pub(super) fn has_hung_up(&self) -> bool {
        match &self.channel {
            Channel::Socket(_) => false,
            #[cfg(unix)]
            Channel::Pipe(pipe) => pipe.has_hung_up(),
        }
    }

    /// Reads once. `None`: nothing, for now.
    pub(super) fn read(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let short_is_all = match &self.channel {
            Channel::Socket(_) => true,
            #[cfg(unix)]
            Channel::Pipe(pipe) => pipe.is_empty_after_short_read(),
        };
        let read = retried(|| match &self.channel {
            Channel::Socket(socket) => (&mut &*socket).read(buffer),
            #[cfg(unix)]
            Channel::Pipe(pipe) => pipe.read(buffer),
        })?;
        match read {
            None => self.registration.set_unreadable(),
            Some(count) if short_is_all && 0 < count && count < buffer.len() => self.registration.clear_readable(),
            Some(_) => {}
        }
        Ok(read)
    }

    /// Sends once. How many bytes were taken; fewer than there are means that there is no room.
    pub(super) fn send(&self, data: &[u8]) -> io::Result<usize> {
        self.sent(data.len(), || match &self.channel {
            Channel::Socket(socket) => socket.send_with_flags(data, sys::SEND_FLAGS),
            #[cfg(unix)]
            Channel::Pipe(pipe) => pipe.write(data),
        })
    }

    pub(super) fn send_vectored(&self, slices: &[IoSlice<'_>], total: usize) -> io::Result<usize> {
        self.sent(total, || match &self.channel {
            Channel::Socket(socket) => socket.send_vectored_with_flags(slices, sys::SEND_FLAGS),
            #[cfg(unix)]
            Channel::Pipe(pipe) => pipe.write_vectored(slices),
        })
    }

    /// Sends some of a file. `None`: there is no room.
    pub(super) fn sendfile(&self, file: &File, from: u64, wanted: usize) -> io::Result<Option<usize>> {
        let sent = retried(|| match &self.channel {
            Channel::Socket(socket) => sys::sendfile(socket.as_descriptor(), file, from, wanted),
            #[cfg(unix)]
            Channel::Pipe(_) => Err(io::ErrorKind::Unsupported.into()),
        })?;
        if sent.is_none() {
            self.registration.clear_writable();
        }
        Ok(sent)
    }

    fn sent(&self, total: usize, send: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
        let count = retried(send)?.unwrap_or(0);
        if count < total {
            self.registration.clear_writable();
        }
        Ok(count)
    }
}

/// Calls until no signal comes between. `None`: it would block.
fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<Option<T>> {
    loop {
        match call() {
            Ok(value) => return Ok(Some(value)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
