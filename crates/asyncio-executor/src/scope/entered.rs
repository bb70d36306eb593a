#![expect(unsafe_code, reason = "the current scope is behind a thread-local pointer")]
//! The current scope: set while a task or scope polls what is inside, and where code inside raises.
//!
//! The pointer is valid while it is set: a guard on the stack of whoever polls holds the scope and puts the former one back.

use std::ptr;

use asyncio_context::Probe;

use super::{Mail, Request, ScopeBase};
use crate::cancel::CancelledError;
use crate::current;

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
