//! How late the kernel may end a wait of this thread on purpose.

/// Asks the kernel to end this thread's waits as exactly as it can.
///
/// Linux lets a wait of an ordinary thread run 50 µs past its timeout, so that timers of several threads share an
/// interrupt. This sets the slack of the calling thread to 1 ns; threads that it starts afterwards inherit it. Elsewhere,
/// and where a sandbox refuses, nothing happens: the waits are merely less exact.
pub fn set_precise_timer_slack() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // Nothing depends on the outcome, see above.
        let _ = rustix::thread::set_current_timer_slack(Some(std::num::NonZeroU64::MIN));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_slack_of_this_thread_becomes_one_nanosecond() {
        super::set_precise_timer_slack();
        assert_eq!(rustix::thread::current_timer_slack().unwrap(), 1);
    }
}
