#![expect(unsafe_code, reason = "calls of the platform that take buffers and their lengths")]
//! Windows: the calls on sockets through `socket2`, and those of Winsock that it does not make.
//!
//! Rules:
//!
//! 1. A buffer of bytes may be lent as one of bytes that may not be initialised, to a call that only writes to it.
//! 2. A call that is given a buffer and its length writes no further.
//! 3. A socket that is borrowed is open.

use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::windows::fs::FileExt;
use std::os::windows::io::{AsRawSocket, BorrowedSocket, OwnedSocket};
use std::path::Path;

use socket2::{Domain, SockAddr, SockRef};
use windows_sys::Win32::Networking::WinSock;

use crate::sock::Address;

pub(crate) const HAS_UNIX_SOCKETS: bool = false;

/// A peer that is gone is an error of the call; there are no signals.
pub(crate) const SEND_FLAGS: i32 = 0;

/// Puts the socket into nonblocking mode: there is no way to ask.
pub(crate) fn is_nonblocking(socket: BorrowedSocket<'_>) -> io::Result<bool> {
    SockRef::from(&socket).set_nonblocking(true)?;
    Ok(true)
}

/// The family, whether the socket is bound or not.
pub(crate) fn family(socket: BorrowedSocket<'_>) -> io::Result<Domain> {
    let mut info = MaybeUninit::<WinSock::WSAPROTOCOL_INFOW>::zeroed();
    let mut length = size_of_val(&info) as i32;
    // SAFETY: rules 2 and 3; the place for the length is that of a local.
    let status = unsafe {
        WinSock::getsockopt(
            socket.as_raw_socket() as WinSock::SOCKET,
            WinSock::SOL_SOCKET,
            WinSock::SO_PROTOCOL_INFOW,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if status != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is a C struct of numbers, for which zeros are valid, and was written.
    let info = unsafe { info.assume_init() };
    Ok(Domain::from(info.iAddressFamily))
}

fn of_system(address: &SockAddr) -> io::Result<Address> {
    let message = "the address is of a family that is not IP";
    let address = address.as_socket().ok_or_else(|| io::Error::new(io::ErrorKind::Unsupported, message))?;
    Ok(Address::Inet(address))
}

fn to_system(address: &Address) -> io::Result<SockAddr> {
    let message = "Unix sockets are not supported on Windows: give an IP address";
    let address = address.as_inet().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, message))?;
    Ok(address.into())
}

/// Where the socket is bound.
pub(crate) fn local_address(socket: BorrowedSocket<'_>) -> io::Result<Address> {
    of_system(&SockRef::from(&socket).local_addr()?)
}

/// Whom the socket is connected to; `None`: nobody.
pub(crate) fn peer_address(socket: BorrowedSocket<'_>) -> io::Result<Option<Address>> {
    match SockRef::from(&socket).peer_addr() {
        Ok(peer) => of_system(&peer).map(Some),
        Err(_) => Ok(None),
    }
}

pub(crate) fn bind(socket: BorrowedSocket<'_>, to: &Address) -> io::Result<()> {
    SockRef::from(&socket).bind(&to_system(to)?)
}

pub(crate) fn recv_into(socket: BorrowedSocket<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    (&*SockRef::from(&socket)).read(buffer)
}

/// At most `n` bytes.
pub(crate) fn recv(socket: BorrowedSocket<'_>, n: usize) -> io::Result<Vec<u8>> {
    let mut data = vec![0; n];
    let received = recv_into(socket, &mut data)?;
    data.truncate(received);
    Ok(data)
}

/// A datagram that is longer than the buffer is an error here.
pub(crate) fn recvfrom_into(socket: BorrowedSocket<'_>, buffer: &mut [u8]) -> io::Result<(usize, Address)> {
    let room: *mut [u8] = buffer;
    // SAFETY: rule 1: `recv_from` only writes; the pointer is that of a borrow which is not used meanwhile.
    let room = unsafe { &mut *(room as *mut [MaybeUninit<u8>]) };
    let (received, from) = SockRef::from(&socket).recv_from(room)?;
    // A socket that is connected, and a stream, may say nothing of the sender.
    Ok((received, of_system(&from).unwrap_or(Address::Unnamed)))
}

/// As [`recv`], with the sender.
pub(crate) fn recvfrom(socket: BorrowedSocket<'_>, n: usize) -> io::Result<(Vec<u8>, Address)> {
    let mut data = vec![0; n];
    let (received, from) = recvfrom_into(socket, &mut data)?;
    data.truncate(received);
    Ok((data, from))
}

pub(crate) fn send(socket: BorrowedSocket<'_>, data: &[u8]) -> io::Result<usize> {
    SockRef::from(&socket).send(data)
}

pub(crate) fn sendto(socket: BorrowedSocket<'_>, data: &[u8], to: &Address) -> io::Result<usize> {
    SockRef::from(&socket).send_to(data, &to_system(to)?)
}

/// A connection, nonblocking and not inherited. Connections that were given up before they were accepted are passed over.
pub(crate) fn accept(socket: BorrowedSocket<'_>) -> io::Result<(OwnedSocket, Address)> {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset};
    loop {
        match SockRef::from(&socket).accept() {
            Err(error) if matches!(error.kind(), ConnectionAborted | ConnectionReset) => {}
            Err(error) => return Err(error),
            Ok((connection, from)) => {
                connection.set_nonblocking(true)?;
                return Ok((connection.into(), of_system(&from)?));
            }
        }
    }
}

/// Begins to connect. `false`: it goes on by itself, see [`is_connected`].
pub(crate) fn connect(socket: BorrowedSocket<'_>, to: &Address) -> io::Result<bool> {
    match SockRef::from(&socket).connect(&to_system(to)?) {
        Ok(()) => Ok(true),
        // Already: an earlier call that was given up began it.
        Err(error) if is_under_way(&error) || error.raw_os_error() == Some(WinSock::WSAEALREADY) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a connection that is being made has been made. The error is why it will not be.
pub(crate) fn is_connected(socket: BorrowedSocket<'_>) -> io::Result<bool> {
    let socket = SockRef::from(&socket);
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    match socket.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

/// There is none that is used: see `docs/platforms.md`.
pub(crate) fn sendfile(_: BorrowedSocket<'_>, _: &File, _: u64, _: usize) -> io::Result<usize> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether a connection is being made although `connect` gave an error.
pub(crate) fn is_under_way(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(WinSock::WSAEWOULDBLOCK | WinSock::WSAEINPROGRESS))
}

/// Whether sockets or memory ran out, so that the same call may succeed later.
pub(crate) fn is_exhaustion(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(WinSock::WSAEMFILE | WinSock::WSAENOBUFS))
}

/// Whether the error is one of the network that the new connection met already: it was reset before it was accepted.
pub(crate) fn is_of_the_connection(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

/// Whether the socket accepts connections.
pub(crate) fn is_listener(socket: &socket2::Socket) -> bool {
    let mut accepts = 0i32;
    let mut length = size_of_val(&accepts) as i32;
    // SAFETY: rules 2 and 3; both places are those of locals.
    let status = unsafe {
        WinSock::getsockopt(
            socket.as_raw_socket() as WinSock::SOCKET,
            WinSock::SOL_SOCKET,
            WinSock::SO_ACCEPTCONN,
            (&raw mut accepts).cast(),
            &raw mut length,
        )
    };
    status == 0 && accepts != 0
}

/// Reads at an offset, to which it moves that of the file.
pub(crate) fn read_at(file: &File, block: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek_read(block, at)
}

/// No socket is bound to a path.
pub(crate) enum BoundPath {}

impl BoundPath {
    pub(crate) fn new(_: &Path) -> Option<Self> {
        None
    }
}

/// No socket is left at a path.
pub(crate) fn remove_stale(_: &Path) -> io::Result<()> {
    Ok(())
}

/// `getaddrinfo` and `getnameinfo`, and what belongs to them.
pub(crate) mod lookup {
    use std::io;
    use std::sync::Once;

    use windows_sys::Win32::Networking::WinSock;

    pub(crate) use WinSock::{
        ADDRINFOA as addrinfo, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM, WSAEAFNOSUPPORT as EAI_FAMILY,
        WSAEINVAL as EAI_BADFLAGS, WSAESOCKTNOSUPPORT as EAI_SOCKTYPE, WSAHOST_NOT_FOUND as EAI_NONAME,
        WSATYPE_NOT_FOUND as EAI_SERVICE, freeaddrinfo, getaddrinfo,
    };

    pub(crate) const EAI_MEMORY: i32 = WinSock::WSA_NOT_ENOUGH_MEMORY;
    pub(crate) const AF_UNSPEC: i32 = WinSock::AF_UNSPEC as i32;
    pub(crate) const AF_INET: i32 = WinSock::AF_INET as i32;
    pub(crate) const AF_INET6: i32 = WinSock::AF_INET6 as i32;
    pub(crate) const AI_PASSIVE: i32 = WinSock::AI_PASSIVE as i32;
    pub(crate) const AI_CANONNAME: i32 = WinSock::AI_CANONNAME as i32;
    pub(crate) const AI_NUMERICHOST: i32 = WinSock::AI_NUMERICHOST as i32;
    pub(crate) const AI_NUMERICSERV: i32 = WinSock::AI_NUMERICSERV as i32;
    pub(crate) const AI_ADDRCONFIG: i32 = WinSock::AI_ADDRCONFIG as i32;
    pub(crate) const AI_V4MAPPED: i32 = WinSock::AI_V4MAPPED as i32;
    pub(crate) const AI_ALL: i32 = WinSock::AI_ALL as i32;
    pub(crate) const NI_NUMERICHOST: i32 = WinSock::NI_NUMERICHOST as i32;
    pub(crate) const NI_NUMERICSERV: i32 = WinSock::NI_NUMERICSERV as i32;
    pub(crate) const NI_NAMEREQD: i32 = WinSock::NI_NAMEREQD as i32;
    pub(crate) const NI_DGRAM: i32 = WinSock::NI_DGRAM as i32;
    pub(crate) const NI_NOFQDN: i32 = WinSock::NI_NOFQDN as i32;

    /// Writes the names that belong to an address into the buffers; the code is 0 or that of an error.
    pub(crate) fn getnameinfo(address: &socket2::SockAddr, host: &mut [u8], service: &mut [u8], flags: i32) -> i32 {
        // SAFETY: rule 2; the address is valid for its length.
        unsafe {
            WinSock::getnameinfo(
                address.as_ptr().cast(),
                address.len(),
                host.as_mut_ptr(),
                host.len() as u32,
                service.as_mut_ptr(),
                service.len() as u32,
                flags,
            )
        }
    }

    /// The error of the system, where `code` says no more than that there is one. Here it says all.
    pub(crate) fn system_error(_: i32) -> Option<io::Error> {
        None
    }

    /// What `code` means.
    pub(crate) fn reason(code: i32) -> String {
        io::Error::from_raw_os_error(code).to_string()
    }

    /// Before the first call: has Winsock loaded, for the life of the process.
    pub(crate) fn prepare() {
        static LOADED: Once = Once::new();
        LOADED.call_once(|| {
            let mut data = std::mem::MaybeUninit::<WinSock::WSADATA>::zeroed();
            // SAFETY: the place is that of a `WSADATA`. If it fails, so will the look-up, and say why.
            unsafe { WinSock::WSAStartup(0x202, data.as_mut_ptr()) };
        });
    }
}
