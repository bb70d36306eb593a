//! Back-pressure over both layers, buffers of the protocol's own, records cut anywhere.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use asyncio_net::{BufferedProtocol, Protocol, Transport};

use super::peer::{connected, until};
use crate::support::{Recorder, record_faults, run, turns};

const LOTS: usize = 16 * 1024 * 1024;

#[test]
fn the_marks_are_those_of_cpython_and_count_what_is_kept() {
    run(async {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        assert_eq!(transport.write_buffer_limits(), (128 * 1024, 512 * 1024));
        transport.write(vec![1; LOTS]);
        assert_eq!(protocol.log(), ["made", "pause"]);
        let kept = transport.write_buffer_size();
        assert!(kept > 512 * 1024 && kept < LOTS);
        transport.write(b"more");
        assert_eq!(transport.write_buffer_size(), kept + 4);
        let mut resumed_at = None;
        peer.until(|peer| {
            if resumed_at.is_none() && protocol.log().len() == 3 {
                resumed_at = Some(transport.write_buffer_size());
            }
            peer.received.len() == LOTS + 4
        })
        .await
        .unwrap();
        assert!(resumed_at.unwrap() <= 128 * 1024);
        assert_eq!(protocol.log(), ["made", "pause", "resume"]);
        transport.set_write_buffer_limits(None, 100);
        assert_eq!(transport.write_buffer_limits(), (100, 400));
        transport.set_write_buffer_limits(None, None);
        assert_eq!(transport.write_buffer_limits(), (128 * 1024, 512 * 1024));
    });
}

/// Answers with far more than it is asked for, as long as it is not asked to stop.
#[derive(Default)]
struct Generous {
    transport: RefCell<Option<Transport>>,
    paused: Cell<bool>,
    most: Cell<usize>,
}

impl Protocol for Generous {
    fn connection_made(&self, transport: Transport) {
        self.transport.replace(Some(transport));
    }

    fn data_received(&self, data: &[u8]) {
        let transport = self.transport.borrow().clone().unwrap();
        for _ in data {
            if !self.paused.get() {
                transport.write([0; 1000]);
            }
        }
        self.most.set(self.most.get().max(transport.write_buffer_size()));
    }

    fn pause_writing(&self) {
        self.paused.set(true);
    }
}

#[test]
fn a_peer_that_does_not_read_does_not_fill_the_memory() {
    run(async {
        let (transport, protocol, mut peer) = connected(Generous::default()).await;
        while !protocol.paused.get() {
            peer.write(&[0; 100]);
            turns().await;
        }
        for _ in 0..200 {
            peer.write(&[0; 100]);
            turns().await;
        }
        assert!(protocol.most.get() <= 512 * 1024 + 1000, "{}", protocol.most.get());
        transport.abort();
    });
}

#[test]
fn while_reading_is_paused_the_other_end_is_held_back() {
    run(async {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        transport.pause_reading();
        transport.pause_reading();
        peer.write(&vec![5; LOTS]);
        let mut before = LOTS * 2;
        // Until the kernel takes no more.
        while before != peer.unsent() {
            before = peer.unsent();
            turns().await;
            peer.flush().unwrap();
        }
        assert!(before > 0, "nothing was held back");
        assert_eq!(protocol.log(), ["made"]);
        transport.resume_reading();
        peer.until(|_| protocol.data.borrow().len() == LOTS).await.unwrap();
    });
}

/// Pauses at each piece.
#[derive(Default)]
struct Hesitant {
    transport: RefCell<Option<Transport>>,
    pieces: Cell<usize>,
    received: Cell<usize>,
}

impl Protocol for Hesitant {
    fn connection_made(&self, transport: Transport) {
        transport.pause_reading();
        self.transport.replace(Some(transport));
    }

    fn data_received(&self, data: &[u8]) {
        self.pieces.set(self.pieces.get() + 1);
        self.received.set(self.received.get() + data.len());
        self.transport.borrow().as_ref().unwrap().pause_reading();
    }
}

#[test]
fn a_pause_in_a_callback_holds_from_the_next_piece_on() {
    run(async {
        let (transport, protocol, mut peer) = connected(Hesitant::default()).await;
        peer.write(&vec![1; 2_000_000]);
        let mut resumed = 0;
        while protocol.received.get() < 2_000_000 {
            peer.flush().unwrap();
            turns().await;
            assert!(protocol.pieces.get() <= resumed);
            transport.resume_reading();
            resumed += 1;
        }
        assert!(protocol.pieces.get() > 1);
    });
}

/// Receives into a buffer of its own, and may hold still.
struct Own {
    size: usize,
    received: RefCell<Vec<u8>>,
    lost: Cell<bool>,
}

impl Protocol for Own {
    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        Some(self)
    }

    fn connection_lost(&self, _: Option<std::io::Error>) {
        self.lost.set(true);
    }
}

impl BufferedProtocol for Own {
    fn get_buffer(&self, _: usize) -> Vec<u8> {
        vec![0; self.size]
    }

    fn buffer_updated(&self, buffer: Vec<u8>, received: usize) {
        self.received.borrow_mut().extend_from_slice(&buffer[..received]);
    }
}

#[test]
fn a_protocol_may_bring_buffers_of_any_size() {
    for size in [1, 2, 7, 100_000] {
        run(async {
            let own = Own { size, received: RefCell::default(), lost: Cell::default() };
            let (_transport, protocol, mut peer) = connected(own).await;
            let data: Vec<u8> = (0..if size == 1 { 5_000 } else { 50_000_u32 }).map(|n| n.to_le_bytes()[0]).collect();
            for piece in data.chunks(12_345) {
                peer.write(piece);
                turns().await;
            }
            peer.send_close_notify();
            until(|| protocol.lost.get()).await;
            assert!(*protocol.received.borrow() == data);
        });
    }
}

#[test]
fn an_empty_buffer_of_the_protocol_ends_the_connection() {
    run(async {
        let own = Own { size: 0, received: RefCell::default(), lost: Cell::default() };
        let (_transport, protocol, mut peer) = connected(own).await;
        peer.write(b"x");
        until(|| protocol.lost.get()).await;
    });
}

#[test]
fn keys_that_are_changed_go_unnoticed() {
    run(async {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        for round in 1..=3 {
            peer.session.refresh_traffic_keys().unwrap();
            peer.write(b"ping");
            until(|| protocol.data.borrow().len() == 4 * round).await;
            transport.write(b"pong");
            peer.until(|peer| peer.received.len() == 4 * round).await.unwrap();
        }
    });
}

#[test]
fn writelines_sends_everything_in_order() {
    run(async {
        let (transport, _protocol, mut peer) = connected(Recorder::default()).await;
        let pieces: Vec<Vec<u8>> = (0..300_usize).map(|n| vec![n as u8; n * 37]).collect();
        transport.writelines(&pieces);
        transport.writelines([b"end"]);
        let expected = [pieces.concat(), b"end".to_vec()].concat();
        peer.until(|peer| peer.received.len() == expected.len()).await.unwrap();
        assert!(peer.received == expected);
    });
}

#[test]
fn another_protocol_may_take_its_place() {
    run(async {
        let (transport, first, mut peer) = connected(Recorder::default()).await;
        let second = Rc::new(Recorder::default());
        transport.set_protocol(second.clone());
        peer.write(b"for the second");
        peer.send_close_notify();
        second.lost.clone().await;
        assert_eq!(first.log(), ["made"]);
        assert_eq!(second.log(), ["data", "eof", "lost"]);
        assert!(transport.protocol().is_none());
    });
}

/// Panics when it is told something.
#[derive(Default)]
struct Panicky(Cell<Option<String>>);

impl Protocol for Panicky {
    fn data_received(&self, _: &[u8]) {
        panic!("I cannot");
    }

    fn connection_lost(&self, error: Option<std::io::Error>) {
        self.0.set(error.map(|error| error.to_string()));
    }
}

#[test]
fn a_panic_of_the_protocol_is_reported_and_ends_the_connection() {
    run(async {
        let faults = record_faults();
        let (_transport, protocol, mut peer) = connected(Panicky::default()).await;
        peer.write(b"x");
        peer.until(|peer| peer.ended).await.unwrap();
        assert_eq!(faults.borrow().len(), 1, "{faults:?}");
        assert!(faults.borrow()[0].contains("`data_received`"), "{faults:?}");
        turns().await;
        let error = protocol.0.take().unwrap();
        assert!(error.contains("`data_received` of its protocol panicked"), "{error}");
    });
}
