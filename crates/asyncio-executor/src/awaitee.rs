#![expect(unsafe_code, reason = "links are intrusive members of a scope's list")]
//! What a scope can wait for, and how a request for cancellation travels from awaiter to awaited.
//!
//! A [`Link`] records that a scope waits for a task (the link is in the task's header) or for another [`Awaitee`] (the
//! link is in an [`AwaitLink`]). A request that reaches a leaf scope is forwarded along its links, with an explicit stack
//! instead of recursion, so that a chain of a million awaiting tasks costs no call stack; the order is that of
//! recursion, depth first.

use std::cell::Cell;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::task::Waker;

use crate::cancel::CancelledError;
use crate::current;
use crate::done::Watcher;
use crate::list::{Linked, Links};
use crate::scope::ScopeBase;
use crate::task::handle::TaskHandle;
use crate::task::header::TaskRef;
use crate::task::step;

/// Something other than a task that can be awaited, and passes a request for cancellation on or takes it.
///
/// For combinators: a `Future`, a `gather`, a `shield`.
pub trait Awaitee {
    /// Whether it is done, so that nobody waits for it any more.
    fn is_done(&self) -> bool;
    /// Whether it would accept a request. What is done does not; a `gather` whose children are all done does not either,
    /// although it is not done itself until it has been told of them.
    fn accepts(&self) -> bool {
        !self.is_done()
    }
    /// The cancellation that it ended with, if it did, and if that is still there.
    fn cancelled_error(&self) -> Option<CancelledError>;
    /// Takes the request. What it passes on goes into `forward`, in order; do not call `cancel` on tasks from here.
    fn cancel(self: Rc<Self>, error: &CancelledError, forward: &mut Forward);
    /// What reports call it, such as `gather of 3`.
    fn describe(&self) -> String;
}

/// An [`Awaitee`] that others can watch.
pub trait Observable: Awaitee {
    /// Whether it ended with a panic.
    fn panicked(&self) -> bool {
        false
    }
    /// Tells `watcher` when it is done, with `index`. It must not be done.
    fn watch(&self, watcher: Rc<dyn Watcher>, index: usize);
    /// Undoes `watch`, all registrations of `watcher`, unless the notice is on its way.
    fn unwatch(&self, watcher: &Rc<dyn Watcher>);
}

/// What became of a request that was to be forwarded along a link.
pub(crate) enum Forwarded {
    /// Take it there.
    To(Target),
    /// What is awaited is done: raise, with the error that it ended with, if it did.
    Done(Option<CancelledError>),
    /// What is awaited is not done, but takes no requests: it will be done soon.
    Refused,
}

/// Who a request goes to next.
pub(crate) enum Target {
    Task(TaskRef),
    Other(Rc<dyn Awaitee>),
}

/// The requests that are still to be made, and the wakers still to be woken.
pub struct Forward {
    stack: Vec<(Target, CancelledError)>,
    wakers: Vec<Waker>,
}

impl Forward {
    pub(crate) const fn new() -> Self {
        Self { stack: Vec::new(), wakers: Vec::new() }
    }

    /// Passes a request on to a task.
    pub fn task(&mut self, task: &TaskHandle, error: &CancelledError) {
        self.push(Target::Task(task.task().clone()), error);
    }

    /// Passes a request on to something else.
    pub fn other(&mut self, awaitee: Rc<dyn Awaitee>, error: &CancelledError) {
        self.push(Target::Other(awaitee), error);
    }

    pub(crate) fn push(&mut self, target: Target, error: &CancelledError) {
        self.stack.push((target, error.clone()));
    }

    /// Wakes `waker` once all requests of this cancellation have been made.
    pub fn wake_later(&mut self, waker: Waker) {
        self.wakers.push(waker);
    }

    /// Makes all requests, depth first, then wakes.
    pub(crate) fn run(mut self) {
        // What one step pushed is in order; a stack takes it from the end.
        self.stack.reverse();
        while let Some((target, error)) = self.stack.pop() {
            let mark = self.stack.len();
            match target {
                Target::Task(task) => task.take_request(&error, &mut self),
                Target::Other(other) => {
                    if other.accepts() {
                        other.cancel(&error, &mut self);
                    }
                }
            }
            self.stack[mark..].reverse();
        }
        for waker in self.wakers {
            waker.wake();
        }
    }
}

/// Asks `target` to be cancelled. Returns whether it accepted.
pub fn cancel_awaitee(target: Rc<dyn Awaitee>, error: &CancelledError) -> bool {
    let accepts = target.accepts();
    if accepts {
        let mut forward = Forward::new();
        forward.other(target, error);
        forward.run();
    }
    accepts
}

/// A member of a scope's list of what it waits for.
pub(crate) struct Link {
    links: Links<Link>,
    scope: Cell<*const ScopeBase>,
    /// Whether it is the link in a task's header.
    of_task: bool,
    /// Whether a request was forwarded along this link.
    forwarded: Cell<bool>,
}

impl Linked for Link {
    fn links(&self) -> &Links<Self> {
        &self.links
    }
}

impl Link {
    /// The link of a task: it must be the field `link` of a [`Header`].
    pub(crate) const fn of_task() -> Self {
        Self { links: Links::new(), scope: Cell::new(ptr::null()), of_task: true, forwarded: Cell::new(false) }
    }

    /// Puts the link into the list of the current scope, if it is not there already.
    ///
    /// # Safety
    ///
    /// `link` is valid and is detached before it moves or dies.
    pub(crate) unsafe fn attach(link: *const Self) {
        // SAFETY: valid by the caller's promise.
        let this = unsafe { &*link };
        let scope = current::with(|current| current.scope.get());
        if this.scope.get() == scope {
            return;
        }
        this.detach();
        // SAFETY: the current scope is valid while it is current.
        if let Some(base) = unsafe { scope.as_ref() } {
            this.scope.set(scope);
            // SAFETY: in no list after `detach`; it stays where it is by the caller's promise, and a scope that ends
            // detaches its links.
            unsafe { base.waits.push_back(link) };
        }
    }

    pub(crate) fn detach(&self) {
        let scope = self.scope.replace(ptr::null());
        // SAFETY: a scope detaches its links before it goes away, so the pointer is valid.
        if let Some(scope) = unsafe { scope.as_ref() } {
            // SAFETY: `scope` is only set while the link is in its list.
            unsafe { scope.waits.remove(self) };
        }
    }

    /// Whether a request went along this link.
    pub(crate) fn forwarded(&self) -> bool {
        self.forwarded.get()
    }

    /// Where a request goes that is forwarded along this link, which is marked if it goes anywhere.
    ///
    /// # Safety
    ///
    /// `link` is a pointer from a scope's list.
    pub(crate) unsafe fn forward(link: *const Self) -> Forwarded {
        // SAFETY: from a list, as the caller promises.
        let target = unsafe { Self::target(link) };
        let (done, accepts) = match &target {
            Target::Task(task) => (task.is_done(), !task.is_done()),
            Target::Other(other) => (other.is_done(), other.accepts()),
        };
        if done {
            return Forwarded::Done(match &target {
                Target::Task(task) => step::cancelled_error(task),
                Target::Other(other) => other.cancelled_error(),
            });
        }
        if !accepts {
            return Forwarded::Refused;
        }
        // SAFETY: a member of a list is valid.
        unsafe { &*link }.forwarded.set(true);
        Forwarded::To(target)
    }

    /// What is awaited.
    ///
    /// # Safety
    ///
    /// `link` is a pointer from a scope's list.
    pub(crate) unsafe fn target(link: *const Self) -> Target {
        // SAFETY: a member of a list is valid.
        if unsafe { &*link }.of_task {
            // SAFETY: a link `of_task` is in a header, and was attached through a pointer to the whole header.
            Target::Task(unsafe { TaskRef::of_link(link) })
        } else {
            // SAFETY: a link that is no task's is the first field of a `Node`, which is `repr(C)`, and was attached
            // through a pointer to the whole node.
            let node = unsafe { &*link.cast::<Node>() };
            Target::Other(node.target.clone())
        }
    }
}

/// The link of an awaitee that is not a task.
#[repr(C)]
struct Node {
    link: Link,
    target: Rc<dyn Awaitee>,
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
        let link =
            Link { links: Links::new(), scope: Cell::new(ptr::null()), of_task: false, forwarded: Cell::new(false) };
        Self { node: Box::pin(Node { link, target }) }
    }

    /// Says that the scope being polled now waits for the target. Call it before returning `Pending`.
    pub fn attach(&self) {
        let node: *const Node = &*self.node;
        // SAFETY: the node is boxed, and `drop` detaches it. The pointer is to the whole node, whose first field is the
        // link.
        unsafe { Link::attach(node.cast()) };
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
