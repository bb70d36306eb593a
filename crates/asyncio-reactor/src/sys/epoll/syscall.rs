//! The system calls around an epoll descriptor, as safe functions.
//!
//! They are made through `libc` because `rustix` offers `epoll_pwait2` only to programs that give up kernels without it,
//! and gives up the other call in exchange, for every crate of the program.
//!
//! # Why these are safe
//!
//! 1. A number that is not an open descriptor makes `epoll_ctl` fail with `EBADF`. A number that has come to mean another
//!    file changes, at worst, what *this* epoll instance reports: the file itself is neither read, written nor closed.
//! 2. `epoll_ctl` reads one `epoll_event` and keeps no pointer to it.
//! 3. The waits write at most as many `epoll_event`s as they are told there is room for, from the start of the room, and
//!    return how many. They keep no pointer.
//! 4. `epoll_create1` and `eventfd` take numbers only. A descriptor that they return is new, and nobody else's.

#![expect(unsafe_code, reason = "system calls that fill a buffer")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

use libc::{c_int, c_long, epoll_event};

#[derive(Clone, Copy)]
pub(super) enum Operation {
    Add = libc::EPOLL_CTL_ADD as isize,
    Modify = libc::EPOLL_CTL_MOD as isize,
    Delete = libc::EPOLL_CTL_DEL as isize,
}

/// The kernel's own `timespec`, which is 64 bits wide on every architecture.
#[repr(C)]
struct KernelTimespec {
    seconds: i64,
    nanoseconds: i64,
}

/// A new epoll descriptor.
pub(super) fn epoll() -> io::Result<OwnedFd> {
    // SAFETY: no pointers (rule 4).
    owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })
}

/// A new event counter, which does not block.
pub(super) fn eventfd() -> io::Result<OwnedFd> {
    // SAFETY: no pointers (rule 4).
    owned(unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) })
}

/// What a call returned that makes a descriptor.
fn owned(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: rule 4.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

pub(super) fn control(epoll: BorrowedFd<'_>, operation: Operation, fd: RawFd, flags: u32, data: u64) -> io::Result<()> {
    let mut event = epoll_event { events: flags, u64: data };
    // SAFETY: `event` is valid for the length of the call (rule 2); any number may be given as `fd` (rule 1).
    let status = unsafe { libc::epoll_ctl(epoll.as_raw_fd(), operation as c_int, fd, &raw mut event) };
    if status < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Waits with `epoll_pwait2` and appends what is reported. A timeout that the kernel cannot count is none.
pub(super) fn wait_precise(
    epoll: BorrowedFd<'_>,
    list: &mut Vec<epoll_event>,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let timeout = timeout.and_then(|timeout| {
        let seconds = i64::try_from(timeout.as_secs()).ok()?;
        Some(KernelTimespec { seconds, nanoseconds: i64::from(timeout.subsec_nanos()) })
    });
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    let room = list.spare_capacity_mut();
    // SAFETY: `room` is valid for writes of as many events as is said (rule 3); `timeout` is null or a valid timespec
    // for the length of the call; a null signal mask is allowed, and its size is not looked at then.
    let count = unsafe {
        libc::syscall(
            libc::SYS_epoll_pwait2,
            c_long::from(epoll.as_raw_fd()),
            room.as_mut_ptr(),
            room_for(room.len()) as c_long,
            timeout,
            ptr::null::<libc::sigset_t>(),
            0 as c_long,
        )
    };
    append(list, count)
}

/// Waits with `epoll_wait` and appends what is reported. The timeout is rounded up to the millisecond, and to `c_int::MAX`
/// of them, 24 days, down.
pub(super) fn wait_coarse(
    epoll: BorrowedFd<'_>,
    list: &mut Vec<epoll_event>,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let timeout = timeout.map_or(-1, |timeout| {
        let milliseconds = timeout.as_nanos().div_ceil(1_000_000);
        c_int::try_from(milliseconds).unwrap_or(c_int::MAX)
    });
    let room = list.spare_capacity_mut();
    let (events, len) = (room.as_mut_ptr().cast::<epoll_event>(), room_for(room.len()));
    // SAFETY: `events` is valid for writes of `len` events (rule 3).
    let count = unsafe { libc::epoll_wait(epoll.as_raw_fd(), events, len, timeout) };
    append(list, c_long::from(count))
}

fn room_for(len: usize) -> c_int {
    c_int::try_from(len).unwrap_or(c_int::MAX)
}

fn append(list: &mut Vec<epoll_event>, count: c_long) -> io::Result<()> {
    let Ok(count) = usize::try_from(count) else {
        return Err(io::Error::last_os_error());
    };
    let len = list.len() + count;
    // SAFETY: the kernel has just written `count` events behind those there were, and no more than there was room for
    // (rule 3).
    unsafe { list.set_len(len) };
    Ok(())
}
