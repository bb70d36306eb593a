//! Files over transports: what arrives, where the file stands, and what the connection can do meanwhile and afterwards.

use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use asyncio::create_task;
use asyncio_net::{
    AsSocket, LoopSockets, SendfileNotAvailableError, Transport, connect_write_pipe, create_connection,
    open_connection, sendfile,
};

use futures_util::{AsyncWriteExt, join};
use socket2::SockRef;

use crate::loopback::unix_pair;
use crate::sendfile::{content, file, pipe, receive_all};
use crate::support::{Recorder, connected, run, turns, until};

/// A connection that takes little at a time.
async fn narrow() -> (Transport, Rc<Recorder>, UnixStream) {
    let (near, far) = unix_pair();
    SockRef::from(&near).set_send_buffer_size(32 * 1024).unwrap();
    let (transport, protocol) = create_connection(Recorder::default, near).await.unwrap();
    (transport, protocol, far)
}

async fn read_some(peer: &impl AsSocket) -> std::io::Result<Vec<u8>> {
    asyncio::get_running_loop().sock_recv(peer, 64 * 1024).await
}

async fn read_to_end(peer: &impl AsSocket) -> Vec<u8> {
    receive_all(&asyncio::get_running_loop(), peer).await
}

/// A file that has to be copied: a pipe that a thread writes to.
fn streaming(data: &[u8]) -> File {
    let (reader, mut writer) = std::io::pipe().unwrap();
    let data = data.to_vec();
    // It fails if the reader goes first.
    std::thread::spawn(move || writer.write_all(&data));
    File::from(OwnedFd::from(reader))
}

/// Sends a file in a task.
fn sending(transport: &Transport, file: &File) -> asyncio::Task<std::io::Result<u64>> {
    let (transport, file) = (transport.clone(), file.try_clone().unwrap());
    create_task(async move { sendfile(&transport, &file, 0, None).await })
}

#[test]
fn a_part_of_a_file_arrives_between_what_is_written_before_and_after() {
    run(async {
        let data = content(1_000_001);
        let (before, after) = (b"PREFIX__".repeat(100_000), b"--SUFFIX".repeat(1024));
        for (offset, count) in
            [(0, None), (1000, Some(100)), (7, Some(900_000)), (1_000_000, Some(9)), (2_000_000, None)]
        {
            let (transport, _protocol, peer) = connected(Recorder::default()).await;
            let mut file = file(&data);
            file.seek(SeekFrom::Start(77)).unwrap();
            let begin = offset.min(data.len());
            let end = count.map_or(data.len(), |count| (offset + count).min(data.len())).max(begin);
            let send = async {
                transport.write(&before);
                let count = count.map(|count| count as u64);
                let this = asyncio::get_running_loop();
                let sent =
                    this.sendfile(&transport, &file, offset as u64, count).fallback(cfg!(not(target_os = "linux")));
                let sent = sent.await.unwrap();
                transport.write(&after);
                transport.close();
                sent
            };
            let (sent, received) = join!(send, read_to_end(&peer));
            assert_eq!(sent, (end - begin) as u64);
            assert!(received == [&before, &data[begin..end], &after].concat());
            assert_eq!(file.stream_position().unwrap(), (offset + end - begin) as u64);
        }
    });
}

#[test]
fn what_the_system_call_does_not_take_is_copied_if_that_is_allowed() {
    run(async {
        let data = content(1_000_000);
        let (transport, _protocol, peer) = narrow().await;
        let error = sendfile(&transport, &pipe(b"x"), 0, None).fallback(false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.get_ref().unwrap().is::<SendfileNotAvailableError>());
        let error = sendfile(&transport, &pipe(b"x"), 1, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let send = async {
            transport.write(b"before");
            assert_eq!(sendfile(&transport, &streaming(&data), 0, None).await.unwrap(), 1_000_000);
            transport.write(b"after");
            transport.close();
        };
        let ((), received) = join!(send, read_to_end(&peer));
        assert!(received == [b"before", &data[..], b"after"].concat());
    });
}

#[test]
fn a_connection_that_is_closed_or_goes_one_way_takes_no_file() {
    run(async {
        let mut file = file(b"content");
        file.seek(SeekFrom::Start(3)).unwrap();
        let (transport, protocol, _peer) = connected(Recorder::default()).await;
        let error = sendfile(&transport, &file, 0, Some(0)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        transport.write_eof();
        let error = sendfile(&transport, &file, 0, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
        transport.close();
        for _ in 0..2 {
            let error = sendfile(&transport, &file, 0, None).await.unwrap_err();
            assert_eq!((error.kind(), error.to_string().contains("is closed")), (ErrorKind::NotConnected, true));
            protocol.lost.clone().await;
        }
        let (_read, write) = std::io::pipe().unwrap();
        let (transport, _protocol) = connect_write_pipe(Recorder::default, write).await.unwrap();
        let error = sendfile(&transport, &file, 0, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(file.stream_position().unwrap(), 3);
    });
}

#[test]
fn nothing_else_is_written_meanwhile() {
    run(async {
        let data = content(1_000_000);
        for file in [file(&data), streaming(&data)] {
            let (near, far) = unix_pair();
            SockRef::from(&near).set_send_buffer_size(4096).unwrap();
            let (_reader, mut writer) = open_connection(near).await.unwrap();
            let transport = writer.transport().clone();
            let task = sending(&transport, &file);
            turns().await;
            let writes: [&dyn Fn(); 5] = [
                &|| transport.write(b"data"),
                &|| transport.write(b""),
                &|| transport.writelines([b"data"]),
                &|| transport.write_eof(),
                &|| writer.write(b"data"),
            ];
            for write in writes {
                let panic = catch_unwind(AssertUnwindSafe(write)).unwrap_err();
                assert!(panic.downcast_ref::<&str>().unwrap().contains("while a file is sent"));
            }
            let errors = [
                AsyncWriteExt::write(&mut writer, b"data").await.unwrap_err(),
                writer.write_eof().unwrap_err(),
                sendfile(&transport, &file, 0, None).await.unwrap_err(),
            ];
            assert!(errors.iter().all(|error| error.kind() == ErrorKind::ResourceBusy), "{errors:?}");
            let send = async {
                assert_eq!(task.await.unwrap(), 1_000_000);
                writer.write("and this");
                writer.write_eof().unwrap();
            };
            let ((), received) = join!(send, read_to_end(&far));
            assert!(received == [&data[..], b"and this"].concat());
        }
    });
}

#[test]
fn nothing_is_read_meanwhile_and_what_came_afterwards() {
    run(async {
        for paused in [false, true] {
            let (transport, protocol, mut peer) = narrow().await;
            if paused {
                transport.pause_reading();
            }
            let task = sending(&transport, &file(&content(500_000)));
            turns().await;
            peer.write_all(b"hello").unwrap();
            turns().await;
            assert!(!transport.is_reading() && protocol.data.borrow().is_empty());
            let mut received = 0;
            while received < 500_000 {
                received += read_some(&peer).await.unwrap().len();
            }
            task.await.unwrap();
            assert_eq!(transport.is_reading(), !paused);
            transport.resume_reading();
            until(|| *protocol.data.borrow() == b"hello").await;
        }
    });
}

#[test]
fn the_other_end_may_close_when_it_has_everything() {
    run(async {
        let mut file = file(&content(500_000));
        let (transport, protocol, peer) = narrow().await;
        let task = sending(&transport, &file);
        let mut received = 0;
        while received < 500_000 {
            received += read_some(&peer).await.unwrap().len();
        }
        drop(peer);
        assert_eq!(task.await.unwrap(), 500_000);
        assert_eq!(file.stream_position().unwrap(), 500_000);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "eof", "lost"]);
    });
}

#[test]
fn the_other_end_that_closes_in_the_middle_is_an_error_and_the_position_shows_the_progress() {
    run(async {
        let mut file = file(&content(5_000_000));
        let (transport, protocol, peer) = narrow().await;
        let task = sending(&transport, &file);
        let mut received = 0;
        while received < 100_000 {
            received += read_some(&peer).await.unwrap().len();
        }
        drop(peer);
        let error = task.await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        let position = file.stream_position().unwrap();
        assert!(position >= received as u64 && position < 5_000_000, "{position}");
        protocol.lost.clone().await;
        assert!(transport.is_closing());

        let (transport, protocol, peer) = narrow().await;
        let task = sending(&transport, &streaming(&content(5_000_000)));
        read_some(&peer).await.unwrap();
        drop(peer);
        let error = task.await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        protocol.lost.clone().await;
    });
}

#[test]
fn this_end_that_closes_in_the_middle_is_an_error() {
    run(async {
        for (before, abort) in [(0, true), (0, false), (5_000_000, true), (5_000_000, false)] {
            let mut file = file(&content(5_000_000));
            let (transport, protocol, peer) = narrow().await;
            transport.write(vec![0; before]);
            let task = sending(&transport, &file);
            turns().await;
            if abort {
                transport.abort()
            } else {
                transport.close()
            }
            let (outcome, received) = join!(task, read_to_end(&peer));
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ConnectionReset);
            protocol.lost.clone().await;
            let received = received.len();
            let position = file.stream_position().unwrap();
            match (before, abort) {
                (0, _) => assert!(position == received as u64 && received < 5_000_000, "{position} of {received}"),
                // What was written before is still sent, and then nothing.
                (_, false) => assert_eq!((received, position), (before, 0)),
                (_, true) => assert_eq!(position, 0),
            }
        }
    });
}

#[test]
fn who_is_cancelled_leaves_the_connection_open_and_the_position_right() {
    run(async {
        let data = content(5_000_000);
        let mut file = file(&data);
        let (transport, _protocol, peer) = narrow().await;
        let task = sending(&transport, &file);
        let mut received = Vec::new();
        while received.len() < 100_000 {
            received.extend(read_some(&peer).await.unwrap());
        }
        task.cancel();
        assert!(task.join().await.unwrap_err().cancelled().is_some());
        assert!(transport.is_reading());
        transport.write(b"after");
        transport.close();
        received.extend(read_to_end(&peer).await);
        let position = file.stream_position().unwrap() as usize;
        assert!(position < data.len());
        assert!(received == [&data[..position], b"after"].concat());
    });
}
