#![expect(unsafe_code, reason = "a task is found from the link that its awaiter's scope points to")]
//! What only some tasks need: who awaits and watches them, a context, a name.
//!
//! A task has none of this until something of it is asked for; then it has a box of its own, which it keeps until it is
//! freed.
//!
//! Rules:
//!
//! 1. The header points to its [`Extra`], and is the only one who frees it, when the header itself is freed. So a reference to an `Extra` that comes from a header is good as long as the header is.
//! 2. `task` points to the whole allocation of the task that has it.
//! 3. The link is the first field of a `repr(C)` struct, and is attached through a pointer to all of it; so the pointer
//!    that a scope's list holds leads to the task. A link is attached only while the `Task<T>` is there, which detaches it.

use std::cell::Cell;
use std::ptr::{self, NonNull};

use crate::context_var::Context;
use crate::done::DoneList;
use crate::link::Link;
use crate::scope::tree::ScopeBase;
use crate::task::header::Header;

/// Marks the address of an [`Extra`], whose alignment leaves this bit free.
const MARK: usize = 1;

const _: () = assert!(align_of::<Extra>() > MARK && align_of::<ScopeBase>() > MARK);

/// The word of a header that leads beyond it: to its [`Extra`], marked; or to the scope that waits for the task without a
/// link (`sole.rs`); or nowhere.
pub(crate) struct Beyond(Cell<*const ()>);

impl Beyond {
    pub(super) const fn new() -> Self {
        Self(Cell::new(ptr::null()))
    }

    #[inline]
    pub(super) fn is_nothing(&self) -> bool {
        self.0.get().is_null()
    }

    #[inline]
    pub(super) fn extra(&self) -> Option<NonNull<Extra>> {
        let word = self.0.get();
        let extra = word.map_addr(|address| address & !MARK).cast_mut();
        if word.addr() & MARK == 0 { None } else { NonNull::new(extra.cast()) }
    }

    /// The scope, or null.
    #[inline]
    pub(super) fn scope(&self) -> *const ScopeBase {
        let word = self.0.get();
        if word.addr() & MARK == 0 { word.cast() } else { ptr::null() }
    }

    #[inline]
    pub(super) fn set_extra(&self, extra: NonNull<Extra>) {
        self.0.set(extra.as_ptr().cast_const().cast::<()>().map_addr(|address| address | MARK));
    }

    /// Sets the scope; null is none.
    #[inline]
    pub(super) fn set_scope(&self, scope: *const ScopeBase) {
        self.0.set(scope.cast());
    }
}

#[repr(C)]
pub(crate) struct Extra {
    /// The membership of the task in the scope that awaits it through its `Task<T>`.
    pub(crate) link: Link,
    task: *const Header,
    pub(crate) done: DoneList,
    pub(crate) context: Cell<Option<Context>>,
    pub(super) name: Cell<Option<Box<str>>>,
    /// The last request for cancellation that code of the task got to know of; zero is none.
    pub(crate) heard: Cell<u32>,
}

impl Extra {
    /// That of the task whose whole allocation `task` points to.
    #[inline]
    pub(super) fn new(task: *const Header) -> Self {
        Self {
            link: Link::of_task(),
            task,
            done: DoneList::new(),
            context: Cell::new(None),
            name: Cell::new(None),
            heard: Cell::new(0),
        }
    }

    /// The task around a link.
    ///
    /// # Safety
    ///
    /// `link` is the one of a task, from a scope's list.
    pub(crate) unsafe fn task_of(link: *const Link) -> *const Header {
        // SAFETY: rule 3.
        let extra = unsafe { &*link.cast::<Self>() };
        extra.task
    }
}
