//! Reads of a stream, against CPython's rules and a model.

use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};

use asyncio_net::{ReadError, StreamReader, StreamWriter, open_connection};
use futures_util::{StreamExt, future::poll_immediate};
use proptest::prelude::*;

use crate::support::{reset_on_close, run, turns};

async fn stream(limit: usize) -> (StreamReader, StreamWriter, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (reader, writer) = open_connection(listener.local_addr().unwrap()).limit(limit).await.unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_nodelay(true).unwrap();
    (reader, writer, peer)
}

/// A stream that consists of these bytes, and of which nothing has arrived yet.
async fn stream_of(limit: usize, data: &[u8]) -> (StreamReader, StreamWriter) {
    let (reader, writer, mut peer) = stream(limit).await;
    peer.write_all(data).unwrap();
    (reader, writer)
}

#[test]
fn read_returns_what_there_is_and_nothing_at_the_end() {
    run(async {
        let (mut reader, _writer) = stream_of(10, b"line1\nline2").await;
        assert_eq!(reader.read(0).await.unwrap(), b"");
        assert_eq!(reader.read(5).await.unwrap(), b"line1");
        assert!(!reader.at_eof());
        assert_eq!(reader.read(100).await.unwrap(), b"\nline2", "the limit does not count here");
        assert_eq!(reader.read(100).await.unwrap(), b"");
        assert!(reader.at_eof());
    });
}

#[test]
fn read_waits_for_data() {
    run(async {
        let (mut reader, _writer, mut peer) = stream(10).await;
        assert!(poll_immediate(reader.read(9)).await.is_none());
        peer.write_all(b"data").unwrap();
        assert_eq!(reader.read(9).await.unwrap(), b"data");
    });
}

#[test]
fn read_to_end_exceeds_the_limit() {
    run(async {
        let (mut reader, _writer, mut peer) = stream(10).await;
        let sender = std::thread::spawn(move || peer.write_all(&[6; 3_000_000]).unwrap());
        assert_eq!(reader.read_to_end().await.unwrap(), vec![6; 3_000_000]);
        sender.join().unwrap();
        assert_eq!(reader.read_to_end().await.unwrap(), b"");
    });
}

#[test]
fn readexactly_counts_exceeds_the_limit_and_tells_what_is_missing() {
    run(async {
        let (mut reader, _writer, mut peer) = stream(3).await;
        let sender = std::thread::spawn(move || peer.write_all(&[6; 1_000_003]).unwrap());
        assert_eq!(reader.readexactly(0).await.unwrap(), b"");
        assert_eq!(reader.readexactly(1_000_000).await.unwrap(), vec![6; 1_000_000]);
        let error = reader.readexactly(5).await.unwrap_err().incomplete().unwrap();
        assert_eq!((error.partial, error.expected), (vec![6; 3], Some(5)));
        assert!(reader.at_eof(), "what there was is gone");
        sender.join().unwrap();
    });
}

#[test]
fn readline_gives_lines_and_the_rest_at_the_end() {
    run(async {
        let (mut reader, _writer) = stream_of(100, b"one\n\ntwo\nthree").await;
        assert_eq!(reader.readline().await.unwrap(), b"one\n");
        assert_eq!(reader.readline().await.unwrap(), b"\n");
        assert_eq!(reader.read(1).await.unwrap(), b"t");
        assert_eq!(reader.readline().await.unwrap(), b"wo\n");
        assert_eq!(reader.readline().await.unwrap(), b"three");
        assert_eq!(reader.readline().await.unwrap(), b"");
    });
}

#[test]
fn an_overlong_line_is_dropped_alone_if_it_is_whole() {
    run(async {
        let (mut reader, _writer) = stream_of(3, b"line1\nabc\nli\n").await;
        turns().await;
        let error = reader.readline().await.unwrap_err();
        let ReadError::LimitOverrun(overrun) = error else { panic!("{error}") };
        assert_eq!((overrun.consumed, overrun.found), (5, true));
        assert_eq!(reader.readline().await.unwrap(), b"abc\n", "a line at the limit is fine");
        assert_eq!(reader.readline().await.unwrap(), b"li\n");
    });
}

#[test]
fn an_overlong_line_that_is_not_whole_is_dropped_with_all_there_is() {
    run(async {
        let (mut reader, _writer, mut peer) = stream(3).await;
        peer.write_all(b"line1").unwrap();
        turns().await;
        let error = std::io::Error::from(reader.readline().await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        peer.write_all(b"ab\n").unwrap();
        assert_eq!(reader.readline().await.unwrap(), b"ab\n");
    });
}

#[test]
fn readuntil_leaves_the_data_when_the_limit_is_exceeded() {
    run(async {
        let (mut reader, _writer, mut peer) = stream(6).await;
        peer.write_all(b"some dataAA").unwrap();
        turns().await;
        let error = reader.readuntil(b"AAA").await.unwrap_err();
        let ReadError::LimitOverrun(overrun) = error else { panic!("{error}") };
        assert_eq!((overrun.consumed, overrun.found), (9, false));
        peer.write_all(b"A").unwrap();
        drop(peer);
        turns().await;
        let error = reader.readuntil(b"AAA").await.unwrap_err();
        let ReadError::LimitOverrun(overrun) = error else { panic!("{error}") };
        assert_eq!((overrun.consumed, overrun.found), (9, true));
        assert_eq!(reader.readexactly(12).await.unwrap(), b"some dataAAA");
    });
}

#[test]
fn readuntil_tells_what_there_was_at_the_end() {
    run(async {
        let (mut reader, _writer) = stream_of(100, b"some dataAA").await;
        let error = reader.readuntil(b"AAA").await.unwrap_err();
        assert_eq!(error.to_string(), "the stream ended after 11 bytes of what was to end with a separator");
        let error = error.incomplete().unwrap();
        assert_eq!((error.partial.as_slice(), error.expected), (b"some dataAA".as_slice(), None));
        assert!(reader.at_eof());
    });
}

#[test]
fn of_several_separators_the_shortest_result_wins() {
    run(async {
        let separators = [b"A".as_slice(), b"ABC", b"longer separator"];
        let (mut reader, _writer) = stream_of(4, b"dataABCdlonger separator!").await;
        assert_eq!(reader.readuntil(&separators[1..]).await.unwrap(), b"dataABC");
        assert_eq!(reader.readuntil(&separators).await.unwrap(), b"dlonger separator");
        let (mut reader, _writer) = stream_of(100, b"xABC").await;
        assert_eq!(reader.readuntil(&separators).await.unwrap(), b"xA");
    });
}

#[test]
#[should_panic = "needs a separator of at least one byte"]
fn an_empty_separator_is_refused() {
    run(async {
        let (mut reader, _writer, _peer) = stream(10).await;
        let _ = reader.readuntil(b"").await;
    });
}

#[test]
#[should_panic = "at least one byte"]
fn a_limit_of_zero_is_refused() {
    let _ = open_connection("127.0.0.1:1").limit(0);
}

#[test]
fn every_read_raises_the_error_of_the_connection() {
    run(async {
        let (mut reader, _writer, mut peer) = stream(100).await;
        assert!(poll_immediate(reader.readline()).await.is_none());
        peer.write_all(b"no newline").unwrap();
        turns().await;
        reset_on_close(&peer);
        drop(peer);
        let error = std::io::Error::from(reader.readline().await.unwrap_err());
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        for _ in 0..2 {
            assert_eq!(reader.read(1).await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
        assert!(matches!(reader.readexactly(1).await, Err(ReadError::Io(_))));
        assert!(reader.read_to_end().await.is_err());
    });
}

#[test]
fn a_read_that_is_dropped_loses_nothing() {
    run(async {
        let (mut reader, _writer, mut peer) = stream(100).await;
        for piece in [b"a".as_slice(), b"b", b"c"] {
            assert!(poll_immediate(reader.readline()).await.is_none());
            assert!(poll_immediate(reader.readexactly(10)).await.is_none());
            assert!(poll_immediate(reader.readuntil(b"--")).await.is_none());
            assert!(poll_immediate(reader.read_to_end()).await.is_none());
            peer.write_all(piece).unwrap();
            turns().await;
        }
        drop(peer);
        assert_eq!(reader.readline().await.unwrap(), b"abc");
    });
}

#[test]
fn lines_are_a_stream() {
    run(async {
        let (mut reader, _writer) = stream_of(100, b"one\ntwo\nthree").await;
        assert_eq!(reader.lines().next().await.unwrap().unwrap(), b"one\n");
        let rest: Vec<_> = StreamExt::map(reader.lines(), Result::unwrap).collect().await;
        assert_eq!(rest, [b"two\n".to_vec(), b"three".to_vec()]);
    });
}

#[test]
fn it_reads_as_the_traits_of_futures_say() {
    run(async {
        let (mut reader, _writer) = stream_of(100, b"one\ntwo\nthree").await;
        use futures_util::{AsyncBufReadExt, AsyncReadExt};
        let mut line = String::new();
        AsyncBufReadExt::read_line(&mut reader, &mut line).await.unwrap();
        assert_eq!(line, "one\n");
        let mut four = [0; 4];
        AsyncReadExt::read_exact(&mut reader, &mut four).await.unwrap();
        assert_eq!(&four, b"two\n");
        let mut rest = String::new();
        AsyncReadExt::read_to_string(&mut reader, &mut rest).await.unwrap();
        assert_eq!(rest, "three");
    });
}

#[test]
fn a_reader_that_is_dropped_while_much_arrives_holds_nothing_up() {
    run(async {
        let (reader, writer, mut peer) = stream(10).await;
        let sender = asyncio::to_thread(move || peer.write_all(&[6; 3_000_000]).unwrap());
        turns().await;
        drop(reader);
        sender.await;
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

/// What to ask of a stream.
#[derive(Clone, Debug)]
enum Ask {
    Read(usize),
    Exactly(usize),
    Line,
    Until(Vec<Vec<u8>>),
}

fn ask() -> impl Strategy<Value = Ask> {
    let separator = proptest::collection::vec(0u8..3, 1..4);
    prop_oneof![
        (1usize..30).prop_map(Ask::Read),
        (0usize..30).prop_map(Ask::Exactly),
        Just(Ask::Line),
        proptest::collection::vec(separator, 1..3).prop_map(Ask::Until),
    ]
}

/// Where the shortest prefix ends that has one of these as its end.
fn shortest(data: &[u8], separators: &[Vec<u8>]) -> Option<usize> {
    (0..=data.len()).find(|&end| separators.iter().any(|separator| data[..end].ends_with(separator)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However the bytes are cut on their way, whatever reads are dropped in between, what is read is as if all had been there.
    #[test]
    fn reads_do_not_depend_on_how_the_bytes_arrive(
        pieces in proptest::collection::vec(proptest::collection::vec(prop_oneof![0u8..3, Just(b'\n')], 1..20), 0..20),
        asks in proptest::collection::vec(ask(), 1..20),
    ) {
        run(async {
            let (mut reader, _writer, mut peer) = stream(10_000).await;
            let mut model = pieces.concat();
            let mut pieces = pieces.into_iter();
            let mut peer_open = true;
            for ask in asks {
                let mut result = loop {
                    let polled = match &ask {
                        Ask::Read(n) => poll_immediate(reader.read(*n)).await.map(|read| read.map_err(ReadError::Io)),
                        Ask::Exactly(n) => poll_immediate(reader.readexactly(*n)).await,
                        Ask::Line => poll_immediate(reader.readline()).await,
                        Ask::Until(separators) => {
                            let separators: Vec<&[u8]> = separators.iter().map(Vec::as_slice).collect();
                            poll_immediate(reader.readuntil(&separators[..])).await
                        }
                    };
                    if let Some(result) = polled {
                        break result;
                    }
                    match pieces.next() {
                        Some(piece) => peer.write_all(&piece).unwrap(),
                        None if peer_open => {
                            peer.shutdown(std::net::Shutdown::Write).unwrap();
                            peer_open = false;
                        }
                        None => {}
                    }
                    turns().await;
                };
                let (expected, whole) = match &ask {
                    Ask::Read(n) => {
                        // Any prefix that is not empty, unless there is nothing more.
                        let got = result.as_ref().unwrap().len();
                        assert!(got <= *n && (got > 0 || model.is_empty()));
                        (got, true)
                    }
                    Ask::Exactly(n) => (model.len().min(*n), model.len() >= *n),
                    Ask::Line => (shortest(&model, &[b"\n".to_vec()]).unwrap_or(model.len()), true),
                    Ask::Until(separators) => {
                        let end = shortest(&model, separators);
                        (end.unwrap_or(model.len()), end.is_some())
                    }
                };
                let expected: Vec<u8> = model.drain(..expected).collect();
                if !whole {
                    result = Ok(result.unwrap_err().incomplete().unwrap().partial);
                }
                assert_eq!(result.unwrap(), expected);
            }
        });
    }
}

#[test]
fn a_pending_read_says_what_the_task_waits_for() {
    run(async {
        let (mut reader, _writer, _peer) = stream(10).await;
        let task = asyncio::create_task(async move { reader.readline().await.map(drop) });
        turns().await;
        assert!(format!("{:?}", task.handle()).contains("data of a stream"), "{:?}", task.handle());
    });
}
