//! Who is who: registering twice, dropping, numbers that are given out again.

use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use asyncio_reactor::{Interest, Reactor};

use crate::observer::{Observer, look, look_at_watches, pair, run};

on_each_backend! {
    fn a_descriptor_is_registered_once(reactor: Reactor) {
        let (near, far) = pair();
        let source = reactor.register(&near).unwrap();
        assert!(reactor.is_registered(&near) && !reactor.is_watched(&near) && !reactor.is_registered(&far));
        let twice = reactor.register(&near).unwrap_err();
        assert_eq!(twice.kind(), io::ErrorKind::AlreadyExists);
        let message = format!("descriptor {} is already registered with this reactor", near.as_raw_fd());
        assert_eq!(twice.to_string(), message);
        let watched = reactor.watch(&near, Interest::Readable, 0).unwrap_err();
        assert_eq!(watched.kind(), io::ErrorKind::AlreadyExists);
        assert!(reactor.is_registered(&near), "as before");
        drop(source);
        assert!(!reactor.is_registered(&near));
        let _watch = reactor.watch(&near, Interest::Readable, 0).unwrap();
        assert!(reactor.is_watched(&near) && !reactor.is_registered(&near));
        assert_eq!(reactor.register(&near).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    fn what_has_a_descriptor_can_be_registered_by_it(reactor: Reactor) {
        let (near, far) = pair();
        let source = reactor.register(near.as_raw_fd()).unwrap();
        assert_eq!(source.raw_source(), near.as_raw_fd());
        let watch = reactor.watch(far.as_fd(), Interest::Writable, 0).unwrap();
        assert_eq!(watch.raw_source(), far.as_raw_fd());
    }

    fn what_is_no_descriptor_is_refused(reactor: Reactor) {
        assert!(reactor.register(-1).is_err());
        let number = {
            let (near, _far) = pair();
            near.as_raw_fd()
        };
        // Another thread of the test may have been given the number meanwhile: then it is one.
        if let Err(error) = reactor.register(number) {
            assert_eq!(error.raw_os_error(), Some(9), "EBADF");
        }
        assert!(!reactor.is_registered(-1));
    }

    fn a_source_dropped_while_noted_vanishes(reactor: Reactor) {
        let (near, mut far) = pair();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        assert!(!reader.polls_readable(&source));
        far.write_all(b"x").unwrap();
        reactor.poll(None).unwrap();
        drop(source);
        assert!(reactor.pop_ready().is_none());
        assert_eq!(Arc::strong_count(&reader), 1, "its waker was dropped");
    }

    fn what_was_noted_of_a_source_does_not_reach_the_next(reactor: Reactor) {
        let (near, mut far) = pair();
        let old = reactor.register(&near).unwrap();
        let (before, after) = (Observer::new(), Observer::new());
        assert!(!before.polls_readable(&old));
        far.write_all(b"x").unwrap();
        reactor.poll(None).unwrap();
        drop(old);
        // The same descriptor, and the same place among the reactor's.
        crate::observer::drain(&near);
        let new = reactor.register(&near).unwrap();
        assert!(!after.polls_readable(&new));
        assert_eq!(run(reactor), 0);
        assert!(!new.is_readable());
        assert_eq!((before.wakes(), after.wakes()), (0, 0));
    }

    fn dropping_a_source_late_leaves_its_number_to_the_next_holder(reactor: Reactor) {
        let (near, far) = pair();
        let number = near.as_raw_fd();
        let old = reactor.register(&near).unwrap();
        // The number comes to mean another socket, in one step, so that no other thread gets it in between.
        let (other, mut peer) = pair();
        let mut near = std::os::fd::OwnedFd::from(near);
        rustix::io::dup2(&other, &mut near).unwrap();
        drop(far);
        drop(other);
        let other = UnixStream::from(near);
        assert_eq!(other.as_raw_fd(), number);
        let new = match reactor.register(&other) {
            Ok(new) => new,
            // A backend that keeps its own list cannot know that the first one is gone.
            Err(error) => return assert_eq!(error.kind(), io::ErrorKind::AlreadyExists),
        };
        let (before, after) = (Observer::new(), Observer::new());
        before.polls_readable(&old);
        assert!(!after.polls_readable(&new));
        drop(old);
        assert!(reactor.is_registered(number));
        peer.write_all(b"x").unwrap();
        reactor.poll(None).unwrap();
        run(reactor);
        assert_eq!((before.wakes(), after.wakes()), (0, 1));
    }

    fn a_stale_event_of_a_file_that_lives_on_does_not_reach_the_next_holder(reactor: Reactor) {
        let (near, mut far) = pair();
        let old = reactor.register(&near).unwrap();
        // The file stays open under another number: the platform goes on reporting it, and cannot be told to stop.
        let alive = near.try_clone().unwrap();
        let (other, mut peer) = pair();
        let mut near = std::os::fd::OwnedFd::from(near);
        rustix::io::dup2(&other, &mut near).unwrap();
        drop(other);
        let other = UnixStream::from(near);
        let new = match reactor.register(&other) {
            Ok(new) => new,
            Err(error) => return assert_eq!(error.kind(), io::ErrorKind::AlreadyExists),
        };
        drop(old);
        let reader = Observer::new();
        assert!(!reader.polls_readable(&new));
        look(reactor);
        far.write_all(b"x").unwrap();
        assert_eq!(look(reactor), 0);
        assert!(!new.is_readable());
        assert_eq!(reader.wakes(), 0);
        peer.write_all(b"x").unwrap();
        reactor.poll(None).unwrap();
        run(reactor);
        assert_eq!(reader.wakes(), 1);
        drop(alive);
    }

    fn a_stale_event_does_not_reach_the_next_holder_of_the_same_slot(reactor: Reactor) {
        let (near, mut far) = pair();
        let old = reactor.register(&near).unwrap();
        let reader = Observer::new();
        assert!(!reader.polls_readable(&old));
        let alive = near.try_clone().unwrap();
        let (other, _peer) = pair();
        let mut near = std::os::fd::OwnedFd::from(near);
        rustix::io::dup2(&other, &mut near).unwrap();
        // The number means another file by now, so this leaves the first file registered, under the old generation.
        drop(old);
        let Ok(new) = reactor.register(&near) else { return };
        assert!(!reader.polls_readable(&new));
        far.write_all(b"x").unwrap();
        assert_eq!(look(reactor), 0);
        assert!(!new.is_readable());
        drop(alive);
    }

    fn what_a_closed_descriptor_left_behind_does_not_bar_its_number(reactor: Reactor) {
        let (near, mut far) = pair();
        let old = reactor.register(&near).unwrap();
        let alive = near.try_clone().unwrap();
        let (other, _peer) = pair();
        let mut near = std::os::fd::OwnedFd::from(near);
        rustix::io::dup2(&other, &mut near).unwrap();
        // The number means another file, so the platform cannot be told that the registration ended.
        drop(old);
        rustix::io::dup2(&alive, &mut near).unwrap();
        let new = reactor.register(&near).unwrap();
        let reader = Observer::new();
        assert!(!reader.polls_readable(&new));
        far.write_all(b"x").unwrap();
        reactor.poll(None).unwrap();
        run(reactor);
        assert_eq!(reader.wakes(), 1);
    }

    fn many_come_and_go(reactor: Reactor) {
        let reader = Observer::new();
        for _ in 0..100 {
            let pairs: Vec<_> = (0..5).map(|_| pair()).collect();
            let sources: Vec<_> = pairs.iter().map(|(near, _)| reactor.register(near).unwrap()).collect();
            assert!(sources.iter().all(|source| !reader.polls_readable(source)));
            for (_, far) in &pairs {
                let mut far = far;
                far.write_all(b"x").unwrap();
            }
            reactor.poll(None).unwrap();
            assert_eq!(run(reactor), 5);
            assert_eq!(reader.wakes(), 5);
        }
        assert_eq!(look_at_watches(reactor), []);
    }
}

#[test]
fn sources_and_watches_outlive_the_reactor() {
    for reactor in [Reactor::new().unwrap(), Reactor::with_fallbacks().unwrap()] {
        let ((near, mut far), (other, _peer)) = (pair(), pair());
        let source = reactor.register(&near).unwrap();
        let watch = reactor.watch(&other, Interest::Readable, 0).unwrap();
        let reader = Observer::new();
        assert!(!reader.polls_readable(&source));
        drop(reactor);
        assert_eq!(Arc::strong_count(&reader), 1, "nobody will wake it");
        far.write_all(b"x").unwrap();
        assert!(!reader.polls_readable(&source));
        watch.set_interest(Interest::Both).unwrap();
    }
}
