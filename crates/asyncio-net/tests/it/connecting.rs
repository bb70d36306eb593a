//! How connections are made: several addresses, local addresses, failures.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use asyncio_net::{ConnectErrors, create_connection, open_connection};

use crate::support::{Recorder, run};

/// An address that refuses connections.
fn refusing() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}

/// An address that never answers: its backlog is full.
struct Silent {
    address: SocketAddr,
    _listener: socket2::Socket,
    _fillers: Vec<socket2::Socket>,
}

fn silent() -> Silent {
    let new = || socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let listener = new();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let fillers = (0..3)
        .map(|_| {
            let filler = new();
            filler.set_nonblocking(true).unwrap();
            let _ = filler.connect(&address);
            filler
        })
        .collect();
    Silent { address: address.as_socket().unwrap(), _listener: listener, _fillers: fillers }
}

#[test]
fn a_refused_connection_is_an_error_that_names_the_address() {
    run(async {
        let address = refusing();
        let error = create_connection(Recorder::default, address).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&address.to_string()), "{error}");
    });
}

#[test]
fn addresses_are_tried_in_order_and_all_failures_are_kept() {
    run(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let good = listener.local_addr().unwrap();
        let (_reader, writer) = open_connection([refusing(), good]).await.unwrap();
        assert_eq!(writer.peer_addr().unwrap(), good);
        let error = open_connection([refusing(), refusing()]).await.unwrap_err();
        let errors = error.get_ref().and_then(|inner| inner.downcast_ref::<ConnectErrors>()).unwrap();
        assert_eq!(errors.errors().len(), 2);
        assert_eq!(open_connection(Vec::<SocketAddr>::new()).await.unwrap_err().kind(), ErrorKind::AddrNotAvailable);
        assert_eq!(open_connection("nonsense").await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_local_address_is_bound_first_and_must_be_of_the_family() {
    run(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (_reader, writer) = open_connection(address).local_addr(("127.0.0.2", 0)).await.unwrap();
        assert_eq!(writer.local_addr().unwrap().ip().to_string(), "127.0.0.2");
        let error = open_connection(address).local_addr(("::1", 0)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        let error = open_connection(address).local_addr(("192.0.2.1", 0)).await.unwrap_err();
        assert!(error.to_string().contains("192.0.2.1"), "{error}");
    });
}

#[test]
fn a_silent_address_is_overtaken_after_the_delay() {
    run(async {
        let silent = silent();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let good = listener.local_addr().unwrap();
        let delay = Duration::from_millis(20);
        let begin = asyncio::get_running_loop().time();
        let opening = open_connection([silent.address, good]).happy_eyeballs_delay(delay);
        let (_reader, writer) = opening.await.unwrap();
        assert_eq!(writer.peer_addr().unwrap(), good);
        assert!(asyncio::get_running_loop().time() - begin >= delay);
    });
}

#[test]
fn a_failure_starts_the_next_attempt_at_once() {
    run(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let good = listener.local_addr().unwrap();
        let opening = open_connection([refusing(), refusing(), good]).happy_eyeballs_delay(Duration::from_secs(1000));
        let (_reader, writer) = opening.await.unwrap();
        assert_eq!(writer.peer_addr().unwrap(), good);
        let all = open_connection([refusing(), refusing()]).happy_eyeballs_delay(Duration::from_secs(1000));
        assert_eq!(all.await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_connection_that_is_given_up_leaves_nothing_open() {
    crate::support::run_without_leak(async || {
        let silent = silent();
        let opening = asyncio::create_task(async move {
            open_connection([silent.address, silent.address])
                .happy_eyeballs_delay(Duration::from_millis(1))
                .await
                .map(drop)
        });
        asyncio::sleep(Duration::from_millis(5)).await;
        opening.cancel();
        assert!(opening.join().await.is_err());
    });
}
