//! The exception handler: who is told of panics that nobody else is told of, and how the user's code is called so that no
//! panic of it goes further.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::{Rc, Weak};
use std::time::Instant as RealInstant;

use asyncio_executor::{Context, Fault, panic_message};

use crate::event_loop::{EventLoop, Inner};

/// What [`EventLoop::set_exception_handler`] takes: it gets the loop and what happened.
pub type ExceptionHandler = Rc<dyn Fn(&EventLoop, &Fault)>;

/// What the executor reports to.
pub(crate) fn reporter(inner: Weak<Inner>) -> Rc<dyn Fn(Fault)> {
    Rc::new(move |fault| match inner.upgrade() {
        Some(inner) => handle(&EventLoop { inner }, fault),
        None => default(&fault),
    })
}

/// Gives `fault` to the loop's handler, in the context of the task that it happened in. A handler that panics is itself
/// reported the default way.
pub(crate) fn handle(this: &EventLoop, fault: Fault) {
    let Some(handler) = this.exception_handler() else { return default(&fault) };
    let context = fault.task.as_ref().map(asyncio_executor::TaskHandle::context);
    let call = || match &context {
        Some(context) => context.run(|| handler(this, &fault)),
        None => handler(this, &fault),
    };
    if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
        let message = panic_message(payload.as_ref()).unwrap_or("no message").to_owned();
        drop_payload(payload);
        default(&Fault::new(format!("the exception handler panicked: {message}; it was called with: {fault}")));
    }
}

/// Writes it to standard error.
fn default(fault: &Fault) {
    say(format_args!("{fault}"));
}

/// Writes a line to standard error. That this fails, because it is closed for example, is nobody's business.
pub(crate) fn say(text: fmt::Arguments<'_>) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| eprintln!("asyncio: {text}"))) {
        drop_payload(payload);
    }
}

/// Drops what a panic carried. A second panic, of its destructor, is leaked: its own destructor may be the same one.
pub(crate) fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}

/// Runs `f`, in which code of the user's runs: a waker, a destructor. A panic goes to the exception handler.
#[inline]
pub(crate) fn contain(this: &EventLoop, what: &'static str, f: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
        handle(this, Fault::new(what).payload(payload));
    }
}

/// Calls a callback of the user's in its context. In debug mode it is reported if it takes long; if it panics, the
/// exception handler is told, in the same context.
pub(crate) fn call(
    this: &EventLoop,
    what: &'static str,
    location: &'static Location<'static>,
    context: &Context,
    f: impl FnOnce(),
) {
    let _context = context.enter();
    let debugging = &this.inner.debugging;
    let begin = debugging.is_on().then(RealInstant::now);
    let result = catch_unwind(AssertUnwindSafe(f));
    if let Some(begin) = begin {
        debugging.note_callback(location, begin.elapsed());
    }
    if let Err(payload) = result {
        handle(this, Fault::new(what).payload(payload).callback(location));
    }
}
