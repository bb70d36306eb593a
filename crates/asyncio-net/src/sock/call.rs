//! The system calls on sockets: each is made again when a signal interrupted it, and none waits.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags};

use super::address::Address;

/// Writing to a connection that the other side closed is an error, not a signal.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: SendFlags = SendFlags::empty();

fn again<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result.map_err(io::Error::from),
        }
    }
}

pub(crate) fn is_nonblocking(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(rustix::fs::fcntl_getfl(fd)?.contains(OFlags::NONBLOCK))
}

pub(crate) fn family(fd: BorrowedFd<'_>) -> io::Result<AddressFamily> {
    Ok(rustix::net::getsockname(fd)?.address_family())
}

pub(crate) fn recv_into(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    again(|| rustix::net::recv(fd, &mut *buffer, RecvFlags::empty())).map(|(received, _)| received)
}

/// At most `n` bytes. The memory is taken when there may be something to put there.
pub(crate) fn recv(fd: BorrowedFd<'_>, n: usize) -> io::Result<Vec<u8>> {
    let mut data = Vec::with_capacity(n);
    if data.capacity() == n && n > 0 {
        again(|| rustix::net::recv(fd, spare_capacity(&mut data), RecvFlags::empty()))?;
    } else {
        // An allocator that rounds up would have the system receive more than was asked for.
        data.resize(n, 0);
        let received = recv_into(fd, &mut data)?;
        data.truncate(received);
    }
    Ok(data)
}

pub(crate) fn recvfrom_into(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<(usize, Address)> {
    let (received, _, from) = again(|| rustix::net::recvfrom(fd, &mut *buffer, RecvFlags::empty()))?;
    Ok((received, Address::of_system(from)?))
}

/// As [`recv`], with the sender.
pub(crate) fn recvfrom(fd: BorrowedFd<'_>, n: usize) -> io::Result<(Vec<u8>, Address)> {
    let mut data = Vec::with_capacity(n);
    if data.capacity() == n && n > 0 {
        let (_, _, from) = again(|| rustix::net::recvfrom(fd, spare_capacity(&mut data), RecvFlags::empty()))?;
        Ok((data, Address::of_system(from)?))
    } else {
        data.resize(n, 0);
        let (received, from) = recvfrom_into(fd, &mut data)?;
        data.truncate(received);
        Ok((data, from))
    }
}

pub(crate) fn send(fd: BorrowedFd<'_>, data: &[u8]) -> io::Result<usize> {
    again(|| rustix::net::send(fd, data, NO_SIGNAL))
}

pub(crate) fn sendto(fd: BorrowedFd<'_>, data: &[u8], to: &Address) -> io::Result<usize> {
    match to {
        Address::Inet(to) => again(|| rustix::net::sendto(fd, data, NO_SIGNAL, to)),
        _ => {
            let to = to.to_system()?;
            again(|| rustix::net::sendto(fd, data, NO_SIGNAL, &to))
        }
    }
}

/// A connection, nonblocking and closed on exec. Connections that were given up before they were accepted are passed over.
pub(crate) fn accept(fd: BorrowedFd<'_>) -> io::Result<(OwnedFd, Address)> {
    loop {
        match again(|| accept_once(fd)) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
            Ok((connection, from)) => return Ok((connection, Address::of_system(from)?)),
        }
    }
}

type Accepted = (OwnedFd, Option<rustix::net::SocketAddrAny>);

#[cfg(not(target_vendor = "apple"))]
fn accept_once(fd: BorrowedFd<'_>) -> rustix::io::Result<Accepted> {
    use rustix::net::SocketFlags;
    rustix::net::acceptfrom_with(fd, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)
}

#[cfg(target_vendor = "apple")]
fn accept_once(fd: BorrowedFd<'_>) -> rustix::io::Result<Accepted> {
    let (connection, from) = rustix::net::acceptfrom(fd)?;
    rustix::io::fcntl_setfd(&connection, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&connection, true)?;
    rustix::net::sockopt::set_socket_nosigpipe(&connection, true)?;
    Ok((connection, from))
}

/// Begins to connect. `false`: it goes on by itself, see [`is_connected`].
pub(crate) fn connect(fd: BorrowedFd<'_>, to: &Address) -> io::Result<bool> {
    match rustix::net::connect(fd, &to.to_system()?) {
        Ok(()) => Ok(true),
        // Interrupted, it goes on as well; already: an earlier call that was given up began it.
        Err(Errno::INPROGRESS | Errno::INTR | Errno::ALREADY) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a connection that is being made has been made. The error is why it will not be.
pub(crate) fn is_connected(fd: BorrowedFd<'_>) -> io::Result<bool> {
    rustix::net::sockopt::socket_error(fd)??;
    match rustix::net::getpeername(fd) {
        Ok(_) => Ok(true),
        Err(Errno::NOTCONN) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
