#![expect(unsafe_code, reason = "the two sides of a wait name each other by address")]
//! The most frequent wait of all: one scope waits for one task, directly, and for nothing else. It has no link.
//!
//! `create_task(…).await` is such a wait, and so is that for each of many tasks in turn. The awaited task has the address
//! of the scope in the place of the [`Extra`](crate::task::extra::Extra) that it does not need, and the scope has that of
//! the task in the place of its links. The awaiter is the task of the scope, so it takes no waker to
//! schedule it.
//!
//! Rules:
//!
//! 1. The two words name each other, from [`begin`] until [`end`] or [`make_link`]. Nobody else sets them.
//! 2. The wait ends before the awaited task dies, for its `Task<T>` has a reference, and ends the wait when it is
//!    dropped. It ends before the scope dies or comes to another task, for a link is made first. So both addresses are
//!    good as long as they are there, and the task of the scope is the awaiter.
//! 3. A link is made for all that is more than this: a second wait of the scope, another waker, a done-callback, a name,
//!    a request that is forwarded ([`Waits::links`](crate::link::Waits::links), [`TaskRef::extra_or_new`]).

use std::ptr::{self, NonNull};
use std::task::Waker;

use crate::current;
use crate::done::Waiter;
use crate::link::Link;
use crate::scope::tree::ScopeBase;
use crate::task::header::{Header, TaskRef};
use crate::task::waker;

/// Lets the current scope wait for `task`, which was polled with `waker`; or does nothing and returns `false`, if that is
/// a wait with a link.
#[inline]
pub(crate) fn begin(task: &TaskRef, waker: &Waker) -> bool {
    let scope = current::with(|current| current.scope.get());
    // SAFETY: the current scope is valid while it is current.
    let Some(base) = (unsafe { scope.as_ref() }) else { return false };
    let goes_on = task.beyond.scope() == scope;
    if !(goes_on || task.beyond.is_nothing() && base.waits.is_empty()) || !base.is_task_waker(waker) {
        return false;
    }
    task.seen.set(base.polls());
    if !goes_on {
        task.beyond.set_scope(scope);
        base.waits.set_sole(Some(task.as_ptr()));
    }
    true
}

/// The scope that waits for `task` without a link.
#[inline]
pub(crate) fn scope(task: &Header) -> Option<&ScopeBase> {
    // SAFETY: rule 2.
    unsafe { task.beyond.scope().as_ref() }
}

/// Ends the wait for `task`, if there is one without a link; says whether there was.
#[inline]
pub(crate) fn end(task: &Header) -> bool {
    let Some(scope) = scope(task) else { return false };
    scope.waits.set_sole(None);
    task.beyond.set_scope(ptr::null());
    true
}

/// Gives the wait for a task a link, if there is one without.
///
/// # Safety
///
/// `header` points to the whole allocation of a task, which is alive.
#[cold]
pub(crate) unsafe fn make_link(header: NonNull<Header>) {
    // SAFETY: by the caller's promise.
    let task = unsafe { TaskRef::borrow(header) };
    let Some(scope) = scope(&task) else { return };
    end(&task);
    let extra = task.extra_or_new();
    // The awaiter of a task that is done has been scheduled.
    if let Some(awaiter) = scope.task().filter(|_| !task.is_done()) {
        extra.done.push(Waiter::Awaiter(0, waker::of(&awaiter)));
    }
    // SAFETY: the link of an `Extra`, by a pointer to all of it, which stays where it is; the `Task<T>`, which is there by
    // rule 2, detaches it when it is dropped.
    unsafe { Link::attach_direct(task.link(), scope, task.seen.get()) };
}
