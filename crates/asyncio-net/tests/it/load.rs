//! Many connections, and clients that behave badly: vanish, dawdle, do not read, reset.

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use asyncio_net::{
    LoopSockets, Server, StreamReader, StreamWriter, create_connection, create_datagram_endpoint, create_server,
    open_connection, start_server, start_unix_server,
};
use rustix::process::{Resource, getrlimit};

use crate::loopback::tcp_pair;
use crate::support::{
    Fresh, Recorder, alone, assert_none_left, changed, child, descriptors, is_child, may_open_descriptors,
    record_faults, reset_on_close, run, run_child, run_on_virtual_time, turns, until,
};

/// How many connections are open at once, if so many descriptors can be had.
const MANY: usize = 10_000;

/// Descriptors that a process needs beside those.
const SPARE: usize = 100;

const CLIENTS: &str = "ASYNCIO_NET_CLIENTS";

async fn echo(mut reader: StreamReader, writer: StreamWriter) {
    while let Ok(line) = reader.readline().await
        && !line.is_empty()
    {
        writer.write(line);
        if writer.drain().await.is_err() {
            break;
        }
    }
}

/// One of many connections, spread over the addresses of this machine, since each has only so many ports.
async fn client(port: u16, number: usize) -> (StreamReader, StreamWriter) {
    let last = if cfg!(target_os = "linux") { 1 + number % 10 } else { 1 };
    let host = Ipv4Addr::new(127, 0, 0, u8::try_from(last).unwrap());
    let (mut reader, writer) = open_connection((host, port)).await.unwrap();
    let line = format!("{number}\n");
    writer.write(&line);
    assert_eq!(reader.readline().await.unwrap(), line.as_bytes());
    (reader, writer)
}

/// The other end, in a process of its own: opens connections, uses each, and keeps them until its input ends.
#[test]
fn child_that_opens_many_connections() {
    let Ok(wanted) = std::env::var(CLIENTS) else { return };
    let (port, count) = wanted.split_once(' ').unwrap();
    let (port, count): (u16, usize) = (port.parse().unwrap(), count.parse().unwrap());
    run(async {
        let clients = asyncio::gather((0..count).map(|number| client(port, number))).await;
        asyncio::to_thread(|| std::io::stdin().read_to_end(&mut Vec::new())).await.unwrap();
        drop(clients);
    });
}

#[test]
fn child_that_serves_many_connections() {
    if !is_child() {
        return;
    }
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let count = MANY.min(limit - SPARE);
    if count < MANY {
        println!("only {limit} descriptors may be open: {count} connections are tried, not {MANY}");
    }
    run(async {
        let served = Rc::new(Cell::new(0));
        let counter = served.clone();
        let handler = async move |mut reader: StreamReader, writer: StreamWriter| {
            let line = reader.readline().await.unwrap();
            writer.write(line);
            counter.set(counter.get() + 1);
            changed();
            assert_eq!(reader.read(1).await.unwrap(), b"");
        };
        let server = start_server(handler, (Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        let mut clients = child("load::child_that_opens_many_connections")
            .env(CLIENTS, format!("{} {count}", server.local_addrs()[0].port()))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        until(|| served.get() == count).await;
        assert_eq!(server.clients().len(), count, "all at once");
        drop(clients.stdin.take());
        server.close();
        server.wait_closed().await;
        assert!(server.clients().is_empty());
        assert!(asyncio::to_thread(move || clients.wait()).await.unwrap().success());
    });
}

#[test]
fn ten_thousand_connections_are_open_at_once() {
    run_child("load::child_that_serves_many_connections", "$(ulimit -H -n)");
}

async fn server() -> Server {
    start_server(echo, ("127.0.0.1", 0)).await.unwrap()
}

/// Waits until nothing of the clients is left.
async fn is_over(server: Server) {
    server.close();
    server.wait_closed().await;
    turns().await;
    assert_eq!(asyncio::all_tasks().len(), 1, "{:?}", asyncio::all_tasks());
    assert!(asyncio::get_running_loop().reactor().len() <= 1);
}

#[test]
fn clients_that_vanish_leave_nothing_behind() {
    run(async {
        let faults = record_faults();
        let server = server().await;
        let address = server.local_addrs()[0];
        for number in 0..300 {
            let mut peer = TcpStream::connect(address).unwrap();
            match number % 4 {
                0 => {}
                1 => peer.write_all(b"half a li").unwrap(),
                2 => peer.write_all(b"a line that nobody waits for\n").unwrap(),
                _ => {
                    peer.write_all(b"half a li").unwrap();
                    reset_on_close(&peer);
                }
            }
            if number % 3 == 0 {
                turns().await;
            }
        }
        is_over(server).await;
        assert!(faults.borrow().is_empty(), "{faults:?}");
    });
}

#[test]
fn a_client_that_sends_a_byte_a_second_is_waited_for_and_may_be_given_up() {
    run_on_virtual_time(async {
        let server = server().await;
        let (mut reader, writer) = open_connection(server.local_addrs()).await.unwrap();
        let this = asyncio::get_running_loop();
        let begin = this.time();
        let slow = writer.clone();
        asyncio::create_task(async move {
            for byte in b"slow\n" {
                asyncio::sleep(Duration::from_secs(1)).await;
                slow.write([*byte]);
            }
        });
        assert_eq!(reader.readline().await.unwrap(), b"slow\n");
        assert_eq!(this.time() - begin, Duration::from_secs(5));

        let impatient = async move |mut reader: StreamReader, _writer: StreamWriter| {
            let line = asyncio::wait_for(reader.readline(), Duration::from_millis(2500)).await;
            assert!(line.is_err(), "{line:?}");
        };
        let server = start_server(impatient, ("127.0.0.1", 0)).await.unwrap();
        let (mut reader, writer) = open_connection(server.local_addrs()).await.unwrap();
        let begin = this.time();
        let slow = writer.clone();
        asyncio::create_task(async move {
            for byte in b"slow\n" {
                asyncio::sleep(Duration::from_secs(1)).await;
                slow.write([*byte]);
            }
        });
        assert!(reader.read(1).await.is_ok_and(|data| data.is_empty()));
        assert_eq!(this.time() - begin, Duration::from_millis(2500));
    });
}

#[test]
fn clients_that_do_not_read_cost_no_more_than_the_water_marks() {
    run(async {
        let flood = async move |_reader: StreamReader, writer: StreamWriter| {
            while writer.drain().await.is_ok() {
                writer.write([7; 10_000]);
            }
        };
        let server = start_server(flood, ("127.0.0.1", 0)).await.unwrap();
        let peers: Vec<TcpStream> = (0..30)
            .map(|_| {
                let peer = TcpStream::connect(server.local_addrs()[0]).unwrap();
                socket2::SockRef::from(&peer).set_recv_buffer_size(16 * 1024).unwrap();
                peer
            })
            .collect();
        let is_full = |server: &Server| {
            let clients = server.clients();
            clients.len() == 30 && clients.iter().all(|client| client.write_buffer_size() > 64 * 1024)
        };
        while !is_full(&server) {
            asyncio::yield_now().await;
        }
        turns().await;
        let most = server.clients().iter().map(asyncio_net::Transport::write_buffer_size).max().unwrap();
        assert!(most <= 64 * 1024 + 10_000, "{most}");
        drop(peers);
        is_over(server).await;
    });
}

#[test]
fn clients_that_reset_in_the_middle_end_their_handlers() {
    run(async {
        let faults = record_faults();
        let server = server().await;
        let big = vec![b'x'; 30_000];
        for round in 0..50 {
            let mut peer = TcpStream::connect(server.local_addrs()[0]).unwrap();
            peer.write_all(&big).unwrap();
            peer.write_all(b"\n").unwrap();
            reset_on_close(&peer);
            for _ in 0..round % 7 {
                asyncio::yield_now().await;
            }
            drop(peer);
        }
        is_over(server).await;
        assert!(faults.borrow().is_empty(), "{faults:?}");
    });
}

#[test]
fn both_ends_may_close_their_halves_in_any_order() {
    run(async {
        for server_first in [true, false] {
            let handler = async move |mut reader: StreamReader, writer: StreamWriter| {
                if server_first {
                    writer.write("from the server");
                    writer.write_eof().unwrap();
                    let heard = reader.read_to_end().await.unwrap();
                    assert_eq!(heard, b"from the client");
                    assert!(reader.at_eof());
                } else {
                    let heard = reader.read_to_end().await.unwrap();
                    assert_eq!(heard, b"from the client");
                    writer.write("from the server");
                    writer.write_eof().unwrap();
                }
                writer.close();
                writer.wait_closed().await.unwrap();
            };
            let server = start_server(handler, ("127.0.0.1", 0)).await.unwrap();
            let (mut reader, writer) = open_connection(server.local_addrs()).await.unwrap();
            if server_first {
                assert_eq!(reader.read_to_end().await.unwrap(), b"from the server");
                assert!(!writer.is_closing());
            }
            writer.write("from the client");
            writer.write_eof().unwrap();
            if !server_first {
                assert_eq!(reader.read_to_end().await.unwrap(), b"from the server");
            }
            writer.close();
            writer.wait_closed().await.unwrap();
            is_over(server).await;
        }
    });
}

/// In a process of its own, which is stopped and continued all the while: that interrupts system calls.
#[test]
fn child_that_is_interrupted() {
    if !is_child() {
        return;
    }
    run(async {
        let server = start_server(echo, (Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        let pairs: Vec<_> = asyncio::gather((0..20).map(|number| client(server.local_addrs()[0].port(), number))).await;
        println!("ready");
        for round in 0..300 {
            for (_, writer) in &pairs {
                writer.write(format!("{round}\n"));
            }
            asyncio::sleep(Duration::from_micros(100)).await;
        }
        for (mut reader, writer) in pairs {
            for round in 0..300 {
                assert_eq!(reader.readline().await.unwrap(), format!("{round}\n").as_bytes());
            }
            writer.close();
            writer.wait_closed().await.unwrap();
        }
        is_over(server).await;
    });
}

#[test]
fn interrupted_system_calls_are_made_again() {
    let _shared = may_open_descriptors();
    let mut busy =
        child("load::child_that_is_interrupted").env("ASYNCIO_NET_CHILD", "1").stdout(Stdio::piped()).spawn().unwrap();
    let id = rustix::process::Pid::from_child(&busy);
    let mut output = busy.stdout.take().unwrap();
    let mut said = Vec::new();
    while !said.ends_with(b"ready\n") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        said.push(byte[0]);
    }
    let mut interruptions = 0;
    let status = loop {
        if let Some(status) = busy.try_wait().unwrap() {
            break status;
        }
        for signal in [rustix::process::Signal::STOP, rustix::process::Signal::CONT] {
            rustix::process::kill_process(id, signal).unwrap();
        }
        interruptions += 1;
        std::thread::yield_now();
    };
    assert!(status.success() && interruptions > 10, "{status:?} after {interruptions} interruptions");
}

#[test]
fn a_listener_that_fails_for_good_is_tried_once_a_second() {
    run_on_virtual_time(async {
        let faults = record_faults();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let same = socket2::Socket::from(listener.try_clone().unwrap());
        let server = start_server(echo, listener).await.unwrap();
        same.shutdown(std::net::Shutdown::Read).unwrap();
        asyncio::sleep(Duration::from_millis(3500)).await;
        let told = faults.borrow().len();
        assert!((3..=5).contains(&told), "{faults:?}");
        assert!(faults.borrow()[0].contains("accepts no connections for a second"), "{faults:?}");
        server.close();
        asyncio::sleep(Duration::from_secs(10)).await;
        assert_eq!(faults.borrow().len(), told, "a closed server tries no more");
    });
}

/// How many descriptors are sockets.
fn sockets() -> usize {
    let links = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    links
        .filter(|link| std::fs::read_link(link.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:")))
        .count()
}

#[test]
fn a_loop_that_is_closed_lets_go_of_everything_whoever_keeps_handles() {
    let _alone = alone();
    let once = || {
        let handles = asyncio::run(async {
            let this = asyncio::get_running_loop();
            let path = Fresh::new();
            let server = server().await;
            let address = server.local_addrs()[0];
            let unix = start_unix_server(echo, &path.0).await.unwrap();
            let protocols = create_server(Recorder::default, ("127.0.0.1", 0)).await.unwrap();
            let (transport, protocol) = create_connection(Recorder::default, address).await.unwrap();
            let stream = client(address.port(), 0).await;
            stream.1.write(vec![0; 8_000_000]);
            let _peer = TcpStream::connect(address).unwrap();
            let endpoint = create_datagram_endpoint(crate::datagram::Log::default);
            let datagrams = endpoint.local_addr(("127.0.0.1", 0)).await.unwrap();
            let (near, _far) = tcp_pair();
            let receiving = asyncio::create_task(async move { this.sock_recv(&near, 10).await });
            let connecting = asyncio::create_task(async move {
                let silent = crate::connecting::silent();
                open_connection(silent.address).await.map(drop)
            });
            turns().await;
            (server, unix, protocols, transport, protocol, stream, datagrams, receiving, connecting)
        });
        (sockets(), handles)
    };
    drop(once());
    let before = (sockets(), descriptors());
    let (open, handles) = once();
    assert_eq!(open, before.0);
    assert!(!handles.0.is_serving() && handles.0.local_addrs().is_empty(), "{:?}", handles.0);
    // The loop's own are kept by the handles.
    drop(handles);
    assert_eq!(sockets(), before.0);
    assert_none_left(before.1);
}
