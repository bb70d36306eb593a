//! Handshakes that do not succeed: silence, an end, rubbish.

use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use asyncio::create_task;
use asyncio_net::rustls::ServerConnection;
use asyncio_net::{create_connection, create_server, open_connection, start_server};

use super::ends::echo;
use super::peer::{Peer, client, pair, server, until};
use crate::support::{Recorder, read_available, record_faults, reset_on_close, run, run_without_leak, turns};

/// Long enough for whatever else runs on the machine, short enough to wait for.
const SHORT: Duration = Duration::from_millis(30);

async fn connect(socket: TcpStream) -> (io::Error, Rc<Recorder>) {
    let protocol = Rc::new(Recorder::default());
    let given = protocol.clone();
    let connecting = create_connection(|| given, socket).tls(client()).server_hostname("localhost");
    (connecting.tls_handshake_timeout(SHORT).await.map(drop).unwrap_err(), protocol)
}

#[test]
fn a_silent_server_is_given_up_in_time() {
    run_without_leak(async || {
        let (near, far) = pair();
        let (error, protocol) = connect(near).await;
        assert_eq!(error.kind(), ErrorKind::ConnectionAborted);
        assert_eq!(
            error.to_string(),
            "the TLS handshake with `localhost` took longer than 30ms: the connection is aborted"
        );
        turns().await;
        assert!(protocol.log().is_empty());
        assert!(!read_available(&far).unwrap().is_empty(), "it was greeted");
        until(|| read_available(&far).is_none()).await;
    });
}

#[test]
fn a_silent_client_is_given_up_in_time_and_reported() {
    run_without_leak(async || {
        let faults = record_faults();
        let server = start_server(echo, ("127.0.0.1", 0)).tls(server()).tls_handshake_timeout(SHORT).await.unwrap();
        let client = TcpStream::connect(server.local_addrs()[0]).unwrap();
        until(|| !faults.borrow().is_empty()).await;
        let address = client.local_addr().unwrap();
        assert_eq!(
            faults.borrow()[..],
            [format!(
                "a connection that was accepted cannot be served: the TLS handshake with {address} took longer than 30ms: \
                 the connection is aborted"
            )]
        );
        until(|| server.clients().is_empty()).await;
        assert!(server.is_serving());
    });
}

#[test]
fn a_handshake_that_is_done_leaves_no_timer() {
    run(async {
        let server = start_server(echo, ("127.0.0.1", 0)).tls(server()).tls_handshake_timeout(SHORT).await.unwrap();
        let (mut reader, writer) = open_connection(server.local_addrs())
            .tls(client())
            .tls_handshake_timeout(Duration::from_secs(5))
            .await
            .unwrap();
        asyncio::sleep(SHORT * 2).await;
        writer.write("x");
        assert_eq!(reader.readexactly(1).await.unwrap(), b"x");
    });
}

#[test]
fn a_server_that_goes_away_in_the_handshake_is_an_error_that_says_so() {
    run_without_leak(async || {
        for reset in [false, true] {
            let (near, far) = pair();
            if reset {
                reset_on_close(&far);
            } else {
                far.shutdown(Shutdown::Write).unwrap();
            }
            let connecting = create_task(connect(near));
            if reset {
                until(|| !read_available(&far).unwrap().is_empty()).await;
                drop(far);
            }
            let (error, protocol) = connecting.await;
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
            assert!(reset || error.to_string() == "`localhost` closed the connection during the TLS handshake");
            turns().await;
            assert!(protocol.log().is_empty());
        }
    });
}

#[test]
fn a_client_that_goes_away_is_reported_in_debug_mode_only() {
    for debug in [false, true] {
        run(async {
            asyncio::get_running_loop().set_debug(debug);
            let faults = record_faults();
            let server = start_server(echo, ("127.0.0.1", 0)).tls(server()).await.unwrap();
            drop(TcpStream::connect(server.local_addrs()[0]).unwrap());
            let (_, _writer) = open_connection(server.local_addrs()).tls(client()).await.unwrap();
            until(|| server.clients().len() == 1).await;
            turns().await;
            assert_eq!(faults.borrow().len(), usize::from(debug), "{faults:?}");
        });
    }
}

#[test]
fn what_is_no_tls_is_answered_and_reported_and_the_server_goes_on() {
    run(async {
        let faults = record_faults();
        let protocols = Rc::new(std::cell::RefCell::new(Vec::new()));
        let made = protocols.clone();
        let factory = move || {
            let protocol = Rc::new(Recorder::default());
            made.borrow_mut().push(protocol.clone());
            protocol
        };
        let server = create_server(factory, ("127.0.0.1", 0)).tls(server()).await.unwrap();
        let mut client = TcpStream::connect(server.local_addrs()[0]).unwrap();
        client.set_nonblocking(true).unwrap();
        client.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        until(|| !faults.borrow().is_empty()).await;
        assert!(faults.borrow()[0].contains("received corrupt message"), "{faults:?}");
        let mut answer = Vec::new();
        until(|| match read_available(&client) {
            Some(data) => {
                answer.extend(data);
                false
            }
            None => true,
        })
        .await;
        assert_eq!(answer[0], 21, "an alert");
        assert!(server.is_serving());
        assert_eq!(protocols.borrow().len(), 1);
        assert!(protocols.borrow()[0].log().is_empty(), "never called");
    });
}

#[test]
fn a_server_that_speaks_no_tls_is_an_error() {
    run(async {
        let (near, mut far) = pair();
        far.write_all(b"220 welcome\r\n").unwrap();
        let (error, protocol) = connect(near).await;
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().starts_with("the TLS handshake with `localhost` failed: "), "{error}");
        assert!(protocol.log().is_empty());
    });
}

#[test]
fn a_client_that_is_cancelled_in_the_handshake_disconnects_and_nobody_is_told() {
    run_without_leak(async || {
        let faults = record_faults();
        let (near, far) = pair();
        let task = create_task(connect(near));
        until(|| !read_available(&far).unwrap().is_empty()).await;
        task.cancel();
        assert!(task.join().await.is_err());
        until(|| read_available(&far).is_none()).await;
        assert!(faults.borrow().is_empty());
    });
}

#[test]
fn a_server_may_close_its_clients_during_their_handshakes() {
    run_without_leak(async || {
        let faults = record_faults();
        let server = start_server(echo, ("127.0.0.1", 0)).tls(server()).await.unwrap();
        let client = TcpStream::connect(server.local_addrs()[0]).unwrap();
        client.set_nonblocking(true).unwrap();
        until(|| server.clients().len() == 1).await;
        turns().await;
        server.close();
        server.close_clients();
        server.wait_closed().await;
        until(|| read_available(&client).is_none()).await;
        assert!(faults.borrow().is_empty(), "{faults:?}");
    });
}

#[test]
fn data_that_comes_along_with_the_handshake_comes_after_connection_made() {
    run(async {
        let protocol = Rc::new(Recorder::default());
        let given = protocol.clone();
        let server = create_server(move || given.clone(), ("127.0.0.1", 0)).tls(server()).await.unwrap();
        let socket = TcpStream::connect(server.local_addrs()[0]).unwrap();
        let mut peer = Peer::client(socket);
        // rustls keeps it until it may be sent: together with the end of the handshake.
        peer.session.writer().write_all(b"early bird").unwrap();
        peer.send_close_notify_after_handshake().await;
        until(|| protocol.log().len() == 4).await;
        assert_eq!(protocol.log(), ["made", "data", "eof", "lost"]);
        assert_eq!(*protocol.data.borrow(), b"early bird");
    });
}

#[test]
fn a_peer_that_offers_nothing_in_common_is_told() {
    run(async {
        record_faults();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = (*client()).clone();
        config.alpn_protocols = vec![b"one".to_vec()];
        let task = create_task(open_connection(address).tls(config).into_future());
        turns().await;
        let (socket, _) = listener.accept().unwrap();
        let mut other = (*server()).clone();
        other.alpn_protocols = vec![b"two".to_vec()];
        let session = ServerConnection::new(std::sync::Arc::new(other)).unwrap();
        let mut peer = Peer::new(socket, session.into());
        assert!(peer.until(|peer| peer.ended).await.is_err());
        drop(peer);
        let error = task.await.map(drop).unwrap_err();
        assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    });
}

impl Peer {
    /// Ends the handshake and the connection with one call of the system.
    async fn send_close_notify_after_handshake(&mut self) {
        self.until(|peer| !peer.session.is_handshaking()).await.unwrap();
        self.send_close_notify();
    }
}
