//! Tasks that wait for one thing and are woken together.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};

/// Wakers, in the order of their coming. Nothing is allocated while nobody waits.
#[derive(Default)]
pub(crate) struct Wakers(Cell<Option<Numbered>>);

/// In a box: a connection has several of these, and there seldom is anybody.
type Numbered = Box<Vec<(u64, Waker)>>;

/// The number of those who have no place of their own.
const ANYBODY: u64 = 0;

/// A place among the wakers, which is given up when this is dropped.
pub(crate) struct Place<'a> {
    wakers: &'a Wakers,
    number: u64,
}

impl Wakers {
    /// A place for a future that waits.
    pub(crate) fn place(&self) -> Place<'_> {
        // Never used again, so that who was woken and is dropped takes nobody else's away.
        static NEXT: AtomicU64 = AtomicU64::new(ANYBODY + 1);
        Place { wakers: self, number: NEXT.fetch_add(1, Ordering::Relaxed) }
    }

    /// Has the task of `cx` woken, with the others: for functions that are polled, and keep nothing themselves. A task that
    /// waits no more is woken for nothing later.
    pub(crate) fn add(&self, cx: &Context<'_>) {
        self.put(cx, |number, other| number == ANYBODY && other.will_wake(cx.waker()), ANYBODY);
    }

    fn put(&self, cx: &Context<'_>, is_same: impl Fn(u64, &Waker) -> bool, number: u64) {
        // Cloning and dropping wakers may run code of the user: the cell is whole meanwhile, if empty.
        let waker = cx.waker().clone();
        let mut wakers = self.0.take().unwrap_or_default();
        let before = match wakers.iter_mut().find(|(number, other)| is_same(*number, other)) {
            Some((_, kept)) => Some(std::mem::replace(kept, waker)),
            None => {
                wakers.push((number, waker));
                None
            }
        };
        let meanwhile = self.0.replace(Some(wakers));
        drop((before, meanwhile));
    }

    pub(crate) fn wake(&self) {
        self.0.take().into_iter().flat_map(|wakers| *wakers).for_each(|(_, waker)| waker.wake());
    }
}

impl Place<'_> {
    /// Has the task of `cx` woken, in place of the one before.
    pub(crate) fn stay(&self, cx: &Context<'_>) {
        self.wakers.put(cx, |number, _| number == self.number, self.number);
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let Some(mut wakers) = self.wakers.0.take() else { return };
        let place = wakers.iter().position(|(number, _)| *number == self.number);
        let removed = place.map(|place| wakers.remove(place));
        self.wakers.0.set(Some(wakers));
        drop(removed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    use super::*;

    struct Count(AtomicU32);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn each_is_woken_once_for_however_often_it_came() {
        let wakers = Wakers::default();
        let counts: Vec<_> = (0..3).map(|_| Arc::new(Count(AtomicU32::new(0)))).collect();
        for _ in 0..2 {
            for count in &counts {
                wakers.add(&Context::from_waker(&count.clone().into()));
            }
        }
        wakers.wake();
        wakers.wake();
        assert!(counts.iter().all(|count| count.0.load(Ordering::Relaxed) == 1));
        assert!(counts.iter().all(|count| Arc::strong_count(count) == 1));
    }

    #[test]
    fn a_place_that_is_given_up_keeps_no_task_and_takes_no_other_away() {
        let wakers = Wakers::default();
        let count = Arc::new(Count(AtomicU32::new(0)));
        let waker = count.clone().into();
        let cx = Context::from_waker(&waker);
        let (first, second, woken) = (wakers.place(), wakers.place(), wakers.place());
        for _ in 0..2 {
            woken.stay(&cx);
        }
        wakers.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        first.stay(&cx);
        second.stay(&cx);
        drop((first, woken));
        wakers.wake();
        assert_eq!(count.0.load(Ordering::Relaxed), 2, "the same task waited twice, and waits once more");
        second.stay(&cx);
        drop(second);
        assert_eq!(Arc::strong_count(&count), 2);
    }
}
