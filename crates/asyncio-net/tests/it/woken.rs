//! Waits that an error, an end or a close comes to.

use std::io::{ErrorKind, Write};
use std::net::TcpListener;

use asyncio_net::{StreamReader, StreamWriter, open_connection, start_server};

use crate::support::{Recorder, connected, record_faults, reset_on_close, run, turns};

#[test]
fn a_read_that_waits_is_woken_by_the_error_of_the_connection() {
    run(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (mut reader, _writer) = open_connection(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().unwrap();
        let waits = asyncio::create_task(async move { reader.readline().await });
        turns().await;
        assert!(!waits.done());
        reset_on_close(&peer);
        drop(peer);
        let error = std::io::Error::from(waits.await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn an_error_that_comes_after_a_read_was_cancelled_is_for_the_next_one() {
    run(async {
        let faults = record_faults();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (mut reader, writer) = open_connection(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().unwrap();
        let task = asyncio::create_task(async move {
            assert!(asyncio::catch_cancelled(reader.readline()).await.is_err());
            reader
        });
        turns().await;
        task.cancel();
        let mut reader = task.await;
        reset_on_close(&peer);
        drop(peer);
        writer.wait_closed().await.unwrap_err();
        assert_eq!(reader.read(1).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert!(faults.borrow().is_empty());
    });
}

#[test]
fn wait_closed_returns_though_there_is_more_to_read() {
    run(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (mut reader, writer) = open_connection(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"one line\nand another\n").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"one line\n");
        writer.close();
        assert!(writer.is_closing());
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn a_server_that_closes_in_the_turn_in_which_its_last_client_goes_is_closed() {
    run(async {
        let server = std::rc::Rc::new(std::cell::RefCell::new(None::<asyncio_net::Server>));
        let closing = server.clone();
        let handler = async move |mut reader: StreamReader, writer: StreamWriter| {
            reader.readline().await.unwrap();
            writer.close();
            // Now, or in the turn in which the connection is told lost, or after it.
            for _ in 0..3 {
                let closing = closing.clone();
                asyncio::get_running_loop().call_soon(move || closing.borrow().as_ref().unwrap().close());
            }
        };
        let made = start_server(handler, ("127.0.0.1", 0)).await.unwrap();
        *server.borrow_mut() = Some(made.clone());
        let (mut reader, writer) = open_connection(made.local_addrs()).await.unwrap();
        let waits = asyncio::create_task({
            let made = made.clone();
            async move { made.wait_closed().await }
        });
        writer.write("bye\n");
        assert_eq!(reader.read(1).await.unwrap(), b"");
        drop(writer);
        waits.await;
        made.wait_closed().await;
        server.take();
    });
}

#[test]
fn write_eof_of_a_transport_that_is_closed_does_nothing() {
    run(async {
        let (transport, protocol, _peer) = connected(Recorder::default()).await;
        transport.close();
        transport.write_eof();
        protocol.lost.clone().await;
        transport.write_eof();
        assert_eq!(protocol.log(), ["made", "lost"]);
    });
}

#[test]
fn a_connection_sends_at_once_what_is_small() {
    run(async {
        let (transport, _protocol, _peer) = connected(Recorder::default()).await;
        let delays = transport.with_fd(|fd| !socket2::SockRef::from(&fd).tcp_nodelay().unwrap());
        assert_eq!(delays, Some(false));
        // A Unix socket has no such option, and is none the worse for it.
        let (near, _far) = std::os::unix::net::UnixStream::pair().unwrap();
        asyncio_net::create_connection(Recorder::default, near).await.unwrap();
    });
}
