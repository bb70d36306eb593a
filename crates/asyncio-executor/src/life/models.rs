#![expect(unsafe_code, reason = "the models count references by hand, as the code under test does")]
//! The rules of `life.rs`, run under loom: every interleaving of a few threads, with few preemptions.
//!
//! An [`Object`] stands for a task, a [`Loop`] for what foreign threads know of its executor. Both note every use in a
//! cell that loom watches, so a use that does not come before the free, or a second free, fails the model.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use loom::thread;

use super::{Fate, Inbox, Life};

/// What foreign threads know of an executor.
struct Loop {
    inbox: Inbox,
    used: UnsafeCell<()>,
    /// How often it was notified.
    calls: AtomicUsize,
    freed: Arc<AtomicUsize>,
}

impl Loop {
    fn notify(&self) {
        self.calls.fetch_add(1, Relaxed);
        self.used.with(|_| ());
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        self.used.with_mut(|_| ());
    }
}

/// A task: its `Life` comes first, so a pointer to it is a pointer to the whole.
#[repr(C)]
struct Object {
    life: Life,
    home: *const Loop,
    used: UnsafeCell<()>,
    /// What each waking thread does before it wakes.
    done: [AtomicBool; 2],
    /// Stands for "the task is done": it may be merged while the loop goes on.
    over: bool,
}

/// A reference, on whatever thread.
#[derive(Clone, Copy)]
struct Ref(*const Object);

// SAFETY: what is reached through it on other threads is `Life`'s business, which is what the models are about.
unsafe impl Send for Ref {}

impl Ref {
    fn object<'a>(self) -> &'a Object {
        // SAFETY: each model uses a reference only while it is counted.
        unsafe { &*self.0 }
    }

    fn touch(self) {
        self.object().used.with(|_| ());
    }

    fn life(self) -> *const Life {
        self.0.cast()
    }

    fn home<'a>(self) -> &'a Loop {
        // SAFETY: as `Header::shared`, which the models are about, too.
        unsafe { &*self.object().home }
    }

    /// Frees after the last reference was given up.
    fn free(self) {
        let merged = self.object().life.is_merged();
        let home = self.object().home;
        self.home().freed.fetch_add(1, Relaxed);
        self.object().used.with_mut(|_| ());
        // SAFETY: made from a box, and no reference is left.
        drop(unsafe { Box::from_raw(self.0.cast_mut()) });
        if merged {
            // SAFETY: counted when it was merged.
            unsafe { Arc::decrement_strong_count(home) };
        }
    }

    fn clone_abroad(self) -> Self {
        self.object().life.retain_foreign();
        self
    }

    fn wake_abroad(self) {
        self.touch();
        let home = self.home();
        // SAFETY: the caller holds a reference.
        let fate = unsafe { Life::wake_foreign(self.life(), &home.inbox, || home.notify()) };
        assert_eq!(fate, Fate::Keep);
    }

    fn drop_abroad(self) {
        self.release_abroad(false);
    }

    fn wake_and_drop_abroad(self) {
        self.release_abroad(true);
    }

    fn release_abroad(self, wake: bool) {
        self.touch();
        let home = self.object().home;
        // SAFETY: alive, as `drop_waker` of `waker.rs` argues.
        let inbox = unsafe { &(*home).inbox };
        let hold = || {
            // SAFETY: as above.
            unsafe { Arc::increment_strong_count(home) };
            // SAFETY: the count that was just made.
            unsafe { Arc::from_raw(home) }
        };
        // SAFETY: the reference is used up here.
        let fate = unsafe { Life::release_foreign(self.life(), inbox, wake, hold, |home| home.notify()) };
        if fate == Fate::Free {
            self.free();
        }
    }

    fn drop_at_home(self) {
        self.touch();
        let fate = self.object().life.release(|| {
            if self.object().over {
                // SAFETY: alive.
                unsafe { Arc::increment_strong_count(self.object().home) };
            }
            self.object().over
        });
        if fate == Fate::Free {
            self.free();
        }
    }
}

/// The owner's side of a model.
struct Owner {
    home: Option<Arc<Loop>>,
    freed: Arc<AtomicUsize>,
    /// What the last poll saw of each thread's doings.
    seen: [bool; 2],
    polls: usize,
}

impl Owner {
    fn new() -> Self {
        let freed = Arc::new(AtomicUsize::new(0));
        let home =
            Loop { inbox: Inbox::new(), used: UnsafeCell::new(()), calls: AtomicUsize::new(0), freed: freed.clone() };
        Self { home: Some(Arc::new(home)), freed, seen: [false; 2], polls: 0 }
    }

    fn home(&self) -> &Arc<Loop> {
        self.home.as_ref().unwrap()
    }

    fn object(&self, local: u32, over: bool) -> Ref {
        Ref(Box::into_raw(Box::new(Object {
            life: Life::new(local),
            home: Arc::as_ptr(self.home()),
            used: UnsafeCell::new(()),
            done: [AtomicBool::new(false), AtomicBool::new(false)],
            over,
        })))
    }

    /// A turn: settles what is in the inbox, and polls what was woken.
    fn turn(&mut self) {
        let chain = self.home().inbox.take();
        self.settle(chain);
    }

    fn settle(&mut self, mut at: *const Life) {
        while !at.is_null() {
            let object = Ref(at.cast());
            at = object.object().life.next();
            if object.object().life.settle() {
                self.polls += 1;
                for (seen, done) in self.seen.iter_mut().zip(&object.object().done) {
                    *seen = done.load(Relaxed);
                }
            }
            object.drop_at_home();
        }
    }

    /// The end of the loop, with `object` still in its list, or not.
    fn close(&mut self, object: Option<Ref>) {
        let chain = self.home().inbox.close();
        self.settle(chain);
        // Who is freed by the owner leaves the list.
        if let Some(object) = object.filter(|_| self.freed() == 0) {
            // SAFETY: alive.
            unsafe { Arc::increment_strong_count(object.object().home) };
            if object.object().life.merge() == Fate::Free {
                object.free();
            }
        }
        self.home = None;
    }

    fn freed(&self) -> usize {
        self.freed.load(Relaxed)
    }
}

#[test]
fn models_a_wake_is_not_lost_beside_a_poll() {
    loom::model(|| {
        let mut owner = Owner::new();
        let alive = owner.object(2, false);
        let waker = alive;
        let abroad = thread::spawn(move || {
            waker.object().done[0].store(true, Relaxed);
            waker.wake_abroad();
            waker.drop_abroad();
        });
        owner.turn();
        abroad.join().unwrap();
        owner.turn();
        assert!(owner.seen[0], "the poll after the last wake sees what came before it");
        assert_eq!(owner.polls, 1);
        alive.drop_at_home();
        assert_eq!(owner.freed(), 1);
        owner.close(None);
    });
}

#[test]
fn models_a_wake_that_uses_the_waker_up_is_not_lost_beside_a_poll() {
    loom::model(|| {
        let mut owner = Owner::new();
        let alive = owner.object(2, false);
        let waker = alive;
        let abroad = thread::spawn(move || {
            waker.object().done[0].store(true, Relaxed);
            waker.wake_and_drop_abroad();
        });
        owner.turn();
        abroad.join().unwrap();
        owner.turn();
        assert!(owner.seen[0], "the poll after the last wake sees what came before it");
        assert_eq!((owner.polls, owner.home().calls.load(Relaxed)), (1, 1));
        alive.drop_at_home();
        assert_eq!(owner.freed(), 1);
        owner.close(None);
    });
}

/// The owner drops its last reference while another thread wakes with the only one abroad.
#[test]
fn models_a_wake_that_uses_the_waker_up_beside_the_end() {
    for over in [false, true] {
        loom::model(move || {
            let mut owner = Owner::new();
            let handle = owner.object(1, over);
            let waker = handle.clone_abroad();
            let abroad = thread::spawn(move || waker.wake_and_drop_abroad());
            handle.drop_at_home();
            owner.turn();
            abroad.join().unwrap();
            owner.turn();
            assert_eq!(owner.freed(), 1);
            owner.close(None);
        });
    }
}

#[test]
fn models_the_end_of_the_loop_beside_a_wake_that_uses_the_waker_up() {
    loom::model(|| {
        let mut owner = Owner::new();
        let alive = owner.object(2, false);
        let waker = alive;
        let abroad = thread::spawn(move || waker.wake_and_drop_abroad());
        owner.close(Some(alive));
        alive.drop_at_home();
        abroad.join().unwrap();
        assert_eq!(owner.freed(), 1);
    });
}

#[test]
fn models_two_wakes_are_both_seen() {
    loom::model(|| {
        let mut owner = Owner::new();
        let alive = owner.object(3, false);
        let threads = [0, 1].map(|index| {
            let waker = alive;
            thread::spawn(move || {
                waker.object().done[index].store(true, Relaxed);
                // Each in one of the ways in which a waker is used up.
                if index == 0 {
                    waker.wake_abroad();
                    waker.drop_abroad();
                } else {
                    waker.wake_and_drop_abroad();
                }
            })
        });
        owner.turn();
        for thread in threads {
            thread.join().unwrap();
        }
        owner.turn();
        assert_eq!(owner.seen, [true; 2]);
        alive.drop_at_home();
        assert_eq!(owner.freed(), 1);
        owner.close(None);
    });
}

#[test]
fn models_clones_and_drops_abroad_beside_a_drop_at_home_free_once() {
    for over in [false, true] {
        loom::model(move || {
            let mut owner = Owner::new();
            let alive = owner.object(3, over);
            let waker = alive;
            let abroad = thread::spawn(move || {
                let clone = waker.clone_abroad();
                waker.drop_abroad();
                clone.drop_abroad();
            });
            alive.drop_at_home();
            alive.drop_at_home();
            owner.turn();
            abroad.join().unwrap();
            owner.turn();
            assert_eq!(owner.freed(), 1);
            owner.close(None);
        });
    }
}

#[test]
fn models_references_made_at_home_and_dropped_abroad_are_donated() {
    loom::model(|| {
        let mut owner = Owner::new();
        let alive = owner.object(3, false);
        let threads = [0, 1].map(|_| {
            let waker = alive;
            thread::spawn(move || waker.drop_abroad())
        });
        alive.drop_at_home();
        owner.turn();
        for thread in threads {
            thread.join().unwrap();
        }
        owner.turn();
        assert_eq!(owner.freed(), 1);
        owner.close(None);
    });
}

/// The last reference is donated, and the loop may be gone before the donor comes to notify it.
#[test]
fn models_the_inbox_outlives_a_push() {
    loom::model(|| {
        let mut owner = Owner::new();
        let waker = owner.object(1, false);
        let abroad = thread::spawn(move || waker.drop_abroad());
        owner.turn();
        owner.close(Some(waker));
        abroad.join().unwrap();
        assert_eq!(owner.freed(), 1);
    });
}

#[test]
fn models_the_end_of_the_loop_beside_a_wake_and_a_drop() {
    loom::model(|| {
        let mut owner = Owner::new();
        let alive = owner.object(2, false);
        let waker = alive;
        let abroad = thread::spawn(move || {
            waker.wake_abroad();
            waker.drop_abroad();
        });
        owner.close(Some(alive));
        alive.drop_at_home();
        abroad.join().unwrap();
        assert_eq!(owner.freed(), 1);
    });
}

#[test]
fn models_a_merge_beside_a_foreign_wake_and_drop() {
    loom::model(|| {
        let mut owner = Owner::new();
        let handle = owner.object(1, true);
        let waker = handle.clone_abroad();
        let abroad = thread::spawn(move || {
            waker.wake_abroad();
            let clone = waker.clone_abroad();
            waker.drop_abroad();
            clone.drop_abroad();
        });
        handle.drop_at_home();
        owner.turn();
        abroad.join().unwrap();
        owner.turn();
        assert_eq!(owner.freed(), 1);
        owner.close(None);
    });
}

/// References made abroad come home and are dropped there until `local` runs out: the task is alive and must still be
/// woken from abroad.
#[test]
fn models_a_task_that_may_run_absorbs_and_is_not_merged() {
    loom::model(|| {
        let mut owner = Owner::new();
        let alive = owner.object(2, false);
        let sent_home = alive.clone_abroad();
        let waker = alive.clone_abroad();
        let abroad = thread::spawn(move || {
            waker.object().done[0].store(true, Relaxed);
            waker.wake_abroad();
            waker.drop_abroad();
        });
        sent_home.drop_at_home();
        alive.drop_at_home();
        abroad.join().unwrap();
        owner.turn();
        assert!(owner.seen[0]);
        alive.drop_at_home();
        owner.turn();
        assert_eq!(owner.freed(), 1);
        owner.close(None);
    });
}

#[test]
fn models_a_wake_after_the_end_of_the_loop_does_nothing() {
    loom::model(|| {
        let mut owner = Owner::new();
        let waker = owner.object(1, false);
        owner.close(Some(waker));
        let abroad = thread::spawn(move || {
            waker.wake_abroad();
            let clone = waker.clone_abroad();
            clone.drop_abroad();
            waker.drop_abroad();
        });
        abroad.join().unwrap();
        assert_eq!(owner.freed(), 1);
        assert_eq!(owner.polls, 0);
    });
}
