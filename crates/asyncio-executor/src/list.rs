#![expect(unsafe_code, reason = "an intrusive list follows pointers between its members")]
//! A doubly linked list of values that live elsewhere: insertion and removal in constant time, no allocation.
//!
//! The list is one word: a pointer to its first member. The first member's `prev` points to the last one, every other
//! `prev` to the member before, and the last member's `next` is null.
//!
//! Rules, on which every `SAFETY` comment of this file rests:
//!
//! 1. A member is in at most one list through the same [`Links`], and knows whether it is (`is_linked`).
//! 2. Whoever inserts a member promises that it stays where it is until it has been removed ([`List::push_back`] is
//!    `unsafe` for this reason alone). So every pointer reachable from `head` is valid.
//! 3. Everything happens on one thread, and no code of others runs while pointers are being changed: the fields are
//!    `Cell`s, and nothing here calls out.

use std::cell::Cell;
use std::ptr;

/// The two pointers that make a value a member of a [`List`].
pub(crate) struct Links<T> {
    prev: Cell<*const T>,
    next: Cell<*const T>,
}

/// A value with [`Links`] inside.
pub(crate) trait Linked: Sized {
    fn links(&self) -> &Links<Self>;
}

/// The list: see the header of this file.
pub(crate) struct List<T> {
    head: Cell<*const T>,
}

impl<T> Links<T> {
    pub(crate) const fn new() -> Self {
        Self { prev: Cell::new(ptr::null()), next: Cell::new(ptr::null()) }
    }

    /// Whether the member is in a list: its `prev` is null only while it is in none.
    pub(crate) fn is_linked(&self) -> bool {
        !self.prev.get().is_null()
    }
}

impl<T: Linked> List<T> {
    pub(crate) const fn new() -> Self {
        Self { head: Cell::new(ptr::null()) }
    }

    /// The first member, or null. It is valid until it is removed.
    pub(crate) fn first(&self) -> *const T {
        self.head.get()
    }

    /// Puts a word of the caller's in the place of the pointer to the first member, which is null: nothing else of the list
    /// is to be used until it is null again.
    #[inline]
    pub(crate) fn set_first(&self, word: *const T) {
        self.head.set(word);
    }

    /// # Safety
    ///
    /// `member` is valid, in no list, and is removed from this one before it moves or dies.
    #[inline]
    pub(crate) unsafe fn push_back(&self, member: *const T) {
        // SAFETY: valid by the caller's promise.
        let links = unsafe { (*member).links() };
        debug_assert!(!links.is_linked());
        let head = self.head.get();
        links.next.set(ptr::null());
        if head.is_null() {
            links.prev.set(member);
            self.head.set(member);
            return;
        }
        // SAFETY: rule 2: `head` is a member.
        let first = unsafe { (*head).links() };
        let tail = first.prev.get();
        // SAFETY: rule 2: the `prev` of the first member is the last member.
        let last = unsafe { (*tail).links() };
        last.next.set(member);
        links.prev.set(tail);
        first.prev.set(member);
    }

    /// Takes `member` out.
    ///
    /// # Safety
    ///
    /// `member` is in this list.
    #[inline]
    pub(crate) unsafe fn remove(&self, member: *const T) {
        // SAFETY: a member is valid by rule 2.
        let links = unsafe { (*member).links() };
        debug_assert!(links.is_linked());
        let prev = links.prev.replace(ptr::null());
        let next = links.next.replace(ptr::null());
        let head = self.head.get();
        if head == member {
            self.head.set(next);
        } else {
            // SAFETY: rule 2: the `prev` of any member but the first is the member before it.
            let before = unsafe { (*prev).links() };
            before.next.set(next);
        }
        // The new last member, if `member` was the last, is known to the first one only.
        let after = if next.is_null() { self.head.get() } else { next };
        if !after.is_null() {
            // SAFETY: rule 2: `after` is a member: the next one, or the first.
            let after = unsafe { (*after).links() };
            after.prev.set(prev);
        }
    }

    /// Calls `visit` for each member in order. `visit` must not change the list.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(&T)) {
        // SAFETY: rule 2: it is a member, and `visit` leaves the list alone.
        self.for_each_ptr(|member| visit(unsafe { &*member }));
    }

    /// Like [`List::for_each`], with the pointers that were pushed: they may reach what surrounds the member.
    pub(crate) fn for_each_ptr(&self, mut visit: impl FnMut(*const T)) {
        let mut at = self.head.get();
        while !at.is_null() {
            // SAFETY: rule 2: `at` is a member.
            let next = unsafe { (*at).links() }.next.get();
            visit(at);
            at = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    struct Member {
        value: u32,
        links: Links<Member>,
    }

    impl Linked for Member {
        fn links(&self) -> &Links<Self> {
            &self.links
        }
    }

    proptest::proptest! {
        #[test]
        fn a_list_agrees_with_a_deque(steps in proptest::collection::vec((0u8..3, 0usize..8), 0..300)) {
            let list = List::new();
            let members: Vec<Box<Member>> =
                (0..8).map(|value| Box::new(Member { value, links: Links::new() })).collect();
            let mut model: VecDeque<u32> = VecDeque::new();
            for (step, index) in steps {
                let member = &*members[index];
                if step == 0 && member.links.is_linked() {
                    // SAFETY: it is linked, and there is one list only.
                    unsafe { list.remove(member) };
                    model.retain(|value| *value != member.value);
                } else if step != 0 && !member.links.is_linked() {
                    // SAFETY: the members are boxed and outlive the list.
                    unsafe { list.push_back(member) };
                    model.push_back(member.value);
                }
                let mut seen = VecDeque::new();
                list.for_each(|member| seen.push_back(member.value));
                proptest::prop_assert_eq!(&seen, &model);
                proptest::prop_assert_eq!(list.first().is_null(), model.is_empty());
            }
        }
    }
}
