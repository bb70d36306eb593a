//! Where a queue keeps its items, and so in which order it gives them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// The items of a [`BaseQueue`](super::BaseQueue), and which of them comes next.
///
/// The queue is being changed while these methods run: they must not put into it or get from it.
///
/// # Examples
///
/// ```
/// use asyncio_sync::{BaseQueue, Storage};
/// use std::collections::BTreeSet;
///
/// /// Smallest first, and each item at most once.
/// #[derive(Default)]
/// struct Once(BTreeSet<u32>);
///
/// impl Storage for Once {
///     type Item = u32;
///     fn push(&mut self, item: u32) {
///         self.0.insert(item);
///     }
///     fn pop(&mut self) -> Option<u32> {
///         self.0.pop_first()
///     }
///     fn len(&self) -> usize {
///         self.0.len()
///     }
/// }
///
/// let queue = BaseQueue::with_storage(0, Once::default());
/// for item in [2, 1, 2] {
///     queue.put_nowait(item).unwrap();
/// }
/// assert_eq!((queue.get_nowait(), queue.get_nowait()), (Ok(1), Ok(2)));
/// assert!(queue.empty());
/// ```
///
/// In Python: `Queue._init`, `Queue._put` and `Queue._get`, which a subclass may override.
#[expect(clippy::len_without_is_empty, reason = "the queue asks for the length and compares it with its maximum")]
pub trait Storage {
    /// What is stored.
    type Item;

    /// What the `Debug` of the queue calls it.
    const NAME: &'static str = "BaseQueue";

    /// Adds an item.
    fn push(&mut self, item: Self::Item);

    /// Takes out the item that comes next.
    fn pop(&mut self) -> Option<Self::Item>;

    /// How many items there are.
    fn len(&self) -> usize;
}

/// First in, first out.
impl<T> Storage for VecDeque<T> {
    type Item = T;
    const NAME: &'static str = "Queue";

    #[inline]
    fn push(&mut self, item: T) {
        self.push_back(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.pop_front()
    }

    #[inline]
    fn len(&self) -> usize {
        self.len()
    }
}

/// Last in, first out.
impl<T> Storage for Vec<T> {
    type Item = T;
    const NAME: &'static str = "LifoQueue";

    #[inline]
    fn push(&mut self, item: T) {
        self.push(item);
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.pop()
    }

    #[inline]
    fn len(&self) -> usize {
        self.len()
    }
}

/// Smallest first.
impl<T: Ord> Storage for BinaryHeap<Reverse<T>> {
    type Item = T;
    const NAME: &'static str = "PriorityQueue";

    #[inline]
    fn push(&mut self, item: T) {
        self.push(Reverse(item));
    }

    #[inline]
    fn pop(&mut self) -> Option<T> {
        self.pop().map(|Reverse(item)| item)
    }

    #[inline]
    fn len(&self) -> usize {
        self.len()
    }
}
