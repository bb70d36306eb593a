//! How late the kernel may end a wait of this thread on purpose.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod prctl;

/// Asks the kernel to end this thread's waits as exactly as it can.
///
/// Linux lets a wait of an ordinary thread run 50 µs past its timeout, so that timers of several threads share an
/// interrupt. This sets the slack of the calling thread to 1 ns; threads that it starts afterwards inherit it. Elsewhere,
/// and where a sandbox refuses, nothing happens: the waits are merely less exact.
pub fn set_precise_timer_slack() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    prctl::set_slack(1);
}
