//! `Server`: what listens, and whom it serves.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::{Rc, Weak};

use asyncio_event_loop::EventLoop;
use asyncio_executor::{with_cleanup, yield_now};
use asyncio_sync::Event;

use crate::listener::Listener;
use crate::transport::{Transport, WeakTransport};

/// Accepts connections: a handle, cheap to clone.
///
/// A server closes when its last handle is dropped: it listens no more, and the connections that it has go on. So keep it,
/// or await [`serve_forever`](Server::serve_forever).
///
/// # In Python
///
/// `asyncio.Server`, in `asyncio/base_events.py`. There the event loop keeps a server that listens, whoever drops it.
#[derive(Clone)]
#[must_use = "a server closes when its last handle is dropped"]
pub struct Server {
    core: Rc<Core>,
    _close: Rc<CloseOnDrop>,
}

struct CloseOnDrop(Rc<Core>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// What the handles, the listeners and the connections of a server share.
pub(crate) struct Core {
    /// Emptied when the server is closed.
    listeners: RefCell<Vec<Rc<Listener>>>,
    serving: Cell<bool>,
    forever: Cell<bool>,
    /// Set by `close`.
    closing: Event,
    /// Set when it is closed and the last connection has ended.
    closed: Event,
    clients: RefCell<BTreeMap<u64, WeakTransport>>,
    next_client: Cell<u64>,
}

impl Core {
    pub(crate) fn close(&self) {
        if self.closing.is_set() {
            return;
        }
        let listeners = self.listeners.take();
        for listener in &listeners {
            listener.close();
        }
        drop(listeners);
        self.serving.set(false);
        self.closing.set();
        self.maybe_closed();
    }

    fn maybe_closed(&self) {
        if self.closing.is_set() && self.clients.borrow().is_empty() {
            self.closed.set();
        }
    }

    fn start(&self) -> io::Result<()> {
        if self.closing.is_set() {
            return Err(io::Error::new(io::ErrorKind::NotConnected, "the server is closed: make another one"));
        }
        if !self.serving.get() {
            for listener in &*self.listeners.borrow() {
                listener.listen()?;
            }
            self.serving.set(true);
        }
        Ok(())
    }
}

/// A connection's place among those of its server; dropped when the connection is over.
pub(crate) struct Attachment {
    core: Rc<Core>,
    id: u64,
}

impl Attachment {
    pub(crate) fn new(core: &Rc<Core>) -> Self {
        let id = core.next_client.get();
        core.next_client.set(id + 1);
        Self { core: core.clone(), id }
    }

    pub(crate) fn attach(&self, transport: &Transport) {
        self.core.clients.borrow_mut().insert(self.id, transport.downgrade());
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.core.clients.borrow_mut().remove(&self.id);
        self.core.maybe_closed();
    }
}

impl Server {
    /// A server that does not listen yet; `listeners` makes its listeners.
    pub(crate) fn new(this: &EventLoop, listeners: impl FnOnce(&EventLoop, &Weak<Core>) -> Vec<Rc<Listener>>) -> Self {
        let core = Rc::new_cyclic(|weak| Core {
            listeners: RefCell::new(listeners(this, weak)),
            serving: Cell::new(false),
            forever: Cell::new(false),
            closing: Event::new(),
            closed: Event::new(),
            clients: RefCell::default(),
            next_client: Cell::new(0),
        });
        Self { _close: Rc::new(CloseOnDrop(core.clone())), core }
    }

    /// Starts to listen and to accept. No effect if it does already.
    ///
    /// # Errors
    ///
    /// When the server is closed, and what the platform says.
    pub async fn start_serving(&self) -> io::Result<()> {
        self.core.start()?;
        yield_now().await;
        Ok(())
    }

    /// Accepts connections until this is cancelled or somebody calls [`close`](Self::close); then closes the server and
    /// waits for its connections to end, as [`wait_closed`](Self::wait_closed) does. Returns at once if it was closed before.
    ///
    /// # Cancel safety
    ///
    /// A cancellation goes on when all connections have ended. If this is dropped for another reason, the server goes on.
    ///
    /// # Panics
    ///
    /// When it is called while another call waits; when the server was not serving and cannot listen: call `start_serving`
    /// first to get that as an error.
    pub async fn serve_forever(&self) {
        if self.core.closing.is_set() {
            return self.wait_closed().await;
        }
        assert!(!self.core.forever.replace(true), "`serve_forever` is being awaited already, and one is enough");
        let _forever = Forever(&self.core);
        if let Err(error) = self.core.start() {
            panic!("the server cannot listen: {error}");
        }
        with_cleanup(self.core.closing.wait(), || async {
            self.core.close();
            self.core.closed.wait().await;
        })
        .await;
    }

    /// Stops listening. The connections that there are go on. No effect the second time.
    pub fn close(&self) {
        self.core.close();
    }

    /// Waits until the server is closed *and* all its connections have ended. It may be called before `close`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn wait_closed(&self) {
        self.core.closed.wait().await;
    }

    /// [Closes](Transport::close) every connection that was accepted and has not ended.
    pub fn close_clients(&self) {
        self.clients().iter().for_each(Transport::close);
    }

    /// [Aborts](Transport::abort) every connection that was accepted and has not ended.
    pub fn abort_clients(&self) {
        self.clients().iter().for_each(Transport::abort);
    }

    /// The connections that were accepted and have not ended, in the order of their coming.
    #[must_use]
    pub fn clients(&self) -> Vec<Transport> {
        self.core.clients.borrow().values().filter_map(WeakTransport::upgrade).collect()
    }

    /// Whether it accepts connections.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.core.serving.get()
    }

    /// The addresses that it listens on, with the ports that were chosen. Empty for a Unix socket, and after `close`.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.core.listeners.borrow().iter().filter_map(|listener| listener.local_addr()).collect()
    }
}

/// Says that `serve_forever` is awaited.
struct Forever<'a>(&'a Core);

impl Drop for Forever<'_> {
    fn drop(&mut self) {
        self.0.forever.set(false);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("serving", &self.is_serving())
            .field("local_addrs", &self.local_addrs())
            .field("clients", &self.core.clients.borrow().len())
            .finish()
    }
}
