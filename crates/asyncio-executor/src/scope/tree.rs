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
//! A request is used up when the task *hears* of it at one place: a scope raises it, or what it was forwarded to has an
//! outcome that is taken. What nobody is awaiting any more, though it is still there (a future that was awaited by
//! reference), does not hear: after the poll that should have reached it, the request goes one scope out
//! ([`ScopeBase::escalate`]) or is delivered where it was forwarded ([`ScopeBase::reclaim`]).
//!
//! Rules, on which the `SAFETY` comments rest:
//!
//! 1. A [`ScopeNode`] is pinned from its first poll on. Its destructor takes it out of the tree, and takes its children
//!    and links out from under it. The root scope does the same when its task ends, which is before its header dies. So
//!    every `parent`, child and link pointer is valid.
//! 2. `task` of a scope is that of its parent; a scope without a parent has none. It is valid as long as the root is.
//! 3. No user code that could change the tree runs while it is walked: wakers are collected, and woken by whoever owns
//!    the [`Forward`]; an `Awaitee` is asked for its state, and must only look (`assert_not_walking`).
//! 4. A scope that is being polled is under the one that polls it, and is not polled again from inside. So the tree has
//!    no cycles.
//!
//! A scope may be pinned elsewhere than in the future that polls it, outlive its parent, and go on under another one, in
//! another task. What was asked of the scopes around it stays behind, in the scope that it leaves ([`Kept`]).

use std::cell::Cell;
use std::pin::Pin;
use std::ptr::{self, NonNull};
use std::task::Waker;

use asyncio_context::{Probe, ProbeCell};

use crate::awaitee::{Forward, Target};
use crate::cancel::CancelledError;
use crate::current;
use crate::link::{Forwarded, Link, Waits, assert_not_walking};
use crate::list::{Linked, Links, List};
use crate::scope::request::{Request, Slot};
use crate::scope_key::ScopeKey;
use crate::task::header::{Borrowed, Header, TaskRef};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mail {
    Empty,
    Flag,
    Pending,
    Raised,
}

/// What root and inner scopes have in common.
pub(crate) struct ScopeBase {
    pub(super) task: Cell<*const Header>,
    children: List<ScopeNode>,
    pub(crate) waits: Waits,
    pub(super) mail: Cell<Mail>,
    /// Not polled in a poll in which it had a request: what holds it is alive, but not being awaited.
    stale: Cell<bool>,
    /// Whether a poll of this inner scope is going on.
    pub(super) polling: Cell<bool>,
    /// In the place of padding, which would make the compiler copy a new header in two pieces.
    _full: u8,
    /// How often it was polled, for the links in `waits`.
    pub(super) polls: Cell<u32>,
    /// What is in the slot, if its state is not `Empty`.
    request: Slot,
    probe: ProbeCell,
}

/// An inner scope.
pub(crate) struct ScopeNode {
    pub(super) base: ScopeBase,
    pub(super) parent: Cell<*const ScopeBase>,
    links: Links<ScopeNode>,
    /// What to wake to be polled, where that is not the task itself (inside `FuturesUnordered`, or another executor).
    waker: Cell<Option<Waker>>,
    pub(super) key: Cell<Option<ScopeKey>>,
}

// Without padding, which would make the compiler copy a new scope, and what lies behind it, in pieces that overlap.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<ScopeNode>() == size_of::<ScopeBase>() + 48);

/// The scopes whose own requests stay with them when a part of the tree is cut off: those in that part.
pub(super) struct Kept<'a> {
    pub(super) scope: *const ScopeBase,
    pub(super) outer: Option<&'a Kept<'a>>,
}

impl Kept<'_> {
    fn has(kept: Option<&Self>, origin: *const ScopeBase) -> bool {
        kept.is_some_and(|kept| kept.scope == origin || Self::has(kept.outer, origin))
    }
}

impl Linked for ScopeNode {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

impl ScopeBase {
    #[inline]
    pub(crate) const fn new() -> Self {
        Self::of_task(ptr::null())
    }

    /// The root scope of `task`, which contains it.
    #[inline]
    pub(crate) const fn of_task(task: *const Header) -> Self {
        Self {
            task: Cell::new(task),
            children: List::new(),
            waits: Waits::new(),
            mail: Cell::new(Mail::Empty),
            stale: Cell::new(false),
            polling: Cell::new(false),
            _full: 0,
            polls: Cell::new(0),
            request: Slot::new(),
            probe: ProbeCell::new(),
        }
    }

    pub(crate) fn probe(&self) -> Probe {
        self.probe.probe()
    }

    pub(crate) fn polls(&self) -> u32 {
        self.polls.get()
    }

    /// Whether `waker` is that of the task that this scope is in.
    #[inline]
    pub(crate) fn is_task_waker(&self, waker: &Waker) -> bool {
        self.task().is_some_and(|task| task.is_waker(waker))
    }

    #[inline]
    pub(crate) fn task(&self) -> Option<Borrowed<'_>> {
        // SAFETY: rule 2.
        NonNull::new(self.task.get().cast_mut()).map(|task| unsafe { TaskRef::borrow(task) })
    }

    /// The first request wins over later ones of the same or a lower state.
    pub(super) fn put(&self, mail: Mail, request: Request) {
        self.mail.set(mail);
        // The former request, if any, holds no user code but a message: dropping it here is harmless.
        self.request.set(self, request);
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
        self.request.take(self)
    }

    /// Takes the request that came as a flag.
    pub(crate) fn take_flag(&self) -> Option<CancelledError> {
        self.take(Mail::Flag).filter(|request| !self.is_heard(request)).map(Request::into_error)
    }

    /// Whether there is anything in the slot.
    #[inline]
    pub(crate) fn has_mail(&self) -> bool {
        self.mail.get() != Mail::Empty
    }

    pub(crate) fn has_flag(&self) -> bool {
        self.mail.get() == Mail::Flag
    }

    /// Takes the request that is to be raised here.
    pub(crate) fn take_pending(&self) -> Option<CancelledError> {
        let request = self.take(Mail::Pending)?;
        self.note_heard(&request);
        Some(request.into_error())
    }

    /// Takes what was raised inside during the poll that just ended.
    pub(crate) fn take_raised(&self) -> Option<CancelledError> {
        self.take(Mail::Raised).map(Request::into_error)
    }

    /// Notes that code of the task gets to know of a request, which the caller has taken out of where it was: it is used up,
    /// wherever else it was delivered.
    pub(crate) fn note_heard(&self, request: &Request) {
        if let Some(serial) = request.serial_if_elsewhere()
            && let Some(task) = self.task()
        {
            task.extra_or_new().heard.set(serial);
        }
    }

    fn is_heard(&self, request: &Request) -> bool {
        self.task().is_some_and(|task| task.extra().is_some_and(|extra| request.has_serial(extra.heard.get())))
    }

    /// Hands a request over from a scope inside that is going away, unless the task has heard of it elsewhere.
    fn pass_on(&self, request: Request) {
        if matches!(self.mail.get(), Mail::Empty | Mail::Flag) && !self.is_heard(&request) {
            self.put(Mail::Flag, request);
            if let Some(task) = self.task() {
                task.set_flagged();
            }
        }
    }

    /// Makes a request of this scope, whose node is `node` unless it is a root: a flag if its task is awake, of which
    /// the last one counts; else delivered to its leaves.
    pub(crate) fn request(&self, error: CancelledError, node: Option<&ScopeNode>, forward: &mut Forward) {
        let request = Request::new(error, self);
        let Some(task) = self.task().filter(|task| task.is_awake()) else {
            self.deliver(request, node, forward);
            return;
        };
        if matches!(self.mail.get(), Mail::Empty | Mail::Flag) {
            self.put(Mail::Flag, request);
        }
        task.set_flagged();
    }

    /// Delivers a request to the innermost suspended scopes: forwards it, or makes it pending and schedules the task.
    fn deliver(&self, request: Request, node: Option<&ScopeNode>, forward: &mut Forward) {
        if self.children.first().is_null() && self.waits.is_empty() {
            return self.make_pending(request, node, forward);
        }
        let mut request = Some(request);
        self.for_each_leaf(node, &mut |leaf, node| {
            let Some(mut request) = self.portion(leaf, &mut request) else { return };
            let (mut accepted, mut refused, mut earlier, mut raised) = (false, false, None, None);
            leaf.waits.links().for_each_ptr(|link| {
                // SAFETY: `link` comes from the list.
                match unsafe { Link::forward(link, &mut request) } {
                    Forwarded::To(target) => {
                        accepted = true;
                        forward.push(target, request.error());
                    }
                    Forwarded::Refused => refused = true,
                    Forwarded::Done(error) => {
                        raised = raised.take().or(error);
                        // SAFETY: as above.
                        earlier = earlier.take().or(unsafe { Link::take_forwarded(link) });
                    }
                }
            });
            if accepted {
                if let Some(task) = leaf.task() {
                    task.state.set_forwarded();
                }
            } else if refused {
                // What is awaited is about to end and wakes the task then: the request waits for that.
                leaf.pass_on(request);
            } else {
                // One that went to what is done by now comes first: both are one. And if the task was about to hear that
                // what it awaits was cancelled, that error is raised, as in CPython.
                leaf.make_pending(earlier.unwrap_or(request).with_error(raised), node, forward);
            }
        });
    }

    /// Makes a request of a root scope and delivers it without forwarding.
    pub(crate) fn request_here(&self, error: CancelledError, forward: &mut Forward) {
        let mut request = Some(Request::new(error, self));
        self.for_each_leaf(None, &mut |leaf, node| {
            if let Some(request) = self.portion(leaf, &mut request) {
                leaf.make_pending(request, node, forward);
            }
        });
    }

    /// What one leaf gets of a request: all of it if this is the only leaf there is.
    fn portion(&self, leaf: &Self, request: &mut Option<Request>) -> Option<Request> {
        if ptr::eq(self, leaf) { request.take() } else { request.as_mut().map(|all| Request::Shared(all.share())) }
    }

    /// Calls `visit` for the innermost scopes that are being awaited, with their nodes unless that is a root.
    fn for_each_leaf(&self, node: Option<&ScopeNode>, visit: &mut dyn FnMut(&ScopeBase, Option<&ScopeNode>)) {
        let mut leaf = true;
        self.children.for_each(|child| {
            if !child.base.stale.get() {
                leaf = false;
                child.base.for_each_leaf(Some(child), visit);
            }
        });
        if leaf {
            visit(self, node);
        }
    }

    /// Delivers a request here: the next poll raises it. It has to come, so the task is scheduled.
    fn make_pending(&self, request: Request, node: Option<&ScopeNode>, forward: &mut Forward) {
        if matches!(self.mail.get(), Mail::Empty | Mail::Flag) {
            self.put(Mail::Pending, request);
        }
        if let Some(task) = self.task() {
            task.delivered();
        }
        if let Some(node) = node {
            node.collect_waker(forward);
        }
    }

    /// Whether nothing is told here and nothing is below.
    #[inline]
    pub(crate) fn is_bare(&self) -> bool {
        !self.has_mail() && self.children.first().is_null() && self.waits.is_empty()
    }

    /// Takes the requests out of this part of the tree that were not raised, except what was asked of scopes in `kept`
    /// and below, which goes with them. Several are one.
    #[inline]
    pub(super) fn take_unheard(&self, kept: Option<&Kept<'_>>) -> Option<Request> {
        if self.is_bare() { None } else { self.take_unheard_below(kept) }
    }

    fn take_unheard_below(&self, kept: Option<&Kept<'_>>) -> Option<Request> {
        let mail = self.mail.get();
        let mut found = None;
        if matches!(mail, Mail::Flag | Mail::Pending) {
            found = self.take(mail);
            if let Some(request) = found.take_if(|request| Kept::has(kept, request.origin())) {
                self.put(mail, request);
            }
        }
        self.children.for_each(|child| {
            let below = child.base.take_unheard(Some(&Kept { scope: &child.base, outer: kept }));
            found = found.take().or(below);
        });
        found
    }

    /// Requests that were delivered to scopes that the poll after that did not reach go one scope out, unless the task has
    /// heard of them elsewhere. Returns whether there were any.
    pub(crate) fn escalate(&self, node: Option<&ScopeNode>, forward: &mut Forward) -> bool {
        let mut found = None;
        self.children.for_each(|child| {
            if let Some(request) = child.base.take(Mail::Pending) {
                child.base.stale.set(true);
                if !self.is_heard(&request) {
                    found = Some(request);
                }
            }
        });
        if let Some(request) = found {
            self.deliver(request, node, forward);
            return true;
        }
        let mut any = false;
        self.children.for_each(|child| any |= child.base.escalate(Some(child), forward));
        any
    }

    /// Requests that were forwarded along waits that are not awaited any more are delivered where they were forwarded.
    /// Returns whether other waits have requests forwarded along them.
    pub(crate) fn reclaim(&self, node: Option<&ScopeNode>, forward: &mut Forward) -> bool {
        let mut waiting = false;
        let mut found = None;
        self.waits.links().for_each_ptr(|link| {
            // SAFETY: `link` comes from the list.
            let unheard = unsafe { Link::take_unheard(link, &mut waiting) };
            found = found.take().or(unheard);
        });
        if let Some(request) = found.filter(|request| !self.is_heard(request)) {
            self.deliver(request, node, forward);
        }
        self.children.for_each(|child| waiting |= child.base.reclaim(Some(child), forward));
        waiting
    }

    /// Withdraws every request that is still a flag, here and below: `uncancel` came to zero.
    pub(crate) fn withdraw_flags(&self) {
        drop(self.take(Mail::Flag));
        self.children.for_each(|child| child.base.withdraw_flags());
    }

    /// Delivers every request in the tree that is still a flag, outer scopes first.
    pub(crate) fn deliver_flags(&self, node: Option<&ScopeNode>, forward: &mut Forward) {
        if let Some(request) = self.take(Mail::Flag).filter(|request| !self.is_heard(request)) {
            self.deliver(request, node, forward);
        }
        self.children.for_each(|child| child.base.deliver_flags(Some(child), forward));
    }

    /// Calls `visit` for what is awaited in this scope and the scopes inside.
    pub(crate) fn for_each_wait(&self, visit: &mut dyn FnMut(Target)) {
        self.waits.links().for_each_ptr(|link| {
            // SAFETY: `link` comes from the list.
            if let Some(target) = unsafe { Link::target(link) } {
                visit(target);
            }
        });
        self.children.for_each(|child| child.base.for_each_wait(visit));
    }

    /// Takes everything out from under this scope: it is over, and what is below may outlive it.
    #[inline]
    pub(crate) fn orphan(&self) {
        if !self.is_bare() {
            self.cut_off();
        }
        self.probe.reset();
    }

    /// Leaves the scope bare.
    fn cut_off(&self) {
        drop(self.take_unheard(None));
        loop {
            let child = self.children.first();
            // SAFETY: rule 1: a child is valid as long as it is in the list.
            let Some(child) = (unsafe { child.as_ref() }) else { break };
            child.unlink();
            child.base.set_tasks(ptr::null());
        }
        loop {
            let link = self.waits.links().first();
            // SAFETY: rule 1, for links.
            let Some(link) = (unsafe { link.as_ref() }) else { break };
            link.detach();
        }
        self.mail.set(Mail::Empty);
        drop(self.request.take(self));
    }

    /// Sets the task of this scope and all inside.
    #[inline]
    pub(super) fn set_tasks(&self, task: *const Header) {
        // A wait without a link is one of the former task.
        let _ = self.waits.links();
        self.task.set(task);
        self.children.for_each(|child| child.base.set_tasks(task));
    }
}

impl ScopeNode {
    pub(super) const fn new() -> Self {
        Self {
            base: ScopeBase::new(),
            parent: Cell::new(ptr::null()),
            links: Links::new(),
            waker: Cell::new(None),
            key: Cell::new(None),
        }
    }

    /// Puts the scope under the one that polls it now, if it is not there already.
    #[inline]
    pub(super) fn link(self: Pin<&Self>) {
        let parent = current::with(|current| current.scope.get());
        if self.parent.get() == parent && (parent.is_null() || self.links.is_linked()) {
            self.base.stale.set(false);
        } else {
            self.link_to(parent);
        }
    }

    fn link_to(self: Pin<&Self>, parent: *const ScopeBase) {
        // SAFETY: the current scope is valid while it is current.
        let parent_base = unsafe { parent.as_ref() };
        if !self.base.task.get().is_null() && parent_base.is_none_or(|base| base.task.get() != self.base.task.get()) {
            // It goes on in another task.
            self.hand_over(self.base.take_unheard(Some(&Kept { scope: &self.base, outer: None })));
        }
        self.unlink();
        self.base.stale.set(false);
        let Some(base) = parent_base else {
            self.base.set_tasks(ptr::null());
            return;
        };
        assert_not_walking();
        self.parent.set(parent);
        self.base.set_tasks(base.task.get());
        // SAFETY: `self` is pinned, in no list, and its destructor unlinks it (rule 1).
        unsafe { base.children.push_back(ptr::from_ref(self.get_ref())) };
    }

    #[inline]
    pub(super) fn unlink(&self) {
        let parent = self.parent.replace(ptr::null());
        // SAFETY: rule 1: a parent takes its children out before it goes away.
        if let Some(parent) = unsafe { parent.as_ref() }
            && self.links.is_linked()
        {
            assert_not_walking();
            // SAFETY: linked, and its parent's list is the only one it is ever in.
            unsafe { parent.children.remove(self) };
        }
    }

    /// Hands a request that this part of the tree did not get to raise on to the scope around it.
    pub(super) fn hand_over(&self, unheard: Option<Request>) {
        // SAFETY: rule 1.
        let parent = unsafe { self.parent.get().as_ref() };
        if let (Some(request), Some(parent)) = (unheard, parent) {
            parent.pass_on(request);
        }
    }

    /// The scope is over: takes it out of the tree, handing on a request that it did not get to raise. One that was made
    /// of this scope ends with it.
    #[inline]
    pub(super) fn leave(&self) {
        if !self.base.is_bare() {
            let unheard = self.base.take_unheard(None);
            self.hand_over(unheard.filter(|request| request.origin() != &raw const self.base));
            self.base.cut_off();
        }
        self.unlink();
        self.base.probe.reset();
        self.base.task.set(ptr::null());
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
        // Taken, not cloned: the clone would be the code of others. The poll that it causes stores the next one.
        if let Some(waker) = self.waker.take() {
            forward.wake_later(waker);
        }
    }

    /// A cancellation is raised here: drops what is inside. Requests that were under way in there are delivered by it.
    pub(super) fn raised<F>(&self, error: CancelledError, mut inner: Pin<&mut Option<F>>) -> CancelledError {
        inner.set(None);
        drop(self.base.take_unheard(None));
        self.leave();
        error
    }

    /// Notes what to wake, unless that is the task itself.
    pub(super) fn suspended(&self, waker: &Waker) {
        let is_task = self.base.is_task_waker(waker);
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
        self.base.request(error, Some(self), forward);
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
