//! The order of a protocol's callbacks, and what ends a connection.

use std::cell::{Cell, RefCell};
use std::io::Write;
use std::net::Shutdown;
use std::rc::Rc;

use asyncio_net::{BufferedProtocol, Protocol, Transport, connect_accepted_socket};

use crate::support::{Recorder, connected, record_faults, reset_on_close, run, turns, until};

#[test]
fn made_comes_before_the_creator_goes_on_and_lost_comes_last() {
    run(async {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        assert_eq!(protocol.log(), ["made"]);
        peer.write_all(b"abc").unwrap();
        until(|| protocol.data.borrow().len() == 3).await;
        peer.shutdown(Shutdown::Write).unwrap();
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "data", "eof", "lost"]);
        assert!(transport.is_closing() && transport.protocol().is_none());
    });
}

#[test]
fn the_creator_goes_on_before_what_was_there_is_received() {
    run(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        peer.write_all(b"abc").unwrap();
        // In a task, whose turns are those of its own awaits and no others.
        let creator = asyncio::create_task(async {
            let (_transport, protocol) = connect_accepted_socket(Recorder::default, accepted).await.unwrap();
            protocol.log.borrow_mut().push("creator".into());
            protocol
        });
        let protocol = creator.await;
        until(|| protocol.data.borrow().len() == 3).await;
        assert_eq!(protocol.log(), ["made", "creator", "data"]);
    });
}

#[test]
fn data_and_end_in_one_report_are_told_apart() {
    run(async {
        let (_transport, protocol, mut peer) = connected(Recorder::default()).await;
        peer.write_all(b"abc").unwrap();
        drop(peer);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "data", "eof", "lost"]);
    });
}

#[test]
fn close_is_told_later_and_once() {
    run(async {
        let (transport, protocol, _peer) = connected(Recorder::default()).await;
        transport.close();
        transport.close();
        transport.abort();
        assert!(transport.is_closing());
        assert_eq!(protocol.log(), ["made"], "not called from inside");
        protocol.lost.clone().await;
        turns().await;
        assert_eq!(protocol.log(), ["made", "lost"]);
        transport.write(b"dropped");
        transport.close();
        turns().await;
        assert_eq!(protocol.log(), ["made", "lost"]);
    });
}

#[test]
fn a_protocol_that_keeps_open_writes_after_the_end() {
    run(async {
        let (transport, protocol, peer) = connected(Recorder::default()).await;
        protocol.keep_open.set(true);
        peer.shutdown(Shutdown::Write).unwrap();
        until(|| protocol.log().contains(&"eof".to_owned())).await;
        transport.write(b"still here");
        transport.write_eof();
        let received = crate::support::read_to_end(&peer).await.unwrap();
        assert_eq!(received, b"still here");
        assert!(!transport.is_closing());
        transport.close();
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "eof", "lost"]);
    });
}

#[test]
fn a_reset_is_told_as_an_error() {
    run(async {
        let faults = record_faults();
        let (_transport, protocol, peer) = connected(Recorder::default()).await;
        reset_on_close(&peer);
        drop(peer);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "lost: ConnectionReset"]);
        assert!(faults.borrow().is_empty(), "errors of the system are not faults");
    });
}

#[test]
fn nothing_is_received_while_reading_is_paused() {
    run(async {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        transport.pause_reading();
        transport.pause_reading();
        assert!(!transport.is_reading());
        peer.write_all(b"abc").unwrap();
        turns().await;
        assert!(protocol.data.borrow().is_empty());
        transport.resume_reading();
        transport.resume_reading();
        until(|| protocol.data.borrow().len() == 3).await;
        transport.pause_reading();
        peer.write_all(b"def").unwrap();
        turns().await;
        assert_eq!(*protocol.data.borrow(), b"abc");
        transport.resume_reading();
        transport.pause_reading();
        turns().await;
        assert_eq!(*protocol.data.borrow(), b"abc", "what was queued asks again");
        transport.resume_reading();
        until(|| protocol.data.borrow().len() == 6).await;
    });
}

#[test]
fn more_than_the_buffer_holds_is_received_without_another_report() {
    run(async {
        let (_transport, protocol, mut peer) = connected(Recorder::default()).await;
        peer.set_nonblocking(false).unwrap();
        let data: Vec<u8> = (0..3_000_000u32).map(|i| i as u8).collect();
        let sent = data.clone();
        let sender = std::thread::spawn(move || peer.write_all(&sent).unwrap());
        protocol.lost.clone().await;
        sender.join().unwrap();
        assert!(*protocol.data.borrow() == data);
    });
}

/// Pauses in its first callback.
#[derive(Default)]
struct Pauses(Recorder);

impl Protocol for Pauses {
    fn connection_made(&self, transport: Transport) {
        transport.pause_reading();
        self.0.connection_made(transport);
    }
    fn data_received(&self, data: &[u8]) {
        self.0.data_received(data);
    }
}

#[test]
fn reading_may_be_paused_in_the_first_callback() {
    run(async {
        let (transport, protocol, mut peer) = connected(Pauses::default()).await;
        peer.write_all(b"abc").unwrap();
        turns().await;
        assert_eq!(protocol.0.log(), ["made"]);
        transport.resume_reading();
        until(|| protocol.0.data.borrow().len() == 3).await;
    });
}

/// Panics in one of its methods.
struct Panics(&'static str, Recorder);

impl Panics {
    fn maybe(&self, method: &str) {
        assert!(self.0 != method, "as asked");
    }
}

impl Protocol for Panics {
    fn connection_made(&self, transport: Transport) {
        self.1.connection_made(transport);
        self.maybe("connection_made");
    }
    fn data_received(&self, data: &[u8]) {
        self.1.data_received(data);
        self.maybe("data_received");
    }
    fn eof_received(&self) -> bool {
        self.1.eof_received();
        self.maybe("eof_received");
        true
    }
    fn connection_lost(&self, error: Option<std::io::Error>) {
        self.1.connection_lost(error);
    }
}

#[test]
fn a_panic_of_a_protocol_is_reported_and_ends_the_connection() {
    for method in ["connection_made", "data_received", "eof_received"] {
        run(async {
            let faults = record_faults();
            let (_transport, protocol, mut peer) = connected(Panics(method, Recorder::default())).await;
            let _ = peer.write_all(b"abc");
            let _ = peer.shutdown(Shutdown::Write);
            protocol.1.lost.clone().await;
            assert_eq!(protocol.1.log().last().unwrap(), "lost: Other");
            assert_eq!(faults.borrow().len(), 1, "{faults:?}");
            assert!(faults.borrow()[0].contains(method) && faults.borrow()[0].contains("as asked"), "{faults:?}");
        });
    }
}

/// Receives into buffers of its own of four bytes.
#[derive(Default)]
struct Buffers {
    recorder: Recorder,
    size: Cell<usize>,
    lent: Cell<i32>,
}

impl Protocol for Buffers {
    fn connection_made(&self, transport: Transport) {
        self.recorder.connection_made(transport);
    }
    fn data_received(&self, _: &[u8]) {
        unreachable!("it brings its own buffer");
    }
    fn eof_received(&self) -> bool {
        self.recorder.eof_received()
    }
    fn connection_lost(&self, error: Option<std::io::Error>) {
        self.recorder.connection_lost(error);
    }
    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        Some(self)
    }
}

impl BufferedProtocol for Buffers {
    fn get_buffer(&self, _: usize) -> Vec<u8> {
        self.lent.set(self.lent.get() + 1);
        vec![0; self.size.get()]
    }
    fn buffer_updated(&self, buffer: Vec<u8>, received: usize) {
        self.lent.set(self.lent.get() - 1);
        self.recorder.data_received(&buffer[..received]);
    }
    fn buffer_unused(&self, _: Vec<u8>) {
        self.lent.set(self.lent.get() - 1);
    }
}

#[test]
fn a_protocol_may_bring_its_own_buffer_and_always_gets_it_back() {
    run(async {
        let protocol = Buffers { size: Cell::new(4), ..Buffers::default() };
        let (_transport, protocol, mut peer) = connected(protocol).await;
        peer.write_all(b"0123456789").unwrap();
        drop(peer);
        protocol.recorder.lost.clone().await;
        assert_eq!(*protocol.recorder.data.borrow(), b"0123456789");
        assert_eq!(protocol.recorder.log(), ["made", "data", "data", "data", "eof", "lost"]);
        assert_eq!(protocol.lent.get(), 0);
    });
}

#[test]
fn an_empty_buffer_ends_the_connection() {
    run(async {
        let (_transport, protocol, mut peer) = connected(Buffers::default()).await;
        peer.write_all(b"x").unwrap();
        protocol.recorder.lost.clone().await;
        assert_eq!(protocol.recorder.log(), ["made", "lost: Other"]);
    });
}

#[test]
fn another_protocol_may_take_over_of_either_kind() {
    run(async {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        let second = Rc::new(Buffers { size: Cell::new(16), ..Buffers::default() });
        peer.write_all(b"abc").unwrap();
        until(|| protocol.data.borrow().len() == 3).await;
        transport.set_protocol(second.clone());
        peer.write_all(b"def").unwrap();
        until(|| second.recorder.data.borrow().len() == 3).await;
        let third = Rc::new(Recorder::default());
        transport.set_protocol(third.clone());
        drop(peer);
        third.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "data"]);
        assert_eq!(second.recorder.log(), ["data"]);
        assert_eq!(third.log(), ["eof", "lost"]);
    });
}

/// Does to its transport whatever it likes from inside its callbacks.
#[derive(Default)]
struct Reentrant {
    transport: RefCell<Option<Transport>>,
    recorder: Rc<Recorder>,
}

impl Protocol for Reentrant {
    fn connection_made(&self, transport: Transport) {
        transport.set_write_buffer_limits(0, None);
        *self.transport.borrow_mut() = Some(transport);
    }
    fn data_received(&self, data: &[u8]) {
        let transport = self.transport.borrow().clone().unwrap();
        transport.write(vec![7; 4_000_000]);
        transport.pause_reading();
        transport.resume_reading();
        transport.write(data);
        transport.set_protocol(self.recorder.clone());
        transport.close();
    }
    fn pause_writing(&self) {
        let transport = self.transport.borrow().clone().unwrap();
        transport.write(b"paused");
    }
}

#[test]
fn every_method_may_be_called_from_every_callback() {
    run(async {
        let (_transport, protocol, mut peer) = connected(Reentrant::default()).await;
        peer.write_all(b"xyz").unwrap();
        let received = crate::support::read_to_end(&peer).await.unwrap();
        assert_eq!(received.len(), 4_000_000 + 6 + 3);
        assert!(received.ends_with(b"pausedxyz"));
        protocol.recorder.lost.clone().await;
        assert_eq!(protocol.recorder.log(), ["resume", "lost"]);
    });
}

#[test]
fn a_loop_that_ends_lets_go_of_open_connections() {
    crate::support::run_without_leak(async || {
        let (_transport, protocol, peer) = connected(Recorder::default()).await;
        assert_eq!(protocol.log(), ["made"]);
        drop(peer);
    });
}
