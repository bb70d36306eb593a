//! How much memory a server of streams takes for each connection that is idle: `cargo run --release --example idle 9000`.
//!
//! The peers are plain sockets in the same process, which take none but the system's.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use asyncio_net::{StreamReader, StreamWriter, start_server};

async fn echo(mut reader: StreamReader, writer: StreamWriter) {
    while let Ok(line) = reader.readline().await
        && !line.is_empty()
    {
        writer.write(line);
    }
}

/// What the process has resident, in bytes.
fn resident() -> io::Result<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    let pages: usize = pages.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
    Ok(pages * 4096)
}

fn main() -> io::Result<()> {
    let count: usize = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(400);
    asyncio::run(async {
        let server = start_server(echo, ("127.0.0.1", 0)).await?;
        let address = server.local_addrs()[0];
        let mut peers = Vec::with_capacity(count);
        // The first takes what is needed once.
        let mut before = 0;
        for n in 0..=count {
            let peer = asyncio::to_thread(move || {
                let mut peer = TcpStream::connect(address)?;
                peer.write_all(b"once\n")?;
                peer.read_exact(&mut [0; 5])?;
                io::Result::Ok(peer)
            });
            peers.push(peer.await?);
            if n == 0 {
                before = resident()?;
            }
        }
        println!("{} connections: {} bytes resident each", count, (resident()? - before) / count);
        Ok(())
    })
}
