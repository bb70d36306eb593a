//! Servers: serving, closing, waiting, what handlers may do, and what happens when descriptors run out.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::rc::Rc;
use std::time::Duration;

use asyncio_net::{Server, StreamReader, StreamWriter, create_server, open_connection, start_server};

use crate::support::{Recorder, changed, is_child, read_some, record_faults, run, run_child, turns, until};

async fn echo(mut reader: StreamReader, writer: StreamWriter) {
    changed();
    while let Ok(data) = reader.read(64 * 1024).await {
        if data.is_empty() {
            return;
        }
        writer.write(data);
        if writer.drain().await.is_err() {
            return;
        }
    }
}

async fn echo_server() -> Server {
    start_server(echo, ("127.0.0.1", 0)).await.unwrap()
}

#[test]
fn a_server_that_was_created_idle_serves_when_told() {
    run(async {
        let server = start_server(echo, ("127.0.0.1", 0)).start_serving(false).await.unwrap();
        let address = server.local_addrs()[0];
        assert!(!server.is_serving());
        assert_eq!(open_connection(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        server.start_serving().await.unwrap();
        server.start_serving().await.unwrap();
        assert!(server.is_serving());
        drop(open_connection(address).await.unwrap());
        server.close();
        assert!(!server.is_serving() && server.local_addrs().is_empty());
        assert!(server.start_serving().await.is_err());
        server.serve_forever().await;
    });
}

#[test]
fn cancelling_serve_forever_closes_waits_and_goes_on() {
    run(async {
        let server = start_server(echo, ("127.0.0.1", 0)).start_serving(false).await.unwrap();
        let address = server.local_addrs()[0];
        let serving = server.clone();
        let forever = asyncio::create_task(async move { serving.serve_forever().await });
        turns().await;
        assert!(server.is_serving());
        let (_reader, writer) = open_connection(address).await.unwrap();
        turns().await;
        forever.cancel();
        turns().await;
        assert!(!server.is_serving() && !forever.done(), "it waits for the client");
        assert_eq!(open_connection(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        drop(writer);
        assert!(forever.join().await.unwrap_err().cancelled().is_some());
    });
}

#[test]
fn closing_ends_serve_forever_which_only_one_may_await() {
    run(async {
        let server = echo_server().await;
        let serving = server.clone();
        let first = asyncio::create_task(async move { serving.serve_forever().await });
        turns().await;
        let serving = server.clone();
        let second = asyncio::create_task(async move { serving.serve_forever().await });
        let error = second.join().await.unwrap_err();
        assert!(error.to_string().contains("awaited already"), "{error}");
        server.close();
        first.await;
    });
}

#[test]
fn serve_forever_of_a_closed_server_returns_when_its_connections_have_ended() {
    run(async {
        let server = echo_server().await;
        let (_reader, writer) = open_connection(server.local_addrs()).await.unwrap();
        until(|| server.clients().len() == 1).await;
        server.close();
        let serving = server.clone();
        let forever = asyncio::create_task(async move { serving.serve_forever().await });
        turns().await;
        assert!(!forever.done(), "it waits for the client");
        writer.close();
        forever.await;
        server.serve_forever().await;
        assert!(!server.is_serving());
    });
}

#[test]
fn wait_closed_returns_when_it_is_closed_and_the_last_client_is_gone() {
    run(async {
        let server = echo_server().await;
        let waiter = |server: &Server| {
            let server = server.clone();
            asyncio::create_task(async move { server.wait_closed().await })
        };
        let before = waiter(&server);
        let (_reader, writer) = open_connection(server.local_addrs()).await.unwrap();
        until(|| server.clients().len() == 1).await;
        server.close();
        let after = waiter(&server);
        turns().await;
        assert!(!before.done() && !after.done());
        writer.close();
        before.await;
        after.await;
        server.wait_closed().await;
    });
}

#[test]
fn a_server_without_clients_is_not_closed_before_it_is_told() {
    run(async {
        let server = echo_server().await;
        let serving = server.clone();
        let waiter = asyncio::create_task(async move { serving.wait_closed().await });
        turns().await;
        assert!(!waiter.done());
        server.close();
        waiter.await;
    });
}

#[test]
fn clients_can_be_closed_and_aborted_though_they_read_nothing() {
    for abort in [false, true] {
        run(async move {
            let server = create_server(Recorder::default, ("127.0.0.1", 0)).await.unwrap();
            let mut peer = TcpStream::connect(server.local_addrs()[0]).unwrap();
            until(|| server.clients().len() == 1).await;
            if abort {
                server.clients()[0].write(vec![0; 8_000_000]);
            }
            server.close();
            if abort {
                server.abort_clients()
            } else {
                server.close_clients()
            }
            server.wait_closed().await;
            let mut received = Vec::new();
            let _ = peer.read_to_end(&mut received);
            assert!(received.len() < 8_000_000);
        });
    }
}

#[test]
fn dropping_the_last_handle_closes_the_server_but_not_its_connections() {
    run(async {
        let server = echo_server().await;
        let address = server.local_addrs()[0];
        let second = server.clone();
        let (mut reader, writer) = open_connection(address).await.unwrap();
        drop(server);
        drop(open_connection(address).await.unwrap());
        turns().await;
        drop(second);
        assert_eq!(open_connection(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        writer.write("on");
        assert_eq!(reader.readexactly(2).await.unwrap(), b"on");
    });
}

#[test]
fn a_handler_that_panics_is_reported_once_and_its_connection_closed() {
    run(async {
        let faults = record_faults();
        let kept = Rc::new(RefCell::new(Vec::new()));
        let keep = kept.clone();
        let handler = async move |_reader: StreamReader, writer: StreamWriter| {
            keep.borrow_mut().push(writer);
            panic!("the handler fails");
        };
        let server = start_server(handler, ("127.0.0.1", 0)).await.unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()).await.unwrap();
        assert_eq!(reader.read(1).await.unwrap(), b"");
        turns().await;
        assert_eq!(faults.borrow().len(), 1, "{faults:?}");
        assert!(faults.borrow()[0].contains("the handler fails"), "{faults:?}");
    });
}

#[test]
fn a_handler_that_is_cancelled_closes_its_connection_silently() {
    run(async {
        let faults = record_faults();
        let tasks = Rc::new(RefCell::new(Vec::new()));
        let told = tasks.clone();
        let handler = async move |mut reader: StreamReader, _writer: StreamWriter| {
            told.borrow_mut().push(asyncio::current_task().unwrap());
            changed();
            let _ = reader.read(1).await;
        };
        let server = start_server(handler, ("127.0.0.1", 0)).await.unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()).await.unwrap();
        until(|| !tasks.borrow().is_empty()).await;
        turns().await;
        tasks.borrow()[0].cancel();
        assert_eq!(reader.read(1).await.unwrap(), b"");
        assert!(faults.borrow().is_empty(), "{faults:?}");
    });
}

#[test]
fn a_factory_that_panics_is_reported_and_the_server_goes_on() {
    run(async {
        let faults = record_faults();
        let first = Cell::new(true);
        let factory = move || {
            assert!(!first.replace(false), "the first fails");
            Recorder::default()
        };
        let server = create_server(factory, ("127.0.0.1", 0)).await.unwrap();
        let mut refused = TcpStream::connect(server.local_addrs()[0]).unwrap();
        until(|| !faults.borrow().is_empty()).await;
        assert_eq!(refused.read(&mut [0]).unwrap(), 0);
        let _served = TcpStream::connect(server.local_addrs()[0]).unwrap();
        until(|| server.clients().len() == 1).await;
    });
}

#[test]
fn half_close_by_the_client_lets_the_server_answer() {
    run(async {
        let server = echo_server().await;
        let (mut reader, writer) = open_connection(server.local_addrs()).await.unwrap();
        writer.write("last words");
        writer.write_eof().unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), b"last words");
    });
}

#[test]
fn the_empty_host_is_every_interface_and_names_are_looked_up() {
    run(async {
        let server = start_server(echo, ("", 0)).await.unwrap();
        let v4 = server.local_addrs().into_iter().find(std::net::SocketAddr::is_ipv4).unwrap();
        let (_reader, writer) = open_connection(("localhost", v4.port())).await.unwrap();
        assert!(writer.peer_addr().unwrap().ip().is_loopback());
        assert_eq!(writer.peer_addr().unwrap().port(), v4.port());
        assert!(writer.local_addr().unwrap().ip().is_loopback());
    });
}

#[test]
fn an_address_in_use_is_named() {
    run(async {
        let server = echo_server().await;
        let address = server.local_addrs()[0];
        let error = start_server(echo, address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    });
}

#[cfg(unix)]
#[test]
fn a_port_may_be_shared_where_both_say_so() {
    run(async {
        let first = start_server(echo, ("127.0.0.1", 0)).reuse_port(true).await.unwrap();
        let second =
            start_server(echo, first.local_addrs()).reuse_port(true).keep_alive(true).backlog(5).await.unwrap();
        assert_eq!(first.local_addrs(), second.local_addrs());
    });
}

/// Run again as a process of its own by the test below, with few descriptors to be had.
#[test]
fn child_that_runs_out_of_descriptors() {
    if !is_child() {
        return;
    }
    let mut runner = asyncio::Runner::builder().virtual_time(true).build().unwrap();
    let result = runner.run(async {
        let faults = record_faults();
        let server = echo_server().await;
        let address = server.local_addrs()[0];
        let peer = TcpStream::connect(address).unwrap();
        let mut hoard = Vec::new();
        while let Ok(file) = std::fs::File::open("/dev/null") {
            hoard.push(file);
        }
        turns().await;
        assert_eq!(faults.borrow().len(), 1, "{faults:?}");
        assert!(faults.borrow()[0].contains("accepts no connections for a second"), "{faults:?}");
        drop(hoard);
        turns().await;
        assert!(server.clients().is_empty(), "not before the second is over");
        let begin = asyncio::get_running_loop().time();
        until(|| server.clients().len() == 1).await;
        let waited = asyncio::get_running_loop().time() - begin;
        assert!(waited > Duration::from_millis(900) && waited < Duration::from_millis(1100), "{waited:?}");
        let mut peer = peer;
        peer.write_all(b"x").unwrap();
        peer.set_nonblocking(true).unwrap();
        assert_eq!(read_some(&peer).await.unwrap(), b"x");
        assert_eq!(faults.borrow().len(), 1, "{faults:?}");
    });
    result.unwrap();
}

#[cfg(unix)]
#[test]
fn a_server_that_runs_out_of_descriptors_reports_it_pauses_and_goes_on() {
    run_child("servers::child_that_runs_out_of_descriptors", "40");
}
