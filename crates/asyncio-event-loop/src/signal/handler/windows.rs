#![expect(unsafe_code, reason = "signal handlers are installed with calls that take function pointers")]
//! Signals on Windows: those that the C library makes of Ctrl-C and Ctrl-Break, and a socket for a bell.
//!
//! The C library calls a handler on a thread that the system makes for it, once: when it calls, the default is in place
//! again, with which the next Ctrl-C ends the process. A handler that is to stay therefore puts itself in place again, and
//! a second signal that comes before it did kills. (A call of `raise` runs the handler on the thread of the caller.) So the
//! handler may do what any code may; it keeps to what it does elsewhere, and sends a byte to a socket that is never closed.

use std::io;
use std::net::UdpSocket;
use std::os::windows::io::{AsSocket, BorrowedSocket};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{SIGNALS, Times};

/// Ctrl-Break; the C library's number, which has no name in `libc`.
const SIGBREAK: i32 = 21;
/// With what the system ends a process on Ctrl-C: `STATUS_CONTROL_C_EXIT`.
const CONTROL_C_EXIT: u32 = 0xC000_013A;

/// A socket connected to itself, kept for the life of the process: the handler may run at any time.
static BELL: OnceLock<UdpSocket> = OnceLock::new();
/// The signals whose handler is to stay when it was called.
static STAYS: [AtomicBool; SIGNALS] = [const { AtomicBool::new(false) }; SIGNALS];

/// What the process did on a signal.
pub(in crate::signal) type Before = libc::sighandler_t;

/// The socket that a loop watches.
pub(in crate::signal) fn bell() -> io::Result<BorrowedSocket<'static>> {
    if let Some(bell) = BELL.get() {
        return Ok(bell.as_socket());
    }
    let bell = UdpSocket::bind("127.0.0.1:0")?;
    // From now on it hears nobody but itself.
    bell.connect(bell.local_addr()?)?;
    bell.set_nonblocking(true)?;
    Ok(BELL.get_or_init(|| bell).as_socket())
}

/// Rings the bell.
pub(in crate::signal) fn ring() {
    if let Some(bell) = BELL.get() {
        // A full bell rings anyway, so a failure means nothing.
        let _ = bell.send(&[0]);
    }
}

/// Empties the bell.
pub(in crate::signal) fn drain() {
    if let Some(bell) = BELL.get() {
        while bell.recv(&mut [0; 1]).is_ok() {}
    }
}

/// What runs when a signal comes.
extern "C" fn on_signal(signal: libc::c_int) {
    let stays = usize::try_from(signal).ok().and_then(|signal| STAYS.get(signal));
    // No order is needed: the flag says all.
    if stays.is_some_and(|stays| stays.load(Ordering::Relaxed)) {
        replace(signal, ours());
    }
    super::note(signal);
}

/// Refuses all but the signals that come of the keyboard, and the one that asks a program to end, which comes of `raise`
/// alone.
pub(in crate::signal) fn check_number(signal: i32) -> io::Result<()> {
    if [libc::SIGINT, libc::SIGTERM, SIGBREAK].contains(&signal) {
        return Ok(());
    }
    let message =
        format!("signal {signal} cannot be handled on Windows: SIGINT (2), SIGTERM (15) and SIGBREAK (21) can");
    Err(io::Error::new(io::ErrorKind::InvalidInput, message))
}

/// Whether this is the thread that runs `main`: the standard library gives that one its name.
pub(in crate::signal) fn is_main_thread() -> bool {
    std::thread::current().name() == Some("main")
}

/// The number by which the C library knows the handler.
fn ours() -> libc::sighandler_t {
    let handler: extern "C" fn(libc::c_int) = on_signal;
    handler as *const () as libc::sighandler_t
}

/// Has the process do something else on `signal`, and returns what it did; `None` if the number is no signal's.
fn replace(signal: i32, handler: libc::sighandler_t) -> Option<Before> {
    // SAFETY: `handler` is that of this file, one that this call returned before, or a constant of the library.
    let before = unsafe { libc::signal(signal, handler) };
    (before != libc::SIG_ERR as libc::sighandler_t).then_some(before)
}

/// Whether the process does on `signal` what the system does by default. There is no way to ask but to change it.
pub(in crate::signal) fn is_default(signal: i32) -> bool {
    let before = replace(signal, libc::SIG_DFL);
    if let Some(before) = before
        && before != libc::SIG_DFL
    {
        replace(signal, before);
    }
    before == Some(libc::SIG_DFL)
}

/// Puts the handler in place, and returns what was there.
pub(in crate::signal) fn install(signal: i32, times: Times) -> io::Result<Before> {
    if let Some(stays) = usize::try_from(signal).ok().and_then(|signal| STAYS.get(signal)) {
        stays.store(times == Times::Each, Ordering::Relaxed);
    }
    replace(signal, ours()).ok_or_else(|| {
        let message = format!("the system does not take a handler for signal {signal}");
        io::Error::new(io::ErrorKind::InvalidInput, message)
    })
}

/// Puts back what was there before the handler.
pub(in crate::signal) fn restore(signal: i32, before: &Before) {
    if let Some(stays) = usize::try_from(signal).ok().and_then(|signal| STAYS.get(signal)) {
        stays.store(false, Ordering::Relaxed);
    }
    if let Some(now) = replace(signal, *before)
        && now != ours()
        && now != libc::SIG_DFL
    {
        // Somebody else's handler that came meanwhile stays.
        replace(signal, now);
    }
}

/// Ends the process as Ctrl-C does by default.
pub(in crate::signal) fn die(_signal: i32) -> ! {
    std::process::exit(CONTROL_C_EXIT as i32)
}

#[cfg(test)]
mod tests {
    use super::super::{Installed, came, take};
    use super::*;

    /// These tests change what the process does, one at a time: each has a signal of its own.
    fn raise(signal: i32) {
        // SAFETY: it takes a number.
        unsafe { libc::raise(signal) };
    }

    #[test]
    fn a_handler_for_one_signal_is_gone_after_it() {
        let installed = Installed::new(libc::SIGINT, Times::Once).unwrap();
        assert!(!came(libc::SIGINT));
        raise(libc::SIGINT);
        assert!(is_default(libc::SIGINT));
        assert!(take(libc::SIGINT) && !take(libc::SIGINT));
        drop(installed);
        assert!(is_default(libc::SIGINT));
    }

    #[test]
    fn a_handler_for_each_signal_stays_until_it_is_dropped() {
        let installed = Installed::new(libc::SIGTERM, Times::Each).unwrap();
        for _ in 0..3 {
            raise(libc::SIGTERM);
            assert!(take(libc::SIGTERM));
        }
        assert!(!is_default(libc::SIGTERM));
        drop(installed);
        assert!(is_default(libc::SIGTERM));
    }

    #[test]
    fn what_was_set_before_or_meanwhile_stays() {
        replace(SIGBREAK, libc::SIG_IGN);
        drop(Installed::new(SIGBREAK, Times::Each).unwrap());
        assert_eq!(replace(SIGBREAK, libc::SIG_DFL), Some(libc::SIG_IGN));
        let installed = Installed::new(SIGBREAK, Times::Each).unwrap();
        replace(SIGBREAK, libc::SIG_IGN);
        drop(installed);
        assert_eq!(replace(SIGBREAK, libc::SIG_DFL), Some(libc::SIG_IGN));
    }

    #[test]
    fn other_signals_are_refused_by_name() {
        for signal in [libc::SIGSEGV, libc::SIGABRT, 1, 9] {
            assert!(check_number(signal).unwrap_err().to_string().contains("cannot be handled on Windows"));
        }
    }
}
