//! What may stand in place of an address: sockets that exist, several hosts, names of services, families.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;

use asyncio_net::{
    Family, LoopSockets, StreamReader, StreamWriter, connect_accepted_socket, create_connection, create_server,
    open_connection, start_server,
};

use crate::support::{Fresh, Recorder, run, run_without_leak};

async fn upper(mut reader: StreamReader, writer: StreamWriter) {
    while let Ok(line) = reader.readline().await
        && !line.is_empty()
    {
        writer.write(line.to_ascii_uppercase());
    }
}

async fn is_answered((mut reader, writer): (StreamReader, StreamWriter)) {
    writer.write("hello\n");
    assert_eq!(reader.readline().await.unwrap(), b"HELLO\n");
    writer.close();
    writer.wait_closed().await.unwrap();
}

#[test]
fn a_connected_socket_becomes_a_stream_or_a_transport() {
    run_without_leak(async || {
        let server = start_server(upper, ("127.0.0.1", 0)).await.unwrap();
        let address = server.local_addrs()[0];
        let socket = TcpStream::connect(address).unwrap();
        let local = socket.local_addr().unwrap();
        let ends = open_connection(socket).await.unwrap();
        assert_eq!((ends.1.peer_addr().unwrap(), ends.1.local_addr().unwrap()), (address, local));
        is_answered(ends).await;

        let (near, far) = UnixStream::pair().unwrap();
        let (transport, recorder) = create_connection(Recorder::default, near).await.unwrap();
        transport.write("x\n");
        drop(far);
        recorder.lost.clone().await;
        assert_eq!(recorder.log()[0], "made");
    });
}

#[test]
fn a_listening_socket_becomes_a_server_and_several_become_one() {
    run_without_leak(async || {
        let path = Fresh::new();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = start_server(upper, listener).await.unwrap();
        assert_eq!(server.local_addrs(), [address]);
        is_answered(open_connection(address).await.unwrap()).await;
        server.close();
        server.wait_closed().await;

        let both = [TcpListener::bind(("127.0.0.1", 0)).unwrap(), TcpListener::bind(("127.0.0.1", 0)).unwrap()];
        let addresses = both.each_ref().map(|listener| listener.local_addr().unwrap());
        let server = start_server(upper, both).await.unwrap();
        for address in addresses {
            is_answered(open_connection(address).await.unwrap()).await;
        }
        drop(server);

        let listener = UnixListener::bind(&path.0).unwrap();
        let server = start_server(upper, listener).await.unwrap();
        is_answered(open_connection(UnixStream::connect(&path.0).unwrap()).await.unwrap()).await;
        drop(server);
        assert!(path.0.exists(), "whoever made it keeps it");
    });
}

#[test]
fn the_file_of_a_socket_that_was_given_is_removed_where_that_was_asked_for() {
    run(async {
        let path = Fresh::new();
        let listener = UnixListener::bind(&path.0).unwrap();
        let server = start_server(upper, listener).cleanup_socket(true).await.unwrap();
        server.close();
        assert!(!path.0.exists());

        let listener = UnixListener::bind(&path.0).unwrap();
        let server = create_server(Recorder::default, listener).cleanup_socket(true).await.unwrap();
        std::fs::remove_file(&path.0).unwrap();
        std::fs::write(&path.0, "another's").unwrap();
        server.close();
        assert!(path.0.exists());
    });
}

#[test]
fn sockets_of_the_wrong_kind_are_refused_and_closed() {
    run_without_leak(async || {
        let datagrams = || socket2::Socket::from(UdpSocket::bind(("127.0.0.1", 0)).unwrap());
        let listener = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener().local_addr().unwrap();
        let kind = ErrorKind::InvalidInput;
        assert_eq!(create_connection(Recorder::default, datagrams()).await.unwrap_err().kind(), kind);
        assert_eq!(create_server(Recorder::default, datagrams()).await.unwrap_err().kind(), kind);
        assert_eq!(connect_accepted_socket(Recorder::default, datagrams()).await.unwrap_err().kind(), kind);
        assert_eq!(open_connection(listener()).await.unwrap_err().kind(), kind);
        let pair = UnixStream::pair().unwrap().0;
        assert_eq!(open_connection(pair).local_addr(("127.0.0.1", 0)).await.unwrap_err().kind(), kind);
        let (near, _far) = UnixStream::pair().unwrap();
        assert!(start_server(upper, near).await.is_err(), "it is connected, and cannot listen");
        assert_eq!(open_connection(address).local_addr(listener()).await.unwrap_err().kind(), kind);
        let two = [UnixStream::pair().unwrap().0, UnixStream::pair().unwrap().0];
        assert_eq!(open_connection(two).await.unwrap_err().kind(), kind);
    });
}

#[test]
fn an_accepted_socket_is_served() {
    run_without_leak(async || {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let client = open_connection(listener.local_addr().unwrap()).await.unwrap();
        let accepted = listener.accept().unwrap().0;
        let this = asyncio::get_running_loop();
        let (transport, recorder) = this.connect_accepted_socket(Recorder::default, accepted).await.unwrap();
        assert_eq!(transport.peer_addr().unwrap(), client.1.local_addr().unwrap());
        client.1.write("data");
        drop(client);
        recorder.lost.clone().await;
        assert_eq!(*recorder.data.borrow(), b"data");
    });
}

#[test]
fn several_hosts_have_one_socket_each_and_duplicates_none() {
    run(async {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
        let hosts = ["127.0.0.1", "127.0.0.2", "127.0.0.1"];
        let server = start_server(upper, (hosts, free)).await.unwrap();
        let expected = ["127.0.0.1", "127.0.0.2"].map(|host| SocketAddr::new(host.parse().unwrap(), free));
        assert_eq!(server.local_addrs(), expected);
        is_answered(open_connection(("127.0.0.2", free)).await.unwrap()).await;
        let server = start_server(upper, (hosts.as_slice(), 0)).await.unwrap();
        assert_eq!(server.local_addrs().len(), 2);
    });
}

#[test]
fn the_family_of_the_addresses_may_be_chosen() {
    run(async {
        let server = start_server(upper, ("", 0)).family(Family::V4).await.unwrap();
        let addresses = server.local_addrs();
        assert!(addresses.len() == 1 && addresses[0].is_ipv4(), "{addresses:?}");
        let port = addresses[0].port();
        is_answered(open_connection(("localhost", port)).family(Family::V4).await.unwrap()).await;
        let error = open_connection(("127.0.0.1", port)).family(Family::V6).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("V6"), "{error}");
    });
}

#[test]
fn services_have_names_and_nonsense_has_not() {
    run(async {
        let server = start_server(upper, ("127.0.0.1", "0")).await.unwrap();
        let port = server.local_addrs()[0].port().to_string();
        is_answered(open_connection(("127.0.0.1", port.as_str())).await.unwrap()).await;
        let error = open_connection(("127.0.0.1", "no such service")).await.unwrap_err();
        assert!(error.to_string().contains("no such service"), "{error}");
    });
}

#[test]
fn whatever_is_served_is_found_as_methods_of_the_loop() {
    run(async {
        let path = Fresh::new();
        let this = asyncio::get_running_loop();
        let recorder = Rc::new(Recorder::default());
        let factory = {
            let recorder = recorder.clone();
            move || recorder.clone()
        };
        let server = this.create_server(Recorder::default, ("127.0.0.1", 0)).backlog(5).await.unwrap();
        let unix = this.create_unix_server(factory, &path.0).await.unwrap();
        let (transport, _) = this.create_connection(Recorder::default, server.local_addrs()).await.unwrap();
        let (other, _) = this.create_unix_connection(Recorder::default, &path.0).await.unwrap();
        other.write("x");
        other.close();
        transport.abort();
        recorder.lost.clone().await;
        assert_eq!(*recorder.data.borrow(), b"x");
        drop((server, unix));
    });
}
