#![expect(unsafe_code, reason = "the table turns a key back into the scope it was issued for")]
//! Keys of scopes: how a timer or a task group reaches a scope that may be gone by then.
//!
//! A table of the thread holds, for each key in use, a pointer to its scope and a generation. A scope revokes its key
//! when it leaves the tree, which is before it dies; so a slot whose generation matches points to a live scope.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ptr;

use crate::awaitee::Forward;
use crate::cancel::CancelledError;
use crate::scope::tree::ScopeNode;

/// Names a [`Scope`](crate::Scope), for as long as it is in the tree of scopes. Copied freely; bound to its thread.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ScopeKey {
    index: u32,
    generation: NonZeroU32,
    /// Another thread's table has other scopes.
    _thread: PhantomData<*const ()>,
}

/// One slot: free if its pointer is null.
struct Slot {
    generation: NonZeroU32,
    scope: *const ScopeNode,
    /// Whether a request was made by this key.
    used: bool,
}

pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Table {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }
}

#[inline]
fn with<R>(f: impl FnOnce(&mut Table) -> R) -> Option<R> {
    crate::current::SCOPES.try_with(|table: &RefCell<Table>| f(&mut table.borrow_mut())).ok()
}

impl ScopeKey {
    /// A key for a pinned scope, which revokes it before it dies.
    #[inline]
    pub(crate) fn issue(scope: &ScopeNode) -> Self {
        with(|table| {
            let index = table.free.pop().unwrap_or_else(|| {
                table.slots.push(Slot { generation: NonZeroU32::MIN, scope: ptr::null(), used: false });
                // Four billion suspended timeouts do not fit in memory.
                u32::try_from(table.slots.len() - 1).expect("more than 2^32 scopes have a key at once")
            });
            let slot = &mut table.slots[index as usize];
            slot.scope = scope;
            slot.used = false;
            Self { index, generation: slot.generation, _thread: PhantomData }
        })
        .unwrap_or(Self { index: u32::MAX, generation: NonZeroU32::MAX, _thread: PhantomData })
    }

    #[inline]
    pub(crate) fn revoke(self) {
        with(|table| {
            if let Some(slot) = table.slots.get_mut(self.index as usize)
                && slot.generation == self.generation
            {
                slot.scope = ptr::null();
                slot.generation = slot.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
                table.free.push(self.index);
            }
        });
    }

    /// Asks for the cancellation of what is suspended inside the scope, and counts the request in its task.
    ///
    /// Returns `false`, and does nothing, if the scope is over.
    pub fn cancel(self, error: CancelledError) -> bool {
        self.request(error, true)
    }

    /// Like [`cancel`](ScopeKey::cancel), but the task does not count it: it is not the task that is to be cancelled.
    pub fn interrupt(self, error: CancelledError) -> bool {
        self.request(error, false)
    }

    /// Whether a request was made by this key. `false` once the scope is over.
    #[must_use]
    #[inline]
    pub fn is_used(self) -> bool {
        with(|table| {
            let slot = table.slots.get(self.index as usize);
            slot.is_some_and(|slot| slot.generation == self.generation && slot.used)
        })
        .unwrap_or(false)
    }

    /// Another key for the same scope; this one names nothing from now on. `None` if the scope is over.
    #[must_use]
    pub fn renew(self) -> Option<Self> {
        let scope = self.find();
        // SAFETY: the generation matches, so the scope has not revoked its key: it is alive and pinned.
        let scope = unsafe { scope.as_ref() }?;
        self.revoke();
        Some(scope.issue_key())
    }

    /// The scope, or null if it is over.
    fn find(self) -> *const ScopeNode {
        with(|table| {
            table
                .slots
                .get(self.index as usize)
                .filter(|slot| slot.generation == self.generation)
                .map(|slot| slot.scope)
        })
        .flatten()
        .unwrap_or(ptr::null())
    }

    fn request(self, error: CancelledError, count: bool) -> bool {
        let scope = self.find();
        // SAFETY: the generation matches, so the scope has not revoked its key: it is alive and pinned.
        let Some(scope) = (unsafe { scope.as_ref() }) else { return false };
        with(|table| table.slots[self.index as usize].used = true);
        let mut forward = Forward::new();
        scope.cancel(error, count, &mut forward);
        // The scope is not used from here on: what follows may run the code of others.
        forward.run();
        true
    }
}
