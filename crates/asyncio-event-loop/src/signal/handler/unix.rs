#![expect(unsafe_code, reason = "signal handlers are installed with system calls that take function pointers")]
//! Signals on Unix: `sigaction`, and a socket pair for a bell.
//!
//! The handler does three things, all of which may be done in a signal handler: it sets an atomic flag, writes a byte to a
//! descriptor that is never closed, and keeps `errno` as it was. System calls that it interrupts are restarted.

use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use super::Times;

/// Where the handler writes, or -1.
static RING: AtomicI32 = AtomicI32::new(-1);
/// Both ends of the bell, kept for the life of the process: the handler may run at any time.
static BELL: OnceLock<(UnixStream, UnixStream)> = OnceLock::new();

/// The end of the bell that a loop watches.
pub(in crate::signal) fn bell() -> io::Result<BorrowedFd<'static>> {
    if let Some((read, _)) = BELL.get() {
        return Ok(read.as_fd());
    }
    let (read, write) = UnixStream::pair()?;
    read.set_nonblocking(true)?;
    write.set_nonblocking(true)?;
    let (read, write) = BELL.get_or_init(|| (read, write));
    // Release is not needed: the descriptor's number says all.
    RING.store(write.as_raw_fd(), Ordering::Relaxed);
    Ok(read.as_fd())
}

/// Empties the bell.
pub(in crate::signal) fn drain() {
    if let Some((read, _)) = BELL.get() {
        let mut buffer = [0; 64];
        let mut read = read;
        while matches!(read.read(&mut buffer), Ok(n) if n == buffer.len()) {}
    }
}

/// Rings the bell.
pub(in crate::signal) fn ring() {
    let ring = RING.load(Ordering::Relaxed);
    if ring >= 0 {
        let byte = 0u8;
        // SAFETY: one byte is read from a local; the descriptor is open for the life of the process. A full bell rings
        // anyway, so a failure means nothing.
        unsafe { libc::write(ring, (&raw const byte).cast(), 1) };
    }
}

/// What runs when a signal comes.
extern "C" fn on_signal(signal: libc::c_int) {
    // SAFETY: the location of this thread's `errno` is always valid.
    let errno = unsafe { *errno_location() };
    super::note(signal);
    // SAFETY: as above.
    unsafe { *errno_location() = errno };
}

/// Where this thread keeps `errno`.
fn errno_location() -> *mut libc::c_int {
    #[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "hurd", target_os = "dragonfly"))]
    // SAFETY: it takes nothing and touches nothing.
    return unsafe { libc::__errno_location() };
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    // SAFETY: it takes nothing and touches nothing.
    return unsafe { libc::__error() };
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    // SAFETY: it takes nothing and touches nothing.
    return unsafe { libc::__errno() };
    #[cfg(any(target_os = "illumos", target_os = "solaris"))]
    // SAFETY: it takes nothing and touches nothing.
    return unsafe { libc::___errno() };
}

/// Refuses signals that nobody can handle, or nobody sensibly.
pub(in crate::signal) fn check_number(signal: i32) -> io::Result<()> {
    let never = [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGFPE, libc::SIGILL, libc::SIGBUS];
    if never.contains(&signal) {
        let message = format!("signal {signal} cannot be handled by an event loop");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok(())
}

/// Whether this is the thread that runs `main`. Where the system does not tell, it is the one that the standard library
/// names so.
pub(in crate::signal) fn is_main_thread() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // SAFETY: both take nothing and touch nothing.
        let process = unsafe { libc::getpid() };
        // SAFETY: as above.
        process == unsafe { libc::gettid() }
    }
    #[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "dragonfly", target_os = "openbsd"))]
    {
        // SAFETY: it takes nothing and touches nothing.
        unsafe { libc::pthread_main_np() == 1 }
    }
    #[cfg(not(any(
        target_os = "linux",
        target_os = "android",
        target_vendor = "apple",
        target_os = "freebsd",
        target_os = "dragonfly",
        target_os = "openbsd"
    )))]
    {
        std::thread::current().name() == Some("main")
    }
}

/// What the process does on `signal` now; `None` if the number is no signal's.
fn current(signal: i32) -> Option<libc::sigaction> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks only; the room is that of a `sigaction`.
    let failed = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) } != 0;
    // SAFETY: zeroed, which is a valid `sigaction`, and then written.
    let action = unsafe { action.assume_init() };
    (!failed).then_some(action)
}

/// Whether the process does on `signal` what the system does by default.
pub(in crate::signal) fn is_default(signal: i32) -> bool {
    current(signal).is_some_and(|action| action.sa_sigaction == libc::SIG_DFL)
}

/// What the process did on a signal.
pub(in crate::signal) type Before = libc::sigaction;

/// The number by which the system knows the handler.
fn ours() -> libc::sighandler_t {
    let handler: extern "C" fn(libc::c_int) = on_signal;
    handler as *const () as libc::sighandler_t
}

/// Puts the handler in place, and returns what was there.
pub(in crate::signal) fn install(signal: i32, times: Times) -> io::Result<Before> {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zeroed is a valid `sigaction`.
    let new = unsafe { action.assume_init_mut() };
    new.sa_sigaction = ours();
    new.sa_flags = match times {
        Times::Once => libc::SA_RESTART | libc::SA_RESETHAND,
        Times::Each => libc::SA_RESTART,
    };
    // SAFETY: the set is that of a valid `sigaction`.
    unsafe { libc::sigemptyset(&raw mut new.sa_mask) };
    let mut before = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: both are valid; the handler does only what a handler may.
    if unsafe { libc::sigaction(signal, &raw const *new, before.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: zeroed, which is valid, and written.
    Ok(unsafe { before.assume_init() })
}

/// Puts back what was there before the handler.
pub(in crate::signal) fn restore(signal: i32, before: &Before) {
    // Somebody else's handler that came meanwhile stays.
    if current(signal).is_some_and(|action| action.sa_sigaction == ours()) || is_default(signal) {
        // SAFETY: `before` is what the system gave.
        unsafe { libc::sigaction(signal, &raw const *before, std::ptr::null_mut()) };
    }
}

/// Lets the system do on `signal`, from now on, what it does by default.
fn set_default(signal: i32) {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zeroed is a valid `sigaction`.
    unsafe { action.assume_init_mut() }.sa_sigaction = libc::SIG_DFL;
    // SAFETY: a valid `sigaction`.
    unsafe { libc::sigaction(signal, action.as_ptr(), std::ptr::null_mut()) };
}

/// Ends the process as `signal` does by default.
pub(in crate::signal) fn die(signal: i32) -> ! {
    set_default(signal);
    // SAFETY: it takes a number.
    unsafe { libc::raise(signal) };
    // Only if the signal is blocked: what a shell shows for a process that died of it.
    std::process::exit(128 + signal)
}
