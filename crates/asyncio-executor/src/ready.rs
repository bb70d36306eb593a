#![expect(unsafe_code, reason = "an intrusive queue follows pointers between its entries")]
//! The ready queue: what runs next, first in, first out; task steps and callbacks alike.
//!
//! An entry is a [`Node`] inside an allocation that lives, from [`Ready::push`] on, until the entry has been run or
//! discarded. Rules: a node is in the queue at most once at a time (its owner keeps a flag); whoever pushes it sees to it
//! that it stays valid; everything happens on one thread, and pushing and popping run nobody's code.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::ptr::{self, NonNull};

use crate::task::handle::TaskHandle;

/// The head of everything that can be in the ready queue. It is the first field of its `repr(C)` container.
pub(crate) struct Node {
    next: Cell<*const Node>,
    /// Static. A pointer, because a task's table begins with this one and is reached through it.
    vtable: *const NodeVTable,
}

/// What can be done with an entry whose container only it knows.
pub(crate) struct NodeVTable {
    /// Runs the entry, after which its allocation may be gone.
    pub(crate) run: unsafe fn(NonNull<Node>),
    /// Lets go of the entry without running it.
    pub(crate) discard: unsafe fn(NonNull<Node>),
    /// Says what it is, for reports of slow callbacks.
    pub(crate) describe: unsafe fn(NonNull<Node>) -> Entry,
}

/// What an entry of the ready queue is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Entry {
    /// A step of a task, or its done-callbacks.
    Task(TaskHandle),
    /// A callback, and where it was scheduled.
    Callback(&'static Location<'static>),
}

pub(crate) struct Ready {
    head: Cell<*const Node>,
    tail: Cell<*const Node>,
    len: Cell<usize>,
}

/// An entry that is in the queue no more. Dropping it lets go of it without running it.
pub(crate) struct Popped(NonNull<Node>);

impl Node {
    /// # Safety
    ///
    /// `vtable` points to a static table, whose functions fit the container.
    pub(crate) const unsafe fn new(vtable: *const NodeVTable) -> Self {
        Self { next: Cell::new(ptr::null()), vtable }
    }

    /// The pointer that the node was made with.
    pub(crate) fn vtable_ptr(&self) -> *const NodeVTable {
        self.vtable
    }

    fn vtable(&self) -> &'static NodeVTable {
        // SAFETY: static, by the promise of `new`.
        unsafe { &*self.vtable }
    }
}

impl Ready {
    pub(crate) const fn new() -> Self {
        Self { head: Cell::new(ptr::null()), tail: Cell::new(ptr::null()), len: Cell::new(0) }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    /// # Safety
    ///
    /// `node` is the first field of the container that its vtable expects, is in no queue, and stays valid until it
    /// has been run or discarded.
    #[inline]
    pub(crate) unsafe fn push(&self, node: NonNull<Node>) {
        let node: *const Node = node.as_ptr();
        // SAFETY: valid by the caller's promise.
        unsafe { &*node }.next.set(ptr::null());
        let tail = self.tail.replace(node);
        // SAFETY: the tail is in the queue, so it is valid.
        match unsafe { tail.as_ref() } {
            Some(tail) => tail.next.set(node),
            None => self.head.set(node),
        }
        self.len.set(self.len.get() + 1);
    }

    /// The first entry.
    #[inline]
    pub(crate) fn pop(&self) -> Option<Popped> {
        let head = NonNull::new(self.head.get().cast_mut())?;
        // SAFETY: the head is in the queue, so it is valid.
        let next = unsafe { head.as_ref() }.next.get();
        self.head.set(next);
        if next.is_null() {
            self.tail.set(ptr::null());
        }
        self.len.set(self.len.get() - 1);
        Some(Popped(head))
    }
}

impl Popped {
    #[inline]
    pub(crate) fn run(self) {
        let node = ManuallyDrop::new(self).0;
        // SAFETY: what was in the queue is valid until it is run.
        let run = unsafe { node.as_ref() }.vtable().run;
        // SAFETY: as above; the entry is not used again.
        unsafe { run(node) };
    }

    /// Says what it is.
    pub(crate) fn describe(&self) -> Entry {
        // SAFETY: as in `run`.
        let describe = unsafe { self.0.as_ref() }.vtable().describe;
        // SAFETY: as in `run`.
        unsafe { describe(self.0) }
    }
}

impl Drop for Popped {
    fn drop(&mut self) {
        // SAFETY: as in `run`.
        let discard = unsafe { self.0.as_ref() }.vtable().discard;
        // SAFETY: as in `run`.
        unsafe { discard(self.0) };
    }
}
