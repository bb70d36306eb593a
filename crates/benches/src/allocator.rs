#![expect(unsafe_code, reason = "the interface of a global allocator")]
//! A global allocator that counts what is asked for: for the memory of a task, and for the allocations of an operation.
//!
//! Counting costs the same for every peer: a few plain loads and stores beside each allocation.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Counts, and leaves the work to the system's allocator.
pub struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// The bytes asked for and not given back yet.
pub fn live() -> usize {
    LIVE.load(Relaxed)
}

/// The most bytes that were live since `reset_peak`.
pub fn peak() -> usize {
    PEAK.load(Relaxed)
}

/// Forgets what was live before.
pub fn reset_peak() {
    PEAK.store(live(), Relaxed);
}

/// How often memory was asked for, and how many bytes in all.
pub fn asked() -> (usize, usize) {
    (CALLS.load(Relaxed), BYTES.load(Relaxed))
}

/// Counts with plain loads and stores, which cost nothing: exact on one thread, and the rows that show it have one.
fn count(given: usize, taken_back: usize) {
    CALLS.store(CALLS.load(Relaxed) + 1, Relaxed);
    BYTES.store(BYTES.load(Relaxed) + given, Relaxed);
    let live = LIVE.load(Relaxed).wrapping_add(given).wrapping_sub(taken_back);
    LIVE.store(live, Relaxed);
    if live > PEAK.load(Relaxed) {
        PEAK.store(live, Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        LIVE.store(LIVE.load(Relaxed).wrapping_sub(layout.size()), Relaxed);
        // SAFETY: the caller's promise is the same.
        unsafe { System.dealloc(at, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's promise is the same.
        unsafe { System.realloc(at, layout, size) }
    }
}
