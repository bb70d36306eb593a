#![cfg_attr(
    any(target_os = "linux", target_os = "android"),
    expect(unsafe_code, reason = "one system call, which touches no memory")
)]
//! How late the kernel may end a wait of this thread on purpose.

/// Asks the kernel to end this thread's waits as exactly as it can.
///
/// Linux lets a wait of an ordinary thread run 50 µs past its timeout, so that timers of several threads share an
/// interrupt. This sets the slack of the calling thread to 1 ns; threads that it starts afterwards inherit it. Elsewhere,
/// and where a sandbox refuses, nothing happens: the waits are merely less exact.
pub fn set_precise_timer_slack() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let one: libc::c_ulong = 1;
        // SAFETY: the call takes a number and no pointer. Nothing depends on the outcome, see above.
        let _ = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, one) };
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_slack_of_this_thread_becomes_one_nanosecond() {
        super::set_precise_timer_slack();
        // SAFETY: the call takes nothing and returns a number.
        assert_eq!(unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) }, 1);
    }
}
