//! The choice of platform: the calls that the standard library and `socket2` do not make alike everywhere.
//!
//! Each platform has the same names:
//!
//! * on sockets, none of which waits: `is_nonblocking`, `family`, `recv`, `recv_into`, `recvfrom`, `recvfrom_into`, `send`,
//!   `sendto`, `accept`, `bind`, `connect`, `is_connected`, `local_address`, `peer_address`, `SEND_FLAGS`;
//! * on sockets of `socket2` and on errors: `is_listener`, `is_under_way`, `is_exhaustion`,
//!   `is_of_the_connection`;
//! * on files: `sendfile`, `read_at`, `BoundPath`, `remove_stale`, `HAS_UNIX_SOCKETS`;
//! * on names: `lookup`, with the types, functions and numbers of `getaddrinfo` as C has them.
//!
//! What one platform has and others lack, such as Unix sockets, pipes and `sendfile`, is in the files of those.

#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
pub(crate) use unix::*;
#[cfg(windows)]
pub(crate) use windows::*;
