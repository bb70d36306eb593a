//! Configurations, and the other end of a TLS connection, driven by hand over a plain socket.
//!
//! The certificates are for `localhost` and `127.0.0.1`, and for a client; they expire in the year 4096. They were made with
//! the crate rcgen, each key on the curve P-256, and are signed by the authority beside them.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;

use asyncio::yield_now;
use asyncio_net::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use asyncio_net::rustls::server::WebPkiClientVerifier;
use asyncio_net::rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
};
use asyncio_net::{Protocol, Transport, create_connection};

pub use asyncio_net::rustls::version::{TLS12, TLS13};

fn certificate(der: &'static [u8]) -> CertificateDer<'static> {
    CertificateDer::from(der)
}

fn key(der: &'static [u8]) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(der).into()
}

pub fn roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate(include_bytes!("certificates/authority.der"))).unwrap();
    roots
}

/// A client that trusts the authority, and speaks one version only.
pub fn client_of(version: &'static SupportedProtocolVersion) -> ClientConfig {
    ClientConfig::builder_with_protocol_versions(&[version]).with_root_certificates(roots()).with_no_client_auth()
}

/// A client that trusts the authority.
pub fn client() -> Arc<ClientConfig> {
    Arc::new(ClientConfig::builder().with_root_certificates(roots()).with_no_client_auth())
}

/// A client that shows a certificate.
pub fn client_with_certificate() -> ClientConfig {
    ClientConfig::builder()
        .with_root_certificates(roots())
        .with_client_auth_cert(
            vec![certificate(include_bytes!("certificates/client.der"))],
            key(include_bytes!("certificates/client.key.der")),
        )
        .unwrap()
}

pub fn server() -> Arc<ServerConfig> {
    Arc::new(server_of(&[&TLS12, &TLS13]))
}

pub fn server_of(versions: &[&'static SupportedProtocolVersion]) -> ServerConfig {
    ServerConfig::builder_with_protocol_versions(versions)
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate(include_bytes!("certificates/server.der"))],
            key(include_bytes!("certificates/server.key.der")),
        )
        .unwrap()
}

/// A server that wants to see a certificate of the client.
pub fn server_that_asks() -> ServerConfig {
    ServerConfig::builder()
        .with_client_cert_verifier(WebPkiClientVerifier::builder(Arc::new(roots())).build().unwrap())
        .with_single_cert(
            vec![certificate(include_bytes!("certificates/server.der"))],
            key(include_bytes!("certificates/server.key.der")),
        )
        .unwrap()
}

/// Two ends of a connection, one of which is nonblocking.
pub fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    far.set_nonblocking(true).unwrap();
    (near, far)
}

/// The other end: a session and a socket, which does nothing by itself.
pub struct Peer {
    pub socket: TcpStream,
    pub session: Connection,
    pub received: Vec<u8>,
    /// The socket came to its end.
    pub ended: bool,
    /// A close_notify came.
    pub closed: bool,
}

impl Peer {
    pub fn server(socket: TcpStream) -> Self {
        Self::new(socket, ServerConnection::new(server()).unwrap().into())
    }

    pub fn client(socket: TcpStream) -> Self {
        let name = ServerName::try_from("localhost").unwrap();
        Self::new(socket, ClientConnection::new(client(), name).unwrap().into())
    }

    pub fn new(socket: TcpStream, mut session: Connection) -> Self {
        socket.set_nonblocking(true).unwrap();
        session.set_buffer_limit(None);
        Self { socket, session, received: Vec::new(), ended: false, closed: false }
    }

    /// Sends and receives what can be now.
    pub fn pump(&mut self) -> io::Result<()> {
        let would_block = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        loop {
            self.flush()?;
            match self.session.read_tls(&mut &self.socket) {
                Ok(0) => {
                    self.ended = !self.closed;
                    return Ok(());
                }
                Ok(_) => {}
                Err(error) if would_block(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
            let processed = self.session.process_new_packets();
            let _ = self.flush();
            let state = processed.map_err(io::Error::other)?;
            self.closed |= state.peer_has_closed();
            let mut data = vec![0; state.plaintext_bytes_to_read()];
            self.session.reader().read_exact(&mut data)?;
            self.received.extend(data);
        }
    }

    pub fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut &self.socket) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Sends and receives until `condition` holds.
    pub async fn until(&mut self, mut condition: impl FnMut(&Self) -> bool) -> io::Result<()> {
        loop {
            self.pump()?;
            if condition(self) {
                return Ok(());
            }
            yield_now().await;
        }
    }

    pub async fn handshake(&mut self) {
        self.until(|peer| !peer.session.is_handshaking() && !peer.session.wants_write()).await.unwrap();
    }

    /// How many bytes of TLS the socket did not take.
    pub fn unsent(&mut self) -> usize {
        self.session.process_new_packets().unwrap().tls_bytes_to_write()
    }

    pub fn write(&mut self, data: &[u8]) {
        self.session.writer().write_all(data).unwrap();
        self.flush().unwrap();
    }

    /// Says that nothing more will come.
    pub fn send_close_notify(&mut self) {
        self.session.send_close_notify();
        self.flush().unwrap();
    }
}

/// Gives turns until `condition` holds, which may look at sockets that the loop does not know.
pub async fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        yield_now().await;
    }
}

/// A connection with TLS to a peer, the handshake done.
pub async fn connected<P: Protocol + 'static>(protocol: P) -> (Transport, Rc<P>, Peer) {
    let (near, far) = pair();
    let mut peer = Peer::server(far);
    let connecting = asyncio::create_task(async move {
        create_connection(|| protocol, near).tls(client()).server_hostname("localhost").await.unwrap()
    });
    peer.until(|peer| !peer.session.is_handshaking()).await.unwrap();
    let (transport, protocol) = connecting.await;
    (transport, protocol, peer)
}
