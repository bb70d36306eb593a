//! Protocols that bring their own buffer: what ends their connection, and what does not.

use std::cell::Cell;
use std::io::Write;
use std::net::Shutdown;

use asyncio_net::{BufferedProtocol, Protocol, Transport};

use crate::support::{Recorder, connected, read_to_end, record_faults, reset_on_close, run, until};

/// Receives into eight bytes of its own, and panics in the method that it is told to.
#[derive(Default)]
struct Own {
    recorder: Recorder,
    panics_in: Cell<&'static str>,
}

impl Own {
    fn called(&self, method: &str) {
        assert!(self.panics_in.get() != method, "as asked");
    }
}

impl Protocol for Own {
    fn connection_made(&self, transport: Transport) {
        self.recorder.connection_made(transport);
    }

    fn eof_received(&self) -> bool {
        let keeps_open = self.recorder.eof_received();
        self.called("eof_received");
        keeps_open
    }

    fn connection_lost(&self, error: Option<std::io::Error>) {
        self.recorder.connection_lost(error);
    }

    fn buffered(&self) -> Option<&dyn BufferedProtocol> {
        Some(self)
    }
}

impl BufferedProtocol for Own {
    fn get_buffer(&self, _: usize) -> Vec<u8> {
        self.called("get_buffer");
        vec![0; 8]
    }

    fn buffer_updated(&self, buffer: Vec<u8>, received: usize) {
        self.recorder.data_received(&buffer[..received]);
        self.called("buffer_updated");
    }
}

#[test]
fn a_panic_of_any_of_its_methods_is_reported_and_ends_the_connection() {
    for method in ["get_buffer", "buffer_updated", "eof_received"] {
        run(async {
            let faults = record_faults();
            let (_transport, protocol, mut peer) = connected(Own::default()).await;
            protocol.panics_in.set(method);
            peer.write_all(b"x").unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            protocol.recorder.lost.clone().await;
            assert_eq!(protocol.recorder.log().last().unwrap(), "lost: Other");
            assert_eq!(faults.borrow().len(), 1, "{faults:?}");
            assert!(faults.borrow()[0].contains("as asked"), "{faults:?}");
        });
    }
}

#[test]
fn the_end_of_the_other_side_may_leave_it_open() {
    run(async {
        let (transport, protocol, mut peer) = connected(Own::default()).await;
        protocol.recorder.keep_open.set(true);
        peer.write_all(b"0123456789").unwrap();
        peer.shutdown(Shutdown::Write).unwrap();
        until(|| protocol.recorder.log().contains(&"eof".to_owned())).await;
        assert_eq!(*protocol.recorder.data.borrow(), b"0123456789");
        transport.write(b"still here");
        transport.write_eof();
        assert_eq!(read_to_end(&peer).await.unwrap(), b"still here");
        assert!(!transport.is_closing());
    });
}

#[test]
fn a_reset_is_told_as_an_error() {
    run(async {
        let faults = record_faults();
        let (_transport, protocol, peer) = connected(Own::default()).await;
        reset_on_close(&peer);
        drop(peer);
        protocol.recorder.lost.clone().await;
        assert_eq!(protocol.recorder.log(), ["made", "lost: ConnectionReset"]);
        assert!(faults.borrow().is_empty());
    });
}
