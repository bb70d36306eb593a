#![expect(unsafe_code, reason = "the future lies behind the header, and only its table of functions knows its type")]
//! The allocation of a task: the header, and behind it the future, later its output.
//!
//! The stage is touched by the functions of the [`VTable`] only, on the owner's thread, and never by two of them at once:
//! `poll` is called by the task's own step while it is `RUNNING`; the others when no poll is going on. Destructors of the
//! stage may call anything, but nothing that they can reach touches the stage: an outcome is only taken from a task that
//! is done, and it is done after the stage has been replaced. The future is pinned: it is dropped in place.

use std::any::Any;
use std::cell::UnsafeCell;
use std::future::Future;
use std::mem::MaybeUninit;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::cancel::CancelledError;
use crate::pool::{self, Pool};
use crate::ready::{Entry, Node, NodeVTable};
use crate::shared::Shared;
use crate::task::error::{InvalidStateError, TaskError, panic_message};
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
    /// Drops the future or the output; `Err` takes its place, if given.
    pub(crate) replace: unsafe fn(NonNull<Header>, Option<TaskError>),
    /// Moves the outcome, a `Result<F::Output, TaskError>`, to where the pointer points.
    pub(crate) take: unsafe fn(NonNull<Header>, *mut ()),
    /// The text of the panic that the task ended with.
    pub(crate) panic_text: unsafe fn(NonNull<Header>) -> Option<String>,
    /// The cancellation that the task ended with.
    pub(crate) cancelled_error: unsafe fn(NonNull<Header>) -> Option<CancelledError>,
    /// The payload of the panic that the task ended with; its text stays in its place.
    pub(crate) steal_panic: unsafe fn(NonNull<Header>) -> Option<Box<dyn Any + Send>>,
    /// A pointer to the outcome, a `Result<F::Output, TaskError>`; null if there is none.
    pub(crate) peek: unsafe fn(NonNull<Header>) -> *const (),
    /// Drops the output, and returns the payload if it is a panic.
    pub(crate) discard_output: unsafe fn(NonNull<Header>) -> Option<Box<dyn Any + Send>>,
    /// Frees the allocation, whose memory goes to the pool if there is one. The stage is empty.
    pub(crate) dealloc: unsafe fn(NonNull<Header>, Option<&Pool>),
}

enum Stage<F: Future> {
    Future(F),
    Finished(Result<F::Output, TaskError>),
    Empty,
}

/// The allocation.
#[repr(C)]
struct Cell<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
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
    // SAFETY: valid for writes, and nothing is there yet.
    unsafe { stage.write(UnsafeCell::new(Stage::Future(future))) };
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
            take: take::<F>,
            panic_text: panic_text::<F>,
            cancelled_error: cancelled_error::<F>,
            steal_panic: steal_panic::<F>,
            peek: peek::<F>,
            discard_output: discard_output::<F>,
            dealloc: dealloc::<F>,
        }
    }
}

/// # Safety
///
/// The node is that of a task, and was in the queue.
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

/// The stage of a task.
///
/// # Safety
///
/// The header is that of a `Cell<F>`, and nobody else uses the stage during `'a`.
unsafe fn stage<'a, F: Future>(header: NonNull<Header>) -> &'a mut Stage<F> {
    let cell: NonNull<Cell<F>> = header.cast();
    // SAFETY: by the caller's promise.
    let cell = unsafe { cell.as_ref() };
    // SAFETY: by the caller's promise.
    unsafe { &mut *cell.stage.get() }
}

/// # Safety
///
/// The task is `RUNNING`, by this call, and the stage is a future.
unsafe fn poll<F: Future>(header: NonNull<Header>, cx: &mut Context<'_>) -> bool {
    // SAFETY: one step at a time, see the header of this file.
    let stage = unsafe { stage::<F>(header) };
    let Stage::Future(future) = stage else { unreachable!("a task is polled before it is done") };
    // SAFETY: the allocation does not move, and the future is dropped in place.
    match unsafe { Pin::new_unchecked(future) }.poll(cx) {
        Poll::Pending => false,
        Poll::Ready(value) => {
            *stage = Stage::Finished(Ok(value));
            true
        }
    }
}

/// # Safety
///
/// No poll is going on.
unsafe fn replace<F: Future>(header: NonNull<Header>, error: Option<TaskError>) {
    // SAFETY: see the header of this file.
    let stage = unsafe { stage::<F>(header) };
    *stage = Stage::Empty;
    if let Some(error) = error {
        *stage = Stage::Finished(Err(error));
    }
}

/// # Safety
///
/// The task is done, and its outcome is the caller's to take.
unsafe fn discard_output<F: Future>(header: NonNull<Header>) -> Option<Box<dyn Any + Send>> {
    // SAFETY: see the header of this file.
    let stage = unsafe { stage::<F>(header) };
    match std::mem::replace(stage, Stage::Empty) {
        Stage::Finished(Err(TaskError::Panicked(payload))) => Some(payload),
        _ => None,
    }
}

/// # Safety
///
/// The task is done.
unsafe fn panic_text<F: Future>(header: NonNull<Header>) -> Option<String> {
    // SAFETY: see the header of this file; nothing of the user's is called.
    match unsafe { stage::<F>(header) } {
        Stage::Finished(Err(error)) => error.panic_message().map(str::to_owned),
        _ => None,
    }
}

/// # Safety
///
/// The task is done.
unsafe fn cancelled_error<F: Future>(header: NonNull<Header>) -> Option<CancelledError> {
    // SAFETY: see the header of this file; nothing of the user's is called.
    match unsafe { stage::<F>(header) } {
        Stage::Finished(Err(error)) => error.cancelled().cloned(),
        _ => None,
    }
}

/// # Safety
///
/// The task is done.
unsafe fn steal_panic<F: Future>(header: NonNull<Header>) -> Option<Box<dyn Any + Send>> {
    // SAFETY: see the header of this file; nothing of the user's is called.
    match unsafe { stage::<F>(header) } {
        Stage::Finished(Err(TaskError::Panicked(payload))) => {
            let text = panic_message(payload.as_ref()).unwrap_or("the task panicked").to_owned();
            Some(std::mem::replace(payload, Box::new(text)))
        }
        _ => None,
    }
}

/// # Safety
///
/// The task is done. The pointer is good until the outcome is taken.
unsafe fn peek<F: Future>(header: NonNull<Header>) -> *const () {
    // SAFETY: see the header of this file; nothing of the user's is called.
    match unsafe { stage::<F>(header) } {
        Stage::Finished(outcome) => std::ptr::from_ref(outcome).cast(),
        _ => std::ptr::null(),
    }
}

/// # Safety
///
/// The task is done, its outcome is the caller's to take, and `to` points to room for it.
unsafe fn take<F: Future>(header: NonNull<Header>, to: *mut ()) {
    // SAFETY: see the header of this file.
    let stage = unsafe { stage::<F>(header) };
    let outcome = match std::mem::replace(stage, Stage::Empty) {
        Stage::Finished(outcome) => outcome,
        _ => Err(TaskError::InvalidState(InvalidStateError::TAKEN)),
    };
    // SAFETY: by the caller's promise.
    unsafe { to.cast::<Result<F::Output, TaskError>>().write(outcome) };
}

/// Takes the outcome of a task that is done.
///
/// # Safety
///
/// The output of the task's future is `T`, and nobody has taken the outcome before.
pub(crate) unsafe fn take_output<T>(task: &TaskRef) -> Result<T, TaskError> {
    let mut outcome = MaybeUninit::<Result<T, TaskError>>::uninit();
    // SAFETY: by the caller's promise.
    unsafe { (task.vtable().take)(task.as_ptr(), outcome.as_mut_ptr().cast()) };
    // SAFETY: `take` has written it.
    unsafe { outcome.assume_init() }
}

/// # Safety
///
/// No reference is left.
unsafe fn dealloc<F: Future>(header: NonNull<Header>, pool: Option<&Pool>) {
    let cell: NonNull<Cell<F>> = header.cast();
    // SAFETY: allocated as a box, and nobody refers to it any more.
    unsafe { pool::free(pool, cell) };
}
