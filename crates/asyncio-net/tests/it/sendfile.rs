//! Files over sockets: what arrives, what is counted, and where the file stands afterwards.

use std::error::Error;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::UdpSocket;
use std::os::fd::OwnedFd;

use asyncio_event_loop::EventLoop;
use asyncio_executor::{create_task, yield_now};
use asyncio_net::{AsSocket, LoopSockets, SendfileNotAvailableError, Socket};
use futures_util::join;

use crate::loopback::{fresh_path, run, settle, tcp_pair, unix_pair};

/// A file with some bytes in it, and without a name.
pub fn file(data: &[u8]) -> File {
    let path = fresh_path("file");
    std::fs::write(&path, data).unwrap();
    let file = File::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    file
}

pub fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| (n * 7 % 253) as u8).collect()
}

/// A file that the system call does not take: a pipe, with `data` in it and its end closed.
pub fn pipe(data: &[u8]) -> File {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(data).unwrap();
    File::from(OwnedFd::from(reader))
}

pub async fn receive_all(this: &EventLoop, socket: &impl AsSocket) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let data = this.sock_recv(socket, 64 * 1024).await.unwrap();
        if data.is_empty() {
            return all;
        }
        all.extend(data);
    }
}

#[test]
fn the_file_arrives_and_its_position_is_behind_what_was_sent() {
    run(|this| async move {
        let data = content(3_000_000);
        for (offset, count) in [(0, None), (0, Some(5)), (1_000, None), (1_000, Some(2_500_000)), (2_999_999, Some(9))]
        {
            let mut file = file(&data);
            file.seek(SeekFrom::Start(77)).unwrap();
            let end = count.map_or(data.len(), |count| (offset + count).min(data.len()));
            let (near, far) = tcp_pair();
            let send = async {
                let near = Socket::new(near).unwrap();
                this.sock_sendfile(&near, &file, offset as u64, count.map(|count| count as u64)).fallback(false).await
            };
            let (sent, received) = join!(send, receive_all(&this, &far));
            assert_eq!(sent.unwrap(), (end - offset) as u64);
            assert!(received == data[offset..end]);
            assert_eq!(file.stream_position().unwrap(), end as u64);
        }
        assert!(this.reactor().is_empty());
    });
}

#[test]
fn an_empty_part_is_nothing_and_moves_nothing() {
    run(|this| async move {
        let (near, _far) = unix_pair();
        let empty = file(b"");
        assert_eq!(this.sock_sendfile(&near, &empty, 0, None).await.unwrap(), 0);
        let mut short = file(b"short");
        short.seek(SeekFrom::Start(2)).unwrap();
        assert_eq!(this.sock_sendfile(&near, &short, 100, None).await.unwrap(), 0);
        assert_eq!(short.stream_position().unwrap(), 2);
        let error = this.sock_sendfile(&near, &short, 0, Some(0)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn it_keeps_its_place_between_other_calls() {
    run(|this| async move {
        let (near, far) = tcp_pair();
        let data = content(200_000);
        let file = file(&data);
        let send = async {
            let near = Socket::new(near).unwrap();
            this.sock_sendall(&near, b"before").await.unwrap();
            this.sock_sendfile(&near, &file, 0, None).await.unwrap();
            this.sock_sendall(&near, b"after").await.unwrap();
        };
        let ((), received) = join!(send, receive_all(&this, &far));
        assert!(received == [b"before", &data[..], b"after"].concat());
    });
}

#[test]
fn what_the_system_does_not_take_is_copied_if_that_is_allowed() {
    run(|this| async move {
        let data = content(40_000);
        let (near, far) = unix_pair();
        let refused = pipe(&data);
        let error = this.sock_sendfile(&near, &refused, 0, None).fallback(false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        let inner = error.get_ref().unwrap().downcast_ref::<SendfileNotAvailableError>().unwrap();
        assert!(inner.source().is_some());
        let send = async {
            let near = near;
            assert_eq!(this.sock_sendfile(&near, &refused, 0, Some(30_000)).await.unwrap(), 30_000);
            // What was not wanted is still in the pipe.
            assert_eq!(this.sock_sendfile(&near, &refused, 0, None).await.unwrap(), 10_000);
            let error = this.sock_sendfile(&near, &pipe(b"x"), 1, None).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        };
        let ((), received) = join!(send, receive_all(&this, &far));
        assert!(received == data);
    });
}

#[test]
fn only_streams_take_files() {
    run(|this| async move {
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        udp.set_nonblocking(true).unwrap();
        let error = this.sock_sendfile(&udp, &file(b"x"), 0, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn a_cancelled_one_says_how_far_it_got() {
    run(|this| async move {
        let data = content(5_000_000);
        let mut file = file(&data);
        let (near, far) = unix_pair();
        let (this2, file2) = (this.clone(), file.try_clone().unwrap());
        let task = create_task(async move { this2.sock_sendfile(&near, &file2, 1_000, None).await });
        let mut received = 0;
        while received < 100_000 {
            received += this.sock_recv(&far, 64 * 1024).await.unwrap().len();
            yield_now().await;
        }
        task.cancel();
        settle().await;
        assert!(task.cancelled());
        drop(task);
        received += receive_all(&this, &far).await.len();
        assert_eq!(file.stream_position().unwrap(), 1_000 + received as u64);
        assert!(received < data.len() - 1_000);
        assert!(this.reactor().is_empty());
    });
}

#[test]
fn a_peer_that_goes_away_is_an_error_and_the_position_shows_the_progress() {
    run(|this| async move {
        let mut file = file(&content(5_000_000));
        let (near, far) = unix_pair();
        let receive = async {
            let mut received = 0;
            while received < 100_000 {
                received += this.sock_recv(&far, 64 * 1024).await.unwrap().len();
            }
            drop(far);
            received
        };
        let (sent, received) = join!(async { this.sock_sendfile(&near, &file, 0, None).await }, receive);
        let error = sent.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        let position = file.stream_position().unwrap();
        assert!(position >= received as u64 && position < 5_000_000, "{position}");
        let mut next = [0];
        file.read_exact(&mut next).unwrap();
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_without_a_length_is_sent_nevertheless() {
    run(|this| async move {
        let expected = std::fs::read("/proc/version").unwrap();
        let file = File::open("/proc/version").unwrap();
        let (near, far) = unix_pair();
        let send = async {
            let near = near;
            this.sock_sendfile(&near, &file, 0, None).await.unwrap()
        };
        let (sent, received) = join!(send, receive_all(&this, &far));
        assert_eq!(received, expected);
        assert_eq!(sent, expected.len() as u64);
    });
}
