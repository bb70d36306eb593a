//! Datagram endpoints: what a protocol is told, in which order, and what becomes of errors.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{self, ErrorKind};
use std::net::UdpSocket;
#[cfg(unix)]
use std::os::unix::net::UnixDatagram;
use std::rc::Rc;

use asyncio_event_loop::EventLoop;
use asyncio_executor::{ContextVar, all_tasks, yield_now};
use asyncio_net::{Address, DatagramProtocol, DatagramTransport, LoopSockets};

#[cfg(unix)]
use crate::loopback::fresh_path;
use crate::loopback::{run, settle};
use crate::support::{changed, until};

/// A protocol that writes down what it is told.
#[derive(Default)]
pub struct Log {
    transport: OnceCell<DatagramTransport>,
    lines: RefCell<Vec<String>>,
    echo: bool,
    panics: Cell<bool>,
    /// What to do on an error.
    on_error: Cell<Option<fn(&DatagramTransport)>>,
}

impl Log {
    fn echo() -> Self {
        Log { echo: true, ..Log::default() }
    }

    fn push(&self, line: impl Into<String>) {
        self.lines.borrow_mut().push(line.into());
        changed();
    }

    fn take(&self) -> Vec<String> {
        self.lines.take()
    }

    /// Waits until there are so many lines.
    pub async fn wait(&self, count: usize) -> Vec<String> {
        until(|| self.lines.borrow().len() >= count).await;
        self.take()
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lines.borrow().fmt(f)
    }
}

impl DatagramProtocol for Log {
    fn connection_made(&self, transport: DatagramTransport) {
        assert!(self.transport.set(transport).is_ok(), "told twice");
        self.push("made");
    }

    fn datagram_received(&self, data: &[u8], from: &Address) {
        assert!(!self.panics.get(), "on request");
        self.push(format!("got {}", data.escape_ascii()));
        if self.echo {
            self.transport.get().unwrap().sendto(&[b"re:", data].concat(), from).unwrap();
        }
    }

    fn error_received(&self, error: io::Error) {
        self.push(format!("error {:?}", error.kind()));
        if let Some(act) = self.on_error.get() {
            act(self.transport.get().unwrap());
        }
    }

    fn connection_lost(&self, error: Option<io::Error>) {
        assert!(error.is_none());
        self.push("lost");
    }

    fn pause_writing(&self) {
        self.push("pause");
    }

    fn resume_writing(&self) {
        self.push("resume");
    }
}

async fn bound(this: &EventLoop, protocol: fn() -> Log) -> (DatagramTransport, Rc<Log>) {
    this.create_datagram_endpoint(protocol).local_addr(("127.0.0.1", 0)).await.unwrap()
}

/// An endpoint on one end of a pair of Unix sockets, which can be filled, and the other end.
#[cfg(unix)]
async fn pair(this: &EventLoop) -> (DatagramTransport, Rc<Log>, UnixDatagram) {
    let (near, far) = UnixDatagram::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let (transport, log) = this.create_datagram_endpoint(Log::default).socket(near).await.unwrap();
    assert_eq!(log.take(), ["made"]);
    (transport, log, far)
}

/// Sends until something is queued. Returns how many were sent.
fn fill(transport: &DatagramTransport) -> usize {
    let mut sent = 0;
    while transport.write_buffer_size() == 0 {
        transport.send(b"fill").unwrap();
        sent += 1;
    }
    sent - 1
}

#[test]
fn an_echo_goes_both_ways_and_no_task_is_behind_it() {
    run(|this| async move {
        let (server, server_log) = bound(&this, Log::echo).await;
        assert_eq!(server_log.take(), ["made"]);
        let there = server.local_addr().unwrap();
        let (client, log) = this.create_datagram_endpoint(Log::default).remote_addr(&there).await.unwrap();
        assert_eq!(client.peer_addr(), Some(there.clone()));
        assert_eq!(all_tasks().len(), 1);
        client.send(b"one").unwrap();
        client.sendto(b"two", &there).unwrap();
        client.send(b"").unwrap();
        assert_eq!(log.wait(4).await, ["made", "got re:one", "got re:two", "got re:"]);
        assert_eq!(server_log.take(), ["got one", "got two", "got "]);
        let error = client.sendto(b"x", client.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(server.send(b"x").unwrap_err().kind(), ErrorKind::InvalidInput);
        client.close();
        assert!(client.is_closing());
        server.close();
        server.close();
        assert_eq!(log.wait(1).await, ["lost"]);
        assert_eq!(server_log.wait(1).await, ["lost"]);
        settle().await;
        assert!(this.reactor().is_empty());
        assert_eq!(client.local_addr().unwrap_err().kind(), ErrorKind::NotConnected);
        // Silently.
        client.send(b"late").unwrap();
    });
}

#[test]
fn many_datagrams_at_once_are_all_delivered_in_order() {
    run(|this| async move {
        let (transport, log) = bound(&this, Log::default).await;
        let to = transport.local_addr().unwrap().as_inet().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        log.take();
        let expected: Vec<_> = (0..100).map(|n| format!("got {n}")).collect();
        for n in 0..100 {
            sender.send_to(n.to_string().as_bytes(), to).unwrap();
        }
        assert_eq!(log.wait(100).await, expected);
    });
}

#[cfg(unix)]
#[test]
fn a_refused_peer_is_an_error_and_the_endpoint_goes_on() {
    run(|this| async move {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let there = peer.local_addr().unwrap();
        drop(peer);
        let (client, log) = this.create_datagram_endpoint(Log::default).remote_addr(there).await.unwrap();
        client.send(b"lost").unwrap();
        assert_eq!(log.wait(2).await, ["made", "error ConnectionRefused"]);
        let peer = UdpSocket::bind(there).unwrap();
        client.send(b"found").unwrap();
        let mut buffer = [0; 9];
        assert_eq!(peer.recv_from(&mut buffer).unwrap().0, 5);
        peer.send_to(b"back", client.local_addr().unwrap().as_inet().unwrap()).unwrap();
        assert_eq!(log.wait(1).await, ["got back"]);
    });
}

#[test]
fn an_error_of_sending_is_told_before_it_returns() {
    run(|this| async move {
        let (transport, log) = bound(&this, Log::default).await;
        log.take();
        let to = transport.local_addr().unwrap();
        transport.sendto(&[0; 100_000], &to).unwrap();
        let lines = log.take();
        assert!(lines.len() == 1 && lines[0].starts_with("error"), "{lines:?}");
        log.on_error.set(Some(DatagramTransport::close));
        transport.sendto(&[0; 100_000], &to).unwrap();
        log.take();
        assert_eq!(log.wait(1).await, ["lost"]);
    });
}

#[cfg(unix)]
#[test]
fn what_does_not_fit_is_queued_counted_and_flushed_in_order() {
    run(|this| async move {
        let (transport, log, far) = pair(&this).await;
        let sent = fill(&transport);
        assert_eq!(transport.write_buffer_size(), 4 + 8);
        transport.send(b"").unwrap();
        assert_eq!(transport.write_buffer_size(), 4 + 8 + 8);
        transport.set_write_buffer_limits(Some(30), Some(12));
        assert_eq!(transport.write_buffer_limits(), (12, 30));
        assert!(log.take().is_empty());
        transport.send(b"abc").unwrap();
        assert_eq!(log.take(), ["pause"]);
        transport.send(b"def").unwrap();
        assert!(log.take().is_empty());
        let mut buffer = [0; 9];
        for _ in 0..=sent {
            let received = this.sock_recv_into(&far, &mut buffer).await.unwrap();
            assert_eq!(&buffer[..received], b"fill");
        }
        assert_eq!(this.sock_recv(&far, 9).await.unwrap(), b"");
        assert_eq!(this.sock_recv(&far, 9).await.unwrap(), b"abc");
        assert_eq!(this.sock_recv(&far, 9).await.unwrap(), b"def");
        assert_eq!(log.wait(1).await, ["resume"]);
        assert_eq!(transport.write_buffer_size(), 0);
        // A limit below what is queued pauses at once.
        let sent = fill(&transport);
        transport.set_write_buffer_limits(Some(0), None);
        assert_eq!(log.take(), ["pause"]);
        // Closing flushes.
        transport.close();
        for _ in 0..=sent {
            assert_eq!(this.sock_recv(&far, 9).await.unwrap(), b"fill");
        }
        assert_eq!(log.wait(2).await, ["resume", "lost"]);
    });
}

#[cfg(unix)]
#[test]
fn abort_throws_away_what_is_queued() {
    run(|this| async move {
        let (transport, log, far) = pair(&this).await;
        let sent = fill(&transport);
        transport.close();
        settle().await;
        assert!(log.take().is_empty(), "it waits for its queue");
        transport.abort();
        transport.abort();
        assert_eq!(transport.write_buffer_size(), 0);
        assert_eq!(log.wait(1).await, ["lost"]);
        settle().await;
        for _ in 0..sent {
            assert_eq!(this.sock_recv(&far, 9).await.unwrap(), b"fill");
        }
        assert!(far.recv(&mut [0]).is_err());
        assert!(log.take().is_empty());
    });
}

#[cfg(unix)]
#[test]
fn an_endpoint_that_cannot_be_connected_is_an_error_and_leaves_nothing() {
    run(|this| async move {
        let (here, nobody) = (fresh_path("here"), fresh_path("nobody"));
        let factory = || -> Log { panic!("no protocol is made") };
        let error =
            this.create_datagram_endpoint(factory).local_addr(&here).remote_addr(&nobody).await.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(!here.exists() && this.reactor().is_empty());
        if cfg!(target_os = "linux") {
            let everybody = ("255.255.255.255", 9);
            let error = this.create_datagram_endpoint(factory).remote_addr(everybody).await.map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error}");
            assert!(this.reactor().is_empty());
        }
    });
}

#[cfg(unix)]
#[test]
fn an_error_of_a_queued_datagram_is_told_and_the_next_is_sent() {
    run(|this| async move {
        let (here, there, nobody) = (fresh_path("here"), fresh_path("there"), fresh_path("nobody"));
        let (transport, log) = this.create_datagram_endpoint(Log::default).local_addr(&here).await.unwrap();
        assert_eq!(log.take(), ["made"]);
        let receiver = UnixDatagram::bind(&there).unwrap();
        receiver.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while transport.write_buffer_size() == 0 {
            transport.sendto(b"fill", there.as_path()).unwrap();
            sent += 1;
        }
        transport.sendto(b"lost", nobody.as_path()).unwrap();
        transport.sendto(b"last", there.as_path()).unwrap();
        assert!(log.take().is_empty(), "it waits for its turn in the queue");
        for _ in 0..sent {
            assert_eq!(this.sock_recv(&receiver, 9).await.unwrap(), b"fill");
        }
        assert_eq!(this.sock_recv(&receiver, 9).await.unwrap(), b"last");
        assert_eq!(log.wait(1).await, ["error NotFound"]);
        assert!(!transport.is_closing());
        transport.close();
        assert_eq!(log.wait(1).await, ["lost"]);
        std::fs::remove_file(&there).unwrap();
    });
}

#[cfg(unix)]
#[test]
fn a_peer_that_goes_away_from_queued_datagrams_is_an_error_of_each_and_the_endpoint_goes_on() {
    run(|this| async move {
        let (transport, log, far) = pair(&this).await;
        fill(&transport);
        transport.send(b"another").unwrap();
        assert!(log.take().is_empty());
        drop(far);
        until(|| transport.write_buffer_size() == 0).await;
        let lines = log.take();
        assert!(lines.len() >= 2 && lines.iter().all(|line| line.starts_with("error ")), "{lines:?}");
        assert!(!transport.is_closing());
        transport.close();
        until(|| log.lines.borrow().last().is_some_and(|line| line == "lost")).await;
    });
}

#[cfg(unix)]
#[test]
fn an_unconnected_unix_socket_waits_for_a_receiver_that_is_full() {
    run(|this| async move {
        let (here, there) = (fresh_path("here"), fresh_path("there"));
        let (transport, _log) = this.create_datagram_endpoint(Log::default).local_addr(&here).await.unwrap();
        let receiver = UnixDatagram::bind(&there).unwrap();
        receiver.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while transport.write_buffer_size() == 0 {
            transport.sendto(b"fill", there.as_path()).unwrap();
            sent += 1;
        }
        for _ in 0..sent {
            let (data, from) = this.sock_recvfrom(&receiver, 9).await.unwrap();
            assert_eq!((&data[..], from.as_path()), (&b"fill"[..], Some(here.as_path())));
        }
        std::fs::remove_file(&there).unwrap();
    });
}

#[cfg(unix)]
#[test]
fn a_path_is_taken_over_and_removed_unless_it_is_anothers() {
    run(|this| async move {
        let path = fresh_path("path");
        drop(UnixDatagram::bind(&path).unwrap());
        assert!(path.exists(), "left behind");
        let (transport, log) = this.create_datagram_endpoint(Log::echo).local_addr(&path).await.unwrap();
        let (client, client_log) = this
            .create_datagram_endpoint(Log::default)
            .local_addr(fresh_path("client"))
            .remote_addr(path.as_path())
            .await
            .unwrap();
        client.send(b"x").unwrap();
        assert_eq!(client_log.wait(2).await, ["made", "got re:x"]);
        client.close();
        transport.close();
        assert_eq!(log.wait(3).await.last().unwrap(), "lost");
        settle().await;
        assert!(!path.exists());
        // One that is another's by now stays.
        let (transport, _) = this.create_datagram_endpoint(Log::default).local_addr(&path).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let other = UnixDatagram::bind(&path).unwrap();
        transport.abort();
        settle().await;
        assert!(path.exists());
        drop(other);
        std::fs::remove_file(&path).unwrap();
        // What is no socket is not removed.
        std::fs::write(&path, "precious").unwrap();
        let error = this.create_datagram_endpoint(Log::default).local_addr(&path).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn a_panic_is_reported_and_the_endpoint_goes_on() {
    run(|this| async move {
        let faults = Rc::new(RefCell::new(Vec::new()));
        let seen = faults.clone();
        this.set_exception_handler(move |_, fault| {
            seen.borrow_mut().push(fault.panic_message().unwrap_or_default().to_owned());
        });
        let (transport, log) = bound(&this, Log::default).await;
        let to = transport.local_addr().unwrap().as_inet().unwrap();
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        log.panics.set(true);
        sender.send_to(b"x", to).unwrap();
        while faults.borrow().is_empty() {
            yield_now().await;
        }
        assert_eq!(*faults.borrow(), ["on request"]);
        log.panics.set(false);
        sender.send_to(b"y", to).unwrap();
        assert_eq!(log.wait(2).await, ["made", "got y"]);
    });
}

#[test]
fn the_protocol_is_called_in_the_context_of_who_made_it() {
    thread_local!(static SEEN: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) });
    asyncio_executor::context_var! { static NUMBER: u32 = 0; }
    struct Look;
    impl DatagramProtocol for Look {
        fn connection_made(&self, _: DatagramTransport) {
            SEEN.with(|seen| seen.borrow_mut().push(NUMBER.get()));
        }
        fn datagram_received(&self, _: &[u8], _: &Address) {
            SEEN.with(|seen| seen.borrow_mut().push(NUMBER.get()));
        }
    }
    let _: &ContextVar<u32> = &NUMBER;
    run(|this| async move {
        let _ = NUMBER.set(7);
        let (transport, _) = this.create_datagram_endpoint(|| Look).local_addr(("127.0.0.1", 0)).await.unwrap();
        let _ = NUMBER.set(8);
        transport.sendto(b"x", transport.local_addr().unwrap()).unwrap();
        while SEEN.with(|seen| seen.borrow().len()) < 2 {
            yield_now().await;
        }
        SEEN.with(|seen| assert_eq!(*seen.borrow(), [7, 7]));
    });
}

#[test]
fn ipv6_works_where_there_is_any() {
    if UdpSocket::bind("[::1]:0").is_err() {
        return;
    }
    run(|this| async move {
        let (server, _) = this.create_datagram_endpoint(Log::echo).local_addr(("::1", 0)).await.unwrap();
        let to = server.local_addr().unwrap();
        let (client, log) = this.create_datagram_endpoint(Log::default).remote_addr(to).await.unwrap();
        client.send(b"6").unwrap();
        assert_eq!(log.wait(2).await, ["made", "got re:6"]);
    });
}

#[test]
fn a_cancelled_creation_closes_the_socket() {
    run(|this| async move {
        let protocol = Rc::new(RefCell::new(None));
        let log = Rc::new(Log::default());
        let (this2, log2, made) = (this.clone(), log.clone(), protocol.clone());
        let task = asyncio_executor::create_task(async move {
            let endpoint = this2.create_datagram_endpoint(move || log2).local_addr(("127.0.0.1", 0)).await;
            *made.borrow_mut() = Some(endpoint.is_ok());
        });
        yield_now().await;
        task.cancel();
        settle().await;
        settle().await;
        assert!(task.cancelled());
        assert_eq!(log.take(), ["made", "lost"]);
        assert!(this.reactor().is_empty());
        assert!(protocol.borrow().is_none());
    });
}

#[cfg(unix)]
#[test]
fn a_closed_loop_takes_its_endpoints_along() {
    let path = fresh_path("forgotten");
    run(|this| {
        let path = path.clone();
        async move {
            let (transport, _) = this.create_datagram_endpoint(Log::default).local_addr(path.as_path()).await.unwrap();
            drop(transport);
            assert!(path.exists());
        }
    });
    // The protocol holds the transport, and the transport the protocol: they go all the same.
    assert!(!path.exists());
}
