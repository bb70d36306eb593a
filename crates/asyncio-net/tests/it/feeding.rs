//! Readers that are fed by hand: what each read gives, however the bytes are cut.

use std::io::{self, ErrorKind};

use asyncio_net::{ReadError, StreamReader};
use proptest::prelude::*;

use crate::support::{run, turns};

#[test]
fn nothing_is_no_data_and_a_read_of_nothing_takes_nothing() {
    run(async {
        let (feeder, mut reader) = StreamReader::fed(10);
        feeder.feed_data(b"");
        assert!(!reader.at_eof());
        feeder.feed_data(b"data");
        assert_eq!(reader.read(0).await.unwrap(), b"");
        assert_eq!(reader.readexactly(0).await.unwrap(), b"");
        assert_eq!(reader.read(100).await.unwrap(), b"data");
        feeder.feed_eof();
        assert!(reader.at_eof());
        assert_eq!(reader.read(100).await.unwrap(), b"");
    });
}

#[test]
fn the_text_of_a_reader_says_what_it_holds_its_limit_its_end_and_its_error() {
    run(async {
        let (feeder, mut reader) = StreamReader::fed(123);
        assert_eq!(format!("{reader:?}"), "StreamReader { buffered: 0, at_eof: false, limit: 123 }");
        feeder.feed_data(b"data");
        assert_eq!(format!("{reader:?}"), "StreamReader { buffered: 4, at_eof: false, limit: 123 }");
        assert_eq!(reader.readexactly(4).await.unwrap(), b"data");
        feeder.feed_eof();
        assert_eq!(format!("{reader:?}"), "StreamReader { buffered: 0, at_eof: true, limit: 123 }");
        let (feeder, reader) = StreamReader::fed(123);
        feeder.set_exception(io::Error::other("the cable was cut"));
        let text = format!("{reader:?}");
        assert!(text.contains("error: ") && text.contains("the cable was cut"), "{text}");
    });
}

#[test]
fn an_error_wakes_the_reader_that_waits_and_is_told_each_time() {
    run(async {
        let (feeder, mut reader) = StreamReader::fed(10);
        let reading = asyncio::create_task(async move {
            let first = reader.read(1).await.unwrap_err();
            (first.kind(), reader)
        });
        turns().await;
        assert!(!reading.done());
        feeder.set_exception(io::Error::from(ErrorKind::HostUnreachable));
        let (kind, mut reader) = reading.await;
        assert_eq!(kind, ErrorKind::HostUnreachable);
        assert!(matches!(reader.readline().await, Err(ReadError::Io(error)) if error.kind() == kind));
        assert!(matches!(reader.readexactly(1).await, Err(ReadError::Io(error)) if error.kind() == kind));
    });
}

#[test]
fn an_error_after_the_reader_was_cancelled_harms_nobody() {
    run(async {
        let (feeder, mut reader) = StreamReader::fed(10);
        let reading = asyncio::create_task(async move { reader.readline().await });
        turns().await;
        reading.cancel();
        assert!(reading.join().await.is_err());
        feeder.set_exception(io::Error::from(ErrorKind::BrokenPipe));
        feeder.feed_data(b"nobody wants it");
        assert!(!feeder.is_full());
    });
}

#[test]
fn it_is_full_above_twice_the_limit_until_some_is_read() {
    run(async {
        let (feeder, mut reader) = StreamReader::fed(4);
        feeder.feed_data(b"12345678");
        assert!(!feeder.is_full());
        feeder.feed_data(b"9");
        assert!(feeder.is_full());
        assert_eq!(reader.read(1).await.unwrap(), b"1");
        assert!(!feeder.is_full());
    });
}

proptest! {
    /// Lines come out whole and in order, however they were cut, and with reads of other kinds between.
    #[test]
    fn lines_come_out_whole_however_they_are_cut(
        lines in proptest::collection::vec("[ab]{0,20}", 0..20),
        cuts in proptest::collection::vec(1usize..8, 0..200),
        counted in proptest::collection::vec(any::<bool>(), 20),
    ) {
        run(async {
            let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
            let (feeder, mut reader) = StreamReader::fed(20);
            let feeding = {
                let text = text.clone();
                asyncio::create_task(async move {
                    let mut rest = text.as_bytes();
                    for cut in cuts.into_iter().cycle().chain([usize::MAX]) {
                        if rest.is_empty() {
                            break;
                        }
                        let (now, later) = rest.split_at(cut.min(rest.len()));
                        feeder.feed_data(now);
                        rest = later;
                        if cut % 3 == 0 {
                            asyncio::yield_now().await;
                        }
                    }
                })
            };
            for (line, counted) in lines.iter().zip(counted) {
                let expected = format!("{line}\n");
                let got = match counted {
                    true => reader.readexactly(expected.len()).await.unwrap(),
                    false => reader.readline().await.unwrap(),
                };
                assert_eq!(got, expected.as_bytes());
            }
            assert_eq!(reader.read_to_end().await.unwrap(), b"");
            feeding.await;
        });
    }
}

#[test]
fn what_was_shown_and_not_consumed_is_there_for_every_read_before_what_came_later() {
    run(async {
        use futures_util::{AsyncBufReadExt, AsyncReadExt};
        let (feeder, mut reader) = StreamReader::fed(64);
        feeder.feed_data(b"one\ntwo");
        assert_eq!(reader.fill_buf().await.unwrap(), b"one\ntwo");
        reader.consume_unpin(1);
        assert_eq!(reader.fill_buf().await.unwrap(), b"ne\ntwo");
        feeder.feed_data(b"\nthree");
        assert_eq!(reader.fill_buf().await.unwrap(), b"ne\ntwo\nthree", "what came later is shown with it");
        feeder.feed_data(b"!");
        assert_eq!(reader.readline().await.unwrap(), b"ne\n");
        assert_eq!(reader.fill_buf().await.unwrap(), b"two\nthree!");
        let mut some = [0; 2];
        assert_eq!(AsyncReadExt::read(&mut reader, &mut some).await.unwrap(), 2);
        assert_eq!(&some, b"tw");
        assert_eq!(reader.fill_buf().await.unwrap(), b"o\nthree!");
        assert_eq!(reader.readexactly(3).await.unwrap(), b"o\nt");
        drop(feeder);
        assert_eq!(reader.fill_buf().await.unwrap(), b"hree!");
        assert!(!reader.at_eof(), "it is shown, and was not read");
        assert_eq!(reader.read_to_end().await.unwrap(), b"hree!");
        assert!(reader.at_eof());
        assert_eq!(reader.fill_buf().await.unwrap(), b"");
    });
}
