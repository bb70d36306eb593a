#![expect(unsafe_code, reason = "free blocks are linked through their own memory")]
//! Memory of tasks that are gone, kept for new ones: a list of free blocks for each size.
//!
//! Programs make and end tasks of the same few types all the time, and the general allocator takes several times as long
//! as a list does. Rules:
//!
//! 1. A block in the list of a size is memory that the global allocator gave for that size and [`ALIGN`]: what
//!    `keep` is given is such memory by its caller's promise, and `take` puts it into a box of a type of that layout.
//! 2. A block in a list is owned by the list, and its first word is the pointer to the next.

use std::alloc::{Layout, dealloc};
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

/// The alignment of what is kept: that of nearly every type that holds a pointer.
const ALIGN: usize = align_of::<*mut Block>();

/// Sizes up to this are kept; in larger ones the allocator's part does not count.
const LARGEST: usize = 1024;

/// How many bytes are kept at most: enough for the bursts in which tasks are made to be awaited together, and little
/// beside what such a burst takes. Nothing where a sanitizer may look on, which could not tell a use after the end.
const ROOM: usize = if cfg!(debug_assertions) { 0 } else { 2 << 20 };

/// A free block.
struct Block {
    next: *mut Block,
}

pub(crate) struct Pool {
    free: [Cell<*mut Block>; LARGEST / ALIGN],
    room: Cell<usize>,
}

impl Pool {
    pub(crate) const fn new() -> Self {
        Self::with_room(ROOM)
    }

    const fn with_room(room: usize) -> Self {
        Self { free: [const { Cell::new(ptr::null_mut()) }; LARGEST / ALIGN], room: Cell::new(room) }
    }

    /// The list for values of this layout.
    #[inline]
    fn list(&self, layout: Layout) -> Option<&Cell<*mut Block>> {
        if layout.align() == ALIGN { self.free.get((layout.size() / ALIGN).wrapping_sub(1)) } else { None }
    }

    /// Memory for a value.
    #[inline]
    pub(crate) fn take<T>(&self) -> Box<MaybeUninit<T>> {
        if let Some(list) = self.list(Layout::new::<T>())
            && !list.get().is_null()
        {
            let block = list.get();
            // SAFETY: rule 2.
            list.set(unsafe { (*block).next });
            self.room.set(self.room.get() + size_of::<T>());
            // SAFETY: rule 1: it is from the global allocator, for this layout; and it has just left the list.
            return unsafe { Box::from_raw(block.cast()) };
        }
        Box::new_uninit()
    }

    /// Keeps memory whose value is gone, or frees it.
    ///
    /// # Safety
    ///
    /// It is from the global allocator, for this layout, which is not empty, and nobody else has it.
    #[inline]
    pub(crate) unsafe fn keep(&self, memory: NonNull<u8>, layout: Layout) {
        if let Some(list) = self.list(layout)
            && let Some(room) = self.room.get().checked_sub(layout.size())
        {
            self.room.set(room);
            let block: *mut Block = memory.as_ptr().cast();
            // SAFETY: memory of at least one `ALIGN`, which is what a `Block` takes, and nobody else has it.
            unsafe { block.write(Block { next: list.get() }) };
            list.set(block);
        } else {
            // SAFETY: by the caller's promise.
            unsafe { dealloc(memory.as_ptr(), layout) };
        }
    }
}

/// Gives memory to the pool, or back to the allocator if there is none.
///
/// # Safety
///
/// As for [`Pool::keep`].
#[inline]
pub(crate) unsafe fn free(pool: Option<&Pool>, memory: NonNull<u8>, layout: Layout) {
    match pool {
        // SAFETY: by the caller's promise.
        Some(pool) => unsafe { pool.keep(memory, layout) },
        // SAFETY: as above.
        None => unsafe { dealloc(memory.as_ptr(), layout) },
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for (index, list) in self.free.iter().enumerate() {
            let layout = Layout::from_size_align((index + 1) * ALIGN, ALIGN);
            let Ok(layout) = layout else { continue };
            while !list.get().is_null() {
                let block = list.get();
                // SAFETY: rule 2.
                list.set(unsafe { (*block).next });
                // SAFETY: rule 1.
                unsafe { dealloc(block.cast(), layout) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    type Small = [u64; 1];
    type Large = [u64; LARGEST / 8 + 1];

    proptest::proptest! {
        /// Blocks in use are apart from one another, and what is kept is never more than there is room for.
        #[test]
        fn blocks_are_handed_out_once(steps in proptest::collection::vec((0u8..4, 0usize..8), 0..200)) {
            let pool = Pool::with_room(256);
            let mut small: Vec<Box<Small>> = Vec::new();
            let mut medium: Vec<Box<[u64; 5]>> = Vec::new();
            for (step, index) in steps {
                match step {
                    0 => small.push(Box::write(pool.take(), [index as u64])),
                    1 => medium.push(Box::write(pool.take(), [index as u64; 5])),
                    2 if index < small.len() => keep(&pool, small.swap_remove(index)),
                    3 if index < medium.len() => keep(&pool, medium.swap_remove(index)),
                    _ => {}
                }
                let places = small.iter().map(|b| ptr::from_ref(&**b).addr()).chain(medium.iter().map(|b| ptr::from_ref(&**b).addr()));
                proptest::prop_assert_eq!(places.collect::<BTreeSet<_>>().len(), small.len() + medium.len());
                proptest::prop_assert!(medium.iter().all(|value| value.iter().all(|word| *word == value[0])));
                proptest::prop_assert!(pool.room.get() <= 256);
            }
        }
    }

    /// Gives the memory of a value that has no destructor to the pool.
    fn keep<T: Copy>(pool: &Pool, value: Box<T>) {
        let memory = NonNull::from(Box::leak(value)).cast();
        // SAFETY: a box is from the global allocator, and this one was the owner.
        unsafe { free(Some(pool), memory, Layout::new::<T>()) };
    }

    #[test]
    fn what_is_too_large_or_aligned_otherwise_is_not_kept() {
        let pool = Pool::with_room(1 << 20);
        keep(&pool, Box::<Large>::new([0; LARGEST / 8 + 1]));
        keep(&pool, Box::new(0u128));
        keep(&pool, Box::new(0u32));
        assert_eq!(pool.room.get(), 1 << 20);
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let pool = Pool::with_room(15);
        keep(&pool, Box::new(1u64));
        keep(&pool, Box::new(2u64));
        assert_eq!(pool.room.get(), 7);
    }
}
