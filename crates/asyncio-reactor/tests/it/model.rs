//! Random histories of a connection, beside a model of its two buffers.

use std::io::{self, Read, Write};
use std::sync::Arc;

use asyncio_reactor::{Reactor, Source};
use proptest::prelude::*;

use crate::observer::{Observer, look, pair};

#[derive(Clone, Debug)]
enum Step {
    /// The other side writes that many bytes.
    Arrive(usize),
    /// This side reads with that much room, and says so when it took all.
    Read(usize, bool),
    /// This side writes until there is no room.
    Fill,
    /// The other side makes room.
    Drain,
    /// The reader, or the writer, waits.
    WaitToRead,
    WaitToWrite,
    /// The reader says that there is nothing although it does not know.
    Look,
    /// The other side ends its stream.
    End,
    /// The source is dropped and the descriptor registered anew.
    Reregister,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..40_usize).prop_map(Step::Arrive),
        4 => (1..60_usize, any::<bool>()).prop_map(|(room, clears)| Step::Read(room, clears)),
        1 => Just(Step::Fill),
        1 => Just(Step::Drain),
        3 => Just(Step::WaitToRead),
        2 => Just(Step::WaitToWrite),
        4 => Just(Step::Look),
        1 => Just(Step::End),
        1 => Just(Step::Reregister),
    ]
}

/// Whether somebody waits, and so must be woken as soon as there is a reason.
struct Waiter {
    observer: Arc<Observer>,
    waits: bool,
}

impl Waiter {
    fn new() -> Self {
        Self { observer: Observer::new(), waits: false }
    }

    /// After a look: who waits and has a reason was woken; who was woken waits no more.
    fn check(&mut self, reason: bool) {
        let woken = self.observer.wakes() > 0;
        assert!(!woken || self.waits, "woken without having asked");
        if self.waits && reason {
            assert!(woken, "left waiting although there is a reason");
        }
        self.waits &= !woken;
    }
}

fn follow(reactor: &Reactor, steps: &[Step]) {
    let (near, far) = pair();
    let mut source: Source = reactor.register(&near).unwrap();
    let (mut reader, mut writer) = (Waiter::new(), Waiter::new());
    let (mut pending, mut ended, mut full) = (0, false, false);
    for step in steps {
        match *step {
            Step::Arrive(count) if !ended => {
                (&far).write_all(&vec![1; count]).unwrap();
                pending += count;
            }
            Step::Read(room, clears) => {
                let mut buffer = vec![0; room];
                match source.try_read(|| (&near).read(&mut buffer)) {
                    Ok(0) => assert!(ended && pending == 0),
                    Ok(count) => {
                        assert_eq!(count, room.min(pending));
                        pending -= count;
                        if clears && count < room {
                            source.clear_readable();
                        }
                    }
                    Err(error) => {
                        // Known absence may lag behind the arrival, until the next look.
                        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                        assert!(!source.is_readable());
                    }
                }
            }
            Step::Fill => {
                while source.try_write(|| (&near).write(&[2; 4096])).is_ok() {}
                assert!(!source.is_writable());
                full = true;
            }
            Step::Drain => {
                crate::observer::drain(&far);
                full = false;
            }
            Step::WaitToRead => reader.waits = !reader.observer.polls_readable(&source),
            Step::WaitToWrite => writer.waits = !writer.observer.polls_writable(&source),
            Step::End if !ended => {
                far.shutdown(std::net::Shutdown::Write).unwrap();
                ended = true;
            }
            Step::Reregister => {
                drop(source);
                source = reactor.register(&near).unwrap();
                (reader.waits, writer.waits) = (false, false);
            }
            Step::Arrive(_) | Step::End | Step::Look => {}
        }
        if matches!(step, Step::Look) {
            look(reactor);
            reader.check(pending > 0 || ended);
            writer.check(!full);
        }
    }
    // At the end whoever asks is answered, and what is there can be had.
    reader.waits = !reader.observer.polls_readable(&source);
    writer.waits = !writer.observer.polls_writable(&source);
    look(reactor);
    reader.check(pending > 0 || ended);
    writer.check(!full);
    if pending > 0 {
        assert!(source.try_read(|| (&near).read(&mut [0; 1])).is_ok());
    }
}

proptest! {
    #[test]
    fn whoever_waits_for_what_is_there_is_woken(steps in prop::collection::vec(step(), 1..60)) {
        follow(&Reactor::new().unwrap(), &steps);
    }

    #[test]
    fn whoever_waits_for_what_is_there_is_woken_with_fallbacks(steps in prop::collection::vec(step(), 1..60)) {
        follow(&Reactor::with_fallbacks().unwrap(), &steps);
    }
}
