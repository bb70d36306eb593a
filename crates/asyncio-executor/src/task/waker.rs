#![expect(unsafe_code, reason = "a waker is a counted pointer behind a table of functions")]
//! Wakers of tasks: cheap on the loop's own thread, safe on any other, also after the task or the loop is gone.
//!
//! The data pointer of a waker is the pointer to the task's whole allocation, with one reference in its count. Each
//! function asks first which thread it is on. At home it goes through [`TaskRef`], with plain counters; abroad it touches
//! nothing but `life` and the `Sync` part of [`Shared`](crate::shared::Shared). Why that is enough: `life.rs`.

use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::life::{Fate, Life};
use crate::shared::Shared;
use crate::task::header::{Borrowed, Header, TaskRef};

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// A waker that lives as long as a reference that somebody else counts.
pub(crate) struct BorrowedWaker<'a>(ManuallyDrop<Waker>, PhantomData<&'a TaskRef>);

impl Deref for BorrowedWaker<'_> {
    type Target = Waker;

    fn deref(&self) -> &Waker {
        &self.0
    }
}

/// The waker of a task, for the duration of a step.
#[inline]
pub(crate) fn borrow(task: &TaskRef) -> BorrowedWaker<'_> {
    // SAFETY: the table keeps the contract of `RawWakerVTable`; the waker is never dropped, so it needs no reference.
    let waker = unsafe { Waker::new(task.as_ptr().as_ptr().cast_const().cast(), &VTABLE) };
    BorrowedWaker(ManuallyDrop::new(waker), PhantomData)
}

/// A waker of a task, with a reference of its own.
pub(crate) fn of(task: &TaskRef) -> Waker {
    (*borrow(task)).clone()
}

/// The task that a waker wakes, if it is that of a task, and this is the thread of its loop.
pub(crate) fn task_of(waker: &Waker) -> Option<TaskRef> {
    if !std::ptr::eq(waker.vtable(), &VTABLE) {
        return None;
    }
    // SAFETY: the table is this one, so the data is that of a live waker, which is borrowed for longer than this call.
    let task = unsafe { at_home(waker.data()) }?;
    Some(task.clone())
}

/// Whether a waker is that of the task with this header.
#[inline]
pub(crate) fn is_of(waker: &Waker, task: &Header) -> bool {
    waker.data() == std::ptr::from_ref(task).cast() && std::ptr::eq(waker.vtable(), &VTABLE)
}

/// The header that a waker points to.
///
/// # Safety
///
/// `data` is that of a waker of this table, with a reference that outlives `'a`.
#[inline]
unsafe fn header<'a>(data: *const ()) -> &'a Header {
    // SAFETY: by the caller's promise.
    unsafe { &*data.cast::<Header>() }
}

/// The count of references to it, by a pointer that may reach all of the allocation.
///
/// # Safety
///
/// As for [`header`].
unsafe fn life(data: *const ()) -> *const Life {
    // SAFETY: by the caller's promise.
    unsafe { &raw const (*data.cast::<Header>()).life }
}

/// The task of a waker, if this is its thread.
///
/// # Safety
///
/// As for [`header`].
#[inline]
unsafe fn at_home<'a>(data: *const ()) -> Option<Borrowed<'a>> {
    // SAFETY: by the caller's promise.
    let header = unsafe { header(data) };
    // SAFETY: it is never null; and the thread was compared.
    header.shared().is_home().then(|| unsafe { borrowed(data) })
}

/// # Safety
///
/// As for [`header`], on the owner's thread.
#[inline]
unsafe fn borrowed<'a>(data: *const ()) -> Borrowed<'a> {
    // SAFETY: a waker's data is never null.
    let task = unsafe { NonNull::new_unchecked(data.cast_mut().cast::<Header>()) };
    // SAFETY: by the caller's promise.
    unsafe { TaskRef::borrow(task) }
}

/// # Safety: the contract of `RawWakerVTable`.
unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called on a live waker.
    match unsafe { at_home(data) } {
        Some(task) => task.life.retain(),
        // SAFETY: called on a live waker.
        None => unsafe { header(data) }.life.retain_foreign(),
    }
    RawWaker::new(data, &VTABLE)
}

/// # Safety: the contract of `RawWakerVTable`.
unsafe fn wake(data: *const ()) {
    // SAFETY: called on a live waker.
    if let Some(task) = unsafe { at_home(data) } {
        task.schedule();
        // SAFETY: the waker's reference is used up here.
        drop(unsafe { TaskRef::from_raw(task.as_ptr()) });
        return;
    }
    // SAFETY: called on a live waker, whose reference is used up.
    unsafe { release_abroad(data, true) };
}

/// # Safety: the contract of `RawWakerVTable`.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: called on a live waker.
    if let Some(task) = unsafe { at_home(data) } {
        task.schedule();
        return;
    }
    // SAFETY: called on a live waker.
    let header = unsafe { header(data) };
    let shared = header.shared();
    // SAFETY: a waker's data points to the whole allocation.
    let life = unsafe { life(data) };
    // SAFETY: the waker's reference, and the pointer is to the whole allocation.
    let fate = unsafe { Life::wake_foreign(life, &shared.inbox, || shared.notify()) };
    // The caller's reference is still counted.
    debug_assert_eq!(fate, Fate::Keep);
}

/// # Safety: the contract of `RawWakerVTable`.
unsafe fn drop_waker(data: *const ()) {
    // SAFETY: called on a live waker.
    match unsafe { at_home(data) } {
        Some(task) => {
            // SAFETY: the waker's reference is used up here.
            drop(unsafe { TaskRef::from_raw(task.as_ptr()) });
        }
        // SAFETY: called on a live waker, whose reference is used up.
        None => unsafe { release_abroad(data, false) },
    }
}

/// Gives up a waker's reference on another thread than the owner's, as the last use of the waker or as a wake.
///
/// # Safety
///
/// `data` is that of a live waker of this table, which is used up.
unsafe fn release_abroad(data: *const (), wake: bool) {
    // SAFETY: by the caller's promise.
    let shared: *const Shared = unsafe { header(data) }.shared.as_ptr();
    // SAFETY: a waker's data points to the whole allocation.
    let life = unsafe { life(data) };
    // SAFETY: a reference that is not merged is one more than the owner's, whose loop keeps `Shared`; a merged one owns a
    // reference to it; and one that goes into the inbox holds it by what `hold` returns.
    let inbox = unsafe { &(*shared).inbox };
    // SAFETY: as above.
    let hold = || unsafe { Shared::hold(shared) };
    // SAFETY: the waker's reference is used up here.
    let fate = unsafe { Life::release_foreign(life, inbox, wake, hold, |shared| shared.notify()) };
    if fate == Fate::Free {
        // SAFETY: the last reference, and merged: only merged allocations are freed abroad.
        let task = unsafe { borrowed(data) };
        // SAFETY: as above.
        unsafe { task.free() };
    }
}
