#![expect(
    unsafe_code,
    reason = "signals of any number are sent with system calls; the safe forms take those that have a name"
)]
//! Sends a signal to a child.

use std::io;
use std::os::fd::BorrowedFd;

/// Sends to the child that the descriptor stands for, which cannot be another; without one, by number.
pub(super) fn send(pidfd: Option<BorrowedFd<'_>>, pid: u32, signal: i32) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    if let Some(pidfd) = pidfd {
        use std::os::fd::AsRawFd;
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: the descriptor is borrowed, so open; no information is read from a null pointer, and no flag is set.
        let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, none, 0) };
        return if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    }
    let _ = pidfd;
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
    // SAFETY: it takes numbers.
    if unsafe { libc::kill(pid, signal) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
