#![expect(unsafe_code, reason = "links are intrusive members of a scope's list")]
//! What a scope waits for: its links.
//!
//! A [`Link`] records that a scope waits for a task (the link is in the task's [`Extra`](crate::task::extra::Extra)) or
//! for another [`Awaitee`] (the link is in an [`AwaitLink`]). The links of a scope are in its [`Waits`], in the order in
//! which the waits began. The most frequent wait of all has no link: see `task/sole.rs`.

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::task::Waker;

use crate::awaitee::{Awaitee, Target};
use crate::cancel::CancelledError;
use crate::current;
use crate::list::{Linked, Links, List};
use crate::scope::request::{Request, SharedRequest};
use crate::scope::tree::ScopeBase;
use crate::task::cell;
use crate::task::header::{Header, TaskRef};
use crate::task::sole;

/// What a scope waits for: nothing, links, or one task without a link.
///
/// One word: a list, or in its place the address of the header of the sole task, marked.
pub(crate) struct Waits(List<Link>);

/// Marks the address of a header, whose alignment leaves this bit free.
const MARK: usize = 1;

const _: () = assert!(align_of::<Header>() > MARK && align_of::<Link>() > MARK);

impl Waits {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self(List::new())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.first().is_null()
    }

    /// The task that is waited for without a link.
    #[inline]
    pub(crate) fn sole(&self) -> Option<NonNull<Header>> {
        let word = self.0.first();
        let header = word.map_addr(|address| address & !MARK).cast_mut().cast();
        if word.addr() & MARK == 0 { None } else { NonNull::new(header) }
    }

    /// Notes the task that is waited for without a link, or that there is none any more. There are no links.
    #[inline]
    pub(crate) fn set_sole(&self, header: Option<NonNull<Header>>) {
        let marked =
            |header: NonNull<Header>| header.as_ptr().cast_const().cast::<Link>().map_addr(|address| address | MARK);
        self.0.set_first(header.map_or(ptr::null(), marked));
    }

    /// The links; a wait without one has one from now on.
    #[inline]
    pub(crate) fn links(&self) -> &List<Link> {
        if let Some(header) = self.sole() {
            // SAFETY: a wait without a link ends before its task does (`sole.rs`, rule 2).
            unsafe { sole::make_link(header) };
        }
        &self.0
    }
}

/// What became of a request that was to be forwarded along a link.
pub(crate) enum Forwarded {
    /// Take it there.
    To(Target),
    /// What is awaited is done, or not awaited any more: raise; with the error that it ended with, if it did.
    Done(Option<CancelledError>),
    /// What is awaited is not done, but takes no requests: it will be done soon.
    Refused,
}

/// A member of a scope's list of what it waits for.
pub(crate) struct Link {
    links: Links<Link>,
    scope: Cell<*const ScopeBase>,
    /// Whether it is the link in a task's header.
    of_task: bool,
    /// The last request that was forwarded along this link, while it is in a list.
    forwarded: Cell<Option<SharedRequest>>,
    /// The poll of the scope in which the link was attached last.
    seen: Cell<u32>,
    /// Whether it was polled with the waker of the scope's task. Such a wait is polled each time that its scope is, or
    /// else it is not being awaited any more, although it is there: it was awaited by reference.
    direct: Cell<bool>,
}

impl Linked for Link {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

impl Link {
    /// The link of a task: it must be the first field of an [`Extra`](crate::task::extra::Extra).
    pub(crate) const fn of_task() -> Self {
        Self::new(true)
    }

    const fn new(of_task: bool) -> Self {
        Self {
            links: Links::new(),
            scope: Cell::new(ptr::null()),
            of_task,
            forwarded: Cell::new(None),
            seen: Cell::new(0),
            direct: Cell::new(false),
        }
    }

    /// Puts the link into the list of the current scope, if it is not there already. `waker` is what it was polled with,
    /// if that is known.
    ///
    /// # Safety
    ///
    /// `link` is valid and is detached before it moves or dies.
    #[inline]
    pub(crate) unsafe fn attach(link: *const Self, waker: Option<&Waker>) {
        // SAFETY: valid by the caller's promise.
        let this = unsafe { &*link };
        let scope = current::with(|current| current.scope.get());
        if !this.scope.get().is_null() && (this.scope.get() != scope || this.is_stale(1)) {
            this.detach();
        }
        // SAFETY: the current scope is valid while it is current.
        let Some(base) = (unsafe { scope.as_ref() }) else { return };
        this.seen.set(base.polls());
        this.direct.set(waker.is_some_and(|waker| base.is_task_waker(waker)));
        if this.scope.get().is_null() {
            assert_not_walking();
            this.scope.set(scope);
            // SAFETY: in no list after `detach`; it stays where it is by the caller's promise, and a scope that ends
            // detaches its links.
            unsafe { base.waits.links().push_back(link) };
        }
    }

    /// Puts an idle link into the list of `scope`, which has none, for a wait that was polled with the waker of the scope's
    /// task when the scope had been polled `seen` times.
    ///
    /// # Safety
    ///
    /// As for `attach`.
    pub(crate) unsafe fn attach_direct(link: *const Self, scope: &ScopeBase, seen: u32) {
        // SAFETY: valid by the caller's promise.
        let this = unsafe { &*link };
        this.seen.set(seen);
        this.direct.set(true);
        this.scope.set(scope);
        // SAFETY: as in `attach`.
        unsafe { scope.waits.0.push_back(link) };
    }

    /// Ends the wait without an outcome. That a request went along it is forgotten.
    #[inline]
    pub(crate) fn detach(&self) {
        let scope = self.scope.replace(ptr::null());
        // SAFETY: a scope detaches its links before it goes away, so the pointer is valid.
        if let Some(scope) = unsafe { scope.as_ref() } {
            drop(self.forwarded.take());
            assert_not_walking();
            // SAFETY: `scope` is only set while the link is in its list.
            unsafe { scope.waits.0.remove(self) };
        }
    }

    /// Whether the wait is over although the link is there: the scope has been polled more than `ago` times since it was
    /// polled.
    fn is_stale(&self, ago: u32) -> bool {
        // SAFETY: as in `detach`.
        let scope = unsafe { self.scope.get().as_ref() };
        self.direct.get() && scope.is_some_and(|scope| scope.polls().wrapping_sub(self.seen.get()) > ago)
    }

    /// Whether a request went along this link.
    fn forwarded(&self) -> bool {
        let request = self.forwarded.take();
        let forwarded = request.is_some();
        self.forwarded.set(request);
        forwarded
    }

    /// Ends the wait with an outcome, which the awaiter takes. Returns whether a request went along it.
    #[inline]
    pub(crate) fn finish(&self) -> bool {
        let request = self.forwarded.take().map(Request::Shared);
        // SAFETY: as in `detach`.
        if let (Some(request), Some(scope)) = (&request, unsafe { self.scope.get().as_ref() }) {
            scope.note_heard(request);
        }
        self.detach();
        request.is_some()
    }

    /// Takes the request that went along this link.
    ///
    /// # Safety
    ///
    /// `link` is a pointer from a scope's list.
    pub(crate) unsafe fn take_forwarded(link: *const Self) -> Option<Request> {
        // SAFETY: a member of a list is valid.
        unsafe { &*link }.forwarded.take().map(Request::Shared)
    }

    /// Takes the request that went along this link, if the wait is over and nobody has taken the outcome. Otherwise says
    /// in `waiting` if there is one.
    ///
    /// # Safety
    ///
    /// `link` is a pointer from a scope's list.
    pub(crate) unsafe fn take_unheard(link: *const Self, waiting: &mut bool) -> Option<Request> {
        // SAFETY: a member of a list is valid.
        let this = unsafe { &*link };
        let request = this.forwarded.take()?;
        // SAFETY: by the caller's promise.
        if matches!(unsafe { Self::forwardable(link) }, Forwarded::Done(_)) {
            return Some(Request::Shared(request));
        }
        this.forwarded.set(Some(request));
        *waiting = true;
        None
    }

    /// Where a request goes that is forwarded along this link, which keeps a copy if it goes anywhere.
    ///
    /// # Safety
    ///
    /// `link` is a pointer from a scope's list.
    pub(crate) unsafe fn forward(link: *const Self, request: &mut Request) -> Forwarded {
        // SAFETY: by the caller's promise.
        let forwarded = unsafe { Self::forwardable(link) };
        if matches!(forwarded, Forwarded::To(_)) {
            // SAFETY: a member of a list is valid.
            unsafe { &*link }.forwarded.set(Some(request.share()));
        }
        forwarded
    }

    /// Where a request would go.
    ///
    /// # Safety
    ///
    /// As for `forward`.
    unsafe fn forwardable(link: *const Self) -> Forwarded {
        // SAFETY: from a list, as the caller promises.
        let Some(target) = (unsafe { Self::target(link) }) else { return Forwarded::Done(None) };
        // What is asked of others below must leave the scopes alone.
        let _walk = Walk::new();
        let (done, accepts) = match &target {
            Target::Task(task) => (task.is_done(), !task.is_done()),
            Target::Other(other) => (other.is_done(), other.accepts()),
        };
        match (done, accepts) {
            (true, _) => Forwarded::Done(match &target {
                Target::Task(task) => cell::cancelled_error(task),
                Target::Other(other) => other.cancelled_error(),
            }),
            (false, true) => Forwarded::To(target),
            (false, false) => Forwarded::Refused,
        }
    }

    /// What is awaited, if it still is.
    ///
    /// # Safety
    ///
    /// `link` is a pointer from a scope's list.
    pub(crate) unsafe fn target(link: *const Self) -> Option<Target> {
        // SAFETY: a member of a list is valid.
        let this = unsafe { &*link };
        if this.is_stale(0) {
            return None;
        }
        Some(if this.of_task {
            // SAFETY: a link `of_task` is from a task's `Extra`, and this one is in a list.
            Target::Task(unsafe { TaskRef::of_link(link) })
        } else {
            // SAFETY: a link that is no task's is the first field of a `Node`, which is `repr(C)`, and was attached
            // through a pointer to the whole node.
            let node = unsafe { &*link.cast::<Node>() };
            Target::Other(node.target.clone())
        })
    }
}

/// The link of an awaitee that is not a task.
#[repr(C)]
struct Node {
    link: Link,
    target: Rc<dyn Awaitee>,
    /// The list has pointers to it, which moving its box must not make invalid.
    _pinned: PhantomPinned,
}

/// A walk through a tree of scopes that calls the code of others, until it is dropped.
struct Walk(bool);

impl Walk {
    fn new() -> Self {
        Self(current::with(|current| current.walking.replace(true)))
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        current::with(|current| current.walking.set(self.0));
    }
}

/// Called before a tree of scopes is changed. In the middle of a walk, pointers of the walk would be left dangling.
#[inline]
pub(crate) fn assert_not_walking() {
    if current::with(|current| current.walking.get()) {
        abort_walk();
    }
}

#[cold]
fn abort_walk() -> ! {
    eprintln!("asyncio: an `Awaitee` that was asked for its state polled or dropped something: it must only look");
    std::process::abort();
}

/// Records that the current scope waits for an [`Awaitee`], from [`AwaitLink::attach`] until it is dropped.
pub struct AwaitLink {
    /// Pinned: the list points to it.
    node: Pin<Box<Node>>,
}

impl AwaitLink {
    /// A link to `target`, in no scope yet.
    #[must_use]
    pub fn new(target: Rc<dyn Awaitee>) -> Self {
        Self { node: Box::pin(Node { link: Link::new(false), target, _pinned: PhantomPinned }) }
    }

    /// Says that the scope being polled now waits for the target. Call it before returning `Pending`.
    pub fn attach(&self) {
        self.attach_polled(None);
    }

    /// Like [`AwaitLink::attach`], for a future that may be awaited by reference, which was polled with `waker`. Once the
    /// scope has been polled without this future, no request goes along the link.
    pub fn attach_with(&self, waker: &Waker) {
        self.attach_polled(Some(waker));
    }

    fn attach_polled(&self, waker: Option<&Waker>) {
        let node: *const Node = &*self.node;
        // SAFETY: the node is boxed, and `drop` detaches it. The pointer is to the whole node, whose first field is the
        // link.
        unsafe { Link::attach(node.cast(), waker) };
    }

    /// Ends the wait with an outcome, which the awaiter takes: call it instead of dropping the link. Returns whether a
    /// request for cancellation went along it, which is thereby used up.
    pub fn finish(self) -> bool {
        self.node.link.finish()
    }

    /// Whether a request for cancellation went along this link.
    #[must_use]
    pub fn forwarded(&self) -> bool {
        self.node.link.forwarded()
    }
}

impl Drop for AwaitLink {
    fn drop(&mut self) {
        self.node.link.detach();
    }
}

impl std::fmt::Debug for AwaitLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwaitLink").field("target", &self.node.target.describe()).finish()
    }
}
