//! The exception handler: who is told of panics that nobody else is told of.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::{Rc, Weak};

use asyncio_executor::{Fault, panic_message};

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
        default(&Fault::new(format!("the exception handler panicked: {message}; it was called with: {fault}")));
    }
}

/// Writes it to standard error.
fn default(fault: &Fault) {
    eprintln!("asyncio: {fault}");
}
