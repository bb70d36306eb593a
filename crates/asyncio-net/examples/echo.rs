//! An echo server, as a protocol or with streams: `echo [protocol|streams] [host:port]`.

use std::cell::OnceCell;
use std::io;

use asyncio_net::{Protocol, Server, StreamReader, StreamWriter, Transport, create_server, start_server};

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

async fn echo(mut reader: StreamReader, writer: StreamWriter) {
    while let Ok(data) = reader.read(256 * 1024).await
        && !data.is_empty()
    {
        writer.write(data);
        if writer.drain().await.is_err() {
            return;
        }
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let streams = arguments.next().is_none_or(|kind| kind == "streams");
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:0".to_owned());
    asyncio_event_loop::run(async {
        let server: Server =
            if streams { start_server(echo, address).await? } else { create_server(Echo::default, address).await? };
        println!("{:?}", server.local_addrs());
        server.serve_forever().await;
        Ok(())
    })
}
