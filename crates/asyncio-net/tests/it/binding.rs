//! Addresses that are bound, tried, skipped and left alone.

use std::io::ErrorKind;
use std::net::{Ipv6Addr, SocketAddr, TcpListener};
use std::time::Duration;

use asyncio_net::{StreamReader, StreamWriter, open_connection, start_server, start_unix_server};

use crate::support::{Fresh, run, run_without_leak};

async fn upper(mut reader: StreamReader, writer: StreamWriter) {
    if let Ok(line) = reader.readline().await {
        writer.write(line.to_ascii_uppercase());
    }
}

async fn is_answered(address: SocketAddr) {
    let (mut reader, writer) = open_connection(address).await.unwrap();
    writer.write("hello\n");
    assert_eq!(reader.readline().await.unwrap(), b"HELLO\n", "{address}");
}

fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

#[test]
fn a_server_that_cannot_be_bound_leaves_nothing_open() {
    run_without_leak(async || {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = taken.local_addr().unwrap();
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        assert_eq!(start_server(upper, [free, address]).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        let foreign = start_server(upper, ("192.0.2.1", 0)).await.unwrap_err();
        assert!(foreign.to_string().contains("192.0.2.1"), "{foreign}");
        assert_eq!(
            start_server(upper, Vec::<SocketAddr>::new()).await.unwrap_err().kind(),
            ErrorKind::AddrNotAvailable
        );
        let nowhere = Fresh::new().0.join("no folder");
        assert_eq!(start_unix_server(upper, &nowhere).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

/// A literal of an address that means something on one interface only, if there is one: Linux lists them in a file.
fn link_local() -> Option<String> {
    let listed = std::fs::read_to_string("/proc/net/if_inet6").ok()?;
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    listed.lines().map(fields).find_map(|fields| match &fields[..] {
        [address, _, _, _, _, interface] if address.starts_with("fe80") => {
            let address = Ipv6Addr::from(u128::from_str_radix(address, 16).ok()?);
            Some(format!("{address}%{interface}"))
        }
        _ => None,
    })
}

#[test]
fn an_address_with_a_scope_is_bound_and_connected_to_on_its_interface() {
    let Some(literal) = link_local() else { return };
    run(async {
        let server = start_server(upper, (literal.as_str(), 0)).await.unwrap();
        let SocketAddr::V6(address) = server.local_addrs()[0] else { panic!("{server:?}") };
        assert_ne!(address.scope_id(), 0);
        is_answered(address.into()).await;
        let (mut reader, writer) = open_connection(format!("[{literal}]:{}", address.port())).await.unwrap();
        assert_eq!(writer.peer_addr().unwrap(), SocketAddr::V6(address));
        writer.write("there\n");
        assert_eq!(reader.readline().await.unwrap(), b"THERE\n");
    });
}

#[test]
fn a_server_listens_at_addresses_of_either_family_and_at_both_for_the_empty_host() {
    if !has_ipv6() {
        return;
    }
    run(async {
        let server = start_server(upper, (["::1", "::1"], 0)).await.unwrap();
        let addresses = server.local_addrs();
        assert!(addresses.len() == 1 && addresses[0].is_ipv6(), "{addresses:?}");
        is_answered(addresses[0]).await;

        let port = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap().local_addr().unwrap().port();
        let _server = start_server(upper, ("", port)).await.unwrap();
        is_answered(SocketAddr::from(([127, 0, 0, 1], port))).await;
        is_answered(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).await;
    });
}

#[test]
fn a_remote_address_of_another_family_than_the_local_one_is_skipped() {
    run(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let good = listener.local_addr().unwrap();
        let other = SocketAddr::from((Ipv6Addr::LOCALHOST, good.port()));
        let (_reader, writer) = open_connection([other, good]).local_addr(("127.0.0.1", 0)).await.unwrap();
        assert_eq!(writer.peer_addr().unwrap(), good);
    });
}

#[test]
fn a_local_address_that_is_taken_is_named_once_though_it_is_tried_for_each() {
    run(async {
        let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
        let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        let taken = listeners[0].local_addr().unwrap();
        let error = open_connection(addresses).local_addr(taken).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(error.to_string().matches(&taken.to_string()).count(), 1, "{error}");
    });
}

#[test]
fn the_first_attempt_that_succeeds_is_the_last_one_that_is_made() {
    run(async {
        let listeners = [(); 2].map(|()| TcpListener::bind(("127.0.0.1", 0)).unwrap());
        let addresses = listeners.each_ref().map(|listener| listener.local_addr().unwrap());
        for delay in [None, Some(Duration::from_secs(100))] {
            let opening = open_connection(addresses);
            let opening = if let Some(delay) = delay { opening.happy_eyeballs_delay(delay) } else { opening };
            let (_reader, writer) = opening.await.unwrap();
            assert_eq!(writer.peer_addr().unwrap(), addresses[0]);
            listeners[1].set_nonblocking(true).unwrap();
            assert_eq!(listeners[1].accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        }
    });
}
