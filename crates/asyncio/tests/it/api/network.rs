//! Streams, servers, transports and protocols, as programs write them.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use asyncio::prelude::*;
use asyncio::{Protocol, ReadError, Transport, get_running_loop, open_connection, start_server};
use futures_util::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

/// An echo server of lines, and its address.
async fn echo() -> io::Result<(asyncio::Server, SocketAddr)> {
    let handler = async |mut reader: asyncio::StreamReader, writer: asyncio::StreamWriter| {
        while let Ok(line) = reader.readline().await
            && !line.is_empty()
        {
            writer.write(&line);
            if writer.drain().await.is_err() {
                break;
            }
        }
    };
    let server = start_server(handler, ("127.0.0.1", 0)).backlog(100).limit(1024).await?;
    let address = server.local_addrs()[0];
    Ok((server, address))
}

#[asyncio::test]
async fn streams() -> Result<(), Box<dyn std::error::Error>> {
    let (server, address) = echo().await?;
    let (mut reader, writer) = open_connection(("127.0.0.1", address.port())).limit(64 * 1024).await?;
    assert_eq!(writer.peer_addr()?, address);
    writer.write(b"one\ntwo\r\nthree\nfour\n");
    writer.writelines([b"fi".as_slice(), b"ve\n"]);
    writer.drain().await?;
    assert_eq!(reader.readline().await?, b"one\n");
    assert_eq!(reader.readuntil(b"\r\n").await?, b"two\r\n");
    assert_eq!(reader.readexactly(6).await?, b"three\n");
    let separators: [&[u8]; 2] = [b"\r", b"\n"];
    assert_eq!(reader.readuntil(&separators).await?, b"four\n");
    assert!(!reader.read(100).await?.is_empty());
    writer.write_eof()?;
    while !reader.at_eof() {
        reader.read(100).await?;
    }
    assert!(matches!(reader.readexactly(3).await, Err(ReadError::Incomplete(error)) if error.partial.is_empty()));
    writer.close();
    writer.wait_closed().await?;
    server.close();
    server.wait_closed().await;
    Ok(())
}

#[asyncio::test]
async fn streams_are_those_of_futures_io() -> io::Result<()> {
    let (server, address) = echo().await?;
    let (mut reader, mut writer) = open_connection(address.to_string().as_str()).await?;
    writer.write_all(b"hello\n").await?;
    writer.flush().await?;
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    assert_eq!(line, "hello\n");
    AsyncWriteExt::close(&mut writer).await?;
    let mut rest = Vec::new();
    AsyncReadExt::read_to_end(&mut reader, &mut rest).await?;
    assert!(rest.is_empty());
    server.close_clients();
    server.abort_clients();
    Ok(())
}

#[asyncio::test]
async fn a_server_serves_until_it_is_cancelled() -> io::Result<()> {
    let (server, address) = echo().await?;
    let serving = asyncio::create_task(async move { server.serve_forever().await });
    let (mut reader, writer) = open_connection(address).happy_eyeballs_delay(Duration::from_millis(250)).await?;
    writer.write("ping\n");
    assert_eq!(reader.readline().await.unwrap(), b"ping\n");
    writer.close();
    serving.cancel();
    assert!(serving.join().await.is_err());
    Ok(())
}

#[derive(Default)]
struct Echo(OnceCell<Transport>);

impl Protocol for Echo {
    fn connection_made(&self, transport: Transport) {
        let _ = self.0.set(transport);
    }
    fn data_received(&self, data: &[u8]) {
        self.0.get().unwrap().write(data);
    }
}

struct Client {
    heard: RefCell<Vec<u8>>,
    over: asyncio::Future<()>,
}

impl Protocol for Client {
    fn connection_made(&self, transport: Transport) {
        transport.set_write_buffer_limits(64 * 1024, None);
        transport.write(b"hello");
        transport.write_eof();
    }
    fn data_received(&self, data: &[u8]) {
        self.heard.borrow_mut().extend_from_slice(data);
    }
    fn connection_lost(&self, _: Option<io::Error>) {
        self.over.set_result(()).unwrap();
    }
}

#[asyncio::test]
async fn protocols_by_the_methods_of_the_loop() -> io::Result<()> {
    let this = get_running_loop();
    let server = this.create_server(Echo::default, ("127.0.0.1", 0)).await?;
    let factory = || Client { heard: RefCell::default(), over: asyncio::Future::new() };
    let (transport, client): (Transport, Rc<Client>) = this.create_connection(factory, server.local_addrs()).await?;
    client.over.clone().await;
    assert_eq!(*client.heard.borrow(), b"hello");
    assert!(transport.is_closing());
    Ok(())
}

#[cfg(unix)]
#[asyncio::test]
async fn sockets_and_names_by_the_methods_of_the_loop() -> io::Result<()> {
    let this = get_running_loop();
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let client = std::net::TcpStream::connect(address)?;
    client.set_nonblocking(true)?;
    let (peer, _) = this.sock_accept(&listener).await?;
    this.sock_sendall(&client, b"ping").await?;
    assert_eq!(this.sock_recv(&peer, 100).await?, b"ping");
    this.sock_sendall(&peer, b"pong").await?;
    let mut buffer = [0; 100];
    assert_eq!(this.sock_recv_into(&client, &mut buffer).await?, 4);
    let found = this.getaddrinfo("127.0.0.1", 80, Default::default()).await?;
    assert!(!found.is_empty());
    Ok(())
}

#[cfg(unix)]
#[asyncio::test]
async fn unix_sockets() -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("asyncio-api-{}", std::process::id()));
    let handler = async |mut reader: asyncio::StreamReader, writer: asyncio::StreamWriter| {
        let line = reader.readline().await.unwrap_or_default();
        writer.write(line);
    };
    let server = asyncio::start_unix_server(handler, &path).await?;
    let (mut reader, writer) = asyncio::open_unix_connection(&path).await?;
    writer.write(b"hi\n");
    assert_eq!(reader.readline().await.unwrap(), b"hi\n");
    server.close();
    assert!(!path.exists(), "the path is cleaned up");
    Ok(())
}
