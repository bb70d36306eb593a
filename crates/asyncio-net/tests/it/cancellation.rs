//! Every place that waits, cancelled there once: no descriptor and no task is left, and nothing that was promised is lost.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::time::Duration;

use asyncio::{EventLoop, Runner};
use asyncio_net::{
    AddrInfoHints, LoopSockets, NameInfoFlags, Socket, StreamReader, StreamWriter, connect_accepted_socket,
    create_connection, create_datagram_endpoint, create_server, open_connection, open_unix_connection, resolve,
    sendfile, start_server, start_unix_server,
};
use futures_util::AsyncWriteExt;
use proptest::prelude::*;

use crate::connecting::silent;
use crate::loopback::tcp_pair;
use crate::support::{
    Fresh, Recorder, alone, assert_none_left, descriptors, read_to_end, run, run_without_leak, turns,
};

/// One turn, which does not wait but looks what the kernel has.
fn turn(this: &EventLoop) {
    this.poll_events(Some(Duration::ZERO)).unwrap();
    this.process_events();
    this.process_ready();
}

/// Runs a program for no turn, then for one, and so on until it ends by itself; each time it is cancelled then, and must
/// leave nothing behind. Says in how many turns that was.
///
/// `most`: a program that waits for a thread is not stepped for longer than this.
pub fn cancelled_everywhere<F: Future<Output = ()> + 'static>(most: usize, program: impl Fn() -> F) -> usize {
    let _alone = alone();
    let once = |cancelled_after: usize| {
        let runner = Runner::new().unwrap();
        let this = runner.get_loop();
        let task = this.create_task(program());
        for _ in 0..cancelled_after {
            turn(&this);
        }
        let done = task.done();
        task.cancel();
        for _ in 0..10_000 {
            turn(&this);
            if this.all_tasks().is_empty() && this.reactor().is_empty() {
                break;
            }
        }
        let left = this.all_tasks();
        assert!(left.is_empty(), "cancelled after {cancelled_after} turns: {left:?} are left");
        assert!(this.reactor().is_empty(), "cancelled after {cancelled_after} turns: descriptors are registered");
        match (done, task.result()) {
            (true, outcome) => outcome.unwrap(),
            (false, outcome) => assert!(outcome.unwrap_err().cancelled().is_some()),
        }
        done
    };
    once(0);
    let before = descriptors();
    for cancelled_after in 0..most {
        let done = once(cancelled_after);
        assert_none_left(before);
        if done {
            return cancelled_after;
        }
    }
    most
}

/// Does something some turns later.
fn later(f: impl FnOnce() + 'static) {
    asyncio::create_task(async {
        for _ in 0..3 {
            asyncio::yield_now().await;
        }
        f();
    });
}

async fn echo(mut reader: StreamReader, writer: StreamWriter) {
    while let Ok(line) = reader.readline().await
        && !line.is_empty()
    {
        writer.write(line);
        if writer.drain().await.is_err() {
            return;
        }
    }
}

async fn talk((mut reader, mut writer): (StreamReader, StreamWriter)) {
    writer.write("one\n");
    writer.drain().await.unwrap();
    reader.readline().await.unwrap();
    writer.write("two\n");
    reader.readexactly(2).await.unwrap();
    reader.readuntil(b"\n").await.unwrap();
    AsyncWriteExt::write_all(&mut writer, b"three\n").await.unwrap();
    AsyncWriteExt::flush(&mut writer).await.unwrap();
    reader.lines().next().await.unwrap().unwrap();
    writer.write_eof().unwrap();
    reader.read_to_end().await.unwrap();
    AsyncWriteExt::close(&mut writer).await.unwrap();
    writer.wait_closed().await.unwrap();
}

#[test]
fn a_program_of_streams_may_be_cancelled_in_any_turn() {
    let turns = cancelled_everywhere(1000, || async {
        let server = start_server(echo, ("127.0.0.1", 0)).await.unwrap();
        talk(open_connection(server.local_addrs()).await.unwrap()).await;
        server.close();
        server.wait_closed().await;
        server.serve_forever().await;
    });
    assert!(turns > 10, "{turns}");
}

#[test]
fn a_program_of_unix_streams_may_be_cancelled_in_any_turn() {
    let turns = cancelled_everywhere(1000, || async {
        let path = Fresh::new();
        let server = start_unix_server(echo, &path.0).start_serving(false).await.unwrap();
        let serving = server.clone();
        let forever = asyncio::create_task(async move { serving.serve_forever().await });
        let shut = scopeguard(move || assert!(forever.cancel()));
        asyncio::yield_now().await;
        talk(open_unix_connection(&path.0).await.unwrap()).await;
        drop(shut);
        server.wait_closed().await;
        assert!(!path.0.exists());
    });
    assert!(turns > 10, "{turns}");
}

/// Calls it when it is dropped.
fn scopeguard(f: impl FnOnce()) -> impl Drop {
    struct Guard<F: FnOnce()>(Option<F>);
    impl<F: FnOnce()> Drop for Guard<F> {
        fn drop(&mut self) {
            if let Some(f) = self.0.take() {
                f();
            }
        }
    }
    Guard(Some(f))
}

#[test]
fn connecting_may_be_cancelled_in_any_turn() {
    let turns = cancelled_everywhere(1000, || async {
        let refusing = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let server = create_server(Recorder::default, ("127.0.0.1", 0)).await.unwrap();
        let address = server.local_addrs()[0];
        for delay in [None, Some(Duration::from_secs(1000))] {
            let addresses = [refusing, address];
            let connecting = create_connection(Recorder::default, addresses).happy_eyeballs_delay(delay);
            let (transport, protocol) = connecting.local_addr(("127.0.0.1", 0)).await.unwrap();
            transport.close();
            protocol.lost.clone().await;
        }
        let (near, far) = UnixStream::pair().unwrap();
        let (transport, protocol) = connect_accepted_socket(Recorder::default, near).await.unwrap();
        drop(far);
        protocol.lost.clone().await;
        drop(transport);
        assert!(create_connection(Recorder::default, refusing).await.is_err());
    });
    assert!(turns > 10, "{turns}");
}

#[test]
fn look_ups_may_be_cancelled_in_the_first_turns() {
    cancelled_everywhere(8, || async {
        resolve(("localhost", 1)).await.unwrap();
        let this = asyncio::get_running_loop();
        this.getaddrinfo("localhost", "http", AddrInfoHints::default()).await.unwrap();
        this.getnameinfo(SocketAddr::from(([127, 0, 0, 1], 80)), NameInfoFlags::NONE).await.unwrap();
    });
    cancelled_everywhere(8, || async {
        let _ = open_connection(("localhost", 1)).await.unwrap_err();
        let _ = start_server(echo, ("localhost", 0)).await.unwrap();
    });
}

#[test]
fn datagram_endpoints_may_be_cancelled_in_any_turn() {
    let turns = cancelled_everywhere(1000, || async {
        let path = Fresh::new();
        let this = asyncio::get_running_loop();
        let server = || crate::datagram::Log::default();
        let (first, log) = create_datagram_endpoint(server).local_addr(("127.0.0.1", 0)).await.unwrap();
        let close_first = scopeguard({
            let first = first.clone();
            move || first.close()
        });
        let remote = first.local_addr().unwrap();
        let (second, _) = this.create_datagram_endpoint(server).remote_addr(remote).await.unwrap();
        second.send(b"x").unwrap();
        second.close();
        let (unix, _) = this.create_datagram_endpoint(server).local_addr(path.0.as_path()).await.unwrap();
        unix.close();
        asyncio::yield_now().await;
        drop(close_first);
        asyncio::yield_now().await;
        drop(log);
    });
    assert!(turns > 3, "{turns}");
}

#[test]
fn calls_on_sockets_may_be_cancelled_in_any_turn() {
    let turns = cancelled_everywhere(1000, || async {
        let this = asyncio::get_running_loop();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        later(move || drop(std::net::TcpStream::connect(address)));
        drop(this.sock_accept(&listener).await.unwrap());
        let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        this.sock_connect(&client, address).await.unwrap();

        let (near, far) = tcp_pair();
        let (near, far) = (Rc::new(Socket::new(near).unwrap()), Rc::new(Socket::new(far).unwrap()));
        for _ in 0..2 {
            let sender = far.clone();
            later(move || io::Write::write_all(&mut sender.get_ref(), b"xxxxxx").unwrap());
            this.sock_recv(&*near, 2).await.unwrap();
            this.sock_recv_into(near.get_ref(), &mut [0; 100]).await.unwrap();
        }
        let reader = far.clone();
        let fill = vec![0; 4_000_000];
        asyncio::create_task(async move {
            let this = asyncio::get_running_loop();
            while this.sock_recv(&*reader, 1_000_000).await.is_ok_and(|data| !data.is_empty()) {}
        });
        this.sock_sendall(&*near, &fill).await.unwrap();
        drop((near, far));

        let datagrams = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        datagrams.set_nonblocking(true).unwrap();
        let to = datagrams.local_addr().unwrap();
        later(move || assert_eq!(UdpSocket::bind(("127.0.0.1", 0)).unwrap().send_to(b"x", to).unwrap(), 1));
        this.sock_recvfrom(&datagrams, 10).await.unwrap();
        this.sock_sendto(&datagrams, b"yy", to).await.unwrap();
        this.sock_recvfrom_into(&datagrams, &mut [0; 10]).await.unwrap();
    });
    assert!(turns > 20, "{turns}");
}

#[test]
fn sending_a_file_may_be_cancelled_in_any_turn() {
    let turns = cancelled_everywhere(1000, || async {
        let this = asyncio::get_running_loop();
        let path = Fresh::new();
        std::fs::write(&path.0, vec![1; 3_000_000]).unwrap();
        let file = std::fs::File::open(&path.0).unwrap();
        let (near, far) = tcp_pair();
        asyncio::create_task(async move {
            let this = asyncio::get_running_loop();
            while this.sock_recv(&far, 1_000_000).await.is_ok_and(|data| !data.is_empty()) {}
        });
        assert_eq!(this.sock_sendfile(&near, &file, 0, None).await.unwrap(), 3_000_000);
    });
    assert!(turns > 3, "{turns}");
}

#[test]
fn sending_a_file_over_a_transport_may_be_cancelled_in_any_turn() {
    let turns = cancelled_everywhere(1000, || async {
        let path = Fresh::new();
        std::fs::write(&path.0, vec![1; 3_000_000]).unwrap();
        let file = std::fs::File::open(&path.0).unwrap();
        let (near, far) = tcp_pair();
        let (_reader, writer) = open_connection(near).await.unwrap();
        asyncio::create_task(async move {
            let this = asyncio::get_running_loop();
            while this.sock_recv(&far, 1_000_000).await.is_ok_and(|data| !data.is_empty()) {}
        });
        writer.write(vec![1; 500_000]);
        assert_eq!(sendfile(writer.transport(), &file, 0, None).await.unwrap(), 3_000_000);
    });
    assert!(turns > 3, "{turns}");
}

#[test]
fn a_drain_and_a_close_that_wait_for_the_peer_may_be_cancelled() {
    run_without_leak(async || {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (_reader, mut writer) = open_connection(listener.local_addr().unwrap()).await.unwrap();
        let (_peer, _) = listener.accept().unwrap();
        writer.write(vec![0; 8_000_000]);
        for how in 0..4 {
            let mut writer = writer.clone();
            let task = asyncio::create_task(async move {
                match how {
                    0 => writer.drain().await,
                    1 => writer.wait_closed().await,
                    2 => AsyncWriteExt::flush(&mut writer).await,
                    _ => AsyncWriteExt::write(&mut writer, b"x").await.map(drop),
                }
            });
            turns().await;
            assert!(!task.done());
            task.cancel();
            assert!(task.join().await.unwrap_err().cancelled().is_some());
        }
        let closing = asyncio::create_task(async move { AsyncWriteExt::close(&mut writer).await.map(|()| writer) });
        turns().await;
        closing.cancel();
        assert!(closing.join().await.is_err());
    });
}

#[test]
fn an_attempt_that_never_ends_may_be_given_up() {
    run_without_leak(async || {
        let silent = silent();
        let opening = asyncio::create_task(async move { open_connection(silent.address).await.map(drop) });
        turns().await;
        assert!(!opening.done());
        opening.cancel();
        assert!(opening.join().await.is_err());
        let path = Fresh::new();
        let listener = UnixListener::bind(&path.0).unwrap();
        drop(listener);
        assert!(open_unix_connection(&path.0).await.is_err());
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// A writer may be cancelled wherever it waits: the peer gets what was reported as written, and no more.
    #[test]
    fn a_cancelled_writer_loses_nothing_that_it_reported(
        pieces in proptest::collection::vec(1usize..60_000, 1..60),
        reads in proptest::collection::vec(1usize..100_000, 0..40),
        cancelled_after in 0usize..60,
    ) {
        run(async {
            let (near, far) = tcp_pair();
            socket2::SockRef::from(&near).set_send_buffer_size(16 * 1024).unwrap();
            let (reader, writer) = open_connection(near).await.unwrap();
            let written = Rc::new(RefCell::new(Vec::new()));
            let (reported, mut sink) = (written.clone(), writer.clone());
            let next = Cell::new(0u8);
            let task = asyncio::create_task(async move {
                for piece in pieces {
                    next.set(next.get().wrapping_add(1));
                    let data = vec![next.get(); piece];
                    let mut rest = data.as_slice();
                    while !rest.is_empty() {
                        let count = AsyncWriteExt::write(&mut sink, rest).await.unwrap();
                        reported.borrow_mut().extend_from_slice(&rest[..count]);
                        rest = &rest[count..];
                    }
                }
            });
            let mut received = Vec::new();
            let this = asyncio::get_running_loop();
            let mut reads = reads.into_iter();
            for _ in 0..cancelled_after {
                asyncio::yield_now().await;
                if let Some(most) = reads.next()
                    && !task.done()
                    && received.len() < written.borrow().len()
                {
                    received.extend(this.sock_recv(&far, most).await.unwrap());
                }
            }
            task.cancel();
            let _ = task.join().await;
            writer.write_eof().unwrap();
            received.extend(read_to_end(&far).await.unwrap());
            assert!(received == *written.borrow(), "{} of {}", received.len(), written.borrow().len());
            drop((reader, writer));
        });
    }
}
