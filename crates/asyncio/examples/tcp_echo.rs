//! A server that sends back each line that it gets, and a client that sends three.

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

pub(crate) async fn start() -> std::io::Result<()> {
    let server = asyncio::start_server(echo, ("127.0.0.1", 0)).await?;
    let (mut reader, writer) = asyncio::open_connection(server.local_addrs()[0]).await?;
    for word in ["one", "two", "three"] {
        writer.write(format!("{word}\n").as_bytes());
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

fn main() -> std::io::Result<()> {
    asyncio::run(start())
}
