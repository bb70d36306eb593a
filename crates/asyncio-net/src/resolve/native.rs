#![expect(unsafe_code, reason = "the platform's look-up gives a list of pointers")]
//! `getaddrinfo` and `getnameinfo` of the platform.
//!
//! Rules:
//!
//! 1. The list that `getaddrinfo` gives belongs to a `List`, which gives it back when it is dropped. Nothing of it is
//!    kept: names and addresses are copied while the list lives.
//! 2. An entry's address is as long as `ai_addrlen` says. It is copied whole, into room for an address of any family, which
//!    is zero beyond; if it is longer than that, it is of none that is known.
//! 3. Strings go in as `CStr`, which end in zero, and come out of buffers whose length was given along.

use std::ffi::{CStr, c_char};
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::ptr::{self, NonNull};

use socket2::{SockAddr, SockAddrStorage};

use super::info::{AddrInfo, AddrInfoHints, LookupError, NameInfoFlags, SocketKind};
use crate::address::Family;
use crate::sys::lookup;

/// The longest name of a host, with its zero: `NI_MAXHOST`.
const HOST_LENGTH: usize = 1025;
/// The longest name of a service, with its zero: `NI_MAXSERV`.
const SERVICE_LENGTH: usize = 32;

/// The list of a look-up: rule 1.
struct List(*mut lookup::addrinfo);

impl Drop for List {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: it came from `getaddrinfo`, and is given back here only.
            unsafe { lookup::freeaddrinfo(self.0) };
        }
    }
}

impl List {
    fn entries(&self) -> impl Iterator<Item = &lookup::addrinfo> {
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
    lookup::prepare();
    // SAFETY: it is a C struct of numbers and pointers, for which zeros are zero and null.
    let mut wanted: lookup::addrinfo = unsafe { mem::zeroed() };
    wanted.ai_flags = hints.flags.bits();
    wanted.ai_protocol = hints.protocol;
    wanted.ai_family = match hints.family {
        None => lookup::AF_UNSPEC,
        Some(Family::V4) => lookup::AF_INET,
        Some(Family::V6) => lookup::AF_INET6,
    };
    wanted.ai_socktype = match hints.kind {
        None => 0,
        Some(SocketKind::Stream) => lookup::SOCK_STREAM,
        Some(SocketKind::Datagram) => lookup::SOCK_DGRAM,
        Some(SocketKind::Raw) => lookup::SOCK_RAW,
    };
    let mut list = List(ptr::null_mut());
    let text = |text: Option<&CStr>| text.map_or(ptr::null(), CStr::as_ptr).cast();
    // SAFETY: the strings are null or end in zero, the hints and the place for the list are valid for the call.
    let code = unsafe { lookup::getaddrinfo(text(host), text(service), &raw const wanted, &raw mut list.0) };
    if code != 0 {
        let name = |name: Option<&CStr>| name.map_or("any".into(), |name| format!("`{}`", name.to_string_lossy()));
        return Err(failure(code, || format!("host {}, service {}", name(host), name(service))));
    }
    Ok(list.entries().filter_map(answer).collect())
}

/// One answer, if it is of a family that this crate knows.
fn answer(entry: &lookup::addrinfo) -> Option<AddrInfo> {
    let address = address(entry)?;
    let kind = match entry.ai_socktype {
        lookup::SOCK_STREAM => Some(SocketKind::Stream),
        lookup::SOCK_DGRAM => Some(SocketKind::Datagram),
        lookup::SOCK_RAW => Some(SocketKind::Raw),
        _ => None,
    };
    let canonical_name = NonNull::new(entry.ai_canonname).map(|name| {
        // SAFETY: it ends in zero, and lives as long as the list.
        let name = unsafe { CStr::from_ptr(name.as_ptr().cast::<c_char>()) };
        name.to_string_lossy().into_owned()
    });
    Some(AddrInfo { family: Family::of(&address), kind, protocol: entry.ai_protocol, canonical_name, address })
}

/// The address of an entry: rule 2.
fn address(entry: &lookup::addrinfo) -> Option<SocketAddr> {
    let (place, length) = (entry.ai_addr.cast::<u8>(), entry.ai_addrlen as usize);
    let mut room = SockAddrStorage::zeroed();
    if place.is_null() || length > room.size_of() as usize {
        return None;
    }
    // SAFETY: there are that many bytes at `place`, and there is room for them, which is elsewhere.
    unsafe { ptr::copy_nonoverlapping(place, (&raw mut room).cast::<u8>(), length) };
    // SAFETY: the room holds an address of that length, or zeros, which are one of no family.
    let address = unsafe { SockAddr::new(room, length as socket2::socklen_t) };
    address.as_socket()
}

pub(super) fn getnameinfo(address: SocketAddr, flags: NameInfoFlags) -> io::Result<(String, String)> {
    lookup::prepare();
    let system = SockAddr::from(address);
    let mut host = [0_u8; HOST_LENGTH];
    let mut service = [0_u8; SERVICE_LENGTH];
    let code = lookup::getnameinfo(&system, &mut host, &mut service, flags.bits());
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
    lookup::system_error(code).unwrap_or_else(|| LookupError::new(code, what(), lookup::reason(code)).into())
}
