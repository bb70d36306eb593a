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

use crate::awaitee::Link;
use crate::context_var::Context;
use crate::done::DoneList;
use crate::task::header::Header;

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
