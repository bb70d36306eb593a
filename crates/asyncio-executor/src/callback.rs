#![expect(unsafe_code, reason = "a callback is an intrusive entry of the ready queue")]
//! Callbacks: closures in the ready queue, and the handles that cancel them.
//!
//! A callback is one `Rc` allocation that begins with its [`Node`]. The queue's reference is a count of that `Rc`; the
//! pointer in the queue comes from `Rc::into_raw`, so it may be turned back into the `Rc` of the same type, which only
//! the functions in its own table do.

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::ptr::NonNull;
use std::rc::Rc;

use crate::contain::{contain, drop_contained};
use crate::context_var::{self, Context};
use crate::executor::Inner;
use crate::fault::Fault;
use crate::ready::{Entry, Node, NodeVTable};
use crate::task::step::NoTask;

#[repr(C)]
struct Callback<F> {
    node: Node,
    location: &'static Location<'static>,
    cancelled: Cell<bool>,
    context: Cell<Option<Context>>,
    f: Cell<Option<F>>,
}

/// A callback that was scheduled with `call_soon`.
///
/// Dropping the handle does not cancel the callback.
///
/// # In Python
///
/// `asyncio.Handle`, in `asyncio/events.py`.
#[derive(Clone)]
pub struct Handle(Rc<dyn Cancel>);

trait Cancel {
    fn cancel(&self);
    fn cancelled(&self) -> bool;
    fn done(&self) -> bool;
    fn location(&self) -> &'static Location<'static>;
}

impl<F> Cancel for Callback<F> {
    fn cancel(&self) {
        if let Some(f) = self.f.take() {
            self.cancelled.set(true);
            drop(f);
            drop(self.context.take());
        }
    }

    fn cancelled(&self) -> bool {
        self.cancelled.get()
    }

    fn done(&self) -> bool {
        let f = self.f.take();
        let done = f.is_none();
        self.f.set(f);
        done
    }

    fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl Handle {
    /// Cancels the callback, and drops it at once. No effect if it ran or was cancelled before.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether it was cancelled before it ran.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        self.0.cancelled()
    }

    /// Whether it ran or was cancelled.
    #[must_use]
    pub fn done(&self) -> bool {
        self.0.done()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Handle {}scheduled at {}>", if self.cancelled() { "cancelled " } else { "" }, self.0.location())
    }
}

/// Puts a closure at the end of the ready queue, to be run in `context`. If the loop is closed, the closure is dropped
/// with the handle.
pub(crate) fn schedule<F: FnOnce() + 'static>(
    home: &Inner,
    context: Option<Context>,
    location: &'static Location<'static>,
    f: F,
) -> Handle {
    let callback = Rc::new(Callback {
        // SAFETY: static, and made for this type.
        node: unsafe { Node::new(table::<F>()) },
        location,
        cancelled: Cell::new(false),
        context: Cell::new(context),
        f: Cell::new(Some(f)),
    });
    let handle = Handle(callback.clone());
    if home.is_closed() {
        return handle;
    }
    // SAFETY: `into_raw` never gives null.
    let node = unsafe { NonNull::new_unchecked(Rc::into_raw(callback).cast_mut()) }.cast::<Node>();
    // SAFETY: the node is the first field of a new `Callback<F>`, with the reference that `into_raw` kept.
    unsafe { home.ready.push(node) };
    handle
}

fn table<F: FnOnce() + 'static>() -> &'static NodeVTable {
    const { &NodeVTable { run: run::<F>, discard: discard::<F>, describe: describe::<F> } }
}

/// # Safety
///
/// The node is that of a `Callback<F>` in the queue, with its reference.
unsafe fn run<F: FnOnce() + 'static>(node: NonNull<Node>) {
    // SAFETY: see the header of this file.
    let callback = unsafe { Rc::from_raw(node.cast::<Callback<F>>().as_ptr()) };
    let Some(f) = callback.f.take() else { return };
    let location = callback.location;
    let context = callback.context.take();
    drop(callback);
    call(context, location, f);
}

/// Calls a callback of the user's, outside any task, in its context. A panic goes to the reporter.
pub(crate) fn call(context: Option<Context>, location: &'static Location<'static>, f: impl FnOnce()) {
    let _task = NoTask::new();
    let ambient = context_var::swap(context);
    if let Err(payload) = contain(f) {
        Fault::new("exception in a callback").payload(payload).callback(location).report();
    }
    if let Some(context) = context_var::swap(ambient) {
        drop_contained(context);
    }
}

/// # Safety
///
/// As for `run`.
unsafe fn discard<F: FnOnce() + 'static>(node: NonNull<Node>) {
    // SAFETY: see the header of this file.
    let callback = unsafe { Rc::from_raw(node.cast::<Callback<F>>().as_ptr()) };
    drop_contained(callback.f.take());
    drop_contained(callback.context.take());
}

/// # Safety
///
/// The node is that of a live `Callback<F>`.
unsafe fn describe<F: FnOnce() + 'static>(node: NonNull<Node>) -> Entry {
    // SAFETY: by the caller's promise.
    Entry::Callback(unsafe { node.cast::<Callback<F>>().as_ref() }.location)
}
