//! A descriptor that becomes readable when a child has ended.
//!
//! On Linux it is the kernel's own (`pidfd_open`). Where that is not to be had, it is a pipe whose other end a thread closes:
//! the thread waits for the child's end and leaves its status alone (`WNOWAIT`), so that there, too, the loop alone takes
//! it, and the child's number stays its own until then.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use asyncio_event_loop::spawn_thread;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};

/// How long the end of a loop waits for a child that was killed. Longer delays the end, where a child hangs in the kernel;
/// shorter leaves more to a thread. A child that does not hang is gone within milliseconds, also on a loaded machine.
const SOON: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// Whether to do without the kernel's descriptors.
static WITH_THREADS: AtomicBool = AtomicBool::new(false);

/// Has children watched as where the platform has no descriptors for it. For tests.
#[doc(hidden)]
pub fn watch_with_threads(with_threads: bool) {
    WITH_THREADS.store(with_threads, Ordering::Relaxed);
}

pub(super) struct Watch {
    fd: OwnedFd,
    /// It stands for the child itself.
    is_pidfd: bool,
}

impl Watch {
    pub(super) fn new(pid: u32) -> io::Result<Self> {
        let pid = pid_of(pid)?;
        if let Some(fd) = open_pidfd(pid)? {
            return Ok(Self { fd, is_pidfd: true });
        }
        let (read, write) = io::pipe()?;
        let wait = move || {
            wait_for_end(pid);
            drop(write);
        };
        spawn_thread("asyncio-child", Box::new(wait))?;
        Ok(Self { fd: read.into(), is_pidfd: false })
    }

    pub(super) fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.is_pidfd.then(|| self.fd.as_fd())
    }

    /// Waits for the end of the child, for a while. Says whether it came.
    pub(super) fn has_ended_soon(&self) -> bool {
        loop {
            match poll(&mut [PollFd::new(&self.fd, PollFlags::IN)], Some(&SOON)) {
                Err(rustix::io::Errno::INTR) => {}
                ready => return ready.is_ok_and(|ready| ready > 0),
            }
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn pid_of(pid: u32) -> io::Result<Pid> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the number of a process is above zero"))
}

/// The kernel's descriptor; `None` if it has none, or a sandbox refuses it.
#[cfg(target_os = "linux")]
fn open_pidfd(pid: Pid) -> io::Result<Option<OwnedFd>> {
    use rustix::io::Errno;
    if WITH_THREADS.load(Ordering::Relaxed) {
        return Ok(None);
    }
    match rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) {
        Ok(fd) => Ok(Some(fd)),
        // A thread and a pipe would want more of the same.
        Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}

#[cfg(not(target_os = "linux"))]
fn open_pidfd(_: Pid) -> io::Result<Option<OwnedFd>> {
    Ok(None)
}

/// Blocks until the child has ended, or is no child any more.
fn wait_for_end(pid: Pid) {
    while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {}
}

/// Blocks until the child has ended, and takes its status.
pub(super) fn take_status(pid: u32) {
    let Ok(pid) = pid_of(pid) else { return };
    while let Err(rustix::io::Errno::INTR) = waitpid(Some(pid), WaitOptions::empty()) {}
}
