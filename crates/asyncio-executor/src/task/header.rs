#![expect(unsafe_code, reason = "references to a task are counted by hand")]
//! The header of a task's allocation, and the counted reference to it.
//!
//! One allocation holds the [`Header`] and behind it the future, later its output (`cell.rs`). References to it are
//! counted in two halves (`life.rs`). At home they are [`TaskRef`]s; anywhere they can be `Waker`s.
//!
//! Rules:
//!
//! 1. A `TaskRef` exists on the owner's thread only (it is `!Send`); it owns one reference; so the header it derefs to
//!    is alive. Its pointer was made from the whole allocation.
//! 2. A task that is not done, or whose entry is in the ready queue, is kept alive by one reference (the *alive*
//!    reference). It is given back when both are over: by `complete`, or else by the entry of a task that is done.
//! 3. Fields other than `life` are touched on the owner's thread only. When another thread frees the allocation, it is
//!    merged, so it is done: the scope has been orphaned (its probe's slot is given back, its slots are empty), the
//!    context is gone (at the end; that of a panic with the outcome, or when the executor closes) and is not made again,
//!    so are the waiters (run, or dropped with the queue) and the stage (taken, or dropped with the `Task<T>`), and the
//!    link is detached. What is left is plain data and, in a box, the name.
//! 4. The allocation is a member of its executor's list until it is merged or freed by the owner. So the executor can
//!    merge all that is left when it closes.
//! 5. When the allocation is freed, nothing in it has a destructor to run: by then the task is done, so its scope has been
//!    orphaned; and its stage is empty, for the outcome was taken, or dropped when nobody could take it any more.

use std::alloc::Layout;
use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::task::Waker;

use asyncio_context::WaitCell;

use crate::awaitee::Forward;
use crate::cancel::CancelledError;
use crate::context_var::Context;
use crate::current;
use crate::executor::Inner;
use crate::life::{Fate, Life};
use crate::link::Link;
use crate::list::{Linked, Links};
use crate::pool::{self, Pool};
use crate::ready::Node;
use crate::scope::tree::ScopeBase;
use crate::shared::Shared;
use crate::task::cell::VTable;
use crate::task::extra::{Beyond, Extra};
use crate::task::sole;
use crate::task::state::State;
use crate::task::waker;

/// What a task is, whatever its future.
#[repr(C)]
pub(crate) struct Header {
    /// First, so that a pointer to the header is a pointer to the node.
    pub(crate) node: Node,
    pub(crate) life: Life,
    pub(crate) shared: NonNull<Shared>,
    pub(crate) state: State,
    /// How often the awaiting scope had been polled when it last polled this task: see `sole.rs`.
    pub(super) seen: Cell<u32>,
    pub(crate) all: Links<Header>,
    pub(crate) id: u64,
    pub(crate) location: &'static Location<'static>,
    pub(crate) scope: ScopeBase,
    /// What only some tasks need. Owned: see `extra.rs`.
    pub(super) beyond: Beyond,
    pub(crate) wait: WaitCell,
}

impl Linked for Header {
    fn links(&self) -> &Links<Self> {
        &self.all
    }
}

impl Header {
    /// # Safety
    ///
    /// `vtable` is that of the allocation that the header is going to be in, and `at` points to all of that.
    #[inline]
    pub(crate) unsafe fn new(
        at: NonNull<Self>,
        vtable: &'static VTable,
        shared: &Arc<Shared>,
        queued: bool,
        location: &'static Location<'static>,
    ) -> Self {
        Self {
            // SAFETY: static; `vtable` fits the allocation by the caller's promise. The pointer is to the whole table.
            node: unsafe { Node::new(std::ptr::from_ref(vtable).cast()) },
            life: Life::new(2),
            // From `as_ptr`, so that the count can be reached through it.
            shared: NonNull::new(Arc::as_ptr(shared).cast_mut()).expect("an Arc is never null"),
            state: State::new(queued),
            seen: Cell::new(0),
            all: Links::new(),
            id: current::next_task_id(),
            location,
            scope: ScopeBase::of_task(at.as_ptr()),
            beyond: Beyond::new(),
            wait: WaitCell::new(),
        }
    }

    pub(crate) fn vtable(&self) -> &'static VTable {
        let vtable: *const VTable = self.node.vtable_ptr().cast();
        // SAFETY: a header is made with a pointer to a static `VTable`, whose first field is the table of the node.
        unsafe { &*vtable }
    }

    /// What other threads know of the executor, alive as long as a reference to the task is.
    pub(crate) fn shared(&self) -> &Shared {
        // SAFETY: the executor keeps it alive until it has merged the task; from then on the task does (`life.rs`).
        unsafe { self.shared.as_ref() }
    }

    /// The executor, unless it is gone.
    pub(crate) fn home(&self) -> Option<&Inner> {
        // SAFETY: `home` is null once the executor is gone, and this is its thread.
        unsafe { self.shared().home().as_ref() }
    }

    /// What only some tasks have, if this one does.
    #[inline]
    pub(crate) fn extra(&self) -> Option<&Extra> {
        // SAFETY: a box that is freed with this header (`extra.rs`, rule 1).
        self.beyond.extra().map(|extra| unsafe { extra.as_ref() })
    }

    pub(crate) fn name(&self) -> String {
        let slot = self.extra().map(|extra| &extra.name);
        let name = slot.and_then(Cell::take);
        let text = name.as_deref().map_or_else(|| format!("Task-{}", self.id), str::to_owned);
        if let Some(slot) = slot {
            slot.set(name);
        }
        text
    }

    pub(crate) fn cancelling(&self) -> u32 {
        self.life.requests.get()
    }

    pub(crate) fn count_request(&self) {
        self.life.requests.set(self.cancelling().saturating_add(1));
    }

    /// Takes one request back; at zero, what is still a flag is withdrawn.
    pub(crate) fn uncancel(&self) -> u32 {
        let left = self.cancelling().saturating_sub(1);
        let before = self.life.requests.replace(left);
        if before == 1 && !self.state.is_done() {
            self.scope.withdraw_flags();
        }
        left
    }

    pub(crate) fn is_awake(&self) -> bool {
        self.state.is_awake()
    }

    pub(crate) fn set_flagged(&self) {
        self.state.set_flagged();
    }

    /// Whether `waker` is this task's own.
    #[inline]
    pub(crate) fn is_waker(&self, waker: &Waker) -> bool {
        waker::is_of(waker, self)
    }
}

/// A counted reference to a task, at home.
pub(crate) struct TaskRef(NonNull<Header>);

/// A reference to a task that somebody else counts.
pub(crate) struct Borrowed<'a>(ManuallyDrop<TaskRef>, PhantomData<&'a Header>);

impl Deref for Borrowed<'_> {
    type Target = TaskRef;

    fn deref(&self) -> &TaskRef {
        &self.0
    }
}

impl Deref for TaskRef {
    type Target = Header;

    #[inline]
    fn deref(&self) -> &Header {
        // SAFETY: rule 1.
        unsafe { self.0.as_ref() }
    }
}

impl TaskRef {
    /// Takes over a reference.
    ///
    /// # Safety
    ///
    /// `header` points to the whole allocation, this is the owner's thread, and the caller gives one reference away.
    pub(crate) unsafe fn from_raw(header: NonNull<Header>) -> Self {
        Self(header)
    }

    pub(crate) fn as_ptr(&self) -> NonNull<Header> {
        self.0
    }

    /// Uses a task without counting.
    ///
    /// # Safety
    ///
    /// As for `from_raw`, but the reference stays with somebody else and outlives `'a`.
    pub(crate) unsafe fn borrow<'a>(header: NonNull<Header>) -> Borrowed<'a> {
        Borrowed(ManuallyDrop::new(Self(header)), PhantomData)
    }

    /// The task around a link.
    ///
    /// # Safety
    ///
    /// `link` is the one of a task, from a scope's list.
    pub(crate) unsafe fn of_link(link: *const Link) -> Self {
        // SAFETY: by the caller's promise.
        let header = unsafe { Extra::task_of(link) }.cast_mut();
        // SAFETY: a task that has an `Extra` is what that points to.
        let header = unsafe { NonNull::new_unchecked(header) };
        // SAFETY: a link is attached while its `Task<T>` holds a reference.
        let task = unsafe { Self::borrow(header) };
        (*task).clone()
    }

    /// What only some tasks have; this one from now on.
    #[inline]
    pub(crate) fn extra_or_new(&self) -> &Extra {
        let extra = self.beyond.extra().unwrap_or_else(|| self.make_extra());
        // SAFETY: see `Header::extra`.
        unsafe { extra.as_ref() }
    }

    /// Gives the wait for this task a link, if there is one without.
    #[inline]
    pub(crate) fn link_wait(&self) {
        if !self.beyond.scope().is_null() {
            // SAFETY: rule 1.
            unsafe { sole::make_link(self.0) };
        }
    }

    /// Makes what is not there.
    #[inline(never)]
    fn make_extra(&self) -> NonNull<Extra> {
        self.link_wait();
        // A wait that had no link has made it.
        self.beyond.extra().unwrap_or_else(|| {
            let memory = self.home().map_or_else(Box::new_uninit, |home| home.pool.take());
            let extra = NonNull::from(Box::leak(Box::write(memory, Extra::new(self.0.as_ptr()))));
            self.beyond.set_extra(extra);
            extra
        })
    }

    /// The link, which is there from now on, by a pointer to all of the [`Extra`].
    pub(super) fn link(&self) -> *const Link {
        ptr::from_ref(self.extra_or_new()).cast()
    }

    /// Says that the current scope waits for the task, through its link, with `waker`.
    pub(crate) fn attach(&self, waker: &Waker) {
        // SAFETY: the link is valid as long as the task's `Task<T>` is there, which detaches it when it is dropped.
        unsafe { Link::attach(self.link(), Some(waker)) };
    }

    pub(crate) fn set_name(&self, name: &str) {
        self.extra_or_new().name.set(Some(name.into()));
    }

    /// The context that the task runs in. A task that is done gets none: see rule 3.
    pub(crate) fn vars(&self) -> Context {
        if let Some(context) = self.extra().and_then(|extra| extra.context.take()) {
            self.extra_or_new().context.set(Some(context.clone()));
            return context;
        }
        let context = Context::default();
        if !self.state.is_done() {
            self.extra_or_new().context.set(Some(context.clone()));
        }
        context
    }

    /// The task around a `Life` from the inbox.
    ///
    /// # Safety
    ///
    /// `life` is the field of a live header, made from a pointer to its whole allocation.
    pub(crate) unsafe fn of_life(life: *const Life) -> NonNull<Header> {
        // SAFETY: inside the allocation by the caller's promise.
        let header = unsafe { life.byte_sub(std::mem::offset_of!(Header, life)) }.cast::<Header>().cast_mut();
        // SAFETY: inside an allocation, so not null.
        unsafe { NonNull::new_unchecked(header) }
    }

    /// Puts the task into the ready queue, unless it is there or done or its executor is gone.
    #[inline]
    pub(crate) fn schedule(&self) {
        // A task that is not done has a loop.
        if self.state.transition_to_queued()
            && let Some(home) = self.home()
        {
            self.push(home);
        }
    }

    /// Pushes the node. The state says `QUEUED` already, so the alive reference stays until the entry is gone.
    #[inline]
    pub(crate) fn push(&self, home: &Inner) {
        // SAFETY: the node is the first field, it is kept alive by rule 2, and it was in no queue: the caller made the
        // transition.
        unsafe { home.ready.push(self.0.cast::<Node>()) };
    }

    /// Gives the alive reference back.
    ///
    /// # Safety
    ///
    /// The task is done and in no queue, and nobody has given it back before. The caller does not use the task again.
    #[inline]
    pub(crate) unsafe fn release_alive(&self) {
        debug_assert!(self.is_done() && !self.state.is_queued());
        if !self.life.release_one_of_several() {
            drop(Self(self.0));
        }
    }

    /// A request was delivered to one of the scopes: the next step raises it.
    pub(crate) fn delivered(&self) {
        self.state.set_delivered();
        if !self.state.is_running() {
            self.schedule();
        }
    }

    /// Makes a request for cancellation of this task. It does nothing to a task that is done.
    pub(crate) fn take_request(&self, error: &CancelledError, forward: &mut Forward) {
        // A task that failed and is cancelled later is not reported: somebody knows.
        self.state.set_quiet_if_done();
        if !self.state.is_done() {
            self.count_request();
            self.scope.request(error.clone(), None, forward);
        }
    }

    /// Takes a request that this task has passed on and that came back to it: tasks wait for one another in a circle.
    pub(crate) fn take_request_back(&self, error: &CancelledError, forward: &mut Forward) {
        if !self.state.is_done() {
            self.scope.request_here(error.clone(), forward);
        }
    }

    /// Asks for cancellation. Returns whether the task accepted, which is whether it was not done.
    pub(crate) fn cancel(&self, error: &CancelledError) -> bool {
        let accepts = !self.state.is_done();
        let mut forward = Forward::new();
        forward.request(self, error);
        forward.run();
        accepts
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state.is_done()
    }

    /// Frees the allocation.
    ///
    /// # Safety
    ///
    /// No reference is left. On a thread other than the owner's, it is merged.
    #[inline(never)]
    pub(crate) unsafe fn free(&self) {
        if self.life.is_merged() {
            let shared = self.shared;
            // SAFETY: no reference is left, and merging took it out of its list.
            unsafe { self.free_memory(None) };
            // SAFETY: counted when it was merged.
            unsafe { release_shared(shared) };
            return;
        }
        let home = self.home();
        if let Some(home) = home {
            home.forget(self);
        }
        // SAFETY: no reference is left, and it is in no list.
        unsafe { self.free_memory(home.map(|home| &home.pool)) };
    }

    /// # Safety
    ///
    /// No reference is left, and it is in no list.
    unsafe fn free_memory(&self, pool: Option<&Pool>) {
        // Rule 5.
        debug_assert!(self.beyond.scope().is_null() && self.scope.is_bare() && !self.state.is_stage_full());
        if let Some(extra) = self.beyond.extra() {
            // SAFETY: `make_extra` got it from a box, and nobody else frees it.
            unsafe { free_extra(pool, extra) };
        }
        // SAFETY: allocated as a box of this layout, and nobody refers to it any more.
        unsafe { pool::free(pool, self.0.cast(), self.vtable().layout) };
    }
}

/// # Safety
///
/// It was made by `make_extra`, and nobody refers to it any more.
#[inline(never)]
unsafe fn free_extra(pool: Option<&Pool>, extra: NonNull<Extra>) {
    // SAFETY: by the caller's promise.
    unsafe { extra.drop_in_place() };
    // SAFETY: from a box, and its value is gone.
    unsafe { pool::free(pool, extra.cast(), Layout::new::<Extra>()) };
}

impl Clone for TaskRef {
    #[inline]
    fn clone(&self) -> Self {
        self.life.retain();
        Self(self.0)
    }
}

impl Drop for TaskRef {
    #[inline]
    fn drop(&mut self) {
        let fate = self.life.release(|| {
            // A task that may run again has to be woken from abroad, and a merged one cannot be.
            let merge = self.is_done();
            if merge {
                if let Some(home) = self.home() {
                    home.forget(self);
                }
                retain_shared(self.shared);
            }
            merge
        });
        if fate == Fate::Free {
            // SAFETY: the count says so.
            unsafe { self.free() };
        }
    }
}

/// Lets a merged allocation own a reference to what it needs to know of its executor.
pub(crate) fn retain_shared(shared: NonNull<Shared>) {
    // SAFETY: it was made from an `Arc`, and it is alive: see `Header::shared`.
    unsafe { Arc::increment_strong_count(shared.as_ptr().cast_const()) };
}

/// # Safety
///
/// The caller owns a reference counted by [`retain_shared`].
pub(crate) unsafe fn release_shared(shared: NonNull<Shared>) {
    // SAFETY: by the caller's promise.
    unsafe { Arc::decrement_strong_count(shared.as_ptr().cast_const()) };
}
