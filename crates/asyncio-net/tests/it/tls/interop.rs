//! What the ecosystem puts on streams works on these.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_tungstenite::tungstenite::Message;
use asyncio_net::rustls::pki_types::ServerName;
use asyncio_net::{StreamReader, StreamWriter, open_connection, start_server};
use futures_rustls::{TlsAcceptor, TlsConnector};
use futures_util::StreamExt;
use futures_util::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::ends::echo;
use super::peer::{client, server};
use crate::support::run;

/// The two ends of a stream as one, as most libraries want it.
struct Duplex(StreamReader, StreamWriter);

impl AsyncRead for Duplex {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Duplex {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.1).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.1).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.1).poll_close(cx)
    }
}

#[test]
fn futures_rustls_is_a_client_of_our_tls() {
    run(async {
        let listening = start_server(echo, ("127.0.0.1", 0)).tls(server()).await.unwrap();
        let (reader, writer) = open_connection(listening.local_addrs()).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(client()).connect(name, Duplex(reader, writer)).await.unwrap();
        let data = vec![3; 300_000];
        let mut received = vec![0; data.len()];
        let (mut read, mut write) = stream.split();
        let sending = async {
            write.write_all(&data).await.unwrap();
            write.flush().await.unwrap();
        };
        let ((), ()) = futures_util::join!(sending, async { read.read_exact(&mut received).await.unwrap() });
        assert!(received == data);
        write.close().await.unwrap();
    });
}

#[test]
fn futures_rustls_is_a_server_for_our_tls() {
    run(async {
        let handler = async |reader, writer| {
            let mut stream = TlsAcceptor::from(server()).accept(Duplex(reader, writer)).await.unwrap();
            let mut data = Vec::new();
            stream.read_to_end(&mut data).await.unwrap();
            assert_eq!(data, b"hello");
            stream.close().await.unwrap();
        };
        let listening = start_server(handler, ("127.0.0.1", 0)).await.unwrap();
        let (_reader, writer) = open_connection(listening.local_addrs()).tls(client()).await.unwrap();
        writer.write("hello");
        writer.close();
        writer.wait_closed().await.unwrap();
        assert!(writer.transport().tls().unwrap().received_close_notify());
    });
}

#[test]
fn web_sockets_go_over_plain_streams_and_over_tls() {
    for tls in [false, true] {
        run(async {
            let handler = async |reader, writer| {
                let mut socket = async_tungstenite::accept_async(Duplex(reader, writer)).await.unwrap();
                while let Some(Ok(message)) = socket.next().await {
                    if message.is_text() || message.is_binary() {
                        socket.send(message).await.unwrap();
                    }
                }
            };
            let starting = start_server(handler, ("127.0.0.1", 0));
            let listening = if tls { starting.tls(server()).await } else { starting.await }.unwrap();
            let opening = open_connection(listening.local_addrs());
            let (reader, writer) = if tls { opening.tls(client()).await } else { opening.await }.unwrap();
            let (mut socket, _) =
                async_tungstenite::client_async("ws://localhost/", Duplex(reader, writer)).await.unwrap();
            let messages = [Message::text("hello"), Message::binary(vec![5; 500_000])];
            for message in messages {
                socket.send(message.clone()).await.unwrap();
                assert!(socket.next().await.unwrap().unwrap() == message);
            }
            socket.close(None).await.unwrap();
        });
    }
}
