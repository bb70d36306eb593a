//! A server that sends back each line that it gets, and a client of it, with streams.
//!
//! Without an argument it runs both on a port that the system chooses, and ends. With an address it serves there until
//! Ctrl-C: `tcp_echo 127.0.0.1:8888`, and in another terminal `nc 127.0.0.1 8888`.

use std::io;

use asyncio::{StreamReader, StreamWriter};

async fn echo(mut reader: StreamReader, writer: StreamWriter) {
    while let Ok(line) = reader.readline().await
        && !line.is_empty()
    {
        writer.write(&line);
        if writer.drain().await.is_err() {
            break;
        }
    }
}

async fn serve(address: &str) -> io::Result<()> {
    let server = asyncio::start_server(echo, address).await?;
    println!("listening on {}", server.local_addrs()[0]);
    server.wait_closed().await; // nobody closes it: Ctrl-C cancels this
    Ok(())
}

async fn demonstrate() -> io::Result<()> {
    let server = asyncio::start_server(echo, ("127.0.0.1", 0)).await?;
    let (mut reader, writer) = asyncio::open_connection(server.local_addrs()).await?;
    for word in ["one", "two", "three"] {
        writer.write(format!("{word}\n"));
        writer.drain().await?;
        let line = reader.readline().await?;
        println!("sent {word:?}, got {:?}", String::from_utf8_lossy(&line));
    }
    writer.close();
    writer.wait_closed().await?;
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
        eprintln!("tcp_echo: {error}");
        std::process::exit(1);
    }
}
