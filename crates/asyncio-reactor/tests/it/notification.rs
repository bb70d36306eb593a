//! Ending a wait from elsewhere.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use asyncio_reactor::{Notifier, Reactor};

use crate::observer::{Observer, look, pair, run};

on_each_backend! {
    fn a_notification_before_the_poll_ends_it_at_once(reactor: Reactor) {
        reactor.notifier().notify();
        reactor.poll(None).unwrap();
        assert!(reactor.pop_ready().is_none());
    }

    fn a_notification_from_another_thread_ends_a_wait(reactor: Reactor) {
        for _ in 0..200 {
            let notifier = reactor.notifier();
            let thread = thread::spawn(move || notifier.notify());
            reactor.poll(None).unwrap();
            thread.join().unwrap();
        }
    }

    fn many_notifications_are_one(reactor: Reactor) {
        let (near, mut far) = pair();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        let notifier = reactor.notifier();
        for _ in 0..100 {
            notifier.clone().notify();
        }
        look(reactor);
        assert!(!reader.polls_readable(&source));
        // Were one left over, this would return before the thread has written.
        let thread = thread::spawn(move || {
            thread::yield_now();
            far.write_all(b"x").unwrap();
            far
        });
        reactor.poll(None).unwrap();
        assert_eq!(run(reactor), 1);
        thread.join().unwrap();
    }

    fn a_look_takes_the_notification_too(reactor: Reactor) {
        let (near, mut far) = pair();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        look(reactor);
        reactor.notifier().notify();
        look(reactor);
        assert!(!reader.polls_readable(&source));
        let thread = thread::spawn(move || {
            thread::yield_now();
            far.write_all(b"x").unwrap();
            far
        });
        reactor.poll(None).unwrap();
        assert_eq!(run(reactor), 1);
        thread.join().unwrap();
    }

    fn a_notification_does_not_hide_what_is_ready(reactor: Reactor) {
        let (near, mut far) = pair();
        let source = reactor.register(&near).unwrap();
        let reader = Observer::new();
        look(reactor);
        assert!(!reader.polls_readable(&source));
        far.write_all(b"x").unwrap();
        reactor.notifier().notify();
        reactor.poll(None).unwrap();
        assert_eq!(run(reactor), 1);
    }

    fn no_notification_of_several_threads_is_lost(reactor: Reactor) {
        const EACH: usize = 2000;
        let published = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (published, notifier) = (Arc::clone(&published), reactor.notifier());
                thread::spawn(move || {
                    for _ in 0..EACH {
                        published.fetch_add(1, Ordering::Relaxed);
                        notifier.notify();
                    }
                })
            })
            .collect();
        while published.load(Ordering::Relaxed) < 3 * EACH {
            reactor.poll(None).unwrap();
        }
        for thread in threads {
            thread.join().unwrap();
        }
    }

    fn every_message_has_its_wake(reactor: Reactor) {
        // A round trip per notification: each must be felt, or this never ends.
        let (asked, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let thread = {
            let (asked, answered, notifier) = (Arc::clone(&asked), Arc::clone(&answered), reactor.notifier());
            thread::spawn(move || {
                for round in 1..=1000 {
                    asked.store(round, Ordering::Relaxed);
                    notifier.notify();
                    while answered.load(Ordering::Relaxed) < round {
                        thread::yield_now();
                    }
                }
            })
        };
        while answered.load(Ordering::Relaxed) < 1000 {
            reactor.poll(None).unwrap();
            answered.store(asked.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        thread.join().unwrap();
    }

    fn a_notifier_is_for_any_thread(reactor: Reactor) {
        fn check<T: Send + Sync + Clone + 'static>(_: &T) {}
        check::<Notifier>(&reactor.notifier());
    }
}

#[test]
fn a_notifier_outlives_its_reactor() {
    for reactor in [Reactor::new().unwrap(), Reactor::with_fallbacks().unwrap()] {
        let notifier = reactor.notifier();
        reactor.poll(Some(Duration::ZERO)).unwrap();
        drop(reactor);
        notifier.notify();
        notifier.notify();
    }
}
