//! Keeps panics of other people's code (wakers, callbacks, destructors, reporters) from unwinding through frames of ours
//! that still have something to do.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

use crate::fault::Fault;

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs `f`; its panic is returned.
#[inline]
pub(crate) fn contain<R>(f: impl FnOnce() -> R) -> Result<R, Payload> {
    // What `f` may leave broken is not looked at again: each caller says how it goes on.
    catch_unwind(AssertUnwindSafe(f))
}

/// How many payloads are dropped, each of the panic of the one before, until the next is leaked. One is usual; a
/// destructor that panics with a payload of its own type would go on for ever.
const PAYLOADS: usize = 4;

/// Drops a payload whose destructor may panic as well.
#[cold]
pub(crate) fn drop_payload(payload: Payload) {
    let mut next = payload;
    for _ in 0..PAYLOADS {
        match contain(|| drop(next)) {
            Ok(()) => return,
            Err(payload) => next = payload,
        }
    }
    std::mem::forget(next);
}

/// Drops a value of the user's; a panic of its destructor is reported.
pub(crate) fn drop_contained<T>(value: T) {
    if let Err(payload) = contain(|| drop(value)) {
        Fault::new("exception in a destructor").payload(payload).report();
    }
}

/// Wakes; a panic of the waker, which may be anybody's, is reported.
#[inline]
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = contain(|| waker.wake()) {
        Fault::new("exception in a waker").payload(payload).report();
    }
}
