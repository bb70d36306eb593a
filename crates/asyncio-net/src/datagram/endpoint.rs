//! `create_datagram_endpoint`: from addresses and a protocol to a transport.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use asyncio_event_loop::{EventLoop, get_running_loop};
use asyncio_reactor::OwnedDescriptor;

use super::open::{Options, adopt, open};
use super::{DatagramProtocol, DatagramTransport};
use crate::address::Family;
use crate::resolve::AddrInfoFlags;
use crate::sock::Place;

/// Makes a datagram socket on the running loop, and with `factory` the protocol that it serves. What it returns is awaited,
/// after its options were set: see [`CreateDatagramEndpoint`].
///
/// # Panics
///
/// When there is no running event loop.
///
/// # In Python
///
/// `loop.create_datagram_endpoint`, in `asyncio/base_events.py`.
#[track_caller]
pub fn create_datagram_endpoint<P, F>(factory: F) -> CreateDatagramEndpoint<F>
where
    P: DatagramProtocol + 'static,
    F: FnOnce() -> P,
{
    CreateDatagramEndpoint::new(get_running_loop(), factory)
}

/// A datagram endpoint that is made when this is awaited: see [`create_datagram_endpoint`].
///
/// It opens a socket, calls the factory for a protocol, and tells that of the transport; then it ends, with both. An
/// endpoint with a remote address is connected to it: it sends there, and receives from there only. One that may
/// broadcast is not connected, and receives from everywhere.
///
/// A name that stands for several addresses is tried in each family, IPv4 and IPv6, with its first address there, until
/// a socket can be bound and connected. With the address of a Unix socket it becomes one: a socket that was left at its
/// local path is replaced, and the path is removed when the endpoint is closed.
///
/// # Cancel safety
///
/// The socket is closed, and a protocol that was made is told so.
///
/// # Errors
///
/// `InvalidInput` if neither an address nor a family is given, if the two addresses have no family in common, and for
/// options beside an existing socket. Else why the look-up failed, or why the first socket could not be opened.
///
/// # Examples
///
/// ```
/// use asyncio_event_loop::run;
/// use asyncio_executor::Future;
/// use asyncio_net::{Address, DatagramProtocol, DatagramTransport, create_datagram_endpoint};
/// use std::cell::OnceCell;
///
/// #[derive(Default)]
/// struct Echo(OnceCell<DatagramTransport>);
/// impl DatagramProtocol for Echo {
///     fn connection_made(&self, transport: DatagramTransport) {
///         let _ = self.0.set(transport);
///     }
///     fn datagram_received(&self, data: &[u8], from: &Address) {
///         self.0.get().unwrap().sendto(data, from).unwrap();
///     }
/// }
///
/// struct Client(Future<Vec<u8>>);
/// impl DatagramProtocol for Client {
///     fn datagram_received(&self, data: &[u8], _from: &Address) {
///         let _ = self.0.set_result(data.to_vec());
///     }
/// }
///
/// run(async {
///     let (server, _) = create_datagram_endpoint(Echo::default).local_addr(("127.0.0.1", 0)).await?;
///     let factory = || Client(Future::new());
///     let (client, protocol) = create_datagram_endpoint(factory).remote_addr(server.local_addr()?).await?;
///     client.send(b"hello")?;
///     assert_eq!(protocol.0.clone().await, b"hello");
///     Ok::<_, std::io::Error>(())
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # In Python
///
/// `loop.create_datagram_endpoint`, in `asyncio/base_events.py`, where of several addresses in a family the last is
/// taken, and paths of Unix sockets are left behind.
#[must_use = "nothing is opened before it is awaited"]
pub struct CreateDatagramEndpoint<F> {
    this: EventLoop,
    factory: F,
    options: Options,
    socket: Option<OwnedDescriptor>,
}

impl<F> CreateDatagramEndpoint<F> {
    pub(crate) fn new(this: EventLoop, factory: F) -> Self {
        Self { this, factory, options: Options::default(), socket: None }
    }

    /// Where to receive.
    pub fn local_addr(mut self, address: impl Into<Place>) -> Self {
        self.options.local = Some(address.into());
        self
    }

    /// Where to send.
    pub fn remote_addr(mut self, address: impl Into<Place>) -> Self {
        self.options.remote = Some(address.into());
        self
    }

    /// Addresses of this family only. It is needed where there is no address at all.
    pub fn family(mut self, family: Family) -> Self {
        self.options.family = Some(family);
        self
    }

    /// The number of the protocol; 0, the default, is that of the family's datagrams.
    pub fn protocol(mut self, protocol: i32) -> Self {
        self.options.protocol = protocol;
        self
    }

    /// Flags of the look-up of names.
    pub fn flags(mut self, flags: AddrInfoFlags) -> Self {
        self.options.flags = flags;
        self
    }

    /// Whether several sockets may be bound to the local address, if all say so. The default is `false`.
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.options.reuse_port = reuse;
        self
    }

    /// Whether broadcast addresses may be sent to. The default is `false`.
    pub fn allow_broadcast(mut self, allow: bool) -> Self {
        self.options.allow_broadcast = allow;
        self
    }

    /// A socket that exists, bound and connected as it is, instead of all the other options.
    pub fn socket(mut self, socket: impl Into<OwnedDescriptor>) -> Self {
        self.socket = Some(socket.into());
        self
    }
}

impl<P, F> IntoFuture for CreateDatagramEndpoint<F>
where
    P: DatagramProtocol + 'static,
    F: FnOnce() -> P + 'static,
{
    type Output = io::Result<(DatagramTransport, Rc<P>)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output>>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { this, factory, options, socket } = self;
        Box::pin(async move {
            let opened = match socket {
                Some(socket) => adopt(socket, &options)?,
                None => open(&options).await?,
            };
            let protocol = Rc::new(factory());
            let transport = DatagramTransport::new(this, opened, protocol.clone())?;
            let made = transport.start();
            let guard = CloseOnDrop(Some(transport));
            made.await;
            let transport = guard.disarm();
            Ok((transport, protocol))
        })
    }
}

impl<F> fmt::Debug for CreateDatagramEndpoint<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateDatagramEndpoint")
            .field("options", &self.options)
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

/// Closes a transport that nobody was given.
struct CloseOnDrop(Option<DatagramTransport>);

impl CloseOnDrop {
    fn disarm(mut self) -> DatagramTransport {
        self.0.take().expect("it is taken once, here")
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(transport) = &self.0 {
            transport.close();
        }
    }
}
