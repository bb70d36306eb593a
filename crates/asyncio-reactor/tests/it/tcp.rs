//! TCP, on every platform: what is waited for is told, and can then be had. Nothing here counts on when.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use asyncio_reactor::{Interest, Reactor, Ready, Source};

use crate::observer::{Observer, run, tcp_pair};

/// Polls until `attempt` does not have to wait any more. Who waits is the observer.
fn until<T>(reactor: &Reactor, observer: &Arc<Observer>, mut attempt: impl FnMut() -> Option<T>) -> T {
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        while observer.wakes() == 0 {
            reactor.poll(None).unwrap();
            run(reactor);
        }
    }
}

fn writes(observer: &Arc<Observer>, source: &Source, mut stream: &TcpStream, data: &[u8]) -> Option<usize> {
    match source.try_write(|| stream.write(data)) {
        Ok(count) => Some(count),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            assert!(!observer.polls_writable(source));
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The next report of a watch.
fn watched(reactor: &Reactor) -> (usize, bool, bool) {
    loop {
        match reactor.pop_ready() {
            Some(Ready::Watch { key, readable, writable }) => return (key, readable, writable),
            Some(ready) => panic!("a source: {ready:?}"),
            None => reactor.poll(None).unwrap(),
        }
    }
}

on_each_backend! {
    fn each_message_is_told_and_read(reactor: Reactor) {
        let (near, mut far) = tcp_pair();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        let mut buffer = [0; 8];
        for round in 0..20 {
            assert_eq!(reader.reads(&source, &near, &mut buffer), None, "round {round}");
            far.write_all(b"abc").unwrap();
            let mut got = 0;
            while got < 3 {
                got += until(reactor, &reader, || reader.reads(&source, &near, &mut buffer[got..3]));
            }
            assert_eq!(&buffer[..3], b"abc");
            assert_eq!(reader.reads(&source, &near, &mut buffer), None);
        }
    }

    fn the_end_is_told(reactor: Reactor) {
        let (near, far) = tcp_pair();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        assert_eq!(reader.reads(&source, &near, &mut [0; 8]), None);
        far.shutdown(Shutdown::Write).unwrap();
        assert_eq!(until(reactor, &reader, || reader.reads(&source, &near, &mut [0; 8])), 0);
    }

    fn the_end_after_a_short_read_is_found(reactor: Reactor) {
        let (near, mut far) = tcp_pair();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        assert_eq!(reader.reads(&source, &near, &mut [0; 8]), None);
        far.write_all(b"abc").unwrap();
        drop(far);
        let mut got = 0;
        loop {
            match until(reactor, &reader, || reader.reads(&source, &near, &mut [0; 8])) {
                0 => break,
                count => {
                    got += count;
                    source.clear_readable();
                }
            }
        }
        assert_eq!(got, 3);
    }

    fn a_reset_reaches_whoever_waits_in_either_direction(reactor: Reactor) {
        for reads in [true, false] {
            let (near, far) = tcp_pair();
            let source = reactor.register(&near).unwrap();
            let observer = Observer::new();
            while source.try_write(|| (&near).write(&[0; 65536])).is_ok() {}
            if reads {
                assert!(!observer.polls_readable(&source));
            }
            // There is something unread, so this is no orderly end.
            drop(far);
            loop {
                let result = if reads {
                    source.try_read(|| (&near).read(&mut [0; 8]))
                } else {
                    source.try_write(|| (&near).write(b"x"))
                };
                match result {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        assert!(!if reads { observer.polls_readable(&source) } else { observer.polls_writable(&source) });
                    }
                    Err(error) => {
                        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
                        assert!([ConnectionReset, ConnectionAborted, BrokenPipe].contains(&error.kind()), "{error}");
                        break;
                    }
                    // Where the error was told to somebody else, the end is left.
                    Ok(0) => break,
                    // What was under way when the other end closed.
                    Ok(_) => continue,
                }
                while observer.wakes() == 0 {
                    reactor.poll(None).unwrap();
                    run(reactor);
                }
            }
        }
    }

    fn a_source_that_nobody_waits_for_keeps_no_poll_busy_after_a_reset(reactor: Reactor) {
        let (near, far) = tcp_pair();
        (&near).write_all(b"unread").unwrap();
        let _source = reactor.register(&near).unwrap();
        drop(far);
        // Once it was told of, if at all, the reactor waits again, until it is notified.
        for _ in 0..3 {
            reactor.poll(Some(Duration::from_millis(1))).unwrap();
            run(reactor);
        }
        let notifier = reactor.notifier();
        let thread = std::thread::spawn(move || notifier.notify());
        reactor.poll(None).unwrap();
        thread.join().unwrap();
    }

    fn more_than_there_is_room_for_is_written_as_room_is_made(reactor: Reactor) {
        const TOTAL: usize = 8 << 20;
        let (near, far) = tcp_pair();
        let source = reactor.register(&near).unwrap();
        let writer = Observer::new();
        let thread = std::thread::spawn(move || {
            far.set_nonblocking(false).unwrap();
            let (mut far, mut read, mut buffer) = (far, 0, vec![0; 65536]);
            loop {
                match far.read(&mut buffer).unwrap() {
                    0 => return read,
                    count => read += count,
                }
            }
        });
        let (data, mut written) = (vec![7; 65536], 0);
        while written < TOTAL {
            written += until(reactor, &writer, || writes(&writer, &source, &near, &data[..data.len().min(TOTAL - written)]));
        }
        drop(source);
        near.shutdown(Shutdown::Write).unwrap();
        assert_eq!(thread.join().unwrap(), TOTAL);
    }

    fn a_listener_is_readable_when_there_is_a_connection(reactor: Reactor) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let source = reactor.register(&listener).unwrap();
        let waiter = Observer::new();
        let mut accept = || match source.try_read(|| listener.accept()) {
            Ok((stream, _)) => Some(stream),
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                assert!(!waiter.polls_readable(&source));
                None
            }
        };
        for _ in 0..5 {
            assert!(accept().is_none());
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let accepted = until(reactor, &waiter, &mut accept);
            assert_eq!(accepted.peer_addr().unwrap(), client.local_addr().unwrap());
        }
    }

    fn many_connections_are_all_told(reactor: Reactor) {
        // More than the platform's handles that each look at some dozens.
        let pairs: Vec<_> = (0..100).map(|_| tcp_pair()).collect();
        let sources: Vec<_> = pairs.iter().map(|(near, _)| reactor.register(near).unwrap()).collect();
        let observer = Observer::new();
        for ((near, far), source) in pairs.iter().zip(&sources) {
            let mut far = far;
            assert_eq!(observer.reads(source, near, &mut [0; 8]), None);
            far.write_all(b"x").unwrap();
        }
        for ((near, _), source) in pairs.iter().zip(&sources) {
            assert_eq!(until(reactor, &observer, || observer.reads(source, near, &mut [0; 8])), 1);
        }
    }

    fn a_socket_can_be_registered_again_and_once_at_a_time(reactor: Reactor) {
        let (near, mut far) = tcp_pair();
        let reader = Observer::new();
        for _ in 0..10 {
            let source = reactor.register(&near).unwrap();
            assert!(reactor.is_registered(&near));
            let twice = reactor.register(&near).unwrap_err();
            assert_eq!(twice.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(reader.reads(&source, &near, &mut [0; 8]), None);
            far.write_all(b"x").unwrap();
            assert_eq!(until(reactor, &reader, || reader.reads(&source, &near, &mut [0; 8])), 1);
            drop(source);
            assert!(!reactor.is_registered(&near));
        }
    }

    fn sockets_come_and_go_with_events_under_way(reactor: Reactor) {
        let reader = Observer::new();
        for _ in 0..50 {
            let (near, mut far) = tcp_pair();
            let source = reactor.register(&near).unwrap();
            assert!(!reader.polls_readable(&source));
            reactor.poll(Some(Duration::ZERO)).unwrap();
            far.write_all(b"x").unwrap();
            drop(source);
            drop(near);
            assert!(std::iter::from_fn(|| reactor.pop_ready()).next().is_none());
        }
        reader.wakes();
        let (near, mut far) = tcp_pair();
        let source = reactor.register(&near).unwrap();
        far.write_all(b"x").unwrap();
        assert_eq!(until(reactor, &reader, || reader.reads(&source, &near, &mut [0; 8])), 1);
    }

    fn a_watch_is_told_again_and_again(reactor: Reactor) {
        let (near, mut far) = tcp_pair();
        let watch = reactor.watch(&near, Interest::Readable, 3).unwrap();
        far.write_all(b"ab").unwrap();
        for _ in 0..3 {
            assert_eq!(watched(reactor), (3, true, false));
        }
        watch.set_interest(Interest::Writable).unwrap();
        for _ in 0..3 {
            assert_eq!(watched(reactor), (3, false, true));
        }
        watch.set_interest(Interest::Readable).unwrap();
        assert_eq!(watched(reactor), (3, true, false));
        drop(watch);
        assert!(!reactor.is_watched(&near));
        assert!(reactor.is_empty());
    }
}
