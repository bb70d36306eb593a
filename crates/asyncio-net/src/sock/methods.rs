//! The calls of `LoopSockets`, as futures.

use std::fs::File;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;

use asyncio_context::WaitKind;
use asyncio_event_loop::{EventLoop, sleep};

use super::operation::{Attempt, Operation, check_mode};
use super::registration::Direction;
use super::{Accept, Address, AsSocket, FULL_RECEIVER_PAUSE, LoopSockets, Place};
use crate::datagram::{CreateDatagramEndpoint, DatagramProtocol};
use crate::resolve::{self, AddrInfo, AddrInfoHints, NameInfoFlags, Service};
use crate::sendfile::SockSendfile;
use crate::sys;

static RECV: WaitKind = WaitKind::new("sock_recv");
static RECV_INTO: WaitKind = WaitKind::new("sock_recv_into");
static RECVFROM: WaitKind = WaitKind::new("sock_recvfrom");
static RECVFROM_INTO: WaitKind = WaitKind::new("sock_recvfrom_into");
static SENDALL: WaitKind = WaitKind::new("sock_sendall");
static SENDTO: WaitKind = WaitKind::new("sock_sendto");
static CONNECT: WaitKind = WaitKind::new("sock_connect");
static ACCEPT: WaitKind = WaitKind::new("sock_accept");

impl LoopSockets for EventLoop {
    fn sock_recv<S: AsSocket + ?Sized>(&self, socket: &S, n: usize) -> impl Future<Output = io::Result<Vec<u8>>> {
        Operation::new(self, socket, Direction::Read, &RECV, Location::caller(), move |attempt: Attempt<'_>| {
            let data = sys::recv(attempt.fd(), n)?;
            attempt.took(data.len(), n);
            Ok(data)
        })
    }

    fn sock_recv_into<S: AsSocket + ?Sized>(
        &self,
        socket: &S,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<usize>> {
        Operation::new(self, socket, Direction::Read, &RECV_INTO, Location::caller(), move |attempt: Attempt<'_>| {
            let received = sys::recv_into(attempt.fd(), buffer)?;
            attempt.took(received, buffer.len());
            Ok(received)
        })
    }

    fn sock_recvfrom<S: AsSocket + ?Sized>(
        &self,
        socket: &S,
        n: usize,
    ) -> impl Future<Output = io::Result<(Vec<u8>, Address)>> {
        let receive = move |attempt: Attempt<'_>| sys::recvfrom(attempt.fd(), n);
        Operation::new(self, socket, Direction::Read, &RECVFROM, Location::caller(), receive)
    }

    fn sock_recvfrom_into<S: AsSocket + ?Sized>(
        &self,
        socket: &S,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<(usize, Address)>> {
        let receive = move |attempt: Attempt<'_>| sys::recvfrom_into(attempt.fd(), buffer);
        Operation::new(self, socket, Direction::Read, &RECVFROM_INTO, Location::caller(), receive)
    }

    fn sock_sendall<S: AsSocket + ?Sized>(&self, socket: &S, data: &[u8]) -> impl Future<Output = io::Result<()>> {
        let mut rest = data;
        Operation::new(self, socket, Direction::Write, &SENDALL, Location::caller(), move |attempt: Attempt<'_>| {
            loop {
                // At least once: on a datagram socket, nothing is a datagram too.
                let sent = sys::send(attempt.fd(), rest)?;
                rest = &rest[sent..];
                if rest.is_empty() {
                    return Ok(());
                }
            }
        })
    }

    #[track_caller]
    fn sock_sendto<S: AsSocket + ?Sized>(
        &self,
        socket: &S,
        data: &[u8],
        to: impl Into<Place>,
    ) -> impl Future<Output = io::Result<usize>> {
        let to = to.into();
        let location = Location::caller();
        async move {
            let to = address_for(socket, to).await?;
            if !to.is_unix() {
                let send = |attempt: Attempt<'_>| sys::sendto(attempt.fd(), data, &to);
                return Operation::new(self, socket, Direction::Write, &SENDTO, location, send).await;
            }
            loop {
                // A full receiver is an outcome here, not something to wait for: no report would come.
                let send = |attempt: Attempt<'_>| match sys::sendto(attempt.fd(), data, &to) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
                    result => result.map(Some),
                };
                match Operation::new(self, socket, Direction::Write, &SENDTO, location, send).await? {
                    Some(sent) => return Ok(sent),
                    None => sleep(FULL_RECEIVER_PAUSE).await,
                }
            }
        }
    }

    #[track_caller]
    fn sock_connect<S: AsSocket + ?Sized>(
        &self,
        socket: &S,
        to: impl Into<Place>,
    ) -> impl Future<Output = io::Result<()>> {
        let to = to.into();
        let location = Location::caller();
        async move {
            let to = address_for(socket, to).await?;
            check_mode(socket, &CONNECT)?;
            if sys::connect(socket.descriptor(), &to)? {
                return Ok(());
            }
            let look = |attempt: Attempt<'_>| {
                if sys::is_connected(attempt.fd())? { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
            };
            Operation::new(self, socket, Direction::Write, &CONNECT, location, look).await
        }
    }

    fn sock_accept<S: Accept>(&self, socket: &S) -> impl Future<Output = io::Result<(S::Connection, Address)>> {
        Operation::new(self, socket, Direction::Read, &ACCEPT, Location::caller(), |attempt: Attempt<'_>| {
            let (connection, from) = sys::accept(attempt.fd())?;
            Ok((connection.into(), from))
        })
    }

    #[track_caller]
    fn sock_sendfile<'a, S: AsSocket + ?Sized>(
        &'a self,
        socket: &'a S,
        file: &'a File,
        offset: u64,
        count: Option<u64>,
    ) -> SockSendfile<'a, S> {
        SockSendfile::new(self, socket, file, offset, count, Location::caller())
    }

    fn getaddrinfo<'h>(
        &self,
        host: impl Into<Option<&'h str>>,
        service: impl Into<Service>,
        hints: AddrInfoHints,
    ) -> impl Future<Output = io::Result<Vec<AddrInfo>>> {
        resolve::getaddrinfo(host, service, hints)
    }

    fn getnameinfo(
        &self,
        address: SocketAddr,
        flags: NameInfoFlags,
    ) -> impl Future<Output = io::Result<(String, String)>> {
        resolve::getnameinfo(address, flags)
    }

    fn create_datagram_endpoint<P, F>(&self, factory: F) -> CreateDatagramEndpoint<F>
    where
        P: DatagramProtocol + 'static,
        F: FnOnce() -> P,
    {
        CreateDatagramEndpoint::new(self.clone(), factory)
    }
}

/// The address of `target` for this socket.
async fn address_for<S: AsSocket + ?Sized>(socket: &S, target: Place) -> io::Result<Address> {
    match target {
        Place::Address(address) => Ok(address),
        Place::Name { host, port } => {
            let hints = AddrInfoHints::of_socket(socket.descriptor())?;
            let found = resolve::getaddrinfo(host.as_str(), port, hints).await?;
            match found.first() {
                Some(info) => Ok(info.address.into()),
                None => Err(resolve::nothing_found(&host)),
            }
        }
    }
}
