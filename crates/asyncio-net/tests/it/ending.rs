//! How connections and servers end, seen from both of their ends.

use std::io::{ErrorKind, Write};
use std::net::TcpListener;

use asyncio_net::{StreamReader, StreamWriter, create_server, open_connection, start_server};

use crate::support::{Recorder, connected, reset_on_close, run, turns, until};

#[test]
fn closing_the_writer_is_the_end_for_its_reader() {
    run(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (mut reader, writer) = open_connection(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(b"a line\nand more").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"a line\n");
        let rest = asyncio::create_task(async move {
            let rest = reader.read_to_end().await.unwrap();
            (rest, reader.at_eof())
        });
        turns().await;
        assert!(!rest.done(), "the peer has not closed");
        writer.close();
        assert_eq!(rest.await, (b"and more".to_vec(), true));
    });
}

#[test]
fn a_close_is_waited_for_also_with_input_that_nobody_reads() {
    run(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (_reader, writer) = open_connection(listener.local_addr().unwrap()).limit(10).await.unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        peer.write_all(&[1; 10_000]).unwrap();
        turns().await;
        assert!(!writer.is_closing());
        writer.close();
        assert!(writer.is_closing());
        writer.wait_closed().await.unwrap();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn a_reset_is_raised_by_reads_by_drain_and_by_wait_closed() {
    run(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (mut reader, writer) = open_connection(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().unwrap();
        reset_on_close(&peer);
        drop(peer);
        assert_eq!(reader.read(1).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(writer.wait_closed().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(writer.write_eof().unwrap_err().kind(), ErrorKind::NotConnected);
        writer.write("to nobody");
        writer.close();
    });
}

#[test]
fn a_server_may_close_in_the_turn_in_which_its_last_client_goes() {
    run(async {
        for server_first in [true, false] {
            let server = create_server(Recorder::default, ("127.0.0.1", 0)).await.unwrap();
            let (_reader, writer) = open_connection(server.local_addrs()).await.unwrap();
            until(|| server.clients().len() == 1).await;
            let client = server.clients().remove(0);
            let waiter = {
                let server = server.clone();
                asyncio::create_task(async move { server.wait_closed().await })
            };
            turns().await;
            let this = asyncio::get_running_loop();
            let closing = server.clone();
            if server_first {
                this.call_soon(move || closing.close());
                this.call_soon(move || client.close());
            } else {
                this.call_soon(move || client.close());
                this.call_soon(move || closing.close());
            }
            waiter.await;
            server.wait_closed().await;
            drop(writer);
        }
    });
}

#[test]
fn several_pieces_pause_the_protocol_and_after_the_end_they_are_dropped() {
    run(async {
        let (transport, protocol, peer) = connected(Recorder::default()).await;
        transport.writelines(vec![vec![1; 1_000_000]; 16]);
        assert_eq!(protocol.log(), ["made", "pause"]);
        transport.abort();
        assert_eq!(transport.write_buffer_size(), 0);
        transport.write("late");
        transport.writelines(["too", "late"]);
        assert_eq!(transport.write_buffer_size(), 0);
        protocol.lost.clone().await;
        transport.writelines(["much", "too", "late"]);
        assert_eq!(protocol.log(), ["made", "pause", "lost"]);
        drop(peer);
    });
}

#[test]
fn a_handler_that_keeps_its_writer_elsewhere_leaves_the_connection_open() {
    run(async {
        let kept = std::rc::Rc::new(std::cell::RefCell::new(None));
        let keep = kept.clone();
        let handler = async move |_reader: StreamReader, writer: StreamWriter| {
            *keep.borrow_mut() = Some(writer);
            crate::support::changed();
        };
        let server = start_server(handler, ("127.0.0.1", 0)).await.unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()).await.unwrap();
        until(|| kept.borrow().is_some()).await;
        turns().await;
        kept.borrow().as_ref().unwrap().write("still here\n");
        assert_eq!(reader.readline().await.unwrap(), b"still here\n");
        kept.take();
        assert_eq!(reader.readline().await.unwrap(), b"");
    });
}
