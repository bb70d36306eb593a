//! What a scope can wait for, and how a request for cancellation travels from awaiter to awaited.
//!
//! That a scope waits is recorded by links (`link.rs`). A request that reaches a leaf scope is forwarded along its links,
//! with an explicit stack instead of recursion, so that a chain of a million awaiting tasks costs no call stack; the
//! order is that of recursion, depth first.

use std::rc::Rc;
use std::task::Waker;

use crate::cancel::CancelledError;
use crate::contain::{contain, wake};
use crate::done::Watcher;
use crate::fault::Fault;
use crate::task::handle::TaskHandle;
use crate::task::header::TaskRef;

/// Something other than a task that can be awaited, and passes a request for cancellation on or takes it.
///
/// For combinators: a `Future`, a `gather`, a `shield`.
pub trait Awaitee {
    /// Whether it is done, so that nobody waits for it any more. When it comes to be done, it wakes who awaits it.
    ///
    /// This, [`accepts`](Awaitee::accepts) and [`cancelled_error`](Awaitee::cancelled_error) are asked while scopes are
    /// being walked, and must do nothing but look: the process is aborted if they poll or drop anything that is suspended.
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
    /// Tells `watcher` when it is done, with `index`. It must not be done.
    fn watch(&self, watcher: Rc<dyn Watcher>, index: usize);
    /// Undoes `watch`, all registrations of `watcher`, unless the notice is on its way.
    fn unwatch(&self, watcher: &Rc<dyn Watcher>);
}

/// Who a request goes to next.
pub(crate) enum Target {
    Task(TaskRef),
    Other(Rc<dyn Awaitee>),
}

/// The requests that are still to be made, and the wakers still to be woken.
pub struct Forward {
    stack: Vec<Step>,
    wakers: Vec<Waker>,
}

enum Step {
    Request(Target, CancelledError),
    /// All that the task passed on has been made.
    Leave(TaskRef),
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
        self.stack.push(Step::Request(target, error.clone()));
    }

    /// Wakes `waker` once all requests of this cancellation have been made.
    pub fn wake_later(&mut self, waker: Waker) {
        self.wakers.push(waker);
    }

    /// Makes all requests, depth first, then wakes.
    pub(crate) fn run(mut self) {
        if self.stack.is_empty() && self.wakers.is_empty() {
            return;
        }
        // What one step pushed is in order; a stack takes it from the end.
        self.stack.reverse();
        while let Some(step) = self.stack.pop() {
            let mark = self.stack.len();
            match step {
                Step::Request(Target::Task(task), error) => self.request(&task, &error),
                Step::Request(Target::Other(other), error) => {
                    let cancel = || {
                        if other.accepts() {
                            other.cancel(&error, &mut self);
                        }
                    };
                    if let Err(payload) = contain(cancel) {
                        Fault::new("exception while a cancellation was passed on").payload(payload).report();
                    }
                }
                Step::Leave(task) => task.state.clear_forwarding(),
            }
            self.stack[mark..].reverse();
        }
        self.wakers.into_iter().for_each(wake);
    }

    /// Makes a request of a task. One that comes back to a task by way of what that waits for stays there.
    pub(crate) fn request(&mut self, task: &TaskRef, error: &CancelledError) {
        if task.state.is_forwarding() {
            task.take_request_back(error, self);
            return;
        }
        let mark = self.stack.len();
        task.take_request(error, self);
        if self.stack.len() > mark {
            task.state.set_forwarding();
            // The last of what was passed on, once it is in order.
            self.stack.push(Step::Leave(task.clone()));
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
