//! Calls on sockets that are cancelled: whatever they waited for, the socket goes on, and nothing is left behind.

use std::net::{TcpListener, TcpStream, UdpSocket};

use asyncio_event_loop::EventLoop;
use asyncio_executor::{Task, create_task};
use asyncio_net::{AsSocket, LoopSockets, Socket};

use crate::loopback::{run, settle, tcp_pair};

/// Cancels a task and waits for its end.
async fn cancel<T: 'static>(task: Task<T>) {
    assert!(!task.done(), "it does not wait");
    task.cancel();
    settle().await;
    assert!(task.cancelled());
}

#[test]
fn a_call_that_is_cancelled_leaves_nothing_behind() {
    run(|this| async move {
        let (near, far) = tcp_pair();
        for _ in 0..3 {
            let (this2, near2) = (this.clone(), near.try_clone().unwrap());
            let task = create_task(async move { this2.sock_recv(&near2, 9).await });
            settle().await;
            assert_eq!(this.reactor().len(), 1);
            cancel(task).await;
            assert!(this.reactor().is_empty());
            let (this2, near2) = (this.clone(), near.try_clone().unwrap());
            let task = create_task(async move { this2.sock_recv_into(&near2, &mut [0; 9]).await });
            settle().await;
            cancel(task).await;
            assert!(this.reactor().is_empty());
        }
        this.sock_sendall(&far, b"x").await.unwrap();
        assert_eq!(this.sock_recv(&near, 9).await.unwrap(), b"x");
        // One that has no room to write.
        let (this2, near2) = (this.clone(), near.try_clone().unwrap());
        let task = create_task(async move { this2.sock_sendall(&near2, &vec![1; 20_000_000]).await });
        settle().await;
        cancel(task).await;
        assert!(this.reactor().is_empty());
    });
}

/// A cancelled call and another on the same socket, in every order in which they may be made and cancelled.
async fn race(this: &EventLoop, near: std::rc::Rc<impl AsSocket + 'static>, far: &TcpStream) {
    let read = || {
        let (this, near) = (this.clone(), near.clone());
        create_task(async move { this.sock_recv(&*near, 1).await.unwrap() })
    };
    for cancelled in 0..3 {
        for settles in [false, true] {
            let mut tasks: Vec<_> = (0..3).map(|_| Some(read())).collect();
            settle().await;
            let victim = tasks[cancelled].take().unwrap();
            victim.cancel();
            if settles {
                settle().await;
            }
            this.sock_sendall(far, b"ab").await.unwrap();
            let mut got = Vec::new();
            for task in tasks.into_iter().flatten() {
                got.extend(task.await);
            }
            assert_eq!(got, b"ab", "task {cancelled} was cancelled");
            assert!(victim.cancelled());
        }
    }
}

#[test]
fn a_cancelled_call_does_not_disturb_another_on_the_same_socket() {
    run(|this| async move {
        let (near, far) = tcp_pair();
        race(&this, std::rc::Rc::new(near), &far).await;
        assert!(this.reactor().is_empty());
        let (near, far) = tcp_pair();
        race(&this, std::rc::Rc::new(Socket::new(near).unwrap()), &far).await;
        assert!(this.reactor().is_empty());
    });
}

#[test]
fn a_call_that_is_woken_and_cancelled_in_one_turn_passes_the_readiness_on() {
    run(|this| async move {
        let (near, far) = tcp_pair();
        let near = std::rc::Rc::new(Socket::new(near).unwrap());
        let read = || {
            let (this, near) = (this.clone(), near.clone());
            create_task(async move { this.sock_recv(&*near, 1).await.unwrap() })
        };
        let (first, second) = (read(), read());
        settle().await;
        // The bytes are there, the loop knows it, and the first in line is on its way.
        this.sock_sendall(&far, b"z").await.unwrap();
        asyncio_executor::yield_now().await;
        first.cancel();
        if first.done() && !first.cancelled() {
            this.sock_sendall(&far, b"z").await.unwrap();
        }
        assert_eq!(second.await, b"z");
    });
}

#[test]
fn readers_and_writers_do_not_disturb_each_other() {
    run(|this| async move {
        let (near, far) = tcp_pair();
        let near = std::rc::Rc::new(near);
        let (this2, near2) = (this.clone(), near.clone());
        let read = create_task(async move { this2.sock_recv(&*near2, 9).await.unwrap() });
        let (this2, near2) = (this.clone(), near.clone());
        let write = create_task(async move { this2.sock_sendall(&*near2, &vec![1; 20_000_000]).await });
        settle().await;
        assert_eq!(this.reactor().len(), 1, "one registration serves both");
        cancel(write).await;
        this.sock_sendall(&far, b"x").await.unwrap();
        assert_eq!(read.await, b"x");
        assert!(this.reactor().is_empty());
    });
}

#[test]
fn no_connection_is_lost_with_a_cancelled_accept() {
    run(|this| async move {
        let listener = std::rc::Rc::new(TcpListener::bind("127.0.0.1:0").unwrap());
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        for turns in 0..6 {
            let (this2, listener2) = (this.clone(), listener.clone());
            let task = create_task(async move { this2.sock_accept(&*listener2).await.unwrap() });
            settle().await;
            let client = TcpStream::connect(address).unwrap();
            for _ in 0..turns {
                asyncio_executor::yield_now().await;
            }
            task.cancel();
            settle().await;
            let from = if task.cancelled() {
                assert!(this.reactor().is_empty());
                this.sock_accept(&*listener).await.unwrap().1
            } else {
                task.await.1
            };
            assert_eq!(from.as_inet(), Some(client.local_addr().unwrap()));
        }
    });
}

#[test]
fn a_cancelled_connect_can_be_made_again() {
    run(|this| async move {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        for keep in [false, true] {
            let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let connect = async |again: bool| {
                if keep {
                    this.sock_connect(&Socket::new(&socket).unwrap(), address).await
                } else {
                    this.sock_connect(&socket, address).await
                }
                .unwrap_or_else(|error| panic!("again: {again}, keep: {keep}: {error}"));
            };
            {
                let mut first = Box::pin(connect(false));
                let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(first.as_mut().poll(cx))).await;
                drop(first);
                if polled.is_pending() {
                    assert!(this.reactor().is_empty());
                    connect(true).await;
                }
            }
            this.sock_sendall(&socket, b"x").await.unwrap();
        }
    });
}

#[test]
fn a_cancelled_receive_of_datagrams_loses_none() {
    run(|this| async move {
        let near = std::rc::Rc::new(UdpSocket::bind("127.0.0.1:0").unwrap());
        near.set_nonblocking(true).unwrap();
        let (this2, near2) = (this.clone(), near.clone());
        let task = create_task(async move { this2.sock_recvfrom(&*near2, 9).await });
        settle().await;
        near.send_to(b"x", near.local_addr().unwrap()).unwrap();
        task.cancel();
        settle().await;
        assert!(task.cancelled());
        assert!(this.reactor().is_empty());
        assert_eq!(this.sock_recvfrom(&*near, 9).await.unwrap().0, b"x");
    });
}
