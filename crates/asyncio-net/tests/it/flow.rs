//! Water marks and back-pressure.

use std::io::{Read, Write};

use asyncio_net::{open_connection, start_server};

use crate::support::{Recorder, connected, read_some, run, turns};

/// More than the kernel takes of a connection that nobody reads.
const LOTS: usize = 16 * 1024 * 1024;

#[test]
fn pause_comes_above_the_high_mark_and_resume_at_the_low_one_in_turn() {
    run(async {
        let (transport, protocol, peer) = connected(Recorder::default()).await;
        assert_eq!(transport.write_buffer_limits(), (16 * 1024, 64 * 1024));
        transport.write(vec![1; LOTS]);
        assert_eq!(protocol.log(), ["made", "pause"], "called before `write` returns");
        let buffered = transport.write_buffer_size();
        assert!(buffered > 64 * 1024);
        transport.write(b"more");
        assert_eq!(transport.write_buffer_size(), buffered + 4);
        assert_eq!(protocol.log(), ["made", "pause"], "once");
        let mut received = 0;
        while protocol.log().len() < 3 {
            assert!(transport.write_buffer_size() > 16 * 1024);
            received += read_some(&peer).await.unwrap().len();
            turns().await;
        }
        assert!(transport.write_buffer_size() <= 16 * 1024);
        while received < LOTS + 4 {
            received += read_some(&peer).await.unwrap().len();
        }
        assert_eq!(received, LOTS + 4);
        assert_eq!(protocol.log(), ["made", "pause", "resume"]);
    });
}

#[test]
fn the_marks_are_exact() {
    run(async {
        let (transport, protocol, _peer) = connected(Recorder::default()).await;
        transport.set_write_buffer_limits(LOTS * 2, 10);
        transport.write(vec![1; LOTS]);
        let buffered = transport.write_buffer_size();
        transport.set_write_buffer_limits(buffered, 0);
        assert_eq!(protocol.log(), ["made"], "at the mark is not above it");
        transport.write(b"x");
        assert_eq!(protocol.log(), ["made", "pause"]);
    });
}

#[test]
fn marks_follow_from_one_another_and_apply_at_once() {
    run(async {
        let (transport, protocol, _peer) = connected(Recorder::default()).await;
        transport.set_write_buffer_limits(400, None);
        assert_eq!(transport.write_buffer_limits(), (100, 400));
        transport.set_write_buffer_limits(None, 400);
        assert_eq!(transport.write_buffer_limits(), (400, 1600));
        transport.set_write_buffer_limits(LOTS * 2, None);
        transport.write(vec![1; LOTS]);
        assert_eq!(protocol.log(), ["made"]);
        transport.set_write_buffer_limits(None, None);
        assert_eq!(transport.write_buffer_limits(), (16 * 1024, 64 * 1024));
        assert_eq!(protocol.log(), ["made", "pause"]);
    });
}

#[test]
#[should_panic = "must not be below the low-water mark"]
fn marks_in_the_wrong_order_are_refused() {
    run(async {
        let (transport, _protocol, _peer) = connected(Recorder::default()).await;
        transport.set_write_buffer_limits(1, 2);
    });
}

#[test]
fn a_reader_that_does_not_read_stops_the_sender() {
    run(async {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (mut reader, _writer) = open_connection(listener.local_addr().unwrap()).limit(1000).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.set_nonblocking(true).unwrap();
        let mut sent = 0;
        let chunk = vec![5; 64 * 1024];
        loop {
            match peer.write(&chunk) {
                Ok(count) => sent += count,
                Err(_) => {
                    turns().await;
                    if let Err(error) = peer.write(&chunk).map(|count| sent += count) {
                        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                        break;
                    }
                }
            }
        }
        let text = format!("{reader:?}");
        let first = reader.read(usize::MAX).await.unwrap();
        // What has been taken in; the rest is in the kernel.
        assert!(text.contains(&format!("buffered: {},", first.len())), "{text}");
        assert!(first.len() <= 2 * 1000 + 256 * 1024, "{}", first.len());
        let mut received = first.len();
        while received < sent {
            received += reader.read(usize::MAX).await.unwrap().len();
        }
        assert_eq!(received, sent);
    });
}

#[test]
fn a_server_that_drains_keeps_its_buffer_within_the_marks() {
    run(async {
        let most = std::rc::Rc::new(std::cell::Cell::new(0));
        let seen = most.clone();
        let flood = async move |_reader: asyncio_net::StreamReader, writer: asyncio_net::StreamWriter| {
            for _ in 0..2000 {
                writer.write([9; 10_000]);
                seen.set(seen.get().max(writer.transport().write_buffer_size()));
                if writer.drain().await.is_err() {
                    return;
                }
            }
        };
        let server = start_server(flood, ("127.0.0.1", 0)).await.unwrap();
        let mut peer = std::net::TcpStream::connect(server.local_addrs()[0]).unwrap();
        turns().await;
        let reader = asyncio::to_thread(move || {
            let mut data = Vec::new();
            peer.read_to_end(&mut data).unwrap();
            data.len()
        });
        assert_eq!(reader.await, 20_000_000);
        assert!(most.get() <= 64 * 1024 + 10_000, "{}", most.get());
    });
}
