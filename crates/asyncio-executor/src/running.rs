#![expect(unsafe_code, reason = "the current executor and the current task are reached by thread-local pointers")]
//! What runs now: the current executor, how it comes to be that, and the functions that need no handle because they find it.

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::ptr::NonNull;
use std::rc::Rc;
use std::task::Waker;

use crate::callback::{self, Handle};
use crate::cancel::CancelledError;
use crate::current;
use crate::executor::{Executor, Inner};
use crate::task::builder::{self, TaskBuilder};
use crate::task::handle::{Task, TaskHandle};
use crate::task::header::TaskRef;

/// Lets `f` see the current executor, if there is one.
pub(crate) fn with_current<R>(f: impl FnOnce(&Inner) -> R) -> Option<R> {
    let inner = current::with(|current| current.executor.get());
    // SAFETY: the current executor is alive while it is current: a guard holds it.
    unsafe { inner.as_ref() }.map(f)
}

/// Lets `f` see the current executor.
#[track_caller]
pub(crate) fn current_or_panic<R>(what: &str, f: impl FnOnce(&Inner) -> R) -> R {
    match with_current(f) {
        Some(result) => result,
        None => panic!("no running event loop: {what} must be called from inside `asyncio::run`"),
    }
}

/// Makes an executor the current one of its thread until it is dropped.
pub struct Enter<'a> {
    _entered: Entered,
    _executor: PhantomData<&'a Executor>,
}

impl Enter<'_> {
    pub(crate) fn new(inner: Rc<Inner>) -> Self {
        Self { _entered: Entered::new(inner), _executor: PhantomData }
    }
}

impl fmt::Debug for Enter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enter").finish_non_exhaustive()
    }
}

/// What makes an executor the current one. The thread-local pointer and the `before` of each guard own a count of what
/// they point to, so that guards may be forgotten, or dropped in any order.
pub(crate) struct Entered {
    before: *const Inner,
}

impl Entered {
    pub(crate) fn new(inner: Rc<Inner>) -> Self {
        Self { before: current::with(|current| current.executor.replace(Rc::into_raw(inner))) }
    }
}

/// Makes an executor that is closed the current one no more, in case that its guard was forgotten.
pub(crate) fn leave(closed: *const Inner) {
    if current::with(|current| current.executor.get()) == closed {
        drop(Entered { before: std::ptr::null() });
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let left = current::with(|current| current.executor.replace(self.before));
        if !left.is_null() {
            // SAFETY: the pointer that was current owned a count, and came from `Rc::into_raw`.
            drop(unsafe { Rc::from_raw(left) });
        }
    }
}

/// The task that is running on this thread.
///
/// # In Python
///
/// `asyncio.current_task`, in `asyncio/tasks.py`.
#[must_use]
pub fn current_task() -> Option<TaskHandle> {
    let task = NonNull::new(current::with(|current| current.task.get()).cast_mut())?;
    // SAFETY: the current task is alive while it is current, and its pointer is to the whole allocation.
    let task = unsafe { TaskRef::borrow(task) };
    Some(TaskHandle::new((*task).clone()))
}

/// The tasks of the current executor that have not ended, in the order in which they were made.
///
/// # Panics
///
/// Without a running event loop.
///
/// # In Python
///
/// `asyncio.all_tasks`, in `asyncio/tasks.py`, where it is a set.
#[track_caller]
#[must_use]
pub fn all_tasks() -> Vec<TaskHandle> {
    current_or_panic("`all_tasks`", Inner::all_tasks)
}

/// Makes a task of `future`: it runs beside its creator, from the next turn on.
///
/// Nothing of `future` runs before this function returns. The task lives on when its handle is dropped.
///
/// # Panics
///
/// Without a running event loop.
///
/// # In Python
///
/// `asyncio.create_task`, in `asyncio/tasks.py`.
#[track_caller]
#[inline]
pub fn create_task<F>(future: F) -> Task<F::Output>
where
    F: IntoFuture,
    F::IntoFuture: 'static,
{
    let location = Location::caller();
    let future = future.into_future();
    current_or_panic("`create_task`", |inner| builder::spawn(inner, future, location))
}

/// A task that has ended cancelled, with `error`. For combinators that refuse to make one.
///
/// # Panics
///
/// Without a running event loop.
#[track_caller]
pub fn cancelled_task<T: 'static>(error: CancelledError) -> Task<T> {
    let location = Location::caller();
    current_or_panic("a task", |inner| TaskBuilder::new().spawn_cancelled(inner, location, error))
}

/// A number that no other call on this thread gives: the key of an awaiter. For combinators.
#[must_use]
pub fn next_key() -> u64 {
    current::next_callback_id()
}

/// Puts a closure at the end of the current executor's ready queue, to be run in a copy of the current context.
///
/// # Panics
///
/// Without a running event loop.
///
/// # In Python
///
/// `loop.call_soon`, in `asyncio/base_events.py`.
#[track_caller]
pub fn call_soon(f: impl FnOnce() + 'static) -> Handle {
    let location = Location::caller();
    current_or_panic("`call_soon`", |inner| inner.call_soon(location, f))
}

/// Wakes `waker` for the next turn, not for this one. For futures that give everything else a turn.
///
/// A combinator that polls what it was woken for at once, such as `FuturesUnordered`, would else go on in the same turn.
/// Where the waker is not the task's own, the wake itself takes a turn.
#[track_caller]
pub fn wake_next_turn(waker: &Waker) {
    let Some(task) = NonNull::new(current::with(|current| current.task.get()).cast_mut()) else {
        waker.wake_by_ref();
        return;
    };
    // SAFETY: the current task is alive while it is current, and its pointer is to the whole allocation.
    let task = unsafe { TaskRef::borrow(task) };
    if task.is_waker(waker) {
        task.schedule();
        return;
    }
    wake_later(waker, Location::caller());
}

/// Wakes `waker` in an entry of the ready queue of its own.
#[cold]
fn wake_later(waker: &Waker, location: &'static Location<'static>) {
    let later = waker.clone();
    if with_current(|home| callback::schedule(home, None, location, move || later.wake())).is_none() {
        waker.wake_by_ref();
    }
}
