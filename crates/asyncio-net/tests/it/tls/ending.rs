//! The end of a TLS connection: close_notify both ways, an end without, abort, time-outs.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::Shutdown;
use std::time::Duration;

use asyncio_net::{open_connection, start_server};
use futures_util::AsyncWriteExt;

use super::ends::echo;
use super::peer::{Peer, client, connected, server, until};
use crate::support::{Recorder, record_faults, reset_on_close, run, run_without_leak, turns};

/// More than the kernel takes of a connection that nobody reads.
const LOTS: usize = 16 * 1024 * 1024;

#[test]
fn close_sends_what_is_kept_then_a_close_notify_and_waits_for_the_other() {
    run_without_leak(async || {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        let data: Vec<u8> = (0..LOTS as u32).map(|n| n.to_le_bytes()[0]).collect();
        transport.write(&data);
        transport.close();
        transport.close();
        assert!(transport.is_closing());
        transport.write(b"too late");
        peer.until(|peer| peer.closed).await.unwrap();
        assert!(peer.received == data);
        turns().await;
        assert_eq!(protocol.log().last().unwrap(), "resume", "it waits: {:?}", protocol.log());
        peer.send_close_notify();
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "pause", "resume", "lost"]);
        assert!(transport.tls().unwrap().received_close_notify());
    });
}

#[test]
fn data_that_comes_after_close_is_dropped() {
    run(async {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        transport.close();
        peer.write(b"on its way already");
        peer.until(|peer| peer.closed).await.unwrap();
        peer.send_close_notify();
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "lost"]);
    });
}

#[test]
fn a_close_while_reading_is_paused_sees_the_end_of_the_other() {
    run(async {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        transport.pause_reading();
        peer.write(&vec![1; 1_000_000]);
        transport.close();
        peer.until(|peer| peer.closed).await.unwrap();
        peer.send_close_notify();
        peer.until(|peer| peer.ended || peer.closed).await.unwrap();
        while !protocol.lost.done() {
            peer.pump().unwrap();
            turns().await;
        }
        assert_eq!(protocol.log(), ["made", "lost"]);
    });
}

#[test]
fn the_close_notify_of_the_other_end_is_the_end_and_is_answered_after_what_is_kept() {
    run_without_leak(async || {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        protocol.keep_open.set(true);
        let data = vec![7; LOTS];
        transport.write(&data);
        peer.write(b"bye");
        peer.send_close_notify();
        until(|| protocol.log().iter().any(|entry| entry == "eof")).await;
        assert!(transport.is_closing(), "whatever `eof_received` says");
        peer.until(|peer| peer.closed).await.unwrap();
        assert!(peer.received == data, "trailing data");
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "pause", "data", "eof", "resume", "lost"]);
    });
}

#[test]
fn an_end_without_close_notify_is_an_end_and_can_be_told() {
    run_without_leak(async || {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        let data = vec![7; LOTS];
        transport.write(&data);
        peer.write(b"bye");
        peer.socket.shutdown(Shutdown::Write).unwrap();
        peer.until(|peer| peer.closed).await.unwrap();
        assert!(peer.received == data);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "pause", "data", "eof", "resume", "lost"]);
        assert!(!transport.tls().unwrap().received_close_notify());
    });
}

#[test]
fn a_reset_is_the_error_of_the_connection() {
    run_without_leak(async || {
        let (_transport, protocol, peer) = connected(Recorder::default()).await;
        reset_on_close(&peer.socket);
        drop(peer);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "lost: ConnectionReset"]);
    });
}

#[test]
fn trailing_bytes_and_the_end_wait_until_reading_is_resumed() {
    run(async {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        transport.pause_reading();
        assert!(!transport.is_reading());
        peer.write(b"extra bytes");
        peer.socket.shutdown(Shutdown::Write).unwrap();
        turns().await;
        assert_eq!(protocol.log(), ["made"]);
        transport.resume_reading();
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "data", "eof", "lost"]);
        assert_eq!(*protocol.data.borrow(), b"extra bytes");
    });
}

#[test]
fn abort_ends_it_at_once_without_a_close_notify() {
    run_without_leak(async || {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        transport.write(vec![0; LOTS]);
        transport.abort();
        assert!(transport.is_closing());
        assert_eq!(transport.write_buffer_size(), 0);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "pause", "lost"]);
        match peer.until(|peer| peer.ended).await {
            Ok(()) => assert!(!peer.closed),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        transport.write(b"ignored");
        transport.abort();
        transport.close();
        turns().await;
        assert_eq!(protocol.log().len(), 3);
    });
}

#[test]
fn a_peer_that_never_closes_is_given_up_in_time() {
    run_without_leak(async || {
        let server = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = server.local_addr().unwrap();
        let opening = asyncio::create_task(
            open_connection(address).tls(client()).tls_shutdown_timeout(Duration::from_millis(20)).into_future(),
        );
        turns().await;
        let mut peer = Peer::server(server.accept().unwrap().0);
        peer.handshake().await;
        let (_reader, writer) = opening.await.unwrap();
        writer.close();
        let error = writer.wait_closed().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert_eq!(
            error.to_string(),
            "the end of TLS with `127.0.0.1` took longer than 20ms: the connection is aborted"
        );
    });
}

#[test]
fn one_direction_alone_cannot_be_closed() {
    run(async {
        let server = start_server(echo, ("127.0.0.1", 0)).tls(server()).await.unwrap();
        let (_reader, mut writer) = open_connection(server.local_addrs()).tls(client()).await.unwrap();
        assert!(!writer.can_write_eof());
        assert_eq!(writer.write_eof().unwrap_err().kind(), ErrorKind::Unsupported);
        let transport = writer.transport().clone();
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| transport.write_eof())).unwrap_err();
        assert!(panic.downcast_ref::<&str>().unwrap().contains("ask `can_write_eof` first"));
        // The close of a futures stream is the whole end.
        AsyncWriteExt::close(&mut writer).await.unwrap();
        assert!(writer.transport().tls().unwrap().received_close_notify());
    });
}

#[test]
fn rubbish_on_an_open_connection_is_an_error_for_reader_and_writer() {
    run(async {
        let faults = record_faults();
        let (transport, protocol, peer) = connected(Recorder::default()).await;
        let error = RefCell::new(None);
        std::io::Write::write_all(
            &mut &peer.socket,
            &[23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
        )
        .unwrap();
        protocol.lost.clone().await;
        error.replace(protocol.log().last().cloned());
        assert_eq!(error.borrow().as_deref(), Some("lost: InvalidData"));
        assert!(transport.is_closing());
        assert!(faults.borrow().is_empty());
    });
}
