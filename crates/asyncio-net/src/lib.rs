//! Transports and protocols, streams, servers, datagrams, sockets and name look-up for asyncio.

mod address;
mod connect;
mod connection;
mod create_connection;
mod create_server;
mod listener;
mod protocol;
mod read_buffer;
mod read_error;
mod server;
mod stream;
mod stream_reader;
mod stream_state;
mod stream_writer;
mod transport;
#[cfg(unix)]
mod unix;
mod write_buffer;

pub use address::{Target, ToAddrs};
pub use connect::ConnectErrors;
pub use create_connection::{Connecting, CreateConnection, create_connection};
pub use create_server::{CreateServer, create_server};
pub use protocol::{BufferedProtocol, Protocol};
pub use read_error::{IncompleteReadError, LimitOverrunError, ReadError};
pub use server::Server;
pub use stream::{OpenConnection, StartServer, open_connection, start_server};
#[cfg(unix)]
pub use stream::{OpenUnixConnection, StartUnixServer, open_unix_connection, start_unix_server};
pub use stream_reader::{Lines, Separators, StreamReader};
pub use stream_writer::StreamWriter;
pub use transport::Transport;
#[cfg(unix)]
pub use unix::{CreateUnixServer, create_unix_connection, create_unix_server};
