//! Options of datagram endpoints: those that are set, and those that are refused.

use std::io::ErrorKind;
use std::net::UdpSocket;

use asyncio_net::{Family, LoopSockets};

use crate::datagram::Log;
use crate::loopback::run;

#[cfg(unix)]
#[test]
fn options_that_make_no_sense_are_refused() {
    run(|this| async move {
        let kind = async |endpoint: asyncio_net::CreateDatagramEndpoint<fn() -> Log>| {
            endpoint.await.map(|_| ()).unwrap_err().kind()
        };
        let new = || this.create_datagram_endpoint(Log::default as fn() -> Log);
        let udp = || UdpSocket::bind("127.0.0.1:0").unwrap();
        assert_eq!(kind(new()).await, ErrorKind::InvalidInput);
        assert_eq!(kind(new().socket(udp()).allow_broadcast(true)).await, ErrorKind::InvalidInput);
        let (stream, _) = crate::loopback::unix_pair();
        assert_eq!(kind(new().socket(stream)).await, ErrorKind::InvalidInput);
        let mixed = new().local_addr(("127.0.0.1", 0)).remote_addr(("::1", 1));
        assert_eq!(kind(mixed).await, ErrorKind::InvalidInput);
        let mixed = new().local_addr(("127.0.0.1", 0)).remote_addr(std::path::Path::new("/tmp/x"));
        assert_eq!(kind(mixed).await, ErrorKind::InvalidInput);
        let other = udp();
        let taken = new().local_addr(other.local_addr().unwrap());
        assert_eq!(kind(taken).await, ErrorKind::AddrInUse);
        let (transport, _) = new().family(Family::V4).await.unwrap();
        transport.sendto(b"x", other.local_addr().unwrap()).unwrap();
        assert_eq!(other.recv(&mut [0; 9]).unwrap(), 1);
        assert_eq!(this.reactor().len(), 1);
    });
}

#[cfg(unix)]
#[test]
fn options_are_set_when_asked_for() {
    run(|this| async move {
        let new = || this.create_datagram_endpoint(Log::default);
        let (first, _) = new().local_addr(("localhost", 0)).family(Family::V4).reuse_port(true).await.unwrap();
        let second = new().local_addr(first.local_addr().unwrap());
        assert!(second.await.is_err(), "both have to say so");
        new().local_addr(first.local_addr().unwrap()).reuse_port(true).await.unwrap();
        // One that may broadcast is not connected: it hears others than its remote address.
        let remote = UdpSocket::bind("127.0.0.1:0").unwrap();
        let (transport, log) = new()
            .local_addr(("127.0.0.1", 0))
            .remote_addr(remote.local_addr().unwrap())
            .allow_broadcast(true)
            .await
            .unwrap();
        transport.send(b"x").unwrap();
        assert_eq!(remote.recv(&mut [0; 9]).unwrap(), 1);
        let other = UdpSocket::bind("127.0.0.1:0").unwrap();
        other.send_to(b"hi", transport.local_addr().unwrap().as_inet().unwrap()).unwrap();
        assert_eq!(log.wait(2).await, ["made", "got hi"]);
        let error = transport.sendto(b"x", other.local_addr().unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}
