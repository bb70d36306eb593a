//! `StreamFeeder`: fills a reader that belongs to no connection.

use std::fmt;
use std::io;
use std::rc::Rc;

use crate::protocol::Protocol;
use crate::stream_reader::StreamReader;
use crate::stream_state::{State, StreamProtocol};

/// Fills a [`StreamReader`] with bytes that come from elsewhere: in a test, from another protocol, from a channel.
///
/// Dropping it ends the stream.
///
/// # Examples
///
/// ```
/// use asyncio_net::StreamReader;
///
/// asyncio::run(async {
///     let (feeder, mut reader) = StreamReader::fed(1024);
///     feeder.feed_data(b"one\nt");
///     feeder.feed_data(b"wo");
///     drop(feeder);
///     assert_eq!(reader.readline().await.unwrap(), b"one\n");
///     assert_eq!(reader.readline().await.unwrap(), b"two");
///     assert!(reader.at_eof());
/// });
/// ```
///
/// # In Python
///
/// `feed_data`, `feed_eof` and `set_exception` of `asyncio.StreamReader`, in `asyncio/streams.py`.
pub struct StreamFeeder {
    state: Rc<State>,
    protocol: StreamProtocol,
}

impl StreamReader {
    /// A reader that no connection fills, and what fills it. `limit` is that of the reader, in bytes.
    ///
    /// # Panics
    ///
    /// When the limit is 0.
    ///
    /// # Examples
    ///
    /// See [`StreamFeeder`].
    ///
    /// # In Python
    ///
    /// `asyncio.StreamReader(limit)`.
    #[track_caller]
    #[must_use]
    pub fn fed(limit: usize) -> (StreamFeeder, Self) {
        let state = State::new(crate::stream::check(limit));
        let protocol = StreamProtocol::new(state.clone(), None);
        (StreamFeeder { state: state.clone(), protocol }, Self::new(state))
    }
}

impl StreamFeeder {
    /// Adds bytes, however many: see [`is_full`](Self::is_full). Nobody wants them if the reader was dropped.
    pub fn feed_data(&self, data: &[u8]) {
        self.protocol.data_received(data);
    }

    /// Ends the stream.
    pub fn feed_eof(&self) {
        self.protocol.eof_received();
    }

    /// Has each read fail with this error from now on, also one that waits.
    pub fn set_exception(&self, error: io::Error) {
        self.protocol.connection_lost(Some(error));
    }

    /// Whether more than twice the limit is buffered. A connection would be asked for no more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.state.is_full()
    }
}

impl Drop for StreamFeeder {
    fn drop(&mut self) {
        self.feed_eof();
    }
}

impl fmt::Debug for StreamFeeder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamFeeder").field("full", &self.is_full()).field("eof", &self.state.is_eof()).finish()
    }
}
