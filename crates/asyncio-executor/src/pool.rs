#![expect(unsafe_code, reason = "free blocks are linked through their own memory")]
//! Memory of tasks that are gone, kept for new ones: a list of free blocks for each size.
//!
//! Programs make and end tasks of the same few types all the time, and the general allocator takes several times as long
//! as a list does. Rules:
//!
//! 1. A block in the list of a size is memory that the global allocator gave for that size and [`ALIGN`]: `keep` takes it
//!    out of a box and `take` puts it into one, both for types of that layout only.
//! 2. A block in a list is owned by the list, and its first word is the pointer to the next.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

/// The alignment of what is kept: that of nearly every type that holds a pointer.
const ALIGN: usize = align_of::<*mut Block>();

/// Sizes up to this are kept; in larger ones the allocator's part does not count.
const LARGEST: usize = 1024;

/// How many bytes are kept at most: enough for the bursts in which tasks are made to be awaited together, and little
/// beside what such a burst takes. Nothing where a sanitizer may look on, which could not tell a use after the end.
const ROOM: usize = if cfg!(debug_assertions) { 0 } else { 512 << 10 };

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
    fn list<T>(&self) -> Option<&Cell<*mut Block>> {
        if align_of::<T>() == ALIGN { self.free.get((size_of::<T>() / ALIGN).wrapping_sub(1)) } else { None }
    }

    /// Memory for a value.
    #[inline]
    pub(crate) fn take<T>(&self) -> Box<MaybeUninit<T>> {
        if let Some(list) = self.list::<T>()
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

    /// Keeps the memory of a value that is gone, or frees it.
    #[inline]
    pub(crate) fn keep<T>(&self, memory: Box<MaybeUninit<T>>) {
        if let Some(list) = self.list::<T>()
            && let Some(room) = self.room.get().checked_sub(size_of::<T>())
        {
            self.room.set(room);
            let block: *mut Block = Box::into_raw(memory).cast();
            // SAFETY: memory of at least one `ALIGN`, which is what a `Block` takes, and nobody else has it.
            unsafe { block.write(Block { next: list.get() }) };
            list.set(block);
        }
    }
}

/// Drops a value that was boxed; its memory goes to the pool, if there is one.
///
/// # Safety
///
/// `value` came from a box, which nobody else owns.
#[inline]
pub(crate) unsafe fn free<T>(pool: Option<&Pool>, value: NonNull<T>) {
    // SAFETY: by the caller's promise.
    unsafe { value.drop_in_place() };
    // SAFETY: as above; what was there is gone.
    let memory = unsafe { Box::from_raw(value.as_ptr().cast::<MaybeUninit<T>>()) };
    if let Some(pool) = pool {
        pool.keep(memory);
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for (index, list) in self.free.iter().enumerate() {
            let layout = std::alloc::Layout::from_size_align((index + 1) * ALIGN, ALIGN);
            let Ok(layout) = layout else { continue };
            while !list.get().is_null() {
                let block = list.get();
                // SAFETY: rule 2.
                list.set(unsafe { (*block).next });
                // SAFETY: rule 1.
                unsafe { std::alloc::dealloc(block.cast(), layout) };
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
                    2 if index < small.len() => pool.keep(emptied(small.swap_remove(index))),
                    3 if index < medium.len() => pool.keep(emptied(medium.swap_remove(index))),
                    _ => {}
                }
                let places = small.iter().map(|b| ptr::from_ref(&**b).addr()).chain(medium.iter().map(|b| ptr::from_ref(&**b).addr()));
                proptest::prop_assert_eq!(places.collect::<BTreeSet<_>>().len(), small.len() + medium.len());
                proptest::prop_assert!(medium.iter().all(|value| value.iter().all(|word| *word == value[0])));
                proptest::prop_assert!(pool.room.get() <= 256);
            }
        }
    }

    /// The memory of a value that has no destructor.
    fn emptied<T: Copy>(value: Box<T>) -> Box<MaybeUninit<T>> {
        // SAFETY: the same layout, and any content is fit for a `MaybeUninit`.
        unsafe { Box::from_raw(Box::into_raw(value).cast()) }
    }

    #[test]
    fn what_is_too_large_or_aligned_otherwise_is_not_kept() {
        let pool = Pool::with_room(1 << 20);
        pool.keep(emptied(Box::<Large>::new([0; LARGEST / 8 + 1])));
        pool.keep(emptied(Box::new(0u128)));
        pool.keep(emptied(Box::new(0u32)));
        pool.keep(emptied(Box::new(())));
        assert_eq!(pool.room.get(), 1 << 20);
    }

    #[test]
    fn without_room_nothing_is_kept() {
        let pool = Pool::with_room(15);
        pool.keep(emptied(Box::new(1u64)));
        pool.keep(emptied(Box::new(2u64)));
        assert_eq!(pool.room.get(), 7);
    }
}
