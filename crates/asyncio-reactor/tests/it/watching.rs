//! Level-triggered watches.

use std::io::{self, Read, Write};
use std::time::Duration;

use asyncio_reactor::{Interest, Ready};

use crate::observer::{drain, fill, look_at_watches, pair};

on_each_backend! {
    fn a_watch_is_reported_by_each_poll_while_it_is_ready(reactor: Reactor) {
        let (near, mut far) = pair();
        let _watch = reactor.watch(&near, Interest::Readable, 3).unwrap();
        assert_eq!(look_at_watches(reactor), []);
        far.write_all(b"ab").unwrap();
        for _ in 0..3 {
            assert_eq!(look_at_watches(reactor), [(3, true, false)]);
        }
        (&near).read_exact(&mut [0; 1]).unwrap();
        assert_eq!(look_at_watches(reactor), [(3, true, false)]);
        (&near).read_exact(&mut [0; 1]).unwrap();
        assert_eq!(look_at_watches(reactor), []);
        far.write_all(b"c").unwrap();
        assert_eq!(look_at_watches(reactor), [(3, true, false)]);
    }

    fn reader_and_writer_of_one_descriptor_are_told_together(reactor: Reactor) {
        let (near, mut far) = pair();
        let watch = reactor.watch(&near, Interest::Both, 4).unwrap();
        assert_eq!(watch.interest(), Interest::Both);
        assert_eq!(look_at_watches(reactor), [(4, false, true)]);
        far.write_all(b"x").unwrap();
        assert_eq!(look_at_watches(reactor), [(4, true, true)]);
        fill(&near);
        assert_eq!(look_at_watches(reactor), [(4, true, false)]);
        drain(&far);
        assert_eq!(look_at_watches(reactor), [(4, true, true)]);
    }

    fn a_change_of_interest_counts_from_the_next_poll(reactor: Reactor) {
        let (near, mut far) = pair();
        far.write_all(b"x").unwrap();
        let watch = reactor.watch(&near, Interest::Readable, 5).unwrap();
        assert_eq!(look_at_watches(reactor), [(5, true, false)]);
        watch.set_interest(Interest::Writable).unwrap();
        assert_eq!(look_at_watches(reactor), [(5, false, true)]);
        watch.set_interest(Interest::Both).unwrap();
        assert_eq!(look_at_watches(reactor), [(5, true, true)]);
        watch.set_interest(Interest::Readable).unwrap();
        assert_eq!(look_at_watches(reactor), [(5, true, false)]);
    }

    fn what_was_noted_of_a_direction_vanishes_with_the_interest(reactor: Reactor) {
        let (near, mut far) = pair();
        far.write_all(b"x").unwrap();
        let watch = reactor.watch(&near, Interest::Both, 6).unwrap();
        reactor.poll(Some(Duration::ZERO)).unwrap();
        watch.set_interest(Interest::Writable).unwrap();
        assert!(matches!(reactor.pop_ready(), Some(Ready::Watch { key: 6, readable: false, writable: true })));
        assert!(reactor.pop_ready().is_none());
    }

    fn a_watch_dropped_while_noted_vanishes(reactor: Reactor) {
        let ((near, mut far), (other, mut peer)) = (pair(), pair());
        let watch = reactor.watch(&near, Interest::Readable, 1).unwrap();
        let _other = reactor.watch(&other, Interest::Readable, 2).unwrap();
        far.write_all(b"x").unwrap();
        peer.write_all(b"x").unwrap();
        reactor.poll(None).unwrap();
        drop(watch);
        assert!(matches!(reactor.pop_ready(), Some(Ready::Watch { key: 2, .. })));
        assert!(reactor.pop_ready().is_none());
        assert_eq!(look_at_watches(reactor), [(2, true, false)]);
    }

    fn a_watch_whose_number_is_another_descriptors_says_so_when_it_is_told_anything(reactor: Reactor) {
        let (near, _far) = pair();
        let watch = reactor.watch(&near, Interest::Readable, 7).unwrap();
        let (other, _peer) = pair();
        let mut near = std::os::fd::OwnedFd::from(near);
        rustix::io::dup2(&other, &mut near).unwrap();
        for interest in [Interest::Readable, Interest::Both] {
            // kqueue goes by the number alone: there the watch is on its new holder.
            let Err(error) = watch.set_interest(interest) else { return };
            assert_eq!(error.kind(), io::ErrorKind::NotFound);
            assert!(error.to_string().contains("was closed while it was watched"), "{error}");
        }
        assert_eq!(watch.interest(), Interest::Readable);
    }

    fn hang_up_reaches_whoever_watches(reactor: Reactor) {
        for (interest, expected) in [
            (Interest::Readable, (8, true, false)),
            (Interest::Writable, (8, false, true)),
            (Interest::Both, (8, true, true)),
        ] {
            let (near, far) = pair();
            fill(&near);
            let _watch = reactor.watch(&near, interest, 8).unwrap();
            assert_eq!(look_at_watches(reactor), []);
            drop(far);
            assert_eq!(look_at_watches(reactor), [expected]);
            assert_eq!(look_at_watches(reactor), [expected]);
        }
    }

    fn polls_between_which_nothing_was_taken_join_their_notes(reactor: Reactor) {
        let ((near, mut far), (other, mut peer)) = (pair(), pair());
        let _first = reactor.watch(&near, Interest::Both, 1).unwrap();
        let _second = reactor.watch(&other, Interest::Readable, 2).unwrap();
        reactor.poll(None).unwrap();
        peer.write_all(b"x").unwrap();
        reactor.poll(None).unwrap();
        far.write_all(b"x").unwrap();
        assert_eq!(look_at_watches(reactor), [(1, true, true), (2, true, false)]);
    }

    fn watches_come_in_the_order_reported(reactor: Reactor) {
        let pairs: Vec<_> = (0..20).map(|_| pair()).collect();
        let _watches: Vec<_> =
            pairs.iter().enumerate().map(|(key, (near, _))| reactor.watch(near, Interest::Readable, key)).collect();
        assert_eq!(look_at_watches(reactor), []);
        let order: Vec<usize> = (0..20).map(|index| index * 7 % 20).collect();
        for index in &order {
            (&pairs[*index].1).write_all(b"x").unwrap();
        }
        let keys: Vec<usize> = look_at_watches(reactor).into_iter().map(|(key, ..)| key).collect();
        assert_eq!(keys, order);
    }
}
