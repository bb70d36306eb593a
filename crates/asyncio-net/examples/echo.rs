//! An echo server, in three ways, and a client for it: `echo streams|protocol|sockets [host:port]`, and
//! `echo client host:port [connections] [requests of each]`.

use std::cell::OnceCell;
use std::io;
use std::net::{SocketAddr, TcpListener};

use asyncio_event_loop::get_running_loop;
use asyncio_executor::create_task;
use asyncio_net::{
    LoopSockets, Protocol, Server, Socket, StreamReader, StreamWriter, Transport, create_server, open_connection,
    start_server,
};

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
}

async fn streams(mut reader: StreamReader, writer: StreamWriter) {
    while let Ok(data) = reader.read(256 * 1024).await
        && !data.is_empty()
    {
        writer.write(data);
        if writer.drain().await.is_err() {
            return;
        }
    }
}

async fn sockets(listener: TcpListener) -> io::Result<()> {
    let this = get_running_loop();
    let listener = Socket::new(listener)?;
    loop {
        let (connection, _) = this.sock_accept(&listener).await?;
        connection.set_nodelay(true)?;
        create_task(async move {
            let this = get_running_loop();
            let connection = Socket::new(connection)?;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                match this.sock_recv_into(&connection, &mut buffer).await? {
                    0 => return io::Result::Ok(()),
                    count => this.sock_sendall(&connection, &buffer[..count]).await?,
                }
            }
        });
    }
}

/// Sends requests, each when the answer to the one before is there, over connections that all are open together.
async fn client(address: SocketAddr, connections: usize, requests: usize) -> io::Result<()> {
    let mut clients = Vec::new();
    for _ in 0..connections {
        let (mut reader, writer) = open_connection(address).await?;
        clients.push(create_task(async move {
            for _ in 0..requests {
                writer.write([b'x'; 64]);
                reader.readexactly(64).await?;
            }
            io::Result::Ok(())
        }));
    }
    for client in clients {
        client.await?;
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |at: usize, default: &str| arguments.get(at).map_or(default, String::as_str).to_owned();
    let (kind, address) = (argument(0, "streams"), argument(1, "127.0.0.1:0"));
    let number = |at: usize, default| argument(at, default).parse::<usize>().map_err(io::Error::other);
    asyncio_event_loop::run(async {
        let server: Server = match kind.as_str() {
            "client" => {
                let address = address.parse().map_err(io::Error::other)?;
                return client(address, number(2, "1")?, number(3, "1000")?).await;
            }
            "sockets" => {
                let listener = TcpListener::bind(address)?;
                println!("{}", listener.local_addr()?);
                return sockets(listener).await;
            }
            "protocol" => create_server(Echo::default, address).await?,
            _ => start_server(streams, address).await?,
        };
        println!("{}", server.local_addrs()[0]);
        server.serve_forever().await;
        Ok(())
    })
}
