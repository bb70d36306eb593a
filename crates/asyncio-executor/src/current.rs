//! The thread-locals of the executor, all of them: this thread's number, and which executor, task and scope run on it.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::context_var::Context;
use crate::executor::Inner;
use crate::scope::tree::ScopeBase;
use crate::scope_key::Table;
use crate::task::header::Header;

/// What runs on this thread now. Every pointer is valid while it is set: a guard on the stack of the code that set it
/// keeps what it points to alive, and puts the former value back.
pub(crate) struct Current {
    pub(crate) thread: Cell<u64>,
    pub(crate) executor: Cell<*const Inner>,
    pub(crate) task: Cell<*const Header>,
    pub(crate) scope: Cell<*const ScopeBase>,
    /// Whether a tree of scopes is being walked: nobody may change one.
    pub(crate) walking: Cell<bool>,
    tasks_made: Cell<u64>,
    callbacks_made: Cell<u64>,
    requests_made: Cell<u32>,
}

thread_local! {
    /// The scopes that can be reached by key.
    pub(crate) static SCOPES: RefCell<Table> = const { RefCell::new(Table::new()) };

    /// The context outside of tasks.
    pub(crate) static AMBIENT: Cell<Option<Context>> = const { Cell::new(None) };

    // Constant and without a destructor, so an access is a load relative to the thread's base, at any time of its life.
    static CURRENT: Current = const {
        Current {
            thread: Cell::new(0),
            executor: Cell::new(ptr::null()),
            task: Cell::new(ptr::null()),
            scope: Cell::new(ptr::null()),
            walking: Cell::new(false),
            tasks_made: Cell::new(0),
            callbacks_made: Cell::new(0),
            requests_made: Cell::new(0),
        }
    };
}

#[inline]
pub(crate) fn with<R>(f: impl FnOnce(&Current) -> R) -> R {
    CURRENT.with(f)
}

/// This thread's number, which no other thread ever has.
#[inline]
pub(crate) fn thread() -> u64 {
    with(|current| match current.thread.get() {
        0 => number_thread(current),
        number => number,
    })
}

#[cold]
fn number_thread(current: &Current) -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    current.thread.set(number);
    number
}

/// The number of the next done-callback.
pub(crate) fn next_callback_id() -> u64 {
    with(|current| {
        let id = current.callbacks_made.get() + 1;
        current.callbacks_made.set(id);
        id
    })
}

/// The number of the next request for cancellation: never zero, and not used again before long.
pub(crate) fn next_request_serial() -> u32 {
    with(|current| {
        let serial = current.requests_made.get().wrapping_add(1).max(1);
        current.requests_made.set(serial);
        serial
    })
}

/// The number of the next task that this thread makes: 1, 2, 3…
#[inline]
pub(crate) fn next_task_id() -> u64 {
    with(|current| {
        let id = current.tasks_made.get() + 1;
        current.tasks_made.set(id);
        id
    })
}
