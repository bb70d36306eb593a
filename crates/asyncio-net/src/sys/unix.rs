#![expect(unsafe_code, reason = "name look-up calls into C")]
//! Unix: the calls on sockets through `rustix`. Each is made again when a signal interrupted it.
//!
//! Only `lookup` calls into C by itself: with buffers along with their lengths, and numbers.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::buffer::spare_capacity;
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrAny, SocketAddrUnix};
use socket2::Domain;

use crate::sock::Address;

pub(crate) const HAS_UNIX_SOCKETS: bool = true;

/// Writing to a connection that the other side closed is an error, not a signal.
pub(crate) const SEND_FLAGS: i32 = NO_SIGNAL.bits() as i32;

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

/// Whether the socket is in nonblocking mode.
pub(crate) fn is_nonblocking(fd: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(rustix::fs::fcntl_getfl(fd)?.contains(OFlags::NONBLOCK))
}

/// The family, whether the socket is bound or not.
pub(crate) fn family(fd: BorrowedFd<'_>) -> io::Result<Domain> {
    let family = rustix::net::getsockname(fd)?.address_family();
    Ok(Domain::from(i32::from(family.as_raw())))
}

/// Where the socket is bound.
pub(crate) fn local_address(fd: BorrowedFd<'_>) -> io::Result<Address> {
    of_system(Some(rustix::net::getsockname(fd)?))
}

/// Whom the socket is connected to; `None`: nobody.
pub(crate) fn peer_address(fd: BorrowedFd<'_>) -> io::Result<Option<Address>> {
    match rustix::net::getpeername(fd) {
        Ok(peer) => of_system(peer).map(Some),
        Err(_) => Ok(None),
    }
}

pub(crate) fn bind(fd: BorrowedFd<'_>, to: &Address) -> io::Result<()> {
    Ok(rustix::net::bind(fd, &to_system(to)?)?)
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
    Ok((received, of_system(from)?))
}

/// As [`recv`], with the sender.
pub(crate) fn recvfrom(fd: BorrowedFd<'_>, n: usize) -> io::Result<(Vec<u8>, Address)> {
    let mut data = Vec::with_capacity(n);
    if data.capacity() == n && n > 0 {
        let (_, _, from) = again(|| rustix::net::recvfrom(fd, spare_capacity(&mut data), RecvFlags::empty()))?;
        Ok((data, of_system(from)?))
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
            let to = to_system(to)?;
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
            Ok((connection, from)) => return Ok((connection, of_system(from)?)),
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
    match rustix::net::connect(fd, &to_system(to)?) {
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

fn of_system(address: Option<SocketAddrAny>) -> io::Result<Address> {
    let Some(address) = address else { return Ok(Address::Unnamed) };
    if address.address_family() != AddressFamily::UNIX {
        return Ok(Address::Inet(address.try_into()?));
    }
    let unix = SocketAddrUnix::try_from(address)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Some(name) = unix.abstract_name().filter(|name| !name.is_empty()) {
        return Ok(Address::Abstract(name.to_vec()));
    }
    Ok(match unix.path_bytes() {
        Some(path) if !path.is_empty() => {
            Address::Path(OsStr::from_bytes(path.strip_suffix(&[0]).unwrap_or(path)).into())
        }
        _ => Address::Unnamed,
    })
}

fn to_system(address: &Address) -> io::Result<SocketAddrAny> {
    let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidInput, message);
    Ok(match address {
        Address::Inet(address) => (*address).into(),
        Address::Path(path) => SocketAddrUnix::new(path)?.into(),
        #[cfg(any(target_os = "linux", target_os = "android"))]
        Address::Abstract(name) => SocketAddrUnix::new_abstract_name(name)?.into(),
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        Address::Abstract(_) => return Err(invalid("this platform has no abstract Unix addresses")),
        Address::Unnamed => return Err(invalid("an unnamed address cannot be bound or sent to")),
    })
}

/// Sends some of a file, from an offset on, and leaves the file's own as it is.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn sendfile(fd: BorrowedFd<'_>, file: &File, from: u64, wanted: usize) -> io::Result<usize> {
    again(|| rustix::fs::sendfile(fd, file, Some(&mut from.clone()), wanted))
}

/// There is none that is used: see `docs/platforms.md`.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn sendfile(_: BorrowedFd<'_>, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a connection is being made although `connect` gave an error.
pub(crate) fn is_under_way(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINPROGRESS | libc::EINTR))
}

/// Whether descriptors or memory ran out, so that the same call may succeed later.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Whether the error is one of the network that the new connection met already. Linux passes those on to who accepts it, and
/// says to go on with the next: see `accept(2)`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn is_of_the_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ENETDOWN
                | libc::EPROTO
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETUNREACH
        )
    )
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn is_of_the_connection(_: &io::Error) -> bool {
    false
}

/// Whether the socket accepts connections, as far as the platform says.
#[cfg(not(target_vendor = "apple"))]
pub(crate) fn is_listener(socket: &socket2::Socket) -> bool {
    rustix::net::sockopt::socket_acceptconn(socket).unwrap_or(false)
}

#[cfg(target_vendor = "apple")]
pub(crate) fn is_listener(_: &socket2::Socket) -> bool {
    false
}

/// Reads at an offset, and leaves the file's own as it is.
pub(crate) fn read_at(file: &File, block: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(block, at)
}

/// A path that a socket was bound to. It is removed when this is dropped, unless it is another's by then.
pub(crate) struct BoundPath {
    path: PathBuf,
    identity: (u64, u64),
}

impl BoundPath {
    pub(crate) fn new(path: &Path) -> Option<Self> {
        Some(Self { identity: identity(path)?, path: path.to_owned() })
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    fs::symlink_metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        if identity(&self.path) == Some(self.identity) {
            // Whoever took it away meanwhile did the same.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes a socket that an earlier process left at this path. Anything else stays, and binding will say so.
pub(crate) fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// `getaddrinfo` and `getnameinfo`, and what belongs to them.
pub(crate) mod lookup {
    pub(crate) use libc::{
        AF_INET, AF_INET6, AF_UNSPEC, AI_ADDRCONFIG, AI_ALL, AI_CANONNAME, AI_NUMERICHOST, AI_NUMERICSERV, AI_PASSIVE,
        AI_V4MAPPED, EAI_BADFLAGS, EAI_FAMILY, EAI_MEMORY, EAI_NONAME, EAI_SERVICE, EAI_SOCKTYPE, NI_DGRAM,
        NI_NAMEREQD, NI_NOFQDN, NI_NUMERICHOST, NI_NUMERICSERV, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, addrinfo,
        freeaddrinfo, getaddrinfo,
    };
    use std::ffi::{CStr, c_char};
    use std::io;

    /// Writes the names that belong to an address into the buffers; the code is 0 or that of an error.
    pub(crate) fn getnameinfo(address: &socket2::SockAddr, host: &mut [u8], service: &mut [u8], flags: i32) -> i32 {
        // SAFETY: the address is valid for its length, and so are the buffers for theirs.
        unsafe {
            libc::getnameinfo(
                address.as_ptr().cast(),
                address.len(),
                host.as_mut_ptr().cast::<c_char>(),
                // The BSDs take other numbers for lengths than Linux; these fit all.
                host.len() as _,
                service.as_mut_ptr().cast::<c_char>(),
                service.len() as _,
                flags,
            )
        }
    }

    /// The error of the system, where `code` says no more than that there is one.
    pub(crate) fn system_error(code: i32) -> Option<io::Error> {
        (code == libc::EAI_SYSTEM).then(io::Error::last_os_error)
    }

    /// What `code` means.
    pub(crate) fn reason(code: i32) -> String {
        // SAFETY: it takes any number and gives a text that stays, or null.
        let reason = unsafe { libc::gai_strerror(code) };
        if reason.is_null() {
            return format!("error {code}");
        }
        // SAFETY: it is not null, ends in zero, and stays.
        let reason = unsafe { CStr::from_ptr(reason) };
        reason.to_string_lossy().into_owned()
    }

    /// Before the first call.
    pub(crate) fn prepare() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn an_address_survives_the_way_through_the_system() {
        let mut all = vec![
            Address::from("127.0.0.1:80".parse::<SocketAddr>().unwrap()),
            Address::from("[::1]:80".parse::<SocketAddr>().unwrap()),
            Address::from(Path::new("/tmp/some socket")),
        ];
        if cfg!(target_os = "linux") {
            all.push(Address::Abstract(b"some\0name".to_vec()));
        }
        for address in all {
            assert_eq!(of_system(Some(to_system(&address).unwrap())).unwrap(), address);
        }
        assert_eq!(of_system(None).unwrap(), Address::Unnamed);
        assert!(to_system(&Address::Unnamed).is_err());
    }
}
