#![expect(unsafe_code, reason = "signal handlers are installed with system calls that take function pointers")]
//! The process's side of signals: one handler, which counts and rings, and the descriptor that it rings.
//!
//! The handler does three things, all of which may be done in a signal handler: it sets an atomic flag, writes a byte to a
//! descriptor that is never closed, and keeps `errno` as it was. [`Installed`] puts it in place and, dropped, puts back
//! what was there. Several loops in one process share the flags and the bell: only loops of the main thread install, and
//! one runs there at a time. What another loop's signals rang, it hears when it runs next (`Signals::ring_again`).

use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

/// One more than the largest signal number of the platforms at hand.
const SIGNALS: usize = 128;

/// Which signals came since they were last taken.
static CAME: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];
/// Where the handler writes, or -1.
static RING: AtomicI32 = AtomicI32::new(-1);
/// Both ends of the bell, kept for the life of the process: the handler may run at any time.
static BELL: OnceLock<(UnixStream, UnixStream)> = OnceLock::new();

/// The end of the bell that a loop watches.
pub(super) fn bell() -> io::Result<BorrowedFd<'static>> {
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
pub(super) fn drain() {
    if let Some((read, _)) = BELL.get() {
        let mut buffer = [0; 64];
        let mut read = read;
        while matches!(read.read(&mut buffer), Ok(n) if n == buffer.len()) {}
    }
}

/// Whether `signal` came since the last call of this.
pub(super) fn take(signal: i32) -> bool {
    usize::try_from(signal)
        .ok()
        .and_then(|signal| CAME.get(signal))
        .is_some_and(|came| came.swap(false, Ordering::AcqRel))
}

/// Whether `signal` came since the last call of `take`.
pub(super) fn came(signal: i32) -> bool {
    usize::try_from(signal).ok().and_then(|signal| CAME.get(signal)).is_some_and(|came| came.load(Ordering::Acquire))
}

/// Rings the bell.
pub(super) fn ring() {
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
    if let Some(came) = usize::try_from(signal).ok().and_then(|signal| CAME.get(signal)) {
        // Release pairs with the acquire of `take` and `came`.
        came.store(true, Ordering::Release);
    }
    ring();
    // SAFETY: as above.
    unsafe { *errno_location() = errno };
}

/// Where this thread keeps `errno`.
fn errno_location() -> *mut libc::c_int {
    #[cfg(any(target_os = "linux", target_os = "emscripten", target_os = "hurd"))]
    // SAFETY: it takes nothing and touches nothing.
    return unsafe { libc::__errno_location() };
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    // SAFETY: it takes nothing and touches nothing.
    return unsafe { libc::__error() };
    #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
    // SAFETY: it takes nothing and touches nothing.
    return unsafe { libc::__errno() };
}

/// Refuses what is no signal, cannot be handled, or comes from the wrong thread.
pub(super) fn check(signal: i32) -> io::Result<()> {
    if !(1..SIGNALS as i32).contains(&signal) {
        let message = format!("{signal} is not the number of a signal");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    let never = [libc::SIGKILL, libc::SIGSTOP, libc::SIGSEGV, libc::SIGFPE, libc::SIGILL, libc::SIGBUS];
    if never.contains(&signal) {
        let message = format!("signal {signal} cannot be handled by an event loop");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    if !is_main_thread() {
        let message = "signal handlers can be set on the process's main thread only";
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    Ok(())
}

/// Whether this is the thread that runs `main`: the standard library gives that one its name.
pub(super) fn is_main_thread() -> bool {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: both take nothing and touch nothing.
        let process = unsafe { libc::getpid() };
        // SAFETY: as above.
        process == unsafe { libc::gettid() }
    }
    #[cfg(not(target_os = "linux"))]
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
pub(super) fn is_default(signal: i32) -> bool {
    current(signal).is_some_and(|action| action.sa_sigaction == libc::SIG_DFL)
}

/// For how many signals the handler stays in place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Times {
    /// For one: after that the system does what it does by default, whether the loop looks or not.
    Once,
    Each,
}

/// The handler, in place for one signal. Dropped, it puts back what was there.
pub(super) struct Installed {
    signal: i32,
    before: libc::sigaction,
}

impl Installed {
    /// Puts the handler in place. System calls that it interrupts are restarted.
    pub(super) fn new(signal: i32, times: Times) -> io::Result<Self> {
        bell()?;
        take(signal);
        Ok(Self { signal, before: install(signal, times)? })
    }

    /// Puts it in place anew.
    pub(super) fn set_times(&self, times: Times) {
        // It worked before.
        let _ = install(self.signal, times);
    }
}

/// The number by which the system knows the handler.
fn ours() -> libc::sighandler_t {
    let handler: extern "C" fn(libc::c_int) = on_signal;
    handler as *const () as libc::sighandler_t
}

/// Puts the handler in place, and returns what was there.
fn install(signal: i32, times: Times) -> io::Result<libc::sigaction> {
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

impl Drop for Installed {
    fn drop(&mut self) {
        // Somebody else's handler that came meanwhile stays.
        if current(self.signal).is_some_and(|action| action.sa_sigaction == ours()) || is_default(self.signal) {
            // SAFETY: `before` is what the system gave.
            unsafe { libc::sigaction(self.signal, &raw const self.before, std::ptr::null_mut()) };
        }
    }
}

/// Lets the system do on `signal`, from now on, what it does by default.
pub(super) fn set_default(signal: i32) {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: zeroed is a valid `sigaction`.
    unsafe { action.assume_init_mut() }.sa_sigaction = libc::SIG_DFL;
    // SAFETY: a valid `sigaction`.
    unsafe { libc::sigaction(signal, action.as_ptr(), std::ptr::null_mut()) };
}

/// Sends `signal` to this process.
pub(super) fn raise(signal: i32) {
    // SAFETY: it takes a number.
    unsafe { libc::raise(signal) };
}
