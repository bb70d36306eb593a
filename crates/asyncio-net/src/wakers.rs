//! Tasks that wait for one thing and are woken together.

use std::cell::Cell;
use std::task::{Context, Waker};

/// Wakers, in the order of their coming, each task once. Nothing is allocated while nobody waits.
///
/// Who is cancelled leaves its waker behind, and is woken for nothing later.
#[derive(Default)]
pub(crate) struct Wakers(Cell<Vec<Waker>>);

impl Wakers {
    /// Has the task of `cx` woken, with the others.
    pub(crate) fn add(&self, cx: &Context<'_>) {
        // Cloning and dropping wakers may run code of the user: the cell is whole meanwhile, if empty.
        let waker = cx.waker().clone();
        let mut wakers = self.0.take();
        if wakers.iter().all(|other| !other.will_wake(&waker)) {
            wakers.push(waker);
        }
        drop(self.0.replace(wakers));
    }

    pub(crate) fn wake(&self) {
        self.0.take().into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
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
}
