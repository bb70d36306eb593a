//! Datagram endpoints: a socket for datagrams, and the protocol that it serves.

mod endpoint;
mod limits;
mod open;
mod transport;

use std::io;
use std::rc::Rc;

use crate::sock::Address;

pub use endpoint::{CreateDatagramEndpoint, create_datagram_endpoint};
pub use transport::DatagramTransport;

/// What is told of the datagrams of an endpoint. All calls come from the loop, outside any task, in a copy of the context
/// in which the endpoint was made.
///
/// The methods take `&self`, since a call to the transport may lead to a call of the protocol while another is under way:
/// keep what changes in a `Cell` or `RefCell`, and borrow that for no longer than needed. A panic in a method goes to
/// the loop's exception handler, and the endpoint goes on.
///
/// # In Python
///
/// `asyncio.DatagramProtocol`, in `asyncio/protocols.py`.
pub trait DatagramProtocol {
    /// The endpoint is there. It comes first, and once.
    fn connection_made(&self, transport: DatagramTransport) {
        drop(transport);
    }

    /// A datagram came. `data` is valid for the call; it may be empty.
    fn datagram_received(&self, data: &[u8], from: &Address);

    /// Sending or receiving failed; the endpoint goes on. On a connected endpoint, `ConnectionRefused` says that nobody
    /// was there to receive something that was sent before.
    fn error_received(&self, error: io::Error) {
        drop(error);
    }

    /// The endpoint is closed. It comes last, and once, unless the loop is closed before.
    fn connection_lost(&self, error: Option<io::Error>) {
        drop(error);
    }

    /// The write buffer has grown past its upper limit.
    fn pause_writing(&self) {}

    /// The write buffer has shrunk to its lower limit.
    fn resume_writing(&self) {}
}

/// One that somebody else holds as well.
impl<P: DatagramProtocol + ?Sized> DatagramProtocol for Rc<P> {
    fn connection_made(&self, transport: DatagramTransport) {
        (**self).connection_made(transport);
    }

    fn datagram_received(&self, data: &[u8], from: &Address) {
        (**self).datagram_received(data, from);
    }

    fn error_received(&self, error: io::Error) {
        (**self).error_received(error);
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
