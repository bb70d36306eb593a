//! The choice of platform: which of the backends is compiled.
//!
//! Every backend has the same names and methods, and the rest of the crate knows no other difference:
//!
//! * `Poller`: `new`, `bell`, `sources_rearm`, `watches_rearm`, `add_source`, `arm_source`, `add_watch`, `modify_watch`,
//!   `delete`, `wait`;
//! * `Events`: `new`, `iter`;
//! * `Bell` (`Clone + Send + Sync`): `ring`.
//!
//! Each can be made with its own fallbacks in force, so that tests reach them: the first backend as on a kernel without
//! `epoll_pwait2`, the second as on a platform with neither edges nor levels.

#[cfg(all(any(target_os = "linux", target_os = "android"), not(asyncio_portable_reactor)))]
mod epoll;
#[cfg(all(any(target_os = "linux", target_os = "android"), not(asyncio_portable_reactor)))]
pub(crate) use epoll::{Bell, Events, Poller};

#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(asyncio_portable_reactor))))]
mod portable;
#[cfg(not(all(any(target_os = "linux", target_os = "android"), not(asyncio_portable_reactor))))]
pub(crate) use portable::{Bell, Events, Poller};

/// One report of the platform.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    /// What was given when the descriptor was added.
    pub(crate) token: usize,
    /// Hang-up and errors count as both.
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// The end of the stream may come without another report.
    pub(crate) ending: bool,
}
