//! TLS that begins on a connection that is there.

use std::io::{ErrorKind, Write};
use std::rc::Rc;
use std::time::Duration;

use asyncio::create_task;
use asyncio_net::{
    StreamReader, StreamWriter, TlsConfig, TlsError, create_connection, create_server, open_connection, start_server,
    start_tls,
};

use super::ends::echo;
use super::peer::{Peer, client, pair, server, until};
use crate::support::{Recorder, read_available, record_faults, run, run_without_leak, turns};

/// Greets, starts TLS when it is asked to, then sends back lines.
async fn mail_server(mut reader: StreamReader, writer: StreamWriter) {
    writer.write("220 ready\n");
    while let Ok(line) = reader.readline().await
        && !line.is_empty()
    {
        if line == b"STARTTLS\n" {
            writer.write("220 go ahead\n");
            if writer.start_tls(server()).await.is_err() {
                return;
            }
        } else {
            writer.write(line);
        }
    }
}

#[test]
fn a_stream_goes_on_through_tls() {
    run_without_leak(async || {
        let faults = record_faults();
        let listening = start_server(mail_server, ("127.0.0.1", 0)).await.unwrap();
        let (mut reader, writer) = open_connection(listening.local_addrs()).await.unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"220 ready\n");
        writer.write("plain\n");
        assert_eq!(reader.readline().await.unwrap(), b"plain\n");
        assert!(writer.transport().tls().is_none());
        writer.write("STARTTLS\n");
        assert_eq!(reader.readline().await.unwrap(), b"220 go ahead\n");
        let missing = writer.start_tls(client()).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::InvalidInput, "{missing}");
        writer.start_tls(client()).server_hostname("localhost").await.unwrap();
        let info = writer.transport().tls().unwrap();
        assert_eq!(info.server_name(), Some("localhost"));
        assert_eq!(writer.peer_addr().unwrap(), listening.local_addrs()[0]);
        writer.write("secret\n");
        assert_eq!(reader.readline().await.unwrap(), b"secret\n");
        assert!(listening.clients()[0].tls().is_some(), "the server knows it by its new transport");
        writer.close();
        writer.wait_closed().await.unwrap();
        assert!(info.received_close_notify());
        listening.close();
        listening.wait_closed().await;
        assert!(faults.borrow().is_empty(), "{faults:?}");
    });
}

#[test]
fn what_a_client_sent_without_waiting_is_the_beginning_of_tls() {
    run(async {
        let listening = start_server(mail_server, ("127.0.0.1", 0)).await.unwrap();
        let socket = std::net::TcpStream::connect(listening.local_addrs()[0]).unwrap();
        let mut peer = Peer::client(socket);
        // The request and the first message of TLS in one piece: a read takes both.
        let mut together = b"STARTTLS\n".to_vec();
        peer.session.write_tls(&mut together).unwrap();
        (&peer.socket).write_all(&together).unwrap();
        let mut answer = Vec::new();
        while answer.len() < 23 {
            let mut byte = [0];
            match std::io::Read::read(&mut &peer.socket, &mut byte) {
                Ok(_) => answer.push(byte[0]),
                Err(_) => turns().await,
            }
        }
        assert_eq!(answer, b"220 ready\n220 go ahead\n");
        peer.handshake().await;
        peer.write(b"hello\n");
        peer.until(|peer| peer.received == b"hello\n").await.unwrap();
    });
}

#[test]
fn what_was_slipped_in_before_tls_is_not_taken_for_something_that_came_through_it() {
    run(async {
        let (near, mut far) = pair();
        let (mut reader, writer) = open_connection(near).await.unwrap();
        far.write_all(b"220 go ahead\n250 injected\n").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"220 go ahead\n");
        let error = writer.start_tls(client()).server_hostname("localhost").await.unwrap_err();
        assert!(error.get_ref().is_some_and(|inner| inner.is::<TlsError>()), "{error}");
        let error = reader.readline().await.unwrap_err();
        assert!(error.to_string().contains("`localhost`"), "{error}");
    });
}

#[test]
fn bytes_that_a_read_holds_are_not_lost_to_it() {
    run(async {
        let (near, mut far) = pair();
        let (mut reader, writer) = open_connection(near).await.unwrap();
        far.write_all(b"half a line").unwrap();
        let reading = create_task(async move { reader.readline().await });
        turns().await;
        until(|| !reading.done()).await;
        let error = writer.start_tls(client()).server_hostname("localhost").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("holds 11 bytes"), "{error}");
        far.write_all(b"\n").unwrap();
        assert_eq!(reading.await.unwrap(), b"half a line\n");
    });
}

#[test]
fn what_is_written_during_the_handshake_goes_through_tls() {
    run(async {
        let (near, far) = pair();
        let (_reader, writer) = open_connection(near).await.unwrap();
        let other = writer.clone();
        let starting = create_task(async move { writer.start_tls(client()).server_hostname("localhost").await });
        turns().await;
        other.write("kept ");
        other.writelines(["until ", "then"]);
        let mut flushing = other.clone();
        let flushed = create_task(async move { futures_util::AsyncWriteExt::flush(&mut flushing).await });
        turns().await;
        assert!(!flushed.done());
        let mut peer = Peer::server(far);
        peer.until(|peer| peer.received == b"kept until then").await.unwrap();
        starting.await.unwrap();
        flushed.await.unwrap();
    });
}

#[test]
fn start_tls_that_takes_too_long_or_is_cancelled_ends_the_connection() {
    run_without_leak(async || {
        for cancel in [false, true] {
            let (near, far) = pair();
            let (mut reader, writer) = open_connection(near).await.unwrap();
            let starting = create_task(async move {
                writer
                    .start_tls(client())
                    .server_hostname("localhost")
                    .tls_handshake_timeout(Duration::from_millis(if cancel { 10_000 } else { 20 }))
                    .await
            });
            until(|| !read_available(&far).unwrap().is_empty()).await;
            if cancel {
                starting.cancel();
                assert!(starting.join().await.is_err());
                assert_eq!(reader.read_to_end().await.unwrap(), b"");
            } else {
                assert_eq!(starting.await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
                assert_eq!(reader.read_to_end().await.unwrap_err().kind(), ErrorKind::ConnectionAborted);
            }
            until(|| read_available(&far).is_none()).await;
        }
    });
}

#[test]
fn start_tls_of_a_closed_connection_is_an_error() {
    run(async {
        let (near, far) = pair();
        let (_reader, writer) = open_connection(near).await.unwrap();
        writer.close();
        writer.wait_closed().await.unwrap();
        let error = writer.start_tls(client()).server_hostname("localhost").await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotConnected | ErrorKind::ConnectionReset), "{error}");
        drop(far);
        let (near, _far) = pair();
        let (_reader, writer) = open_connection(near).await.unwrap();
        writer.write_eof().unwrap();
        let error = writer.start_tls(client()).server_hostname("localhost").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected, "{error}");
    });
}

#[test]
fn a_transport_goes_on_with_the_same_protocol_or_another() {
    run(async {
        for same in [true, false] {
            let (near, far) = pair();
            let (plain, first) = create_connection(Recorder::default, near).await.unwrap();
            let second = if same { first.clone() } else { Rc::new(Recorder::default()) };
            plain.pause_reading();
            let starting =
                create_task(start_tls(&plain, second.clone(), client()).server_hostname("localhost").into_future());
            let mut peer = Peer::server(far);
            peer.handshake().await;
            let transport = starting.await.unwrap();
            transport.write(b"through");
            peer.write(b"back");
            peer.until(|peer| peer.received == b"through").await.unwrap();
            peer.send_close_notify();
            second.lost.clone().await;
            let expected = ["data", "eof", "lost"];
            let log = second.log();
            assert_eq!(log.strip_prefix(&["made".to_owned()][..]).unwrap_or(&log), expected);
            assert_eq!(log.len(), expected.len() + usize::from(same), "made once");
        }
    });
}

#[test]
fn a_protocol_that_was_told_to_pause_is_told_to_resume() {
    run(async {
        let (near, far) = pair();
        let (plain, protocol) = create_connection(Recorder::default, near).await.unwrap();
        plain.write(vec![b'x'; 16 * 1024 * 1024]);
        assert_eq!(protocol.log(), ["made", "pause"]);
        let starting =
            create_task(start_tls(&plain, protocol.clone(), client()).server_hostname("localhost").into_future());
        // The plain bytes come first.
        let mut plain_bytes = 0;
        let mut peer = Peer::server(far);
        while plain_bytes < 16 * 1024 * 1024 {
            let mut buffer = vec![0; (16 * 1024 * 1024 - plain_bytes).min(100_000)];
            match std::io::Read::read(&mut &peer.socket, &mut buffer) {
                Ok(count) => plain_bytes += count,
                Err(_) => turns().await,
            }
        }
        peer.handshake().await;
        starting.await.unwrap();
        assert_eq!(protocol.log(), ["made", "pause", "resume"]);
    });
}

#[test]
fn tls_may_go_through_tls() {
    run_without_leak(async || {
        let inner = async |mut reader: StreamReader, writer: StreamWriter| {
            let line = reader.readline().await.unwrap();
            writer.write(line);
            writer.start_tls(server()).await.unwrap();
            echo(reader, writer).await;
        };
        let listening = start_server(inner, ("127.0.0.1", 0)).tls(server()).await.unwrap();
        let (mut reader, writer) = open_connection(listening.local_addrs()).tls(client()).await.unwrap();
        writer.write("go\n");
        assert_eq!(reader.readline().await.unwrap(), b"go\n");
        writer.start_tls(client()).server_hostname("localhost").await.unwrap();
        assert_eq!(writer.transport().tls().unwrap().server_name(), Some("localhost"));
        let data = vec![9; 3_000_000];
        let (again, sent) = (writer.clone(), data.clone());
        let writing = create_task(async move {
            for piece in sent.chunks(100_000) {
                again.write(piece);
                again.drain().await.unwrap();
            }
        });
        assert!(reader.readexactly(data.len()).await.unwrap() == data);
        writing.await;
        writer.close();
        writer.wait_closed().await.unwrap();
        listening.close();
        listening.wait_closed().await;
    });
}

#[test]
fn a_close_or_an_end_during_the_handshake_of_tls_through_tls_ends_both_and_reports_nothing() {
    for far_end in [false, true] {
        run_without_leak(async || {
            let faults = record_faults();
            // It speaks TLS, but not TLS within it: the inner handshake waits for an answer.
            let (began, went_on) = (Rc::new(asyncio::Event::new()), Rc::new(asyncio::Event::new()));
            let (begin, go_on) = (began.clone(), went_on.clone());
            let silent = move |mut reader: StreamReader, writer: StreamWriter| {
                let (begin, go_on) = (begin.clone(), go_on.clone());
                async move {
                    assert!(!reader.read(1000).await.unwrap().is_empty());
                    begin.set();
                    go_on.wait().await;
                    drop(writer);
                }
            };
            let listening = start_server(silent, ("127.0.0.1", 0)).tls(server()).await.unwrap();
            let (mut reader, writer) = open_connection(listening.local_addrs()).tls(client()).await.unwrap();
            let other = writer.clone();
            let starting = create_task(async move { writer.start_tls(client()).server_hostname("localhost").await });
            began.wait().await;
            assert!(!starting.done());
            if !far_end {
                other.close();
            }
            went_on.set();
            let error = starting.await.unwrap_err();
            let expected = if far_end { ErrorKind::ConnectionReset } else { ErrorKind::ConnectionAborted };
            assert_eq!(error.kind(), expected, "{error}");
            let _ = reader.read_to_end().await;
            let _ = other.wait_closed().await;
            listening.close();
            listening.wait_closed().await;
            assert!(faults.borrow().is_empty(), "{faults:?}");
        });
    }
}

#[test]
fn an_accepted_socket_may_be_the_server() {
    run(async {
        let (near, far) = pair();
        let config: TlsConfig = server().into();
        assert_eq!(format!("{config:?}"), "<TlsConfig of a server>");
        let accepting = create_task(
            asyncio_net::connect_accepted_socket(Recorder::default, near).tls(config.clone()).into_future(),
        );
        let mut peer = Peer::client(far);
        peer.handshake().await;
        let (transport, protocol) = accepting.await.unwrap();
        peer.write(b"hello");
        until(|| *protocol.data.borrow() == b"hello").await;
        transport.close();
        let (near, _far) = pair();
        let error =
            create_connection(Recorder::default, near).tls(config).server_hostname("x").await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
    });
}

#[test]
fn a_server_of_protocols_starts_tls_on_its_connections() {
    run(async {
        let protocol = Rc::new(Recorder::default());
        let given = protocol.clone();
        let listening = create_server(move || given.clone(), ("127.0.0.1", 0)).await.unwrap();
        let socket = std::net::TcpStream::connect(listening.local_addrs()[0]).unwrap();
        until(|| protocol.transport.get().is_some()).await;
        let plain = protocol.transport.get().unwrap().clone();
        let starting = create_task(start_tls(&plain, protocol.clone(), server()).into_future());
        let mut peer = Peer::client(socket);
        peer.handshake().await;
        let transport = starting.await.unwrap();
        transport.write(b"hello");
        peer.until(|peer| peer.received == b"hello").await.unwrap();
        listening.close_clients();
        peer.until(|peer| peer.closed).await.unwrap();
        peer.send_close_notify();
        protocol.lost.clone().await;
    });
}

#[test]
fn an_end_that_came_before_is_the_end_of_the_handshake() {
    run(async {
        let (near, far) = pair();
        let (mut reader, writer) = open_connection(near).await.unwrap();
        far.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
        let error = writer.start_tls(client()).server_hostname("localhost").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    });
}
