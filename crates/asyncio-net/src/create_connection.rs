//! `create_connection` and its options.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use asyncio_event_loop::get_running_loop;
use socket2::{SockAddr, Socket};

use crate::address::{Family, Target, ToAddrs, invalid};
use crate::between::Between;
use crate::connect::{connect_any, connected};
use crate::connection::Io;
use crate::protocol::Protocol;
use crate::target::{Resolved, Use, only_addresses};
#[cfg(feature = "rustls")]
use crate::tls::{self, TlsConfig};
use crate::transport::{CloseOnDrop, Transport};

/// Connects to `address`, and makes the protocol of the connection with `factory`.
///
/// What it returns is awaited, after its options were set. It gives the transport and the protocol, whose
/// `connection_made` has been called. The addresses that a name stands for are tried in order; see
/// [`happy_eyeballs_delay`](CreateConnection::happy_eyeballs_delay).
///
/// # Cancel safety
///
/// Dropping it closes what was opened.
///
/// # Errors
///
/// When the name cannot be looked up or no attempt succeeds. If several attempts failed for different reasons,
/// [`ConnectErrors`](crate::ConnectErrors) is inside.
///
/// # Panics
///
/// When it is awaited without a running event loop.
///
/// # Examples
///
/// See [`Protocol`].
///
/// # In Python
///
/// `loop.create_connection`, in `asyncio/base_events.py`.
pub fn create_connection<F, P>(factory: F, address: impl ToAddrs) -> CreateConnection<F>
where
    F: FnOnce() -> P,
    P: Protocol + 'static,
{
    CreateConnection::new(factory, address.to_target())
}

/// Makes a connection of a socket that was accepted elsewhere, and its protocol with `factory`.
///
/// It is [`create_connection`] with a socket, and takes no address. The socket is closed with the connection.
///
/// # Cancel safety
///
/// Dropping it closes the socket.
///
/// # Errors
///
/// `InvalidInput` if it is not a stream socket or listens.
///
/// # Panics
///
/// When it is awaited without a running event loop.
///
/// # Examples
///
/// ```
/// use asyncio_net::{Protocol, Transport, connect_accepted_socket};
/// use std::io::Read;
/// use std::net::{TcpListener, TcpStream};
///
/// struct Greet;
/// impl Protocol for Greet {
///     fn connection_made(&self, transport: Transport) {
///         transport.write(b"hello");
///         transport.close();
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// let listener = TcpListener::bind(("127.0.0.1", 0))?;
/// let mut client = TcpStream::connect(listener.local_addr()?)?;
/// let (accepted, _) = listener.accept()?;
/// asyncio::run(async { connect_accepted_socket(|| Greet, accepted).await.map(drop) })?;
/// let mut heard = String::new();
/// client.read_to_string(&mut heard)?;
/// assert_eq!(heard, "hello");
/// # Ok(())
/// # }
/// ```
///
/// # In Python
///
/// `loop.connect_accepted_socket`, in `asyncio/base_events.py`.
pub fn connect_accepted_socket<F, P>(factory: F, socket: impl Into<Socket>) -> CreateConnection<F>
where
    F: FnOnce() -> P,
    P: Protocol + 'static,
{
    CreateConnection::new(factory, socket.into().to_target())
}

/// How a connection is to be made.
pub(crate) struct How {
    target: Target,
    local: Option<Target>,
    family: Option<Family>,
    delay: Option<Duration>,
    interleave: Option<usize>,
    #[cfg(feature = "rustls")]
    pub(crate) tls: tls::Options,
}

/// A registered socket and the address of the other end.
type Connected = io::Result<(Io, Option<SockAddr>)>;

impl How {
    pub(crate) fn new(target: Target) -> Self {
        Self {
            target,
            local: None,
            family: None,
            delay: None,
            interleave: None,
            #[cfg(feature = "rustls")]
            tls: tls::Options::default(),
        }
    }

    pub(crate) fn local_addr(&mut self, address: impl ToAddrs) {
        self.local = Some(address.to_target());
    }

    pub(crate) fn family(&mut self, family: Option<Family>) {
        self.family = family;
    }

    pub(crate) fn happy_eyeballs_delay(&mut self, delay: Option<Duration>) {
        self.delay = delay;
    }

    pub(crate) fn interleave(&mut self, count: Option<usize>) {
        self.interleave = count;
    }

    /// What the protocol is to be called through.
    fn between(&mut self) -> io::Result<Between> {
        Ok(Between {
            #[cfg(feature = "rustls")]
            tls: std::mem::take(&mut self.tls).side(self.target.host())?,
        })
    }

    pub(crate) async fn ready(mut self) -> io::Result<Ready> {
        let between = self.between()?;
        let (io, peer) = self.connect().await?;
        Ok((io, peer, between))
    }

    async fn connect(self) -> Connected {
        let mut resolved = self.target.resolve(Use::Connect, self.family).await?;
        if let [Resolved::Address(_), ..] | [_, _, ..] = resolved[..] {
            let addresses = only_addresses(resolved)?;
            let local = match self.local {
                None => Vec::new(),
                Some(local) => local.resolve_addresses(self.family).await?,
            };
            // With a delay the families take turns, unless it was said otherwise.
            let interleave = self.interleave.unwrap_or(usize::from(self.delay.is_some()));
            let (io, peer) = connect_any(addresses, local, self.delay, interleave).await?;
            return Ok((io, Some(peer)));
        }
        if self.local.is_some() {
            return Err(invalid(
                "a local address was given along with a socket that exists or a path: bind that instead",
            ));
        }
        match resolved.pop() {
            #[cfg(unix)]
            Some(Resolved::Path(path)) => crate::unix::connect(path).await,
            Some(Resolved::Socket(socket)) => Ok((connected(socket)?, None)),
            _ => unreachable!("the other cases were told apart above"),
        }
    }
}

/// How a connection is to be made: see [`create_connection`].
#[must_use = "nothing is done before it is awaited"]
pub struct CreateConnection<F> {
    factory: F,
    how: How,
}

impl<F> CreateConnection<F> {
    pub(crate) fn new(factory: F, target: Target) -> Self {
        Self { factory, how: How::new(target) }
    }

    /// Binds to this address first, or, of several, to the first of the right family that can be had.
    pub fn local_addr(mut self, address: impl ToAddrs) -> Self {
        self.how.local_addr(address);
        self
    }

    /// Starts the attempt at the next address when the one before has failed or `delay` has passed, and takes the first that
    /// succeeds (RFC 8305, which recommends 250 ms); the families of the addresses take turns. Without it, each attempt waits
    /// for the failure of the one before.
    pub fn happy_eyeballs_delay(mut self, delay: impl Into<Option<Duration>>) -> Self {
        self.how.happy_eyeballs_delay(delay.into());
        self
    }

    /// Has the families of the addresses take turns, after `count - 1` more addresses of the family of the first. 0: the
    /// order is that of the look-up. The default is 1 with a [`happy_eyeballs_delay`](Self::happy_eyeballs_delay), else 0.
    pub fn interleave(mut self, count: impl Into<Option<usize>>) -> Self {
        self.how.interleave(count.into());
        self
    }

    /// Uses addresses of this family only.
    pub fn family(mut self, family: impl Into<Option<Family>>) -> Self {
        self.how.family(family.into());
        self
    }

    /// Uses TLS. `connection_made` is called when the handshake is complete; if that fails, the protocol is never called. The
    /// configuration is a `rustls::ClientConfig`, or an `Arc` of one; a `rustls::ServerConfig` makes this end the server,
    /// for [`connect_accepted_socket`].
    ///
    /// # Errors
    ///
    /// Then also `InvalidInput` if the name of the server is not known; `ConnectionReset` if the other end closes during the
    /// handshake, `ConnectionAborted` if it takes too long; a [`TlsError`](crate::TlsError) if the other end cannot be trusted
    /// or does not speak TLS.
    #[cfg(feature = "rustls")]
    pub fn tls(mut self, config: impl Into<TlsConfig>) -> Self {
        self.how.tls.config = Some(config.into());
        self
    }

    /// The name that the certificate of the server has to be for. The default is the host that is connected to.
    #[cfg(feature = "rustls")]
    pub fn server_hostname(mut self, name: impl Into<String>) -> Self {
        self.how.tls.server_hostname = Some(name.into());
        self
    }

    /// How long the handshake may take. The default is 60 s.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[cfg(feature = "rustls")]
    #[track_caller]
    pub fn tls_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.how.tls.handshake_timeout(timeout);
        self
    }

    /// How long the end of the connection may take, from `close` until the other end has closed too. The default is 30 s.
    ///
    /// # Panics
    ///
    /// When it is zero.
    #[cfg(feature = "rustls")]
    #[track_caller]
    pub fn tls_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.how.tls.shutdown_timeout(timeout);
        self
    }
}

impl<F, P> IntoFuture for CreateConnection<F>
where
    F: FnOnce() -> P,
    P: Protocol + 'static,
{
    type Output = io::Result<(Transport, Rc<P>)>;
    type IntoFuture = Connecting<F, P>;

    fn into_future(self) -> Connecting<F, P> {
        Connecting::new(self.factory, self.how.ready())
    }
}

impl<F> fmt::Debug for CreateConnection<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<CreateConnection to {:?}>", self.how.target)
    }
}

/// A connection that is being made: the future of [`create_connection`].
#[must_use = "a future does nothing before it is awaited"]
pub struct Connecting<F, P>(State<F, P>);

enum State<F, P> {
    Connecting(Pin<Box<dyn Future<Output = io::Result<Ready>>>>, Option<F>),
    /// `connection_made` is on its way.
    Making(CloseOnDrop, Rc<P>, Waiting),
    Over,
}

/// A socket, and what its protocol is to be called through.
pub(crate) type Ready = (Io, Option<SockAddr>, Between);

impl<F, P> Connecting<F, P> {
    pub(crate) fn new(factory: F, ready: impl Future<Output = io::Result<Ready>> + 'static) -> Self {
        Self(State::Connecting(Box::pin(ready), Some(factory)))
    }
}

/// Waits to be told of the beginning of a connection.
#[derive(Default)]
pub(crate) struct Waiting {
    told: asyncio_executor::Future<()>,
    error: Rc<Cell<Option<io::Error>>>,
}

impl Waiting {
    /// What is called once.
    pub(crate) fn teller(&self) -> impl FnOnce(io::Result<()>) + use<> {
        let (told, error) = (self.told.clone(), self.error.clone());
        move |made| {
            error.set(made.err());
            // Who waits may have been cancelled, and the future with it; then there is nobody to tell.
            let _ = told.set_result(());
        }
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.told).poll(cx));
        Poll::Ready(self.error.take().map_or(Ok(()), Err))
    }
}

/// Nothing in it is pinned but what is boxed.
impl<F, P> Unpin for Connecting<F, P> {}

impl<F, P> Future for Connecting<F, P>
where
    F: FnOnce() -> P,
    P: Protocol + 'static,
{
    type Output = io::Result<(Transport, Rc<P>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match &mut self.0 {
                State::Connecting(connected, factory) => {
                    let connected = ready!(connected.as_mut().poll(cx));
                    let factory = factory.take();
                    self.0 = State::Over;
                    let (io, peer, between) = connected?;
                    let protocol = Rc::new(factory.expect("the factory is there until the connection is")());
                    let made = Waiting::default();
                    let tell = made.teller();
                    let transport = between.start(&get_running_loop(), io, peer, protocol.clone(), tell);
                    self.0 = State::Making(CloseOnDrop::new(transport), protocol, made);
                }
                State::Making(_, _, made) => {
                    let made = ready!(made.poll(cx));
                    let State::Making(transport, protocol, _) = std::mem::replace(&mut self.0, State::Over) else {
                        unreachable!("the state was just looked at")
                    };
                    return Poll::Ready(made.map(|()| (transport.disarm(), protocol)));
                }
                State::Over => panic!("a future is not polled again after it has completed"),
            }
        }
    }
}

impl<F, P> fmt::Debug for Connecting<F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            State::Connecting(..) => "<Connecting>",
            State::Making(..) => "<Connecting connected>",
            State::Over => "<Connecting over>",
        })
    }
}
