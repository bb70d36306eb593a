//! Files through TLS, which are always copied.

use std::io::{ErrorKind, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};

use asyncio::create_task;
use asyncio_net::{SendfileNotAvailableError, sendfile, start_tls};

use super::peer::{client, connected, until};
use crate::sendfile::{content, file};
use crate::support::{Recorder, run, turns};

const LENGTH: usize = 3_000_000;

/// More than the kernel takes while the other end does not read.
const MUCH: usize = 20_000_000;

#[test]
fn a_part_of_a_file_arrives_between_what_is_written_before_and_after() {
    run(async {
        let data = content(LENGTH);
        for (offset, count) in [(0, None), (1000, Some(100)), (7, Some(2_000_000)), (LENGTH + 1, None)] {
            let (transport, _protocol, mut peer) = connected(Recorder::default()).await;
            let mut file = file(&data);
            file.seek(SeekFrom::Start(77)).unwrap();
            let (before, after) = (b"zxcvbnm".repeat(200_000), b"0987654321".repeat(1024));
            let part = &data[offset.min(LENGTH)..count.map_or(LENGTH, |count| offset + count)];
            let expected = [&before, part, &after].concat();
            let sender = file.try_clone().unwrap();
            let task = create_task(async move {
                transport.write(before);
                let sent = sendfile(&transport, &sender, offset as u64, count.map(|count| count as u64)).await;
                transport.write(after);
                sent
            });
            peer.until(|peer| peer.received.len() >= expected.len()).await.unwrap();
            assert!(peer.received == expected);
            assert_eq!(task.await.unwrap(), part.len() as u64);
            assert_eq!(file.stream_position().unwrap(), (offset + part.len()) as u64);
        }
    });
}

#[test]
fn without_copying_it_is_not_available() {
    run(async {
        let mut file = file(b"content");
        file.seek(SeekFrom::Start(3)).unwrap();
        let (transport, _protocol, mut peer) = connected(Recorder::default()).await;
        let error = sendfile(&transport, &file, 0, None).fallback(false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.get_ref().unwrap().is::<SendfileNotAvailableError>());
        assert!(transport.is_reading());
        transport.write(b"written");
        peer.until(|peer| peer.received == b"written").await.unwrap();
        assert_eq!(file.stream_position().unwrap(), 3);
        transport.close();
        let error = sendfile(&transport, &file, 0, None).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotConnected);
    });
}

#[test]
fn nothing_is_written_read_or_started_meanwhile() {
    run(async {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        let sender = transport.clone();
        let task = create_task(async move { sendfile(&sender, &file(&content(MUCH)), 0, None).await });
        peer.write(b"hello");
        turns().await;
        assert!(protocol.data.borrow().is_empty() && !task.done());
        assert!(catch_unwind(AssertUnwindSafe(|| transport.write(b"x"))).is_err());
        let error = start_tls(&transport, protocol.clone(), client()).server_hostname("localhost").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ResourceBusy);
        peer.until(|peer| peer.received.len() == MUCH).await.unwrap();
        assert_eq!(task.await.unwrap(), MUCH as u64);
        until(|| *protocol.data.borrow() == b"hello").await;
    });
}

#[test]
fn the_other_end_may_close_when_it_has_everything() {
    run(async {
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        let task = create_task(async move { sendfile(&transport, &file(&content(LENGTH)), 0, None).await });
        peer.until(|peer| peer.received.len() == LENGTH).await.unwrap();
        peer.send_close_notify();
        assert_eq!(task.await.unwrap(), LENGTH as u64);
        drop(peer);
        protocol.lost.clone().await;
    });
}

#[test]
fn the_other_end_that_closes_in_the_middle_is_an_error_and_the_position_shows_the_progress() {
    run(async {
        let mut file = file(&content(MUCH));
        let (transport, protocol, mut peer) = connected(Recorder::default()).await;
        let sender = file.try_clone().unwrap();
        let task = create_task(async move { sendfile(&transport, &sender, 0, None).await });
        peer.until(|peer| peer.received.len() > 100_000).await.unwrap();
        let received = peer.received.len() as u64;
        drop(peer);
        let error = task.await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        let position = file.stream_position().unwrap();
        assert!(position >= received && position < MUCH as u64, "{position}");
        protocol.lost.clone().await;
    });
}
