//! A request for cancellation on its way through a tree of scopes.

use std::cell::Cell;
use std::rc::Rc;

use crate::cancel::CancelledError;
use crate::current;
use crate::scope::tree::ScopeBase;

/// A request for cancellation and the scope it was made of. Counted, so that it takes one word where there is none.
#[derive(Clone)]
pub(crate) struct Request(Rc<Made>);

struct Made {
    error: CancelledError,
    /// Compared, never followed.
    origin: *const ScopeBase,
    /// Tells it from others, also when it was delivered to several scopes.
    serial: u32,
    /// Whether there may be others of the same serial.
    copied: Cell<bool>,
}

impl Request {
    pub(super) fn new(error: CancelledError, origin: *const ScopeBase) -> Self {
        Self(Rc::new(Made { error, origin, serial: current::next_request_serial(), copied: Cell::new(false) }))
    }

    /// The same request, to be raised with another error if there is one.
    pub(super) fn with_error(self, error: Option<CancelledError>) -> Self {
        match error {
            Some(error) => {
                self.0.copied.set(true);
                Self(Rc::new(Made { error, origin: self.0.origin, serial: self.0.serial, copied: Cell::new(true) }))
            }
            None => self,
        }
    }

    /// Whether this is the only place where the request is, which is nearly always so.
    pub(super) fn is_alone(&self) -> bool {
        !self.0.copied.get() && Rc::strong_count(&self.0) == 1
    }

    pub(super) fn error(&self) -> &CancelledError {
        &self.0.error
    }

    /// The scope that it was made of.
    pub(super) fn origin(&self) -> *const ScopeBase {
        self.0.origin
    }

    pub(super) fn serial(&self) -> u32 {
        self.0.serial
    }

    pub(super) fn into_error(self) -> CancelledError {
        Rc::try_unwrap(self.0).map_or_else(|shared| shared.error.clone(), |made| made.error)
    }
}
