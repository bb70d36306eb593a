//! `Future<T>`: a promise, whose value somebody sets and any number of others await.

use std::cell::RefCell;
use std::fmt;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};

use crate::awaitee::{Awaitee, Forward, Observable, cancel_awaitee};
use crate::callback;
use crate::cancel::{CancelKind, CancelledError};
use crate::context_var;
use crate::current;
use crate::done::{CallbackId, Completion, Watcher};
use crate::link::AwaitLink;
use crate::running::current_or_panic;
use crate::scope;
use crate::task::error::{InvalidStateError, TaskError};

static AWAIT_FUTURE: WaitKind = WaitKind::new("a future");

/// A promise of a value: a handle, cheap to clone, that can be awaited where `T: Clone`.
///
/// A cancellation of a task that awaits it cancels the future itself, at once, and so reaches everybody who awaits it;
/// `shield` keeps it away.
///
/// # Cancel safety
///
/// Dropping one handle or its `await` leaves the others alone.
///
/// # In Python
///
/// `asyncio.Future`, in `asyncio/futures.py`. There it can also hold an exception; here, make `T` a `Result`.
pub struct Future<T> {
    inner: Rc<Inner<T>>,
    /// The registration of this handle as an awaiter.
    link: Option<AwaitLink>,
    key: u64,
}

struct Inner<T> {
    state: RefCell<State<T>>,
    done: Completion,
    location: &'static Location<'static>,
    /// Kept from where `T: 'static` was known.
    erase: fn(Rc<Self>) -> Rc<dyn Observable>,
}

enum State<T> {
    Pending,
    Value(T),
    Cancelled(CancelledError),
}

impl<T: 'static> Future<T> {
    /// A future that is pending.
    #[track_caller]
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: Rc::new(Inner {
                state: RefCell::new(State::Pending),
                done: Completion::new(),
                location: Location::caller(),
                erase: |inner| inner,
            }),
            link: None,
            key: current::next_callback_id(),
        }
    }

    /// Sets the value and wakes everybody who waits.
    ///
    /// # Errors
    ///
    /// When the future is done: it has a value, or was cancelled. The value is dropped; ask [`Future::done`] first where
    /// it matters.
    pub fn set_result(&self, value: T) -> Result<(), InvalidStateError> {
        if self.done() {
            return Err(InvalidStateError::DONE);
        }
        *self.inner.state.borrow_mut() = State::Value(value);
        self.inner.done.finish_keeping(&self.inner);
        Ok(())
    }

    /// Cancels the future at once: unlike a task, it cannot refuse. Returns `false` if it is done.
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.cancel_for(&CancelledError::new(CancelKind::Explicit))
    }

    /// Like [`Future::cancel`], with a message for the `CancelledError`.
    #[track_caller]
    pub fn cancel_with(&self, message: impl Into<String>) -> bool {
        self.cancel_for(&CancelledError::with_message(CancelKind::Explicit, message.into()))
    }

    /// Like [`Future::cancel`], with an error of the caller's. For combinators.
    pub fn cancel_for(&self, error: &CancelledError) -> bool {
        cancel_awaitee(self.inner.clone(), error)
    }

    /// Whether it has a value or was cancelled.
    #[must_use]
    pub fn done(&self) -> bool {
        !matches!(*self.inner.state.borrow(), State::Pending)
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn cancelled(&self) -> bool {
        matches!(*self.inner.state.borrow(), State::Cancelled(_))
    }

    /// Calls `f` when the future is done, outside any task, in a copy of the current context, in an entry of the ready
    /// queue of its own; if it is done already, that entry is scheduled now.
    ///
    /// # Panics
    ///
    /// Without a running event loop.
    #[track_caller]
    pub fn add_done_callback(&self, f: impl FnOnce(&Future<T>) + 'static) -> CallbackId {
        let id = CallbackId::next();
        let location = Location::caller();
        let context = context_var::inherited();
        if self.done() {
            let this = self.clone();
            let call = move || callback::call(context, location, || f(&this));
            current_or_panic("`add_done_callback`", |home| callback::schedule(home, None, location, call));
        } else {
            // Weak, or a future that nobody completes would keep itself alive; `finish_keeping` keeps it until the call.
            let inner = Rc::downgrade(&self.inner);
            let call = move || {
                if let Some(inner) = inner.upgrade() {
                    callback::call(context, location, || f(&Self::of(inner)));
                }
            };
            self.inner.done.push_callback(id, Box::new(call));
        }
        id
    }

    /// Removes a done-callback. Returns whether it was there; one that is on its way to run is not.
    pub fn remove_done_callback(&self, id: CallbackId) -> bool {
        self.inner.done.remove_callback(id)
    }
}

impl<T> Future<T> {
    /// Another handle.
    fn of(inner: Rc<Inner<T>>) -> Self {
        Self { inner, link: None, key: current::next_callback_id() }
    }

    /// Tells `watcher` when the future is done, with `index`. For combinators. If it is done already, the notice is
    /// scheduled now.
    pub fn watch(&self, watcher: Rc<dyn Watcher>, index: usize) {
        if matches!(*self.inner.state.borrow(), State::Pending) {
            self.inner.done.watch(watcher, index);
        } else {
            self.inner.done.notify(watcher, index);
        }
    }

    /// Undoes [`Future::watch`], unless the notice is on its way.
    pub fn unwatch(&self, watcher: &Rc<dyn Watcher>) {
        self.inner.done.unwatch(watcher);
    }

    /// The future as something that can be watched and cancelled. For combinators.
    #[must_use]
    pub fn observable(&self) -> Rc<dyn Observable> {
        (self.inner.erase)(self.inner.clone())
    }
}

impl<T: Clone + 'static> Future<T> {
    /// A clone of the value.
    ///
    /// # Errors
    ///
    /// [`TaskError::Cancelled`] if it was cancelled, [`TaskError::InvalidState`] if it is pending.
    pub fn result(&self) -> Result<T, TaskError> {
        match &*self.inner.state.borrow() {
            State::Pending => Err(TaskError::InvalidState(InvalidStateError::NOT_DONE)),
            State::Value(value) => Ok(value.clone()),
            State::Cancelled(error) => Err(error.clone().into()),
        }
    }
}

impl<T: 'static> Awaitee for Inner<T> {
    fn is_done(&self) -> bool {
        !matches!(*self.state.borrow(), State::Pending)
    }

    fn cancel(self: Rc<Self>, error: &CancelledError, _: &mut Forward) {
        if !self.is_done() {
            *self.state.borrow_mut() = State::Cancelled(error.clone());
            self.done.finish_keeping(&self);
        }
    }

    fn cancelled_error(&self) -> Option<CancelledError> {
        match &*self.state.borrow() {
            State::Cancelled(error) => Some(error.clone()),
            _ => None,
        }
    }

    fn describe(&self) -> String {
        format!("a future made at {}", self.location)
    }
}

impl<T: 'static> Observable for Inner<T> {
    fn watch(&self, watcher: Rc<dyn Watcher>, index: usize) {
        self.done.watch(watcher, index);
    }

    fn unwatch(&self, watcher: &Rc<dyn Watcher>) {
        self.done.unwatch(watcher);
    }
}

impl<T: Clone + 'static> std::future::Future for Future<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        match self.result() {
            Ok(value) => {
                self.link.take().map(AwaitLink::finish);
                Poll::Ready(value)
            }
            Err(TaskError::Cancelled(error)) => {
                self.link.take().map(AwaitLink::finish);
                scope::raise(error);
                Poll::Pending
            }
            Err(_) => {
                let this = &mut *self;
                this.inner.done.set_awaiter(this.key, cx.waker());
                // The clone of the waker may have been the code of others, and have completed it.
                if this.inner.is_done() {
                    this.inner.done.remove_awaiter(this.key);
                    return self.poll(cx);
                }
                let inner = &this.inner;
                this.link.get_or_insert_with(|| AwaitLink::new(inner.clone())).attach_with(cx.waker());
                report_wait(&AWAIT_FUTURE, None);
                Poll::Pending
            }
        }
    }
}

impl<T> Clone for Future<T> {
    fn clone(&self) -> Self {
        Self::of(self.inner.clone())
    }
}

impl<T: 'static> Default for Future<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for Future<T> {
    fn drop(&mut self) {
        if self.link.take().is_some() {
            self.inner.done.remove_awaiter(self.key);
        }
    }
}

impl<T> fmt::Debug for Future<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.inner.state.borrow() {
            State::Pending => "pending",
            State::Value(_) => "finished",
            State::Cancelled(_) => "cancelled",
        };
        write!(f, "<Future {state} made at {}>", self.inner.location)
    }
}
