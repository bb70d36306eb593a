//! Transports and protocols, streams, servers, pipes, datagrams, sockets and name look-up for asyncio.

mod address;
mod between;
mod connect;
#[cfg(unix)]
mod connect_pipe;
mod connection;
mod create_connection;
mod create_server;
mod datagram;
mod listener;
mod name;
#[cfg(unix)]
mod pipe;
mod protocol;
mod read_buffer;
mod read_error;
mod resolve;
mod sendfile;
mod server;
mod sock;
mod stream;
mod stream_feeder;
mod stream_reader;
mod stream_state;
mod stream_writer;
mod sys;
mod target;
#[cfg(feature = "rustls")]
mod tls;
mod transport;
#[cfg(unix)]
mod unix;
mod wakers;
mod write_buffer;

pub use address::{Family, Target, ToAddrs};
pub use connect::ConnectErrors;
#[cfg(unix)]
pub use connect_pipe::{
    OpenReadPipe, OpenWritePipe, connect_read_pipe, connect_write_pipe, open_read_pipe, open_write_pipe, stderr, stdin,
    stdout,
};
pub use create_connection::{Connecting, CreateConnection, connect_accepted_socket, create_connection};
pub use create_server::{CreateServer, create_server};
pub use datagram::{CreateDatagramEndpoint, DatagramProtocol, DatagramTransport, create_datagram_endpoint};
pub use protocol::{BufferedProtocol, Protocol};
pub use read_error::{IncompleteReadError, LimitOverrunError, ReadError};
pub use resolve::{
    AddrInfo, AddrInfoFlags, AddrInfoHints, LookupError, NameInfoFlags, Service, SocketKind, getaddrinfo, getnameinfo,
    resolve,
};
#[cfg(feature = "rustls")]
pub use rustls;
pub use sendfile::{Sendfile, SendfileNotAvailableError, SockSendfile, sendfile};
pub use server::Server;
pub use sock::{Accept, Address, AsSocket, LoopSockets, Place, Socket};
pub use stream::{OpenConnection, StartServer, open_connection, start_server};
#[cfg(unix)]
pub use stream::{open_unix_connection, start_unix_server};
pub use stream_feeder::StreamFeeder;
pub use stream_reader::{Lines, Separators, StreamReader};
pub use stream_writer::StreamWriter;
#[cfg(feature = "rustls")]
pub use tls::{StartTls, StartTlsOnStream, TlsConfig, TlsError, TlsInfo, start_tls};
pub use transport::Transport;
#[cfg(unix)]
pub use unix::{create_unix_connection, create_unix_server};
