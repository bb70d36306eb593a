#![expect(unsafe_code, reason = "scopes form a tree of pinned values that point to one another")]
//! Cancel scopes: the tree of places in a task where a cancellation can be raised.
//!
//! Each task has a root scope in its header; [`Scope`]s are pinned inside the futures that make them. A scope joins the
//! tree when it is polled first, under the scope that polls it, and leaves it when it is over or dropped. A request for
//! cancellation goes to the innermost suspended scopes (the leaves). There it is *forwarded* to what the leaf waits for
//! (tasks, futures, gathers: its [`Link`]s), or else it becomes *pending*: the scope's next poll drops what is inside.
//!
//! A scope has one slot for what it was told, in one of three states:
//!
//! * `Flag`: a request came while the task was running or on its way to run. Delivered to the leaves when the scope's
//!   task is next polled; withdrawn by `uncancel` at zero.
//! * `Pending`: delivered here, to be raised by the next poll. Never withdrawn. The probe of the scope says "cancelled".
//! * `Raised`: raised by code inside the scope in the poll that is going on.
//!
//! Rules, on which the `SAFETY` comments rest:
//!
//! 1. A [`ScopeNode`] is pinned from its first poll on. Its destructor takes it out of the tree, and takes its children
//!    and links out from under it. The root scope does the same when its task ends, which is before its header dies. So
//!    every `parent`, child and link pointer is valid.
//! 2. `task` of a scope is that of its parent; a scope without a parent has none. It is valid as long as the root is.
//! 3. No user code runs while the tree is walked: wakers are collected, and woken by whoever owns the [`Forward`].

use std::cell::Cell;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::{Context, Poll, Waker};

use asyncio_context::{Probe, ProbeCell};

use crate::awaitee::{Forward, Forwarded, Link, Target};
use crate::cancel::CancelledError;
use crate::current;
use crate::list::{Linked, Links, List};
use crate::scope_key::ScopeKey;
use crate::task::header::{Borrowed, Header, TaskRef};

/// A request for cancellation and the scope it was made for.
struct Request {
    error: CancelledError,
    /// Compared, never followed.
    origin: *const ScopeBase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mail {
    Empty,
    Flag,
    Pending,
    Raised,
}

/// What root and inner scopes have in common.
pub(crate) struct ScopeBase {
    task: Cell<*const Header>,
    children: List<ScopeNode>,
    pub(crate) waits: List<Link>,
    mail: Cell<Mail>,
    /// Not polled in a poll in which it had a request: what holds it is alive, but not being awaited.
    stale: Cell<bool>,
    request: Cell<Option<Request>>,
    probe: ProbeCell,
}

/// An inner scope.
pub(crate) struct ScopeNode {
    base: ScopeBase,
    parent: Cell<*const ScopeBase>,
    links: Links<ScopeNode>,
    /// What to wake to be polled, where that is not the task itself (inside `FuturesUnordered`, or another executor).
    waker: Cell<Option<Waker>>,
    key: Cell<Option<ScopeKey>>,
}

impl Linked for ScopeNode {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

impl ScopeBase {
    pub(crate) const fn new() -> Self {
        Self {
            task: Cell::new(ptr::null()),
            children: List::new(),
            waits: List::new(),
            mail: Cell::new(Mail::Empty),
            stale: Cell::new(false),
            request: Cell::new(None),
            probe: ProbeCell::new(),
        }
    }

    /// Makes this the root scope of `task`, which contains it.
    pub(crate) fn set_task(&self, task: *const Header) {
        self.task.set(task);
    }

    pub(crate) fn probe(&self) -> Probe {
        self.probe.probe()
    }

    fn task(&self) -> Option<Borrowed<'_>> {
        // SAFETY: rule 2.
        NonNull::new(self.task.get().cast_mut()).map(|task| unsafe { TaskRef::borrow(task) })
    }

    /// The first request wins over later ones of the same or a lower state.
    fn put(&self, mail: Mail, request: Request) {
        self.mail.set(mail);
        // The former request, if any, holds no user code but a message: dropping it here is harmless.
        self.request.set(Some(request));
        if mail == Mail::Pending {
            self.probe.set_cancelled(true);
        }
    }

    fn take(&self, mail: Mail) -> Option<Request> {
        if self.mail.get() != mail {
            return None;
        }
        self.mail.set(Mail::Empty);
        if mail == Mail::Pending {
            self.probe.set_cancelled(false);
        }
        self.request.take()
    }

    /// Takes the request that came as a flag.
    pub(crate) fn take_flag(&self) -> Option<CancelledError> {
        self.take(Mail::Flag).map(|request| request.error)
    }

    pub(crate) fn has_flag(&self) -> bool {
        self.mail.get() == Mail::Flag
    }

    /// Takes the request that is to be raised here.
    pub(crate) fn take_pending(&self) -> Option<CancelledError> {
        self.take(Mail::Pending).map(|request| request.error)
    }

    /// Takes what was raised inside during the poll that just ended.
    pub(crate) fn take_raised(&self) -> Option<CancelledError> {
        self.take(Mail::Raised).map(|request| request.error)
    }

    /// Records a request made while the task is running, queued, or not started: the last one counts.
    pub(crate) fn flag(&self, error: CancelledError) {
        if matches!(self.mail.get(), Mail::Empty | Mail::Flag) {
            self.put(Mail::Flag, Request { error, origin: self });
        }
        if let Some(task) = self.task() {
            task.set_flagged();
        }
    }

    /// Hands a request over from a scope inside that is going away with it.
    fn pass_on(&self, request: Request) {
        if matches!(self.mail.get(), Mail::Empty | Mail::Flag) {
            self.put(Mail::Flag, request);
        }
        if let Some(task) = self.task() {
            task.set_flagged();
        }
    }

    /// Makes a request of this scope: a flag if its task is awake, else delivered to its leaves.
    pub(crate) fn request(&self, error: CancelledError, forward: &mut Forward) {
        if self.task().is_some_and(|task| task.is_awake()) {
            self.flag(error);
        } else {
            self.deliver(&error, forward);
        }
    }

    /// Delivers `error` to the innermost suspended scopes: forwards it, or makes it pending and schedules the task.
    fn deliver(&self, error: &CancelledError, forward: &mut Forward) {
        self.deliver_from(error, self, None, forward);
    }

    fn deliver_from(
        &self,
        error: &CancelledError,
        origin: *const ScopeBase,
        waker: Option<&ScopeNode>,
        forward: &mut Forward,
    ) {
        let mut leaf = true;
        self.children.for_each(|child| {
            if !child.base.stale.get() {
                leaf = false;
                child.base.deliver_from(error, origin, Some(child), forward);
            }
        });
        if !leaf {
            return;
        }
        let (mut accepted, mut refused, mut raised) = (false, false, None);
        self.waits.for_each_ptr(|link| {
            // SAFETY: `link` comes from the list.
            match unsafe { Link::forward(link) } {
                Forwarded::To(target) => {
                    accepted = true;
                    forward.push(target, error);
                }
                Forwarded::Refused => refused = true,
                Forwarded::Done(error) => raised = error,
            }
        });
        if accepted {
            return;
        }
        if refused {
            // What is awaited is about to end and wakes the task then: the request waits for that.
            self.pass_on(Request { error: error.clone(), origin });
            return;
        }
        if matches!(self.mail.get(), Mail::Empty | Mail::Flag) {
            // The task was about to hear that what it awaits was cancelled: that error is raised, as in CPython.
            self.put(Mail::Pending, Request { error: raised.unwrap_or_else(|| error.clone()), origin });
        }
        if let Some(task) = self.task() {
            task.delivered();
        }
        if let Some(node) = waker {
            node.collect_waker(forward);
        }
    }

    /// Requests that were delivered in a poll, to scopes that this poll did not reach, go one scope out. Returns whether
    /// there were any.
    pub(crate) fn escalate(&self, forward: &mut Forward) -> bool {
        let mut found = None;
        self.children.for_each(|child| {
            if child.base.mail.get() == Mail::Pending {
                child.base.stale.set(true);
                if let Some(request) = child.base.take(Mail::Pending) {
                    found = Some(request);
                }
            }
        });
        if let Some(request) = found {
            self.deliver_from(&request.error, request.origin, None, forward);
            return true;
        }
        let mut any = false;
        self.children.for_each(|child| any |= child.base.escalate(forward));
        any
    }

    /// Withdraws every request that is still a flag, here and below: `uncancel` came to zero.
    pub(crate) fn withdraw_flags(&self) {
        drop(self.take(Mail::Flag));
        self.children.for_each(|child| child.base.withdraw_flags());
    }

    /// Delivers every request in the tree that is still a flag, outer scopes first.
    pub(crate) fn deliver_flags(&self, forward: &mut Forward) {
        if let Some(request) = self.take(Mail::Flag) {
            self.deliver_from(&request.error, request.origin, None, forward);
        }
        self.children.for_each(|child| {
            if let Some(request) = child.base.take(Mail::Flag) {
                child.base.deliver_from(&request.error, request.origin, Some(child), forward);
            }
            child.base.deliver_flags(forward);
        });
    }

    /// Calls `visit` for what is awaited in this scope and the scopes inside.
    pub(crate) fn for_each_wait(&self, visit: &mut dyn FnMut(Target)) {
        self.waits.for_each_ptr(|link| {
            // SAFETY: `link` comes from the list.
            visit(unsafe { Link::target(link) });
        });
        self.children.for_each(|child| child.base.for_each_wait(visit));
    }

    /// Takes everything out from under this scope: it is over, and what is below may outlive it.
    pub(crate) fn orphan(&self) {
        loop {
            let child = self.children.first();
            // SAFETY: rule 1: a child is valid as long as it is in the list.
            let Some(child) = (unsafe { child.as_ref() }) else { break };
            child.unlink();
            child.base.set_tasks(ptr::null());
        }
        loop {
            let link = self.waits.first();
            // SAFETY: rule 1, for links.
            let Some(link) = (unsafe { link.as_ref() }) else { break };
            link.detach();
        }
        self.mail.set(Mail::Empty);
        self.request.take();
        self.probe.reset();
    }

    /// Sets the task of this scope and all inside.
    fn set_tasks(&self, task: *const Header) {
        self.task.set(task);
        self.children.for_each(|child| child.base.set_tasks(task));
    }
}

impl ScopeNode {
    const fn new() -> Self {
        Self {
            base: ScopeBase::new(),
            parent: Cell::new(ptr::null()),
            links: Links::new(),
            waker: Cell::new(None),
            key: Cell::new(None),
        }
    }

    /// Puts the scope under the one that polls it now, if it is not there already.
    fn link(self: Pin<&Self>) {
        let parent = current::with(|current| current.scope.get());
        if self.parent.get() == parent && (parent.is_null() || self.links.is_linked()) {
            self.base.stale.set(false);
            return;
        }
        self.unlink();
        self.base.stale.set(false);
        // SAFETY: the current scope is valid while it is current.
        let Some(base) = (unsafe { parent.as_ref() }) else {
            self.base.set_tasks(ptr::null());
            return;
        };
        self.parent.set(parent);
        self.base.set_tasks(base.task.get());
        // SAFETY: `self` is pinned, in no list, and its destructor unlinks it (rule 1).
        unsafe { base.children.push_back(ptr::from_ref(self.get_ref())) };
    }

    fn unlink(&self) {
        let parent = self.parent.replace(ptr::null());
        // SAFETY: rule 1: a parent takes its children out before it goes away.
        if let Some(parent) = unsafe { parent.as_ref() } {
            if self.links.is_linked() {
                // SAFETY: linked, and its parent's list is the only one it is ever in.
                unsafe { parent.children.remove(self) };
            }
        }
    }

    /// The scope is over: takes it out of the tree, handing on a request that it did not get to raise.
    fn leave(&self) {
        let unheard = match self.base.mail.get() {
            Mail::Pending | Mail::Flag => self.base.take(self.base.mail.get()),
            Mail::Empty | Mail::Raised => None,
        };
        // SAFETY: rule 1.
        let parent = unsafe { self.parent.get().as_ref() };
        // A request that was made of this very scope ends with it.
        let unheard = unheard.filter(|request| request.origin != ptr::from_ref(&self.base));
        if let (Some(request), Some(parent)) = (unheard, parent) {
            parent.pass_on(request);
        }
        self.unlink();
        self.base.orphan();
        self.base.set_tasks(ptr::null());
        if let Some(key) = self.key.take() {
            key.revoke();
        }
    }

    /// Gives the scope a new key. A key is issued to a pinned scope only: it is in the tree, or its `Scope` is pinned.
    pub(crate) fn issue_key(&self) -> ScopeKey {
        let key = ScopeKey::issue(self);
        self.key.set(Some(key));
        key
    }

    fn collect_waker(&self, forward: &mut Forward) {
        if let Some(waker) = self.waker.take() {
            forward.wake_later(waker.clone());
            self.waker.set(Some(waker));
        }
    }

    /// Notes what to wake, unless that is the task itself.
    fn suspended(&self, waker: &Waker) {
        let is_task = self.base.task().is_some_and(|task| task.is_waker(waker));
        let stored = self.waker.take();
        let keep = match stored {
            _ if is_task => None,
            Some(stored) if stored.will_wake(waker) => Some(stored),
            _ => Some(waker.clone()),
        };
        self.waker.set(keep);
    }

    /// Makes a request of this scope; `count` says whether its task counts it.
    pub(crate) fn cancel(&self, error: CancelledError, count: bool, forward: &mut Forward) {
        if let Some(task) = self.base.task()
            && count
        {
            task.count_request();
        }
        self.base.request(error, forward);
        if self.base.has_flag() {
            self.collect_waker(forward);
        }
    }
}

impl Drop for ScopeNode {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A place where a cancellation can be raised: the building block of `catch_cancelled`, `timeout` and task groups.
///
/// Pin it beside the future that it guards, and poll that future with [`Scope::poll_in`]. It needs no allocation.
pub struct Scope {
    node: ScopeNode,
    _pinned: PhantomPinned,
}

impl Scope {
    /// A scope that is nowhere yet: its first poll puts it into the tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { node: ScopeNode::new(), _pinned: PhantomPinned }
    }

    fn node(self: Pin<&Self>) -> Pin<&ScopeNode> {
        // SAFETY: a pin projection: the node is never moved out of the scope.
        unsafe { self.map_unchecked(|scope| &scope.node) }
    }

    /// Polls `inner` inside this scope.
    ///
    /// `Ready(Err)` means that a cancellation was raised here: `inner` has been dropped and is `None`. It is `None` as
    /// well once it has completed.
    ///
    /// # Panics
    ///
    /// When `inner` is `None`. A panic of `inner` goes through; call [`Scope::close`] before polling anything else.
    pub fn poll_in<F: Future>(
        self: Pin<&Self>,
        cx: &mut Context<'_>,
        mut inner: Pin<&mut Option<F>>,
    ) -> Poll<Result<F::Output, CancelledError>> {
        let node = self.node();
        node.link();
        if let Some(error) = node.base.take_pending() {
            inner.set(None);
            node.leave();
            return Poll::Ready(Err(error));
        }
        let polled = {
            let _current = Entered::new(&node.base);
            inner.as_mut().as_pin_mut().expect("a scope is not polled again after it has completed").poll(cx)
        };
        if let Some(error) = node.base.take_raised() {
            inner.set(None);
            node.leave();
            return Poll::Ready(Err(error));
        }
        match polled {
            Poll::Ready(value) => {
                inner.set(None);
                node.leave();
                Poll::Ready(Ok(value))
            }
            Poll::Pending => {
                node.suspended(cx.waker());
                Poll::Pending
            }
        }
    }

    /// Takes the scope out of the tree, as its end does; for a caller that caught a panic of what was inside.
    pub fn close(self: Pin<&Self>) {
        self.node().leave();
    }

    /// A key by which requests can be made of this scope, until it is over.
    #[must_use]
    pub fn key(self: Pin<&Self>) -> ScopeKey {
        let node = self.node();
        node.key.get().unwrap_or_else(|| node.issue_key())
    }

    /// Takes the scope out of the tree for a while, with all that is inside: what it guards is not being awaited.
    ///
    /// Its next poll puts it under the scope that polls it then. Its key stays.
    pub fn detach(self: Pin<&Self>) {
        let node = self.node();
        node.unlink();
        node.base.set_tasks(ptr::null());
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").field("entered", &!self.node.parent.get().is_null()).finish_non_exhaustive()
    }
}

/// Makes a scope the current one, and puts the former one back when dropped.
pub(crate) struct Entered(*const ScopeBase);

impl Entered {
    pub(crate) fn new(scope: &ScopeBase) -> Self {
        Self(current::with(|current| current.scope.replace(scope)))
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        current::with(|current| current.scope.set(self.0));
    }
}

/// Raises `error` in the current scope: the poll that is going on ends with it.
#[track_caller]
pub fn raise(error: CancelledError) {
    let scope = current::with(|current| current.scope.get());
    // SAFETY: the current scope is valid while it is current.
    let Some(scope) = (unsafe { scope.as_ref() }) else {
        panic!(
            "{error}, where no cancel scope is around: await it inside a task of asyncio, in `catch_cancelled`, or use `join()`"
        );
    };
    if scope.mail.get() != Mail::Raised {
        // A flag that was on its way is delivered by this raise, as one.
        scope.put(Mail::Raised, Request { error, origin: scope });
    }
}

/// Calls `f`, and catches a cancellation that it raises. For combinators that poll what is done already.
///
/// # Errors
///
/// What was raised.
pub fn catch_raised<R>(f: impl FnOnce() -> R) -> Result<R, CancelledError> {
    /// Takes out what was put under the scope, also when `f` panics.
    struct Orphan(ScopeBase);
    impl Drop for Orphan {
        fn drop(&mut self) {
            self.0.orphan();
        }
    }
    let scope = Orphan(ScopeBase::new());
    let result = {
        let _current = Entered::new(&scope.0);
        f()
    };
    match scope.0.take_raised() {
        Some(error) => Err(error),
        None => Ok(result),
    }
}

/// The probe of the current scope: what [`Probe::current`] answers under this executor.
pub(crate) fn current_probe() -> Probe {
    let scope = current::with(|current| current.scope.get());
    // SAFETY: the current scope is valid while it is current.
    unsafe { scope.as_ref() }.map_or(Probe::NONE, ScopeBase::probe)
}

/// While callbacks run there is no current scope.
pub(crate) struct NoScope(*const ScopeBase);

impl NoScope {
    pub(crate) fn new() -> Self {
        Self(current::with(|current| current.scope.replace(ptr::null())))
    }
}

impl Drop for NoScope {
    fn drop(&mut self) {
        current::with(|current| current.scope.set(self.0));
    }
}
