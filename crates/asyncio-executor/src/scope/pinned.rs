#![expect(unsafe_code, reason = "a pin projection")]
//! `Scope`: a place where a cancellation can be raised, pinned in the future that makes it.

use std::cell::Cell;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};

use super::entered::Entered;
use super::{Kept, ScopeNode};
use crate::cancel::CancelledError;
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
        let _polling = Polling::new(&node.get_ref().polling);
        node.link();
        if let Some(error) = node.base.take_pending() {
            return Poll::Ready(Err(node.raised(error, inner)));
        }
        let polled = {
            let _current = Entered::new(&node.base);
            inner.as_mut().as_pin_mut().expect("a scope is not polled again after it has completed").poll(cx)
        };
        if let Some(error) = node.base.take_raised() {
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
