//! The loop's calls on sockets: what they do, in what order, and what is left behind.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::time::Duration;

use asyncio_event_loop::EventLoop;
use asyncio_executor::create_task;
use asyncio_net::{Address, AsSocket, LoopSockets, Socket};
use futures_util::join;

#[cfg(unix)]
use crate::loopback::{fresh_path, unix_pair};
use crate::loopback::{run, settle, tcp_pair};

async fn recv_exactly(this: &EventLoop, socket: &impl AsSocket, n: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < n {
        let data = this.sock_recv(socket, n - all.len()).await.unwrap();
        assert!(!data.is_empty(), "the stream ended after {} of {n} bytes", all.len());
        all.extend(data);
    }
    all
}

#[test]
fn what_is_sent_is_received_and_then_comes_the_end() {
    run(|this| async move {
        let (near, far) = tcp_pair();
        let mut buffer = [0; 16];
        let (received, sent) = join!(this.sock_recv(&far, 16), this.sock_sendall(&near, b"hello"));
        sent.unwrap();
        assert_eq!(received.unwrap(), b"hello");
        this.sock_sendall(&near, b"again").await.unwrap();
        assert_eq!(this.sock_recv_into(&far, &mut buffer).await.unwrap(), 5);
        assert_eq!(&buffer[..5], b"again");
        drop(near);
        assert_eq!(this.sock_recv(&far, 16).await.unwrap(), b"");
        assert_eq!(this.sock_recv_into(&far, &mut buffer).await.unwrap(), 0);
        assert!(this.reactor().is_empty());
    });
}

#[cfg(unix)]
#[test]
fn a_socket_in_blocking_mode_is_refused_by_name() {
    run(|this| async move {
        let (near, _far) = UnixStream::pair().unwrap();
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = udp.local_addr().unwrap();
        let file = std::fs::File::open("Cargo.toml").unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut buffer = [0; 4];
        let errors = [
            this.sock_recv(&near, 1).await.unwrap_err(),
            this.sock_recv_into(&near, &mut buffer).await.unwrap_err(),
            this.sock_sendall(&near, b"x").await.unwrap_err(),
            this.sock_recvfrom(&udp, 1).await.unwrap_err(),
            this.sock_recvfrom_into(&udp, &mut buffer).await.unwrap_err(),
            this.sock_sendto(&udp, b"x", to).await.unwrap_err(),
            this.sock_connect(&udp, to).await.unwrap_err(),
            this.sock_accept(&listener).await.unwrap_err(),
            this.sock_sendfile(&near, &file, 0, None).fallback(false).await.unwrap_err(),
        ];
        for error in &errors {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().contains("blocking mode"), "{error}");
        }
        assert!(errors[0].to_string().contains(&format!("descriptor {}", near.as_raw_fd())), "{}", errors[0]);
    });
}

#[cfg(unix)]
#[test]
fn every_kind_of_socket_will_do() {
    run(|this| async move {
        async fn echo(this: &EventLoop, near: &(impl AsSocket + ?Sized), far: &(impl AsSocket + ?Sized)) {
            let (received, sent) = join!(this.sock_recv(far, 9), this.sock_sendall(near, b"x"));
            sent.unwrap();
            assert_eq!(received.unwrap(), b"x");
        }
        let (near, far) = unix_pair();
        echo(&this, &near, &far).await;
        echo(&this, &near.as_fd(), &far.as_fd()).await;
        echo(&this, &Socket::new(&near).unwrap(), &far).await;
        let (near, far) = (Rc::new(near), OwnedFd::from(far));
        echo(&this, &near, &far).await;
        let (near, far) = tcp_pair();
        let (near, far) = (socket2::Socket::from(near), Socket::new(socket2::Socket::from(far)).unwrap());
        echo(&this, &far, &near).await;
        echo(&this, &near, &far).await;
        echo(&this, &near, &far.into_inner()).await;
        assert!(this.reactor().is_empty());
    });
}

#[test]
fn a_kept_socket_is_registered_once_and_until_it_is_dropped() {
    run(|this| async move {
        let (near, far) = tcp_pair();
        let far = Socket::new(far).unwrap();
        assert!(this.reactor().is_empty(), "it is registered when it first waits");
        let task = {
            let this = this.clone();
            create_task(async move {
                for _ in 0..100 {
                    let data = this.sock_recv(&far, 64).await.unwrap();
                    this.sock_sendall(&far, &data).await.unwrap();
                }
                assert!(this.reactor().is_registered(far.get_ref()));
                // A plain call on the same descriptor finds the registration.
                assert_eq!(this.sock_recv(far.get_ref(), 64).await.unwrap(), b"");
                assert!(this.reactor().is_registered(far.get_ref()));
            })
        };
        for n in 0..100_u8 {
            this.sock_sendall(&near, &[n; 3]).await.unwrap();
            assert_eq!(recv_exactly(&this, &near, 3).await, [n; 3]);
        }
        near.shutdown(std::net::Shutdown::Both).unwrap();
        task.await;
        assert!(this.reactor().is_empty());
    });
}

#[cfg(unix)]
#[test]
fn a_descriptor_number_may_be_used_again() {
    run(|this| async move {
        let mut far = OwnedFd::from(tcp_pair().1);
        for keep in [false, true, false, true] {
            let (near, next) = tcp_pair();
            // Closes what had the number before.
            rustix::io::dup2(&next, &mut far).unwrap();
            drop(next);
            let receive = async {
                if keep {
                    this.sock_recv(&Socket::new(&far).unwrap(), 9).await.unwrap()
                } else {
                    this.sock_recv(&far, 9).await.unwrap()
                }
            };
            let send = async {
                settle().await;
                this.sock_sendall(&near, b"x").await.unwrap();
            };
            assert_eq!(join!(receive, send).0, b"x");
            assert!(this.reactor().is_empty());
        }
    });
}

/// Sends `data` and receives as much.
async fn exchange(this: &EventLoop, socket: &impl AsSocket, data: &[u8]) -> Vec<u8> {
    let (sent, received) = join!(this.sock_sendall(socket, data), recv_exactly(this, socket, data.len()));
    sent.unwrap();
    received
}

#[test]
fn calls_in_both_directions_are_under_way_at_once() {
    run(|this| async move {
        let big: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        for keep in [false, true] {
            let (near, far) = tcp_pair();
            let (here, there) = if keep {
                let (near, far) = (Socket::new(near).unwrap(), Socket::new(far).unwrap());
                join!(exchange(&this, &near, &big), exchange(&this, &far, &big))
            } else {
                join!(exchange(&this, &near, &big), exchange(&this, &far, &big))
            };
            assert!(here == big && there == big);
            assert!(this.reactor().is_empty());
        }
    });
}

#[test]
fn calls_in_one_direction_take_turns() {
    run(|this| async move {
        let (near, far) = tcp_pair();
        socket2::SockRef::from(&near).set_send_buffer_size(4096).unwrap();
        let (first, second) = (vec![1; 1_000_000], vec![2; 1_000_000]);
        let receive = async {
            let mut all = recv_exactly(&this, &far, 2_000_000).await;
            assert_eq!(all.len(), 2_000_000);
            all.dedup();
            all
        };
        let (a, b, received) = join!(this.sock_sendall(&near, &first), this.sock_sendall(&near, &second), receive);
        a.and(b).unwrap();
        assert_eq!(received, [1, 2]);
        // Those that read as well.
        let read = async |name: &'static str| (name, this.sock_recv(&far, 1).await.unwrap()[0]);
        let send = async {
            settle().await;
            this.sock_sendall(&near, &[7, 8, 9]).await.unwrap();
        };
        let (a, b, c, ()) = join!(read("a"), read("b"), read("c"), send);
        assert_eq!([a, b, c], [("a", 7), ("b", 8), ("c", 9)]);
    });
}

#[test]
fn connect_takes_names_and_tells_why_it_fails() {
    run(|this| async move {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let new = || {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        for target in ["127.0.0.1", "localhost"] {
            let socket = new();
            this.sock_connect(&socket, (target, port)).await.unwrap();
            assert_eq!(socket.peer_addr().unwrap().as_socket().unwrap().port(), port);
            // A registered one as well, although the system reported it before it was connected.
            let socket = Socket::new(new()).unwrap();
            this.sock_connect(&socket, (target, port)).await.unwrap();
            this.sock_sendall(&socket, b"x").await.unwrap();
        }
        drop(listener);
        let error = this.sock_connect(&new(), ("127.0.0.1", port)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert!(this.reactor().is_empty());
    });
}

#[test]
fn a_socket_that_was_reported_before_is_not_taken_for_connected() {
    run(|this| async move {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        let socket = Socket::new(socket).unwrap();
        // Not connected: an error at once, or a registration and a report that it may be written to.
        let error = this.sock_recv(&socket, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        settle().await;
        this.sock_connect(&socket, listener.local_addr().unwrap()).await.unwrap();
        this.sock_sendall(&socket, b"x").await.unwrap();
    });
}

#[cfg(unix)]
#[test]
fn unix_sockets_connect_and_accept_by_path() {
    run(|this| async move {
        let path = fresh_path("listener");
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let client = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let (accepted, connected) = join!(this.sock_accept(&listener), this.sock_connect(&client, path.as_path()));
        connected.unwrap();
        let (server, from) = accepted.unwrap();
        assert_eq!(from, Address::Unnamed);
        this.sock_sendall(&server, b"x").await.unwrap();
        assert_eq!(this.sock_recv(&client, 9).await.unwrap(), b"x");
        std::fs::remove_file(&path).unwrap();
        let error = this.sock_connect(&client, path.as_path()).await.unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotConnected) || error.raw_os_error().is_some()
        );
        let error = this.sock_connect(&client, ("localhost", 1)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn accepted_connections_are_nonblocking_and_come_with_their_address() {
    run(|this| async move {
        let listener = Socket::new(TcpListener::bind("127.0.0.1:0").unwrap()).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        let clients: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
        for client in &clients {
            let (server, from) = this.sock_accept(&listener).await.unwrap();
            assert_eq!(from.as_inet(), Some(client.local_addr().unwrap()));
            let server: TcpStream = server;
            let error = (&server).read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
        }
    });
}

#[cfg(unix)]
#[test]
fn datagrams_come_with_their_sender() {
    run(|this| async move {
        let socket = |_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        };
        let [near, far] = [0, 1].map(socket);
        let (here, there) = (near.local_addr().unwrap(), far.local_addr().unwrap());
        let mut buffer = [0; 4];
        for keep in [false, true] {
            let far = Socket::new(&far).unwrap();
            let receive = async {
                let first =
                    if keep { this.sock_recvfrom(&far, 9).await } else { this.sock_recvfrom(far.get_ref(), 9).await };
                assert_eq!(first.unwrap(), (b"first".to_vec(), here.into()));
                // Both are there at once, and a short read of one is not the end of all.
                assert_eq!(this.sock_recvfrom_into(&far, &mut buffer).await.unwrap(), (4, here.into()));
                assert_eq!(&buffer, b"seco");
                assert_eq!(this.sock_recvfrom_into(&far, &mut buffer).await.unwrap(), (0, here.into()));
                assert_eq!(this.sock_recv(&far, 9).await.unwrap(), b"last");
            };
            let send = async {
                settle().await;
                assert_eq!(this.sock_sendto(&near, b"first", there).await.unwrap(), 5);
                assert_eq!(this.sock_sendto(&near, b"second", ("127.0.0.1", there.port())).await.unwrap(), 6);
                assert_eq!(this.sock_sendto(&near, b"", ("localhost", there.port())).await.unwrap(), 0);
                this.sock_connect(&near, there).await.unwrap();
                this.sock_sendall(&near, b"last").await.unwrap();
            };
            join!(receive, send);
        }
    });
}

#[cfg(unix)]
#[test]
fn a_datagram_waits_for_a_unix_receiver_that_is_full() {
    run(|this| async move {
        let path = fresh_path("full");
        let receiver = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
        let sender = std::os::unix::net::UnixDatagram::unbound().unwrap();
        receiver.set_nonblocking(true).unwrap();
        sender.set_nonblocking(true).unwrap();
        let mut sent = 0;
        while sender.send_to(b"fill", &path).is_ok() {
            sent += 1;
        }
        let task = {
            let (this, path) = (this.clone(), path.clone());
            create_task(async move { this.sock_sendto(&sender, b"late", path).await.unwrap() })
        };
        settle().await;
        assert!(!task.done());
        for _ in 0..sent {
            assert_eq!(this.sock_recv(&receiver, 9).await.unwrap(), b"fill");
        }
        assert_eq!(this.sock_recv(&receiver, 9).await.unwrap(), b"late");
        assert_eq!(task.await, 4);
        std::fs::remove_file(&path).unwrap();
    });
}

#[cfg(unix)]
#[test]
fn resets_and_broken_pipes_are_errors() {
    run(|this| async move {
        for keep in [false, true] {
            let (near, far) = tcp_pair();
            socket2::SockRef::from(&far).set_linger(Some(Duration::ZERO)).unwrap();
            let task = {
                let this = this.clone();
                create_task(async move {
                    if keep {
                        this.sock_recv(&Socket::new(near).unwrap(), 9).await
                    } else {
                        this.sock_recv(&near, 9).await
                    }
                })
            };
            settle().await;
            drop(far);
            assert_eq!(task.await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        let (near, far) = unix_pair();
        drop(far);
        assert_eq!(this.sock_sendall(&near, b"x").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        // While it waits for room.
        let (near, far) = unix_pair();
        let send = async {
            let all = vec![0; 10_000_000];
            this.sock_sendall(&near, &all).await.unwrap_err().kind()
        };
        let close = async {
            settle().await;
            drop(far);
        };
        let (kind, ()) = join!(send, close);
        assert!(matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{kind:?}");
        assert!(this.reactor().is_empty());
    });
}

#[cfg(unix)]
#[test]
fn a_descriptor_that_somebody_else_watches_is_refused() {
    run(|this| async move {
        let (near, far) = unix_pair();
        this.add_reader(&near, || {}).unwrap();
        let error = this.sock_recv(&near, 1).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("add_reader"), "{error}");
        // What is there already needs no registration.
        (&far).write_all(b"x").unwrap();
        assert_eq!(this.sock_recv(&near, 1).await.unwrap(), b"x");
        assert!(this.remove_reader(&near));
        // Nothing is left of a call that is over.
        join!(async { assert_eq!(this.sock_recv(&near, 1).await.unwrap(), b"y") }, async {
            settle().await;
            (&far).write_all(b"y").unwrap();
        });
        this.add_reader(&near, || {}).unwrap();
        assert!(this.remove_reader(&near));
    });
}

#[test]
fn a_kept_socket_serves_one_loop_after_the_other() {
    let (near, far) = tcp_pair();
    let far = Socket::new(far).unwrap();
    for _ in 0..3 {
        run(|this| {
            let (near, far) = (&near, &far);
            async move {
                join!(async { assert_eq!(this.sock_recv(far, 1).await.unwrap(), b"x") }, async {
                    settle().await;
                    this.sock_sendall(near, b"x").await.unwrap();
                });
            }
        });
    }
}

#[test]
fn an_end_that_comes_along_with_the_last_bytes_is_found() {
    run(|this| async move {
        for waits in [false, true] {
            let (near, far) = tcp_pair();
            let far = Socket::new(far).unwrap();
            // Registered, and known to have nothing.
            let ((), first) = join!(
                async {
                    settle().await;
                    this.sock_sendall(&near, b"first").await.unwrap();
                },
                this.sock_recv(&far, 64)
            );
            assert_eq!(first.unwrap(), b"first");
            let end = async {
                if waits {
                    settle().await;
                }
                this.sock_sendall(&near, b"last").await.unwrap();
                drop(near);
            };
            let receive = async {
                assert_eq!(this.sock_recv(&far, 64).await.unwrap(), b"last");
                assert_eq!(this.sock_recv(&far, 64).await.unwrap(), b"");
                assert_eq!(this.sock_recv(&far, 64).await.unwrap(), b"", "the end stays");
            };
            join!(end, receive);
        }
    });
}
