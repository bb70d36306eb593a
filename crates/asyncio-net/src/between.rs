//! What stands between a connection and its protocol: nothing, or TLS.

use std::io;
use std::rc::Rc;

use asyncio_event_loop::EventLoop;
use socket2::SockAddr;

use crate::connection::{Connection, Io};
use crate::listener::Factory;
use crate::protocol::Protocol;
#[cfg(feature = "rustls")]
use crate::tls::{Side, TlsConnection};
use crate::transport::Transport;

/// What is to be put between a connection and its protocol.
#[derive(Default)]
pub(crate) struct Between {
    #[cfg(feature = "rustls")]
    pub(crate) tls: Option<Side>,
}

impl Between {
    /// Makes a connection of a registered, connected socket. `made` is told when the protocol has had its `connection_made`,
    /// or why it will not.
    pub(crate) fn start(
        self,
        this: &EventLoop,
        io: Io,
        peer: Option<SockAddr>,
        protocol: Rc<dyn Protocol>,
        made: impl FnOnce(io::Result<()>) + 'static,
    ) -> Transport {
        #[cfg(feature = "rustls")]
        if let Some(side) = self.tls {
            let connection = TlsConnection::new(this, side, protocol, false, Some(Box::new(made)));
            connection.stand_on(&Connection::start(this, io, peer, connection.layer(), None, || {}));
            return Transport::tls_over(connection);
        }
        Connection::start(this, io, peer, protocol, None, || made(Ok(())))
    }

    /// The factory of what the connections of a server call.
    pub(crate) fn factory(self, this: &EventLoop, factory: Factory) -> Factory {
        #[cfg(feature = "rustls")]
        if let Some(side) = self.tls {
            let this = this.clone();
            return Rc::new(move || TlsConnection::new(&this, side.clone(), factory(), false, None).layer());
        }
        let _ = this;
        factory
    }
}
