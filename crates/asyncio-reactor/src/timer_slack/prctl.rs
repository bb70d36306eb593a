#![expect(unsafe_code, reason = "a system call, which takes a number and touches no memory")]
//! The timer slack of Linux.

/// Sets the slack of the calling thread. Where that is refused, nothing happens.
pub(super) fn set_slack(nanoseconds: libc::c_ulong) {
    // SAFETY: this request takes a number, and no pointer.
    let _ = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, nanoseconds) };
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_slack_of_this_thread_becomes_what_was_asked_for() {
        for nanoseconds in [7, 1] {
            super::set_slack(nanoseconds);
            // SAFETY: this request takes nothing, and returns a number.
            assert_eq!(i64::from(unsafe { libc::prctl(libc::PR_GET_TIMERSLACK) }), nanoseconds as i64);
        }
    }
}
