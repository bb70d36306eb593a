//! How connections are made: several addresses, local addresses, failures.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use asyncio_net::{ConnectErrors, create_connection, open_connection};

use crate::support::{Recorder, alone, assert_none_left, descriptors, on_virtual_time, run, run_on_virtual_time};

/// An address that refuses connections.
fn refusing() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}

/// An address that never answers: its backlog is full.
pub struct Silent {
    pub address: SocketAddr,
    _listener: socket2::Socket,
    _fillers: Vec<socket2::Socket>,
}

pub fn silent() -> Silent {
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
    run_on_virtual_time(async {
        let silent = silent();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let good = listener.local_addr().unwrap();
        let delay = Duration::from_millis(250);
        let begin = asyncio::get_running_loop().time();
        let opening = open_connection([silent.address, good]).happy_eyeballs_delay(delay);
        let (_reader, writer) = opening.await.unwrap();
        assert_eq!(writer.peer_addr().unwrap(), good);
        assert_eq!(asyncio::get_running_loop().time() - begin, delay);
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
fn attempts_that_are_given_up_leave_nothing_open() {
    let _alone = alone();
    let once = || {
        on_virtual_time(async {
            let silent = silent();
            let opening = asyncio::create_task(async move {
                let delay = Duration::from_secs(1);
                open_connection([silent.address, silent.address]).happy_eyeballs_delay(delay).await.map(drop)
            });
            asyncio::sleep(Duration::from_millis(1500)).await;
            opening.cancel();
            assert!(opening.join().await.is_err());
        });
    };
    once();
    let before = descriptors();
    once();
    assert_none_left(before);
}

#[test]
fn the_families_take_turns_as_often_as_was_said() {
    run(async {
        // All refuse, so all are tried, and the errors tell in which order.
        let (a, b) = (refusing(), refusing());
        let c = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, a.port()));
        for (interleave, order) in [(None, [a, b, c]), (Some(1), [a, c, b]), (Some(2), [a, b, c])] {
            let error = open_connection([a, b, c]).interleave(interleave).await.unwrap_err();
            let errors = error.get_ref().and_then(|inner| inner.downcast_ref::<ConnectErrors>()).unwrap();
            let told: Vec<String> = errors.errors().iter().map(ToString::to_string).collect();
            for (told, address) in told.iter().zip(order) {
                assert!(told.contains(&address.to_string()), "{interleave:?}: {told:?}");
            }
        }
    });
}
