#![expect(
    unsafe_code,
    reason = "what is set between `fork` and `exec` is set with system calls that Rust has no safe form of"
)]
//! What a child does to itself before it becomes another program.
//!
//! Between `fork` and `exec` only async-signal-safe calls may be made, since another thread may have held any lock,
//! the allocator's included, when the process was copied. Rules:
//!
//! 1. `run` makes system calls only. It allocates nothing, takes no lock, and drops nothing: what it needs was made before.
//! 2. Its errors are numbers of the system (`last_os_error`), which allocate nothing either, and go to the parent.
//!
//! The order is that of CPython's `child_exec`: the mask, the session, the groups, the user, then descriptors.

use std::io;
use std::os::fd::RawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// What is to be done.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    pub(crate) umask: Option<u32>,
    pub(crate) new_session: bool,
    pub(crate) groups: Option<Vec<libc::gid_t>>,
    pub(crate) group: Option<u32>,
    pub(crate) user: Option<u32>,
    pub(crate) close_fds: bool,
}

impl Steps {
    /// Has the child do this, if there is anything to do: without, the system may start it in a faster way.
    pub(crate) fn install(mut self, command: &mut Command, passed: Vec<RawFd>) {
        if self.user.is_some() && self.groups.is_none() && rustix::process::geteuid().is_root() {
            self.groups = Some(Vec::new());
        }
        let Self { umask, new_session, groups, group, user, close_fds } = &self;
        let is_empty = umask.is_none() && !new_session && groups.is_none() && group.is_none() && user.is_none();
        if is_empty && !close_fds && passed.is_empty() {
            return;
        }
        // SAFETY: the closure may only do what is allowed after a `fork`: rules 1 and 2.
        unsafe { command.pre_exec(move || self.run(&passed)) };
    }

    fn run(&self, passed: &[RawFd]) -> io::Result<()> {
        if let Some(mask) = self.umask {
            // SAFETY: it takes a number and cannot fail. Bits that are none are ignored.
            unsafe { libc::umask(mask as libc::mode_t) };
        }
        if self.new_session {
            // SAFETY: it takes nothing.
            checked(unsafe { libc::setsid() })?;
        }
        if let Some(groups) = &self.groups {
            // SAFETY: the list is as long as is said. The type of the length is the platform's.
            checked(unsafe { libc::setgroups(groups.len() as _, groups.as_ptr()) })?;
        }
        if let Some(group) = self.group {
            // SAFETY: it takes numbers.
            checked(unsafe { libc::setregid(group, group) })?;
        }
        if let Some(user) = self.user {
            // SAFETY: it takes numbers.
            checked(unsafe { libc::setreuid(user, user) })?;
        }
        if self.close_fds {
            close_on_exec_from(3);
        }
        for fd in passed {
            // SAFETY: it takes numbers. No flag: the descriptor stays open.
            checked(unsafe { libc::fcntl(*fd, libc::F_SETFD, 0) })?;
        }
        Ok(())
    }
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has all descriptors from this number on closed by `exec`. They are not closed at once, since the parent is told of an
/// error through one of them.
fn close_on_exec_from(first: libc::c_uint) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        /// `CLOSE_RANGE_CLOEXEC` of `linux/close_range.h`.
        const CLOEXEC: libc::c_uint = 1 << 2;
        // SAFETY: it takes numbers, and sets flags of descriptors.
        let result = unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, CLOEXEC) };
        if result == 0 {
            return;
        }
    }
    // SAFETY: it takes a number.
    let most = unsafe { libc::sysconf(libc::_SC_OPEN_MAX) };
    for fd in first as libc::c_int..libc::c_int::try_from(most).unwrap_or(libc::c_int::MAX) {
        // SAFETY: it takes numbers. It fails for numbers that are not open.
        unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}
