//! `SubprocessProtocol`: what the transport of a child calls.

use std::io;
use std::rc::Rc;

use crate::transport::SubprocessTransport;

/// What a [`SubprocessTransport`] tells of its child: [`connection_made`](Self::connection_made) once, first; then, for each
/// output that is a pipe, any number of [`pipe_data_received`](Self::pipe_data_received) and one
/// [`pipe_connection_lost`](Self::pipe_connection_lost); [`process_exited`](Self::process_exited) once, before, between or
/// after these; [`connection_lost`](Self::connection_lost) once, after all of them.
///
/// Descriptors are named by number: 0 for standard input, 1 for output, 2 for errors.
///
/// The methods take `&self`, as those of [`Protocol`](asyncio_net::Protocol) do. All are called on the loop's thread, outside
/// any task, and in a turn of their own, except `pause_writing` and `resume_writing`, which come out of a write. A panic
/// is reported to the exception handler, and nothing else comes of it.
///
/// # Examples
///
/// See [`subprocess_exec`](crate::subprocess_exec).
///
/// # In Python
///
/// `asyncio.SubprocessProtocol`, in `asyncio/protocols.py`.
pub trait SubprocessProtocol {
    /// The child runs and its pipes are connected.
    fn connection_made(&self, transport: SubprocessTransport) {
        drop(transport);
    }

    /// The child wrote to its standard output (1) or error (2).
    fn pipe_data_received(&self, fd: i32, data: &[u8]) {
        let _ = (fd, data);
    }

    /// A pipe was closed, at one end or the other. `None`: in an orderly way.
    fn pipe_connection_lost(&self, fd: i32, error: Option<io::Error>) {
        let _ = (fd, error);
    }

    /// The child has ended: the transport has its return code.
    fn process_exited(&self) {}

    /// The child has ended and its pipes are closed. This is the last call. There is never an error.
    fn connection_lost(&self, error: Option<io::Error>) {
        drop(error);
    }

    /// The buffer before the child's standard input is above its high-water mark.
    fn pause_writing(&self) {}

    /// The buffer before the child's standard input has shrunk to its low-water mark.
    fn resume_writing(&self) {}
}

impl<P: SubprocessProtocol + ?Sized> SubprocessProtocol for Rc<P> {
    fn connection_made(&self, transport: SubprocessTransport) {
        (**self).connection_made(transport);
    }

    fn pipe_data_received(&self, fd: i32, data: &[u8]) {
        (**self).pipe_data_received(fd, data);
    }

    fn pipe_connection_lost(&self, fd: i32, error: Option<io::Error>) {
        (**self).pipe_connection_lost(fd, error);
    }

    fn process_exited(&self) {
        (**self).process_exited();
    }

    fn connection_lost(&self, error: Option<io::Error>) {
        (**self).connection_lost(error);
    }

    fn pause_writing(&self) {
        (**self).pause_writing();
    }

    fn resume_writing(&self) {
        (**self).resume_writing();
    }
}
