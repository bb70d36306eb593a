//! One word between a thread that is about to wait and threads that want it not to.
//!
//! # States
//!
//! | state | the poller | a notification |
//! |---|---|---|
//! | `EMPTY` | runs | none since the poller last looked |
//! | `PARKED` | waits, or is about to | none since; whoever makes one must ring the bell |
//! | `NOTIFIED` | runs or waits | at least one |
//!
//! The poller goes `EMPTY -> PARKED` (`park`) and anything `-> EMPTY` (`unpark`); a notifier goes anything `->
//! NOTIFIED` (`notify`) and rings the bell if it came from `PARKED`. The bell is the platform's: whoever rings it makes
//! the wait under way, or else the next one, return.
//!
//! # Why no notification is lost
//!
//! All changes are read-modify-writes of the same word, so they have one order. Take a `notify` and the last change
//! before it:
//!
//! 1. It left `EMPTY`: the poller runs. The next change is another `notify`, or the poller's. If it is `park`, it fails,
//!    and the poller does not wait; if it is `unpark`, a poll is returning. Either way the poller returns to its caller.
//! 2. It left `PARKED`: this `notify` rings the bell after the poller announced its wait. The wait returns, if it did
//!    not for another reason; then the bell is still to be heard, and makes a later wait return early, which is allowed.
//! 3. It left `NOTIFIED`: another `notify` came before, and the poller has not looked since. By 1 and 2 it will.
//!
//! What the notifying thread wrote before is seen by the poller's caller after the poll: `notify` releases, and the
//! change of the poller that replaces `NOTIFIED` acquires. (Between two `notify`s the release goes on, since a
//! read-modify-write continues a release sequence, and each is itself a release.)
//!
//! So a bell is rung at most once per wait, and not at all while the poller runs.

#[cfg(all(test, asyncio_loom))]
use loom::sync::atomic::{AtomicU8, Ordering};
#[cfg(not(all(test, asyncio_loom)))]
use std::sync::atomic::{AtomicU8, Ordering};

const EMPTY: u8 = 0;
const PARKED: u8 = 1;
const NOTIFIED: u8 = 2;

#[derive(Debug)]
pub(crate) struct Parking {
    state: AtomicU8,
}

impl Parking {
    pub(crate) fn new() -> Self {
        Self { state: AtomicU8::new(EMPTY) }
    }

    /// Announces a wait. `false`: there is a notification already, do not wait.
    #[must_use]
    pub(crate) fn park(&self) -> bool {
        // Success needs no order: it publishes nothing, and that a notifier sees `PARKED` is enough. After a failure,
        // `unpark` acquires.
        self.state.compare_exchange(EMPTY, PARKED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Ends a wait that `park` announced and takes the notification, if there is one.
    pub(crate) fn unpark(&self) {
        // Acquire pairs with the release in `notify`.
        self.state.swap(EMPTY, Ordering::Acquire);
    }

    /// Takes the notification, if there is one, after a look that was not announced.
    pub(crate) fn unpark_unannounced(&self) {
        // A stale `EMPTY` leaves the notification to the next poll.
        if self.state.load(Ordering::Relaxed) != EMPTY {
            self.unpark();
        }
    }

    /// Leaves a notification. `true`: the poller may be waiting, ring the bell.
    #[must_use]
    pub(crate) fn notify(&self) -> bool {
        // Release pairs with the acquire in `unpark`.
        self.state.swap(NOTIFIED, Ordering::Release) == PARKED
    }
}

#[cfg(all(test, not(asyncio_loom)))]
mod tests {
    use super::Parking;

    #[test]
    fn the_bell_rings_once_per_wait_and_only_during_one() {
        let parking = Parking::new();
        assert!(!parking.notify(), "the poller runs");
        assert!(!parking.park(), "there is a notification");
        parking.unpark_unannounced();
        assert!(parking.park());
        assert!(parking.notify());
        assert!(!parking.notify(), "rung already");
        parking.unpark();
        assert!(parking.park());
    }
}

#[cfg(all(test, asyncio_loom))]
mod models {
    use super::Parking;
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::sync::{Arc, Condvar, Mutex};
    use loom::thread;

    /// The platform's bell: an edge that stays until a wait consumes it.
    struct Bell {
        rung: Mutex<bool>,
        changed: Condvar,
    }

    impl Bell {
        fn new() -> Self {
            Self { rung: Mutex::new(false), changed: Condvar::new() }
        }

        fn ring(&self) {
            *self.rung.lock().unwrap() = true;
            self.changed.notify_one();
        }

        /// A wait without a timeout: loom reports a deadlock if nobody rings.
        fn wait(&self) {
            let mut rung = self.rung.lock().unwrap();
            while !*rung {
                rung = self.changed.wait(rung).unwrap();
            }
            *rung = false;
        }

        /// A wait that ends at once, for a timeout of zero or because something else was ready.
        fn look(&self) {
            *self.rung.lock().unwrap() = false;
        }
    }

    struct World {
        parking: Parking,
        bell: Bell,
        published: [AtomicUsize; 2],
    }

    impl World {
        fn new() -> Arc<Self> {
            let published = [AtomicUsize::new(0), AtomicUsize::new(0)];
            Arc::new(Self { parking: Parking::new(), bell: Bell::new(), published })
        }

        /// What a foreign thread does: publish, then notify.
        fn publish(&self, index: usize) {
            self.published[index].store(1, Ordering::Relaxed);
            if self.parking.notify() {
                self.bell.ring();
            }
        }

        fn seen(&self) -> usize {
            self.published.iter().map(|published| published.load(Ordering::Relaxed)).sum()
        }

        /// What `Reactor::poll` does; `interrupted` if something other than the bell ends the wait.
        fn poll(&self, interrupted: bool) {
            if self.parking.park() {
                if interrupted {
                    self.bell.look()
                } else {
                    self.bell.wait()
                }
                self.parking.unpark();
            } else {
                self.bell.look();
                self.parking.unpark_unannounced();
            }
        }
    }

    /// How often the models take the processor from a thread that could go on. With two notifiers, all interleavings
    /// take many minutes and four preemptions take seconds; a lost notification needs two.
    const PREEMPTIONS: usize = 4;

    fn check(model: impl Fn() + Sync + Send + 'static) {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = Some(builder.preemption_bound.unwrap_or(PREEMPTIONS));
        builder.check(model);
    }

    #[test]
    fn a_poller_without_timeout_sees_all_that_was_published() {
        check(|| {
            let world = World::new();
            let threads = [0, 1].map(|index| {
                let world = Arc::clone(&world);
                thread::spawn(move || world.publish(index))
            });
            while world.seen() < 2 {
                world.poll(false);
            }
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    #[test]
    fn a_wait_that_ends_for_another_reason_loses_nothing() {
        check(|| {
            let world = World::new();
            let threads = [0, 1].map(|index| {
                let world = Arc::clone(&world);
                thread::spawn(move || world.publish(index))
            });
            world.poll(true);
            while world.seen() < 2 {
                world.poll(false);
            }
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }

    #[test]
    fn a_thread_that_notifies_twice_is_seen_twice() {
        check(|| {
            let world = World::new();
            let thread = {
                let world = Arc::clone(&world);
                thread::spawn(move || {
                    world.publish(0);
                    world.publish(1);
                })
            };
            world.parking.unpark_unannounced();
            while world.seen() < 2 {
                world.poll(false);
            }
            thread.join().unwrap();
        });
    }
}
