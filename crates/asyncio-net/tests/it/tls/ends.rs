//! Streams and protocols of this library at both ends.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use asyncio::{create_task, gather};
use asyncio_net::rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore};
use asyncio_net::{
    StreamReader, StreamWriter, TlsError, create_connection, create_server, create_unix_connection, create_unix_server,
    open_connection, open_unix_connection, start_server, start_unix_server,
};

use super::peer::{
    TLS12, TLS13, client, client_of, client_with_certificate, server, server_of, server_that_asks, until,
};
use crate::support::{Fresh, Recorder, record_faults, run, run_without_leak};

/// Sends back what comes, until the end.
pub async fn echo(mut reader: StreamReader, writer: StreamWriter) {
    while let Ok(data) = reader.read(64 * 1024).await
        && !data.is_empty()
    {
        writer.write(data);
        if writer.drain().await.is_err() {
            return;
        }
    }
}

#[test]
fn bytes_go_both_ways_with_each_version() {
    for version in [&TLS12, &TLS13] {
        run(async {
            let faults = record_faults();
            let server = start_server(echo, ("127.0.0.1", 0)).tls(server()).await.unwrap();
            let (mut reader, writer) =
                open_connection(("localhost", server.local_addrs()[0].port())).tls(client_of(version)).await.unwrap();
            let info = writer.transport().tls().unwrap();
            assert_eq!(info.protocol_version(), version.version);
            assert_eq!(info.server_name(), Some("localhost"));
            assert_eq!(info.peer_certificates().len(), 1);
            assert_eq!(info.handshake_kind(), HandshakeKind::Full);
            assert_eq!(info.alpn_protocol(), None);
            writer.write("hello");
            assert_eq!(reader.readexactly(5).await.unwrap(), b"hello");
            let data: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
            writer.write(&data);
            assert!(reader.readexactly(data.len()).await.unwrap() == data);
            writer.close();
            writer.wait_closed().await.unwrap();
            assert!(info.received_close_notify(), "the server answered the end");
            assert_eq!(reader.read_to_end().await.unwrap(), b"");
            server.close();
            server.wait_closed().await;
            assert!(faults.borrow().is_empty(), "{faults:?}");
        });
    }
}

#[test]
fn the_server_sees_the_name_the_protocol_and_the_certificate_of_the_client() {
    run(async {
        let mut config = server_that_asks();
        config.alpn_protocols = vec![b"one".to_vec(), b"two".to_vec()];
        let handler = async |_reader: StreamReader, writer: StreamWriter| {
            let info = writer.transport().tls().unwrap();
            let names = (info.server_name(), info.alpn_protocol().map(String::from_utf8_lossy));
            writer.write(format!("{names:?} {}", info.peer_certificates().len()));
        };
        let server = start_server(handler, ("127.0.0.1", 0)).tls(config).await.unwrap();
        let mut config = client_with_certificate();
        config.alpn_protocols = vec![b"three".to_vec(), b"two".to_vec()];
        let (mut reader, writer) =
            open_connection(("localhost", server.local_addrs()[0].port())).tls(config).await.unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), br#"(Some("localhost"), Some("two")) 1"#);
        assert_eq!(writer.transport().tls().unwrap().alpn_protocol(), Some(&b"two"[..]));
        assert!(format!("{:?}", writer.transport().tls()).contains("TLSv1_3"));
    });
}

#[test]
fn a_second_connection_resumes_the_session() {
    run(async {
        let server = start_server(echo, ("127.0.0.1", 0)).tls(server()).await.unwrap();
        let config = client();
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (mut reader, writer) =
                open_connection(server.local_addrs()).tls(config.clone()).server_hostname("localhost").await.unwrap();
            writer.write("x");
            // The ticket comes along with the answer.
            reader.readexactly(1).await.unwrap();
            assert_eq!(writer.transport().tls().unwrap().handshake_kind(), kind);
        }
    });
}

#[test]
fn unix_sockets_carry_it_too() {
    run(async {
        let path = Fresh::new();
        let server = start_unix_server(echo, &path.0).tls(server()).await.unwrap();
        let missing = open_unix_connection(&path.0).tls(client()).await.unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::InvalidInput);
        assert!(missing.to_string().contains("set `server_hostname`"), "{missing}");
        let (mut reader, writer) =
            open_unix_connection(&path.0).tls(client()).server_hostname("localhost").await.unwrap();
        writer.write("hello");
        assert_eq!(reader.readexactly(5).await.unwrap(), b"hello");
        drop(server);
    });
}

#[test]
fn a_certificate_that_is_refused_over_a_unix_socket_is_an_error_and_no_protocol_is_told() {
    run_without_leak(async || {
        let faults = record_faults();
        let path = Fresh::new();
        let protocol = Rc::new(Recorder::default());
        let given = protocol.clone();
        let server = create_unix_server(move || given.clone(), &path.0).tls(server()).await.unwrap();
        let trusts_nobody =
            ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        for (config, reason) in [(Arc::new(trusts_nobody), "UnknownIssuer"), (client(), "not valid for name")] {
            let error = create_unix_connection(Recorder::default, &path.0)
                .tls(config)
                .server_hostname("invalid")
                .await
                .map(drop)
                .unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{error}");
            assert!(error.to_string().contains(reason), "{error}");
        }
        until(|| server.clients().is_empty() && faults.borrow().len() == 2).await;
        assert!(protocol.log().is_empty(), "{protocol:?}");
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn the_name_is_that_of_the_host_if_it_is_one() {
    run(async {
        let server = start_server(echo, ("127.0.0.1", 0)).tls(server()).await.unwrap();
        let address = server.local_addrs()[0];
        // An address is a name too: the certificate is for it.
        let (_, writer) = open_connection(address).tls(client()).await.unwrap();
        assert_eq!(writer.transport().tls().unwrap().server_name(), Some("127.0.0.1"));
        let error = open_connection((["127.0.0.1", "localhost"], address.port())).tls(client()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        let error = open_connection(address).tls(client()).server_hostname("no name").await.unwrap_err();
        assert!(error.to_string().contains("`no name`"), "{error}");
    });
}

#[test]
fn options_of_tls_need_tls() {
    run(async {
        let second = std::time::Duration::from_secs(1);
        let address = ("127.0.0.1", 1);
        let error = open_connection(address).server_hostname("localhost").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        let error = open_connection(address).tls_handshake_timeout(second).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
        let error = start_server(echo, ("127.0.0.1", 0)).tls_shutdown_timeout(second).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    });
}

#[test]
fn a_name_that_the_certificate_is_not_for_is_an_error_that_names_it() {
    run(async {
        let faults = record_faults();
        let server =
            create_server(|| -> Recorder { Recorder::default() }, ("127.0.0.1", 0)).tls(server()).await.unwrap();
        let never = std::rc::Rc::new(Recorder::default());
        let protocol = never.clone();
        let error = create_connection(|| protocol, server.local_addrs())
            .tls(client())
            .server_hostname("example.com")
            .await
            .map(drop)
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().starts_with("the TLS handshake with `example.com` failed: invalid peer certificate"));
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()).unwrap();
        assert!(matches!(inner.rustls_error(), asyncio_net::rustls::Error::InvalidCertificate(_)));
        // The server is told by an alert.
        until(|| !faults.borrow().is_empty()).await;
        assert!(faults.borrow()[0].contains("received fatal alert"), "{faults:?}");
        until(|| server.clients().is_empty()).await;
        assert!(server.is_serving());
        assert!(never.log().is_empty(), "the protocol was never connected");
        let (_, writer) = open_connection(("localhost", server.local_addrs()[0].port())).tls(client()).await.unwrap();
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn a_certificate_of_nobody_known_is_an_error() {
    run(async {
        record_faults();
        let server = start_server(echo, ("127.0.0.1", 0)).tls(server()).await.unwrap();
        let config = asyncio_net::rustls::ClientConfig::builder()
            .with_root_certificates(asyncio_net::rustls::RootCertStore::empty())
            .with_no_client_auth();
        let error =
            open_connection(("localhost", server.local_addrs()[0].port())).tls(config).await.map(drop).unwrap_err();
        assert!(error.to_string().contains("UnknownIssuer"), "{error}");
    });
}

#[test]
fn a_client_without_the_certificate_that_is_asked_for_is_told_so() {
    for version in [&TLS12, &TLS13] {
        run(async {
            let faults = record_faults();
            let server = start_server(echo, ("127.0.0.1", 0)).tls(server_that_asks()).await.unwrap();
            let opened = open_connection(("localhost", server.local_addrs()[0].port())).tls(client_of(version)).await;
            // With TLS 1.3 the client is done before the server has seen that it has none.
            let error = match opened {
                Ok((mut reader, writer)) => {
                    assert_eq!(version.version, ProtocolVersion::TLSv1_3);
                    let error = reader.read_to_end().await.unwrap_err();
                    assert_eq!(writer.wait_closed().await.unwrap_err().to_string(), error.to_string());
                    error
                }
                Err(error) => error,
            };
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
            assert!(inner.is_some(), "{error}");
            assert!(error.to_string().contains("received fatal alert"), "{error}");
            until(|| !faults.borrow().is_empty()).await;
            assert_eq!(faults.borrow().len(), 1, "{faults:?}");
        });
    }
}

#[test]
fn two_hundred_connections_at_once() {
    run(async {
        let faults = record_faults();
        let server = start_server(echo, ("127.0.0.1", 0)).backlog(200).tls(server()).await.unwrap();
        let (config, port) = (client(), server.local_addrs()[0].port());
        let one = |n: usize, config| async move {
            let (mut reader, writer) = open_connection(("127.0.0.1", port)).tls(config).await.unwrap();
            let data = vec![n as u8; 1000 + n];
            writer.write(&data);
            writer.drain().await.unwrap();
            assert!(reader.readexactly(data.len()).await.unwrap() == data);
            writer.close();
            writer.wait_closed().await.unwrap();
        };
        gather((0..200).map(|n| one(n, config.clone()))).await;
        server.close();
        server.wait_closed().await;
        assert!(faults.borrow().is_empty(), "{faults:?}");
    });
}

#[test]
fn a_server_that_ends_closes_or_aborts_its_clients_through_tls() {
    run(async {
        for abort in [false, true] {
            let server = start_server(echo, ("127.0.0.1", 0)).tls(server()).await.unwrap();
            let (mut reader, writer) = open_connection(server.local_addrs()).tls(client()).await.unwrap();
            writer.write("x");
            reader.readexactly(1).await.unwrap();
            assert!(server.clients()[0].tls().is_some());
            server.close();
            if abort {
                server.abort_clients()
            } else {
                server.close_clients()
            }
            server.wait_closed().await;
            assert_eq!(reader.read_to_end().await.unwrap(), b"");
            assert_eq!(writer.transport().tls().unwrap().received_close_notify(), !abort);
        }
    });
}

#[test]
fn versions_that_do_not_meet_are_an_error() {
    run(async {
        record_faults();
        let server = start_server(echo, ("127.0.0.1", 0)).tls(server_of(&[&TLS12])).await.unwrap();
        let error = open_connection(server.local_addrs()).tls(client_of(&TLS13)).await.map(drop).unwrap_err();
        assert!(error.to_string().contains("ProtocolVersion"), "{error}");
    });
}

#[test]
fn a_handler_that_panics_ends_its_connection() {
    run(async {
        let faults = record_faults();
        let kept = std::rc::Rc::new(std::cell::RefCell::new(None));
        let writers = kept.clone();
        let handler = move |reader: StreamReader, writer: StreamWriter| {
            *writers.borrow_mut() = Some(writer);
            async move {
                drop(reader);
                panic!("no");
            }
        };
        let handler = async move |reader: StreamReader, writer: StreamWriter| handler(reader, writer).await;
        let server = start_server(handler, ("127.0.0.1", 0)).tls(server()).await.unwrap();
        let (mut reader, _writer) = open_connection(server.local_addrs()).tls(client()).await.unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
        assert_eq!(faults.borrow().len(), 1, "{faults:?}");
    });
}

#[test]
fn a_configuration_may_be_shared_or_given_away() {
    run(async {
        let shared: Arc<_> = server();
        let server = start_server(echo, ("127.0.0.1", 0)).tls(shared).await.unwrap();
        let config = Arc::unwrap_or_clone(client());
        let task = create_task(open_connection(server.local_addrs()).tls(config).into_future());
        task.await.unwrap();
    });
}
