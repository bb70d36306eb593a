//! How a task is awaited through its `Task<T>`: without a link (`sole.rs`) where that will do, else with the one in its
//! [`Extra`] and a place in its done list.

use std::task::Waker;

use crate::current;
use crate::scope::tree::ScopeBase;
use crate::task::extra::Extra;
use crate::task::handle::TaskHandle;
use crate::task::header::{Header, TaskRef};
use crate::task::sole;

/// Lets the current scope wait for `task`, and `waker` be woken. Returns `false` if the task is done by then.
#[inline]
pub(super) fn begin(task: &TaskRef, waker: &Waker) -> bool {
    sole::begin(task, waker) || begin_linked(task, waker)
}

#[inline(never)]
fn begin_linked(task: &TaskRef, waker: &Waker) -> bool {
    let done = &task.extra_or_new().done;
    done.set_awaiter(0, waker);
    // The clone of the waker may have been the code of others, and have run the task to its end.
    if task.is_done() {
        done.remove_awaiter(0);
        return false;
    }
    task.attach(waker);
    true
}

/// Ends the wait for `task` with its outcome, which the awaiter takes. Returns whether a request for cancellation went
/// along it.
#[inline]
pub(super) fn finish(task: &TaskRef) -> bool {
    !sole::end(task) && task.extra().is_some_and(finish_linked)
}

#[inline(never)]
fn finish_linked(extra: &Extra) -> bool {
    extra.link.finish()
}

/// Ends the wait for `task` and forgets who was to be woken.
#[inline]
pub(super) fn end(task: &TaskRef) {
    if !sole::end(task)
        && let Some(extra) = task.extra()
    {
        end_linked(task, extra);
    }
}

#[inline(never)]
fn end_linked(task: &TaskRef, extra: &Extra) {
    extra.link.detach();
    if !task.is_done() {
        extra.done.remove_awaiter(0);
    }
}

/// Takes the wait for `task` out of its scope. Who was to be woken still is.
pub(super) fn detach(task: &TaskRef) {
    if task.is_done() {
        sole::end(task);
    } else {
        task.link_wait();
    }
    if let Some(extra) = task.extra() {
        extra.link.detach();
    }
}

/// The tasks that wait for the end of `task`.
pub(super) fn awaiters(task: &TaskRef) -> Vec<TaskHandle> {
    let sole = sole::scope(task).filter(|_| !task.is_done()).and_then(ScopeBase::task);
    match (sole, task.extra()) {
        (Some(awaiter), _) => vec![TaskHandle::new((*awaiter).clone())],
        (None, Some(extra)) => extra.done.awaiters(),
        (None, None) => Vec::new(),
    }
}

/// Panics if the current task cannot await `task`, which is not done.
#[inline]
pub(crate) fn assert_awaitable(task: &TaskRef) {
    let (current, executor) = current::with(|current| (current.task.get(), current.executor.get()));
    let home: *const _ = task.home().map_or(std::ptr::null(), std::ptr::from_ref);
    if current == task.as_ptr().as_ptr().cast_const() || !(executor.is_null() || executor == home) {
        refuse_wait(task, current);
    }
}

#[cold]
fn refuse_wait(task: &TaskRef, current: *const Header) -> ! {
    let handle = TaskHandle::new(task.clone());
    if current == task.as_ptr().as_ptr().cast_const() {
        panic!("{handle:?} awaits itself, and would wait for ever: await another task, or return");
    }
    panic!("{handle:?} belongs to another event loop: await it in a task of the loop that made it");
}
