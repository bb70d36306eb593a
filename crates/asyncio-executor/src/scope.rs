#![expect(unsafe_code, reason = "the current scope is reached by a thread-local pointer")]
//! Cancel scopes as futures use them: polling inside one, and raising in the current one.
//!
//! The tree that they form, and how requests travel in it, is in `scope/tree.rs`. The `SAFETY` comments here rest on one
//! rule: the current scope is a thread-local pointer that a guard on the stack ([`Entered`]) sets and puts back, in code
//! that keeps the scope alive meanwhile.

pub(crate) mod request;
pub(crate) mod tree;

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};

use asyncio_context::Probe;

use crate::cancel::CancelledError;
use crate::current;
use crate::scope::request::Request;
use crate::scope::tree::{Kept, Mail, ScopeBase, ScopeNode};
use crate::scope_key::ScopeKey;

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
        let _polling = Polling::new(&node.get_ref().base.polling);
        node.link();
        if node.base.has_mail()
            && let Some(error) = node.base.take_pending()
        {
            return Poll::Ready(Err(node.raised(error, inner)));
        }
        let polled = {
            let _current = Entered::new(&node.base);
            inner.as_mut().as_pin_mut().expect("a scope is not polled again after it has completed").poll(cx)
        };
        if node.base.has_mail()
            && let Some(error) = node.base.take_raised()
        {
            return Poll::Ready(Err(node.raised(error, inner)));
        }
        match polled {
            Poll::Ready(value) => {
                inner.set(None);
                node.leave();
                Poll::Ready(Ok(value))
            }
            Poll::Pending => {
                node.suspended(cx.waker());
                if node.base.mail.get() == Mail::Pending && node.base.task().is_none() {
                    // It came during this poll, and no task looks after it.
                    cx.waker().wake_by_ref();
                }
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
        node.hand_over(node.base.take_unheard(Some(&Kept { scope: &node.base, outer: None })));
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

/// A poll of a scope is going on, until it is dropped.
struct Polling<'a>(&'a Cell<bool>);

impl<'a> Polling<'a> {
    fn new(polling: &'a Cell<bool>) -> Self {
        assert!(!polling.replace(true), "a scope is polled from inside itself: it can be around one future at a time");
        Self(polling)
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Makes a scope the current one, and puts the former one back when dropped.
pub(crate) struct Entered(*const ScopeBase);

impl Entered {
    pub(crate) fn new(scope: &ScopeBase) -> Self {
        scope.polls.set(scope.polls.get().wrapping_add(1));
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
        scope.put(Mail::Raised, Request::new(error, scope));
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
