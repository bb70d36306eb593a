//! `Protocol` and `BufferedProtocol`: what a transport calls.

use std::io;
use std::rc::Rc;

use crate::transport::Transport;

/// What a [`Transport`] tells of its connection, in this order: [`connection_made`](Protocol::connection_made) once, any
/// number of [`data_received`](Protocol::data_received), at most one [`eof_received`](Protocol::eof_received), and
/// [`connection_lost`](Protocol::connection_lost) once.
///
/// The methods take `&self`, because a transport calls back synchronously: a `write` inside `data_received` may come to
/// [`pause_writing`](Protocol::pause_writing) of the same protocol before it returns. What changes is kept in `Cell` and
/// `RefCell`; a `RefCell` must not be borrowed during a call of the transport if `pause_writing` or `resume_writing` borrow
/// it too. Any method of the transport may be called from any method of the protocol.
///
/// All are called on the loop's thread, outside any task, in a copy of the context in which the connection was asked for. A
/// panic is reported to the exception handler and, except in `pause_writing`, `resume_writing` and `connection_lost`, ends
/// the connection: `connection_lost` gets an error that says so.
///
/// # Examples
///
/// ```
/// use asyncio_net::{Protocol, Transport, create_connection, create_server};
/// use std::cell::{OnceCell, RefCell};
///
/// #[derive(Default)]
/// struct Echo(OnceCell<Transport>);
///
/// impl Protocol for Echo {
///     fn connection_made(&self, transport: Transport) {
///         let _ = self.0.set(transport);
///     }
///     fn data_received(&self, data: &[u8]) {
///         self.0.get().unwrap().write(data);
///     }
/// }
///
/// struct Client {
///     heard: RefCell<Vec<u8>>,
///     done: asyncio::Future<()>,
/// }
///
/// impl Protocol for Client {
///     fn connection_made(&self, transport: Transport) {
///         transport.write(b"hello");
///         transport.write_eof();
///     }
///     fn data_received(&self, data: &[u8]) {
///         self.heard.borrow_mut().extend_from_slice(data);
///     }
///     fn connection_lost(&self, _error: Option<std::io::Error>) {
///         self.done.set_result(()).unwrap();
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// asyncio::run(async {
///     let server = create_server(Echo::default, ("127.0.0.1", 0)).await?;
///     let client = || Client { heard: RefCell::default(), done: asyncio::Future::new() };
///     let (_transport, client) = create_connection(client, server.local_addrs()).await?;
///     client.done.clone().await;
///     assert_eq!(*client.heard.borrow(), b"hello");
///     Ok(())
/// })
/// # }
/// ```
///
/// # In Python
///
/// `asyncio.Protocol`, in `asyncio/protocols.py`.
pub trait Protocol {
    /// The connection is there. Called first, before whoever asked for the connection goes on.
    fn connection_made(&self, transport: Transport) {
        drop(transport);
    }

    /// Some bytes arrived, at least one. How the sender cut them says nothing.
    fn data_received(&self, data: &[u8]) {
        let _ = data;
    }

    /// The other end will send nothing more. `false`: the transport closes itself, after it has flushed; `true`: it stays
    /// open for writing.
    fn eof_received(&self) -> bool {
        false
    }

    /// The connection is over, and this is the last call. `None`: it was closed or aborted here, or ended by the other end
    /// in an orderly way.
    fn connection_lost(&self, error: Option<io::Error>) {
        drop(error);
    }

    /// The transport's write buffer has grown above its high-water mark: write no more for now. It is a plea, not a rule.
    fn pause_writing(&self) {}

    /// The write buffer has shrunk to its low-water mark. Called once after each `pause_writing`, except where the
    /// connection is lost.
    fn resume_writing(&self) {}

    /// A protocol that brings its own buffer to receive into returns itself; `data_received` is then not called.
    ///
    /// It is asked before each read, so a protocol may change its mind.
    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        None
    }
}

/// A [`Protocol`] that the transport receives for in a buffer of the protocol's, without a copy.
///
/// It says so by [`Protocol::buffered`]. The buffer changes hands, so that nothing is borrowed while other code runs: the
/// transport takes it with [`get_buffer`](BufferedProtocol::get_buffer), and it always comes back, by
/// [`buffer_updated`](BufferedProtocol::buffer_updated) or [`buffer_unused`](BufferedProtocol::buffer_unused).
///
/// # In Python
///
/// `asyncio.BufferedProtocol`, in `asyncio/protocols.py`, where the buffer is lent.
pub trait BufferedProtocol {
    /// A buffer to receive into, from its start to its length. An empty one is an error that ends the connection.
    /// `size_hint` is what the transport would take if it were its own.
    fn get_buffer(&self, size_hint: usize) -> Vec<u8>;

    /// The first `received` bytes of the buffer, at least one, are new.
    fn buffer_updated(&self, buffer: Vec<u8>, received: usize);

    /// There was nothing to receive, or the end, or an error, which is told next.
    fn buffer_unused(&self, buffer: Vec<u8>) {
        drop(buffer);
    }
}

impl<P: Protocol + ?Sized> Protocol for Rc<P> {
    fn connection_made(&self, transport: Transport) {
        (**self).connection_made(transport);
    }

    fn data_received(&self, data: &[u8]) {
        (**self).data_received(data);
    }

    fn eof_received(&self) -> bool {
        (**self).eof_received()
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

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        (**self).buffered()
    }
}
