#![expect(unsafe_code, reason = "the platform's look-up gives a list of pointers")]
//! `getaddrinfo` and `getnameinfo` of the platform.
//!
//! Rules:
//!
//! 1. The list that `getaddrinfo` gives belongs to a `List`, which gives it back when it is dropped. Nothing of it is
//!    kept: names and addresses are copied while the list lives.
//! 2. An entry's address is as long as `ai_addrlen` says, and is read as a type of one family only if its family is that
//!    one and its length is at least that of the type; unaligned, since nothing is promised of its place.
//! 3. Strings go in as `CStr`, which end in zero, and come out of buffers whose length was given along.

use std::ffi::{CStr, c_char};
use std::io;
use std::mem::{self, size_of};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr::{self, NonNull};

use super::info::{AddrInfo, AddrInfoHints, LookupError, NameInfoFlags, SocketKind};
use crate::address::Family;

/// The longest name of a host, with its zero: `NI_MAXHOST`.
const HOST_LENGTH: usize = 1025;
/// The longest name of a service, with its zero: `NI_MAXSERV`.
const SERVICE_LENGTH: usize = 32;

/// The list of a look-up: rule 1.
struct List(*mut libc::addrinfo);

impl Drop for List {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: it came from `getaddrinfo`, and is given back here only.
            unsafe { libc::freeaddrinfo(self.0) };
        }
    }
}

impl List {
    fn entries(&self) -> impl Iterator<Item = &libc::addrinfo> {
        let mut next = self.0;
        std::iter::from_fn(move || {
            // SAFETY: `next` is null or an entry of the list, which lives as long as the borrow of `self`.
            let entry = unsafe { next.as_ref() }?;
            next = entry.ai_next;
            Some(entry)
        })
    }
}

pub(super) fn getaddrinfo(
    host: Option<&CStr>,
    service: Option<&CStr>,
    hints: &AddrInfoHints,
) -> io::Result<Vec<AddrInfo>> {
    // SAFETY: it is a C struct of numbers and pointers, for which zeros are zero and null.
    let mut wanted: libc::addrinfo = unsafe { mem::zeroed() };
    wanted.ai_flags = hints.flags.bits();
    wanted.ai_protocol = hints.protocol;
    wanted.ai_family = match hints.family {
        None => libc::AF_UNSPEC,
        Some(Family::V4) => libc::AF_INET,
        Some(Family::V6) => libc::AF_INET6,
    };
    wanted.ai_socktype = match hints.kind {
        None => 0,
        Some(SocketKind::Stream) => libc::SOCK_STREAM,
        Some(SocketKind::Datagram) => libc::SOCK_DGRAM,
        Some(SocketKind::Raw) => libc::SOCK_RAW,
    };
    let mut list = List(ptr::null_mut());
    let text = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr);
    // SAFETY: the strings are null or end in zero, the hints and the place for the list are valid for the call.
    let code = unsafe { libc::getaddrinfo(text(host), text(service), &raw const wanted, &raw mut list.0) };
    if code != 0 {
        let name = |name: Option<&CStr>| name.map_or("any".into(), |name| format!("`{}`", name.to_string_lossy()));
        return Err(failure(code, || format!("host {}, service {}", name(host), name(service))));
    }
    Ok(list.entries().filter_map(answer).collect())
}

/// One answer, if it is of a family that this crate knows.
fn answer(entry: &libc::addrinfo) -> Option<AddrInfo> {
    let address = address(entry)?;
    let kind = match entry.ai_socktype {
        libc::SOCK_STREAM => Some(SocketKind::Stream),
        libc::SOCK_DGRAM => Some(SocketKind::Datagram),
        libc::SOCK_RAW => Some(SocketKind::Raw),
        _ => None,
    };
    let canonical_name = NonNull::new(entry.ai_canonname).map(|name| {
        // SAFETY: it ends in zero, and lives as long as the list.
        let name = unsafe { CStr::from_ptr(name.as_ptr()) };
        name.to_string_lossy().into_owned()
    });
    Some(AddrInfo { family: Family::of(&address), kind, protocol: entry.ai_protocol, canonical_name, address })
}

/// The address of an entry: rule 2.
fn address(entry: &libc::addrinfo) -> Option<SocketAddr> {
    let (place, length) = (entry.ai_addr, entry.ai_addrlen as usize);
    match entry.ai_family {
        libc::AF_INET if !place.is_null() && length >= size_of::<libc::sockaddr_in>() => {
            // SAFETY: there are that many bytes, of a type for which all bytes are valid.
            let address = unsafe { place.cast::<libc::sockaddr_in>().read_unaligned() };
            let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into())
        }
        libc::AF_INET6 if !place.is_null() && length >= size_of::<libc::sockaddr_in6>() => {
            // SAFETY: as above.
            let address = unsafe { place.cast::<libc::sockaddr_in6>().read_unaligned() };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let port = u16::from_be(address.sin6_port);
            Some(SocketAddrV6::new(ip, port, address.sin6_flowinfo, address.sin6_scope_id).into())
        }
        _ => None,
    }
}

pub(super) fn getnameinfo(address: SocketAddr, flags: NameInfoFlags) -> io::Result<(String, String)> {
    let system = socket2::SockAddr::from(address);
    let mut host = [0_u8; HOST_LENGTH];
    let mut service = [0_u8; SERVICE_LENGTH];
    // SAFETY: the address is valid for its length, and so are the buffers for theirs.
    let code = unsafe {
        libc::getnameinfo(
            system.as_ptr().cast(),
            system.len(),
            host.as_mut_ptr().cast::<c_char>(),
            HOST_LENGTH as libc::socklen_t,
            service.as_mut_ptr().cast::<c_char>(),
            SERVICE_LENGTH as libc::socklen_t,
            flags.bits(),
        )
    };
    if code != 0 {
        return Err(failure(code, || format!("the name of {address}")));
    }
    let text = |buffer: &[u8]| {
        CStr::from_bytes_until_nul(buffer).map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned())
    };
    Ok((text(&host), text(&service)))
}

/// The error of a look-up that gave `code`. Call it before anything else that may change the error number.
fn failure(code: i32, what: impl FnOnce() -> String) -> io::Error {
    if code == libc::EAI_SYSTEM {
        return io::Error::last_os_error();
    }
    // SAFETY: it takes any number and gives a text that stays, or null.
    let reason = unsafe { libc::gai_strerror(code) };
    let reason = if reason.is_null() {
        format!("error {code}")
    } else {
        // SAFETY: it is not null, ends in zero, and stays.
        let reason = unsafe { CStr::from_ptr(reason) };
        reason.to_string_lossy().into_owned()
    };
    LookupError::new(code, what(), reason).into()
}
