//! A server that sends back what it gets, and a client of it, with protocols: the event loop calls them, and no task is
//! made for a connection.
//!
//! Without an argument it runs both on a port that the system chooses, and ends. With an address it serves there until
//! Ctrl-C: `protocol_echo 127.0.0.1:8888`, and in another terminal `nc 127.0.0.1 8888`.

use std::cell::{OnceCell, RefCell};
use std::io;

use asyncio::{Future, Protocol, Transport};

/// The server's side of one connection.
#[derive(Default)]
struct Echo(OnceCell<Transport>);

impl Protocol for Echo {
    fn connection_made(&self, transport: Transport) {
        let _ = self.0.set(transport);
    }

    fn data_received(&self, data: &[u8]) {
        if let Some(transport) = self.0.get() {
            transport.write(data);
        }
    }

    // Nothing more is read from a client that does not read what it gets, so that little is kept for it.
    fn pause_writing(&self) {
        if let Some(transport) = self.0.get() {
            transport.pause_reading();
        }
    }

    fn resume_writing(&self) {
        if let Some(transport) = self.0.get() {
            transport.resume_reading();
        }
    }
}

/// The client's side: sends a message, and collects what comes until the other end closes.
struct Client {
    message: &'static str,
    heard: RefCell<Vec<u8>>,
    over: Future<()>,
}

impl Client {
    fn new(message: &'static str) -> Self {
        Self { message, heard: RefCell::default(), over: Future::new() }
    }
}

impl Protocol for Client {
    fn connection_made(&self, transport: Transport) {
        transport.write(self.message);
        transport.write_eof();
    }

    fn data_received(&self, data: &[u8]) {
        self.heard.borrow_mut().extend_from_slice(data);
    }

    fn connection_lost(&self, _error: Option<io::Error>) {
        let _ = self.over.set_result(());
    }
}

async fn serve(address: &str) -> io::Result<()> {
    let server = asyncio::create_server(Echo::default, address).await?;
    println!("listening on {}", server.local_addrs()[0]);
    server.wait_closed().await; // nobody closes it: Ctrl-C cancels this
    Ok(())
}

async fn demonstrate() -> io::Result<()> {
    let server = asyncio::create_server(Echo::default, ("127.0.0.1", 0)).await?;
    for message in ["one", "two", "three"] {
        let connected = asyncio::create_connection(|| Client::new(message), server.local_addrs());
        let (_transport, client) = connected.await?;
        client.over.clone().await;
        println!("sent {message:?}, got {:?}", String::from_utf8_lossy(&client.heard.borrow()));
    }
    server.close();
    server.wait_closed().await;
    Ok(())
}

pub(crate) fn main() {
    let result = asyncio::run(async {
        match std::env::args().nth(1) {
            Some(address) => serve(&address).await,
            None => demonstrate().await,
        }
    });
    if let Err(error) = result {
        eprintln!("protocol_echo: {error}");
        std::process::exit(1);
    }
}
