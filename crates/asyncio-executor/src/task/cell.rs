#![expect(unsafe_code, reason = "the future lies behind the header, and only its table of functions knows its type")]
//! The allocation of a task: the header, and behind it the stage: the future, later its outcome, in the end nothing.
//!
//! Which of them is there is in the task's state (`holds_future`, `holds_outcome`), so that the stage takes no word of its
//! own. Who sets or clears one of the two has put that there or takes it out, and clears before it drops: destructors may
//! call anything.
//!
//! The stage is touched by the functions of this file only, on the owner's thread, and never by two of them at once:
//! `poll` is called by the task's own step while it is `RUNNING`; the others when no poll is going on. Nothing that a
//! destructor in the stage can reach touches the stage: an outcome is only taken from a task that is done, and it is done
//! after the stage has been replaced. The future is pinned: it is dropped in place.

use std::alloc::Layout;
use std::any::Any;
use std::future::Future;
use std::mem::{ManuallyDrop, offset_of};
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::cancel::CancelledError;
use crate::pool::Pool;
use crate::ready::{Entry, Node, NodeVTable};
use crate::shared::Shared;
use crate::task::error::{TaskError, panic_message};
use crate::task::handle::TaskHandle;
use crate::task::header::{Header, TaskRef};
use crate::task::step;

/// What can be done with a task whose type is not known.
#[repr(C)]
pub(crate) struct VTable {
    /// First, so that a pointer to it is a pointer to the table.
    pub(crate) node: NodeVTable,
    /// Polls the future; when it is ready, its output takes its place. Says whether it is.
    pub(crate) poll: unsafe fn(NonNull<Header>, &mut Context<'_>) -> bool,
    /// Drops the future or the outcome; `Err` takes its place, if given.
    pub(crate) replace: unsafe fn(NonNull<Header>, Option<TaskError>),
    /// The error that the task ended with.
    error: unsafe fn(NonNull<Header>) -> Option<NonNull<TaskError>>,
    /// Drops the outcome, and returns the payload if it is a panic.
    discard: unsafe fn(NonNull<Header>) -> Option<Box<dyn Any + Send>>,
    /// Where the stage begins: there is the outcome, a `Result<F::Output, TaskError>`.
    stage: usize,
    /// Of the whole allocation.
    pub(crate) layout: Layout,
}

type Outcome<F> = Result<<F as Future>::Output, TaskError>;

/// Room for either. Neither field is used by its name, but for the first future.
#[repr(C)]
union Stage<F: Future> {
    future: ManuallyDrop<F>,
    outcome: ManuallyDrop<Outcome<F>>,
}

/// The allocation.
#[repr(C)]
struct Cell<F: Future> {
    header: Header,
    stage: Stage<F>,
}

/// What a task is made with, beside its future.
pub(crate) struct Parts<'a> {
    pub(crate) shared: &'a Arc<Shared>,
    pub(crate) queued: bool,
    pub(crate) location: &'static Location<'static>,
}

/// Allocates a task. The caller gets two references: the alive one, and one for the handle.
///
/// # Safety
///
/// The future is dropped before what it borrows.
pub(crate) unsafe fn allocate<F: Future>(pool: &Pool, future: F, parts: Parts<'_>) -> NonNull<Header> {
    let Parts { shared, queued, location } = parts;
    // Allocated first and filled in its place: neither the future nor the header is copied.
    let cell: *mut Cell<F> = Box::into_raw(pool.take::<Cell<F>>()).cast();
    // SAFETY: a field of the allocation.
    let stage = unsafe { &raw mut (*cell).stage };
    // SAFETY: valid for writes, and nothing is there yet. The new state says that the future is.
    unsafe { stage.write(Stage { future: ManuallyDrop::new(future) }) };
    // SAFETY: a box is never null.
    let at = unsafe { NonNull::new_unchecked(cell) }.cast::<Header>();
    // SAFETY: the table of a `Cell<F>`, whose first field this is.
    let header = unsafe { Header::new(at, table::<F>(), shared, queued, location) };
    // SAFETY: as for the stage.
    unsafe { at.write(header) };
    at
}

fn table<F: Future>() -> &'static VTable {
    const {
        &VTable {
            node: NodeVTable { run, discard, describe },
            poll: poll::<F>,
            replace: replace::<F>,
            error: error::<F>,
            discard: discard_outcome::<F>,
            stage: offset_of!(Cell<F>, stage),
            layout: Layout::new::<Cell<F>>(),
        }
    }
}

/// # Safety
///
/// The node is that of a task, and has just left the queue, or was in none if the task has not started.
unsafe fn run(node: NonNull<Node>) {
    // SAFETY: the alive reference is there while the node is in the queue, and no longer used once it is given back.
    let task = unsafe { TaskRef::borrow(node.cast()) };
    step::run(&task);
}

/// # Safety
///
/// As for `run`.
unsafe fn discard(node: NonNull<Node>) {
    // SAFETY: as in `run`.
    let task = unsafe { TaskRef::borrow(node.cast()) };
    task.state.transition_from_queue();
    if task.is_done() {
        step::discard_notices(&task);
        // SAFETY: it has just left the queue, so `complete` has left the alive reference to this entry.
        unsafe { task.release_alive() };
    }
}

/// # Safety
///
/// The node is that of a task and alive.
unsafe fn describe(node: NonNull<Node>) -> Entry {
    // SAFETY: the queue's reference outlives this call.
    let task = unsafe { TaskRef::borrow(node.cast()) };
    Entry::Task(TaskHandle::new((*task).clone()))
}

/// The stage of a task, as what is in it: all fields of a union begin where it begins.
///
/// # Safety
///
/// The header is that of a `Cell<F>`.
unsafe fn stage<F: Future, T>(header: NonNull<Header>) -> *mut T {
    let cell: *mut Cell<F> = header.cast().as_ptr();
    // SAFETY: by the caller's promise.
    unsafe { &raw mut (*cell).stage }.cast()
}

/// # Safety
///
/// The task is `RUNNING`, by this call, and the stage is a future.
unsafe fn poll<F: Future>(header: NonNull<Header>, cx: &mut Context<'_>) -> bool {
    // SAFETY: by the caller's promise.
    let future: *mut F = unsafe { stage::<F, F>(header) };
    // SAFETY: it is there, one step at a time: see the header of this file.
    let future = unsafe { &mut *future };
    // SAFETY: the allocation does not move, and the future is dropped in place.
    match unsafe { Pin::new_unchecked(future) }.poll(cx) {
        Poll::Pending => false,
        Poll::Ready(value) => {
            // SAFETY: no poll is going on any more. If this panics, the value is dropped, and the stage is empty.
            unsafe { empty::<F>(header) };
            // SAFETY: as above.
            unsafe { fill::<F>(header, Ok(value)) };
            true
        }
    }
}

/// Drops what is in the stage.
///
/// # Safety
///
/// No poll is going on.
unsafe fn empty<F: Future>(header: NonNull<Header>) {
    // SAFETY: alive.
    let state = unsafe { &header.as_ref().state };
    if state.take_future() {
        // SAFETY: the header of a `Cell<F>`.
        let future: *mut F = unsafe { stage::<F, F>(header) };
        // SAFETY: it was there, and nobody else drops it.
        unsafe { future.drop_in_place() };
    } else if state.take_outcome() {
        // SAFETY: the header of a `Cell<F>`.
        let outcome: *mut Outcome<F> = unsafe { stage::<F, Outcome<F>>(header) };
        // SAFETY: as above.
        unsafe { outcome.drop_in_place() };
    }
}

/// Puts an outcome into the stage, which is empty.
///
/// # Safety
///
/// No poll is going on.
unsafe fn fill<F: Future>(header: NonNull<Header>, outcome: Outcome<F>) {
    // SAFETY: the header of a `Cell<F>`.
    let stage: *mut Outcome<F> = unsafe { stage::<F, Outcome<F>>(header) };
    // SAFETY: valid for writes, and nobody else uses it now.
    unsafe { stage.write(outcome) };
    // SAFETY: alive.
    unsafe { &header.as_ref().state }.set_outcome();
}

/// # Safety
///
/// No poll is going on.
unsafe fn replace<F: Future>(header: NonNull<Header>, error: Option<TaskError>) {
    // SAFETY: by the caller's promise.
    unsafe { empty::<F>(header) };
    if let Some(error) = error {
        // SAFETY: as above.
        unsafe { fill::<F>(header, Err(error)) };
    }
}

/// # Safety
///
/// The task is done, and its outcome, which was there, is the caller's.
unsafe fn discard_outcome<F: Future>(header: NonNull<Header>) -> Option<Box<dyn Any + Send>> {
    // SAFETY: the header of a `Cell<F>`.
    let outcome: *mut Outcome<F> = unsafe { stage::<F, Outcome<F>>(header) };
    // SAFETY: by the caller's promise.
    match unsafe { outcome.read() } {
        Err(TaskError::Panicked(payload)) => Some(payload),
        _ => None,
    }
}

/// # Safety
///
/// The task is done. The pointer is good until the outcome is taken.
unsafe fn error<F: Future>(header: NonNull<Header>) -> Option<NonNull<TaskError>> {
    // SAFETY: by the caller's promise.
    let mut outcome = unsafe { outcome::<F::Output>(header) }?;
    // SAFETY: it is there, and nobody else uses it now.
    unsafe { outcome.as_mut() }.as_mut().err().map(NonNull::from)
}

/// The outcome of a task, if it is there. The pointer is good until the outcome is taken.
///
/// # Safety
///
/// The header is that of a task, by a pointer to all of it, and the output of its future is `T`.
#[inline]
unsafe fn outcome<T>(header: NonNull<Header>) -> Option<NonNull<Result<T, TaskError>>> {
    // SAFETY: by the caller's promise.
    let task = unsafe { header.as_ref() };
    // SAFETY: the stage is inside the allocation.
    task.state.holds_outcome().then(|| unsafe { header.byte_add(task.vtable().stage).cast() })
}

/// Takes the outcome of a task that is done.
///
/// # Safety
///
/// The output of the task's future is `T`.
#[inline]
pub(crate) unsafe fn take_outcome<T>(task: &TaskRef) -> Option<Result<T, TaskError>> {
    // SAFETY: by the caller's promise.
    let outcome = unsafe { outcome::<T>(task.as_ptr()) }?;
    task.state.transition_to_taken().then(|| {
        // SAFETY: it was there, and the transition says that it is ours.
        unsafe { outcome.read() }
    })
}

/// Lets `f` look at the outcome of a task that is done, if it is there.
///
/// # Safety
///
/// The output of the task's future is `T`, and `f` does not take the outcome.
pub(crate) unsafe fn with_outcome<T, R>(task: &TaskRef, f: impl FnOnce(&Result<T, TaskError>) -> R) -> Option<R> {
    // SAFETY: by the caller's promise.
    let outcome = unsafe { outcome::<T>(task.as_ptr()) }?;
    // SAFETY: it is there as long as `f` runs, by the caller's promise.
    Some(f(unsafe { outcome.as_ref() }))
}

/// Drops the outcome of a task that is done, if it is there; returns the payload if it is a panic.
pub(crate) fn drop_outcome(task: &TaskRef) -> Option<Option<Box<dyn Any + Send>>> {
    // SAFETY: the transition says that the outcome is there and ours.
    task.state.transition_to_taken().then(|| unsafe { (task.vtable().discard)(task.as_ptr()) })
}

/// Lets `f` see the error that a task ended with, which is done, if it is there.
fn with_error<R>(task: &TaskRef, f: impl FnOnce(&mut TaskError) -> Option<R>) -> Option<R> {
    // SAFETY: done, say the callers.
    let mut error = unsafe { (task.vtable().error)(task.as_ptr()) }?;
    // SAFETY: the callers do nothing that could take the outcome.
    f(unsafe { error.as_mut() })
}

/// The text of the panic that a task ended with, while nobody has taken its outcome.
pub(crate) fn panic_text(task: &TaskRef) -> Option<String> {
    let text = |error: &mut TaskError| error.panic_message().map(str::to_owned);
    if task.state.is_panicked() { with_error(task, text) } else { None }
}

/// The payload of the panic that a task ended with, while nobody has taken its outcome; its text stays in its place.
pub(crate) fn steal_panic(task: &TaskRef) -> Option<Box<dyn Any + Send>> {
    let steal = |error: &mut TaskError| match error {
        TaskError::Panicked(payload) => {
            let text = panic_message(payload.as_ref()).unwrap_or("the task panicked").to_owned();
            Some(std::mem::replace(payload, Box::new(text)))
        }
        _ => None,
    };
    if task.state.is_panicked() { with_error(task, steal) } else { None }
}

/// The cancellation that a task ended with, while nobody has taken its outcome.
pub(crate) fn cancelled_error(task: &TaskRef) -> Option<CancelledError> {
    let cancelled = |error: &mut TaskError| error.cancelled().cloned();
    if task.state.is_cancelled() { with_error(task, cancelled) } else { None }
}
