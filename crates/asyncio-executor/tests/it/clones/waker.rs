#![expect(unsafe_code, reason = "only a table of functions can say what the clone of a waker does")]
//! A waker whose clone is code of others.

use std::cell::RefCell;
use std::ptr;
use std::task::{RawWaker, RawWakerVTable, Waker};

type Hook = Option<Box<dyn FnOnce()>>;

thread_local!(static HOOK: RefCell<Hook> = const { RefCell::new(None) });

fn clone(_: *const ()) -> RawWaker {
    if let Some(hook) = HOOK.take() {
        hook();
    }
    RawWaker::new(ptr::null(), &TABLE)
}

fn nothing(_: *const ()) {}

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, nothing, nothing, nothing);

/// A waker that runs `hook` when it is cloned next.
pub fn waker(hook: impl FnOnce() + 'static) -> Waker {
    HOOK.set(Some(Box::new(hook)));
    // SAFETY: there is no data, and the functions keep the contract: none does anything that is not safe anywhere.
    unsafe { Waker::new(ptr::null(), &TABLE) }
}
