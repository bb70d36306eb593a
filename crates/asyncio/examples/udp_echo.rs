//! A server that sends back each datagram that it gets, and a client that sends again what is not answered in time.
//!
//! Without an argument it runs both on a port that the system chooses, and ends. With a port, or an address of this machine
//! and a port, it serves there until Ctrl-C: `udp_echo 127.0.0.1 9999`, and in another terminal `nc -u 127.0.0.1 9999`.

use std::cell::{Cell, OnceCell};
use std::future::pending;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use asyncio::{Address, DatagramProtocol, DatagramTransport, Queue};

/// Sends back all datagrams but the first few, which it loses as a network may.
#[derive(Default)]
struct Echo {
    transport: OnceCell<DatagramTransport>,
    to_lose: Cell<u32>,
}

impl DatagramProtocol for Echo {
    fn connection_made(&self, transport: DatagramTransport) {
        let _ = self.transport.set(transport);
    }

    fn datagram_received(&self, data: &[u8], from: &Address) {
        match (self.to_lose.get(), self.transport.get()) {
            (0, Some(transport)) => drop(transport.sendto(data, from)),
            (left, _) => self.to_lose.set(left.saturating_sub(1)),
        }
    }

    fn error_received(&self, error: io::Error) {
        eprintln!("udp_echo: {error}");
    }
}

/// Puts the datagrams that come into a queue, for a task to take them from. What does not fit is lost, as on the way.
struct Client {
    received: Rc<Queue<Vec<u8>>>,
}

impl DatagramProtocol for Client {
    fn datagram_received(&self, data: &[u8], _from: &Address) {
        let _ = self.received.put_nowait(data.to_vec());
    }
}

/// Sends a message until it is answered. `None`: nobody answers.
async fn ask(transport: &DatagramTransport, client: &Client, message: &str) -> io::Result<Option<Vec<u8>>> {
    for attempt in 1..=5 {
        transport.send(message.as_bytes())?;
        match asyncio::wait_for(client.received.get(), Duration::from_millis(200)).await {
            Ok(answer) => return Ok(answer.ok()),
            Err(_timeout) => println!("no answer to {message:?}, attempt {attempt}"),
        }
    }
    Ok(None)
}

async fn serve(host: &str, port: u16) -> io::Result<()> {
    let (transport, _) = asyncio::create_datagram_endpoint(Echo::default).local_addr((host, port)).await?;
    println!("listening on {}", transport.local_addr()?);
    pending::<()>().await; // until Ctrl-C cancels it
    Ok(())
}

async fn demonstrate() -> io::Result<()> {
    let loses_one = || Echo { to_lose: Cell::new(1), ..Echo::default() };
    let (server, _) = asyncio::create_datagram_endpoint(loses_one).local_addr(("127.0.0.1", 0)).await?;
    let client = || Client { received: Rc::new(Queue::new(16)) };
    let (transport, client) = asyncio::create_datagram_endpoint(client).remote_addr(server.local_addr()?).await?;
    for message in ["one", "two", "three"] {
        match ask(&transport, &client, message).await? {
            Some(answer) => println!("sent {message:?}, got {:?}", String::from_utf8_lossy(&answer)),
            None => println!("gave up on {message:?}"),
        }
    }
    transport.close();
    server.close();
    Ok(())
}

/// The host and the port that the arguments name, if there are any.
fn place(arguments: &[String]) -> io::Result<Option<(&str, u16)>> {
    let (host, port) = match arguments {
        [] => return Ok(None),
        [port] => ("127.0.0.1", port),
        [host, port] => (host.as_str(), port),
        _ => return Err(io::Error::other("too many arguments: give a host and a port, or a port, or nothing")),
    };
    let wrong = |_| io::Error::other(format!("`{port}` is not a port: give a number below 65536"));
    Ok(Some((host, port.parse().map_err(wrong)?)))
}

pub(crate) fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = place(&arguments).and_then(|place| {
        asyncio::run(async {
            match place {
                Some((host, port)) => serve(host, port).await,
                None => demonstrate().await,
            }
        })
    });
    if let Err(error) = result {
        eprintln!("udp_echo: {error}");
        std::process::exit(1);
    }
}
