//! What sources are told, remember and forget.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use asyncio_reactor::{Ready, Source};

use crate::observer::{Observer, drain, fill, look, pair, run};

on_each_backend! {
    fn a_new_source_is_tried_first(reactor: Reactor) {
        let (near, mut far) = pair();
        let source = reactor.register(&near).unwrap();
        far.write_all(b"abc").unwrap();
        assert!(!source.is_readable());
        assert_eq!(source.try_read(|| (&near).read(&mut [0; 8])).unwrap(), 3);
    }

    fn a_new_source_that_is_ready_already_is_reported(reactor: Reactor) {
        let (near, mut far) = pair();
        far.write_all(b"abc").unwrap();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        assert!(!reader.polls_readable(&source));
        reactor.poll(None).unwrap();
        assert_eq!(run(reactor), 1);
        assert_eq!(reader.wakes(), 1);
        assert!(source.is_readable());
    }

    fn readiness_is_remembered_until_an_operation_finds_nothing(reactor: Reactor) {
        let (near, mut far) = pair();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        let mut buffer = [0; 2];
        assert_eq!(reader.reads(&source, &near, &mut buffer), None);
        far.write_all(b"abcd").unwrap();
        reactor.poll(None).unwrap();
        run(reactor);
        assert_eq!(reader.wakes(), 1);
        for _ in 0..2 {
            assert!(reader.polls_readable(&source));
            assert_eq!(reader.reads(&source, &near, &mut buffer), Some(2));
        }
        assert!(source.is_readable(), "nothing said that it is empty");
        assert_eq!(reader.reads(&source, &near, &mut buffer), None);
        assert!(!source.is_readable());
        let untouched = source.try_read(|| -> io::Result<()> { panic!("known to find nothing") });
        assert_eq!(untouched.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }

    fn more_data_is_reported_after_a_clear(reactor: Reactor) {
        let (near, mut far) = pair();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        assert_eq!(reader.reads(&source, &near, &mut [0; 8]), None);
        for _ in 0..10 {
            far.write_all(b"abc").unwrap();
            reactor.poll(None).unwrap();
            run(reactor);
            assert_eq!(reader.wakes(), 1);
            assert_eq!(reader.reads(&source, &near, &mut [0; 8]), Some(3));
            source.clear_readable();
            if source.is_readable() {
                // A backend that cannot rule out the end asks once more.
                assert_eq!(reader.reads(&source, &near, &mut [0; 8]), None);
            } else {
                assert!(!reader.polls_readable(&source));
            }
        }
    }

    fn a_report_that_an_operation_overtook_is_not_told_and_the_next_one_is(reactor: Reactor) {
        let (near, mut far) = pair();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        assert_eq!(reader.reads(&source, &near, &mut [0; 8]), None);
        far.write_all(b"abc").unwrap();
        reactor.poll(None).unwrap();
        // Noted, and not handed out: somebody reads meanwhile, takes all there is, and waits for more.
        assert_eq!((&near).read(&mut [0; 8]).unwrap(), 3);
        source.clear_readable();
        if source.is_readable() {
            assert_eq!(reader.reads(&source, &near, &mut [0; 8]), None);
        } else {
            assert!(!reader.polls_readable(&source));
        }
        assert_eq!(run(reactor), 0);
        assert_eq!(reader.wakes(), 0);
        far.write_all(b"abc").unwrap();
        reactor.poll(None).unwrap();
        run(reactor);
        assert_eq!(reader.wakes(), 1);
        assert!(source.is_readable());
    }

    fn nothing_is_reported_while_nothing_happens(reactor: Reactor) {
        let (near, _far) = pair();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        look(reactor);
        for _ in 0..3 {
            assert!(!reader.polls_readable(&source));
            assert_eq!(look(reactor), 0);
        }
    }

    fn room_to_write_is_reported_when_there_is_room_again(reactor: Reactor) {
        let (near, far) = pair();
        let source = reactor.register(&near).unwrap();
        let writer = Observer::new();
        fill(&near);
        source.clear_writable();
        look(reactor);
        assert!(!source.is_writable());
        assert!(!writer.polls_writable(&source));
        assert_eq!(look(reactor), 0);
        drain(&far);
        reactor.poll(None).unwrap();
        run(reactor);
        assert_eq!(writer.wakes(), 1);
        assert_eq!(source.try_write(|| (&near).write(b"x")).unwrap(), 1);
    }

    fn directions_wait_apart_from_one_another(reactor: Reactor) {
        let (near, mut far) = pair();
        let source = reactor.register(&near).unwrap();
        let (reader, writer) = (Observer::new(), Observer::new());
        fill(&near);
        source.clear_writable();
        look(reactor);
        assert!(!reader.polls_readable(&source) && !writer.polls_writable(&source));
        far.write_all(b"x").unwrap();
        reactor.poll(None).unwrap();
        run(reactor);
        assert_eq!((reader.wakes(), writer.wakes()), (1, 0));
        drain(&far);
        reactor.poll(None).unwrap();
        run(reactor);
        assert_eq!((reader.wakes(), writer.wakes()), (0, 1));
    }

    fn both_directions_come_in_one_note_and_the_reader_first(reactor: Reactor) {
        let (near, mut far) = pair();
        let source = reactor.register(&near).unwrap();
        let (reader, writer) = (Observer::new(), Observer::new());
        assert!(!reader.polls_readable(&source) && !writer.polls_writable(&source));
        far.write_all(b"x").unwrap();
        reactor.poll(None).unwrap();
        assert!(matches!(reactor.pop_ready(), Some(Ready::Wakers { read: Some(_), write: Some(_) })));
        assert!(reactor.pop_ready().is_none());
        assert!(source.is_readable() && source.is_writable());
    }

    fn the_last_waiter_of_a_direction_is_the_one_woken(reactor: Reactor) {
        let (near, mut far) = pair();
        let source = reactor.register(&near).unwrap();
        let (first, second) = (Observer::new(), Observer::new());
        assert!(!first.polls_readable(&source) && !second.polls_readable(&source) && !second.polls_readable(&source));
        assert_eq!(Arc::strong_count(&first), 1, "displaced and dropped");
        assert_eq!(Arc::strong_count(&second), 2, "kept once");
        far.write_all(b"x").unwrap();
        reactor.poll(None).unwrap();
        run(reactor);
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
    }

    fn a_note_without_a_waiter_is_remembered_and_not_handed_out(reactor: Reactor) {
        let (near, mut far) = pair();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        far.write_all(b"x").unwrap();
        assert_eq!(look(reactor), 0);
        if !reader.polls_readable(&source) {
            // A backend that is silent unless somebody waits.
            reactor.poll(None).unwrap();
            assert_eq!(run(reactor), 1);
        }
        assert!(source.is_readable());
        assert_eq!(look(reactor), 0);
    }

    fn hang_up_is_both_and_lasts(reactor: Reactor) {
        let (near, far) = pair();
        let source = reactor.register(&near).unwrap();
        let (reader, writer) = (Observer::new(), Observer::new());
        fill(&near);
        source.clear_writable();
        look(reactor);
        assert!(!reader.polls_readable(&source) && !writer.polls_writable(&source));
        drop(far);
        reactor.poll(None).unwrap();
        run(reactor);
        assert_eq!((reader.wakes(), writer.wakes()), (1, 1));
        assert!(source.try_write(|| (&near).write(b"x")).is_err());
        assert!(source.is_readable());
    }

    fn the_end_that_came_with_the_last_bytes_is_found(reactor: Reactor) {
        for half in [true, false] {
            let (near, mut far) = pair();
            let source = reactor.register(&near).unwrap();
            let reader = Observer::new();
            assert_eq!(reader.reads(&source, &near, &mut [0; 8]), None);
            far.write_all(b"abc").unwrap();
            far.shutdown(if half { Shutdown::Write } else { Shutdown::Both }).unwrap();
            reactor.poll(None).unwrap();
            run(reactor);
            assert_eq!(reader.reads(&source, &near, &mut [0; 8]), Some(3));
            source.clear_readable();
            if reader.reads(&source, &near, &mut [0; 8]).is_none() {
                reactor.poll(None).unwrap();
                run(reactor);
                assert_eq!(reader.wakes(), 2);
                assert_eq!(reader.reads(&source, &near, &mut [0; 8]), Some(0));
            }
            assert_eq!(reader.reads(&source, &near, &mut [0; 8]), Some(0), "the end stays");
        }
    }

    fn an_error_at_the_other_end_of_a_pipe_makes_it_writable(reactor: Reactor) {
        let (receiver, sender) = pipe();
        let mut sender = std::fs::File::from(sender);
        let source = reactor.register(&sender).unwrap();
        let writer = Observer::new();
        while source.try_write(|| sender.write(&[0; 4096])).is_ok() {}
        look(reactor);
        source.clear_writable();
        assert!(!writer.polls_writable(&source));
        drop(receiver);
        reactor.poll(None).unwrap();
        run(reactor);
        assert_eq!(writer.wakes(), 1);
        assert_eq!(source.try_write(|| sender.write(b"x")).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }

    fn the_end_of_a_pipe_is_found(reactor: Reactor) {
        let (receiver, sender) = pipe();
        let (mut receiver, mut sender) = (std::fs::File::from(receiver), std::fs::File::from(sender));
        let source = reactor.register(&receiver).unwrap();
        let reader = Observer::new();
        assert!(!reader.polls_readable(&source));
        sender.write_all(b"x").unwrap();
        drop(sender);
        reactor.poll(None).unwrap();
        run(reactor);
        assert_eq!(source.try_read(|| receiver.read(&mut [0; 8])).unwrap(), 1);
        source.clear_readable();
        if !source.is_readable() {
            assert!(!reader.polls_readable(&source));
            reactor.poll(None).unwrap();
            run(reactor);
        }
        assert_eq!(source.try_read(|| receiver.read(&mut [0; 8])).unwrap(), 0);
    }

    fn notes_come_in_the_order_reported(reactor: Reactor) {
        let pairs: Vec<_> = (0..50).map(|_| pair()).collect();
        let sources: Vec<_> = pairs.iter().map(|(near, _)| reactor.register(near).unwrap()).collect();
        let mut log = Vec::new();
        let observers: Vec<_> = sources.iter().map(|_| Observer::new()).collect();
        look(reactor);
        for (source, observer) in sources.iter().zip(&observers) {
            assert!(!observer.polls_readable(source));
        }
        // Any order but that of registration.
        let order: Vec<usize> = (0..50).map(|index| index * 17 % 50).collect();
        for index in &order {
            (&pairs[*index].1).write_all(b"x").unwrap();
        }
        reactor.poll(None).unwrap();
        while let Some(Ready::Wakers { read: Some(waker), .. }) = reactor.pop_ready() {
            waker.wake();
            let woken = observers.iter().position(|observer| observer.wakes() == 1).unwrap();
            log.push(woken);
        }
        assert_eq!(log, order);
    }

    fn a_thousand_descriptors_are_all_told(reactor: Reactor) {
        raise_descriptor_limit();
        let pairs: Vec<_> = (0..1000).map(|_| pair()).collect();
        let sources: Vec<_> = pairs.iter().map(|(near, _)| reactor.register(near).unwrap()).collect();
        let observer = Observer::new();
        look(reactor);
        assert!(sources.iter().all(|source| !observer.polls_readable(source)));
        for (_, far) in &pairs {
            let mut far = far;
            far.write_all(b"x").unwrap();
        }
        let mut woken = 0;
        while woken < 1000 {
            reactor.poll(None).unwrap();
            run(reactor);
            woken += observer.wakes();
        }
        assert_eq!(woken, 1000);
        assert!(sources.iter().all(Source::is_readable));
        drop(sources);
        assert_eq!(look(reactor), 0);
    }

    fn a_waker_may_come_back_to_the_reactor_when_it_is_dropped(reactor: Reactor) {
        let ((near, _far), (other, _other)) = (pair(), pair());
        let source = reactor.register(&near).unwrap();
        OWNED.set(Some(reactor.register(&other).unwrap()));
        let waker = Waker::from(Arc::new(Owner));
        assert_eq!(source.poll_readable(&mut Context::from_waker(&waker)), Poll::Pending);
        drop(waker);
        assert!(reactor.is_registered(&other));
        drop(source);
        assert!(!reactor.is_registered(&other));
    }
}

thread_local! {
    static OWNED: RefCell<Option<Source>> = const { RefCell::new(None) };
}

/// Stands for a task that owns a source: dropping its last waker drops it.
struct Owner;

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Owner {
    fn drop(&mut self) {
        OWNED.take();
    }
}

/// A thousand pairs need more than the usual soft limit.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(10_000).min(10_000);
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }).unwrap();
}

fn pipe() -> (OwnedFd, OwnedFd) {
    let (receiver, sender) = rustix::pipe::pipe().unwrap();
    rustix::io::ioctl_fionbio(&receiver, true).unwrap();
    rustix::io::ioctl_fionbio(&sender, true).unwrap();
    (receiver, sender)
}
