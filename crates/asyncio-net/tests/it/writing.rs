//! What is written arrives, whole and in order.

use std::io::{IoSlice, Read};

use asyncio_net::{Transport, open_connection, start_server};
use futures_util::AsyncWriteExt;
use proptest::prelude::*;

use crate::support::{Recorder, connected, read_to_end, reset_on_close, run, turns};

#[test]
fn close_sends_what_is_buffered_and_abort_does_not() {
    run(async {
        let (transport, protocol, peer) = connected(Recorder::default()).await;
        transport.write(vec![1; 8_000_000]);
        transport.close();
        assert!(transport.write_buffer_size() > 0);
        turns().await;
        assert!(!protocol.log().contains(&"lost".to_owned()), "it waits for the other end to read");
        assert_eq!(read_to_end(&peer).await.unwrap().len(), 8_000_000);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "pause", "resume", "lost"]);

        let (transport, protocol, _peer) = connected(Recorder::default()).await;
        transport.write(vec![1; 8_000_000]);
        transport.abort();
        assert_eq!(transport.write_buffer_size(), 0);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "pause", "lost"]);
    });
}

#[test]
fn write_eof_comes_after_what_is_buffered() {
    run(async {
        let (transport, _protocol, peer) = connected(Recorder::default()).await;
        assert!(transport.can_write_eof());
        transport.write(vec![1; 8_000_000]);
        transport.write_eof();
        transport.write_eof();
        assert_eq!(read_to_end(&peer).await.unwrap().len(), 8_000_000);
        assert!(!transport.is_closing());
    });
}

#[test]
#[should_panic = "`write_eof` was called"]
fn writing_after_write_eof_is_refused() {
    run(async {
        let (transport, _protocol, _peer) = connected(Recorder::default()).await;
        transport.write_eof();
        transport.write(b"x");
    });
}

#[test]
fn a_peer_that_is_gone_ends_in_an_error_of_the_writer() {
    run(async {
        let (transport, protocol, peer) = connected(Recorder::default()).await;
        transport.pause_reading();
        reset_on_close(&peer);
        drop(peer);
        while !transport.is_closing() {
            transport.write(b"is anybody there?");
            turns().await;
        }
        protocol.lost.clone().await;
        let last = protocol.log().pop().unwrap();
        assert!(last == "lost: BrokenPipe" || last == "lost: ConnectionReset", "{last}");
    });
}

#[test]
fn a_peer_that_vanishes_while_much_is_buffered_drops_it() {
    run(async {
        let (transport, protocol, peer) = connected(Recorder::default()).await;
        transport.write(vec![1; 8_000_000]);
        reset_on_close(&peer);
        drop(peer);
        protocol.lost.clone().await;
        assert_eq!(transport.write_buffer_size(), 0);
        assert_eq!(protocol.log()[..2], ["made", "pause"]);
    });
}

#[test]
fn drain_raises_when_the_other_end_is_gone() {
    run(async {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (_reader, writer) = open_connection(listener.local_addr().unwrap()).await.unwrap();
        drop(listener.accept().unwrap());
        let error = loop {
            writer.write([0; 1000]);
            if let Err(error) = writer.drain().await {
                break error;
            }
        };
        let kind = error.kind();
        assert!(kind == std::io::ErrorKind::ConnectionReset || kind == std::io::ErrorKind::BrokenPipe, "{error}");
        assert_eq!(writer.wait_closed().await.unwrap_err().kind(), kind);
    });
}

#[test]
fn drain_after_close_says_so() {
    run(async {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (mut reader, writer) = open_connection(listener.local_addr().unwrap()).await.unwrap();
        writer.close();
        assert!(writer.is_closing());
        writer.write("x");
        assert_eq!(writer.drain().await.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        writer.wait_closed().await.unwrap();
        assert_eq!(reader.read(1).await.unwrap(), b"", "closing our end is the end for the reader");
        assert_eq!(writer.write_eof().unwrap_err().kind(), std::io::ErrorKind::NotConnected);
    });
}

#[test]
fn many_tasks_may_drain_at_once() {
    run(async {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (_reader, writer) = open_connection(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        writer.write(vec![0; 8_000_000]);
        let drains: Vec<_> = (0..10)
            .map(|_| {
                let writer = writer.clone();
                asyncio::create_task(async move { writer.drain().await })
            })
            .collect();
        turns().await;
        assert!(drains.iter().all(|drain| !drain.done()));
        let reader = asyncio::to_thread(move || peer.read_exact(&mut vec![0; 8_000_000]).unwrap());
        for drain in drains {
            drain.await.unwrap();
        }
        reader.await;
    });
}

#[test]
fn the_last_writer_that_is_dropped_closes() {
    run(async {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (_reader, writer) = open_connection(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().unwrap();
        peer.set_nonblocking(true).unwrap();
        writer.write(vec![3; 8_000_000]);
        let transport = writer.transport().clone();
        let second = writer.clone();
        drop(writer);
        turns().await;
        assert!(!transport.is_closing());
        drop(second);
        assert!(transport.is_closing());
        assert_eq!(read_to_end(&peer).await.unwrap().len(), 8_000_000);
    });
}

#[test]
fn the_futures_writer_waits_flushes_and_closes() {
    run(async {
        let count = async |mut reader: asyncio_net::StreamReader, writer: asyncio_net::StreamWriter| {
            let all = reader.read_to_end().await.unwrap();
            writer.write(all.len().to_string());
        };
        let server = start_server(count, ("127.0.0.1", 0)).await.unwrap();
        let (mut reader, mut writer) = open_connection(server.local_addrs()).await.unwrap();
        let data = vec![1; 5_000_000];
        AsyncWriteExt::write_all(&mut writer, &data).await.unwrap();
        AsyncWriteExt::flush(&mut writer).await.unwrap();
        assert_eq!(writer.transport().write_buffer_size(), 0);
        writer.write_eof().unwrap();
        assert_eq!(AsyncWriteExt::write(&mut writer, b"x").await.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
        assert_eq!(reader.read_to_end().await.unwrap(), b"5000000");
        AsyncWriteExt::close(&mut writer).await.unwrap();
        assert!(writer.is_closing());
    });
}

/// More pieces than one system call takes, more bytes than the socket does, empty ones between them.
#[test]
fn a_vectored_write_takes_what_one_call_takes_and_the_rest_is_written_later() {
    run(async {
        let collect = async |mut reader: asyncio_net::StreamReader, writer: asyncio_net::StreamWriter| {
            let data = reader.read_to_end().await.unwrap();
            writer.write(data.len().to_string());
            assert!(data.iter().enumerate().all(|(at, byte)| *byte == (at % 251) as u8));
        };
        let server = start_server(collect, ("127.0.0.1", 0)).await.unwrap();
        let (mut reader, mut writer) = open_connection(server.local_addrs()).await.unwrap();
        let data: Vec<u8> = (0..3_000_000).map(|at| (at % 251) as u8).collect();
        let (mut rest, mut calls) = (data.as_slice(), 0);
        while !rest.is_empty() {
            let pieces: Vec<IoSlice<'_>> =
                rest.chunks(10_000).flat_map(|piece| [&[], piece]).map(IoSlice::new).collect();
            let count = AsyncWriteExt::write_vectored(&mut writer, &pieces).await.unwrap();
            rest = &rest[count..];
            calls += 1;
        }
        assert_eq!(calls, 10);
        writer.write_eof().unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), b"3000000");
        let late = AsyncWriteExt::write_vectored(&mut writer, &[IoSlice::new(b"x")]).await.unwrap_err();
        assert_eq!(late.kind(), std::io::ErrorKind::BrokenPipe);
    });
}

fn write_some(transport: &Transport, pieces: &[usize], vectored: bool, next: &mut u8) -> Vec<u8> {
    let pieces: Vec<Vec<u8>> = pieces
        .iter()
        .map(|&len| {
            *next = next.wrapping_add(1);
            vec![*next; len]
        })
        .collect();
    if vectored {
        transport.writelines(&pieces);
    } else {
        pieces.iter().for_each(|piece| transport.write(piece));
    }
    pieces.concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// However it is cut, and however slowly it is read, what arrives is what was written.
    #[test]
    fn what_is_written_in_any_pieces_arrives(
        rounds in proptest::collection::vec(
            (proptest::collection::vec(0usize..60_000, 0..100), any::<bool>(), any::<bool>()), 1..6),
    ) {
        run(async {
            let (transport, _protocol, peer) = connected(Recorder::default()).await;
            socket2::SockRef::from(&peer).set_recv_buffer_size(64 * 1024).unwrap();
            let (mut expected, mut received, mut next) = (Vec::new(), Vec::new(), 0);
            for (pieces, vectored, read) in rounds {
                expected.extend(write_some(&transport, &pieces, vectored, &mut next));
                if read {
                    received.extend(crate::support::read_available(&peer).unwrap());
                    turns().await;
                }
            }
            transport.write_eof();
            received.extend(read_to_end(&peer).await.unwrap());
            assert!(received == expected);
        });
    }
}
