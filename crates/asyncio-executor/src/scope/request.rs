#![expect(unsafe_code, reason = "a slot of one word holds one of two pointers")]
//! A request for cancellation on its way through a tree of scopes.
//!
//! Most requests are made of one scope and raised there, and say no more than who asked and where. Such a request takes no
//! allocation: in the [`Slot`] of its scope it is the address of the place in the code, marked with the kind. One that has
//! a message, or goes to another scope or to several, is counted.
//!
//! Rule: the word of a slot is null; or it came from [`Rc::into_raw`], which no mark makes odd; or it is the address of a
//! `&'static Location`, marked by a number from one up to [`MARKS`]. Only this file writes it.

use std::cell::Cell;
use std::panic::Location;
use std::ptr;
use std::rc::Rc;

use crate::cancel::{CancelKind, CancelledError};
use crate::current;
use crate::scope::tree::ScopeBase;

/// A request for cancellation and the scope it was made of.
pub(crate) enum Request {
    /// Without a message, and nowhere else.
    Own(CancelledError, *const ScopeBase),
    Shared(SharedRequest),
}

/// A request that is, or may be, in several places.
#[derive(Clone)]
pub(crate) struct SharedRequest(Rc<Made>);

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
        if error.message().is_none() {
            Self::Own(error, origin)
        } else {
            Self::Shared(SharedRequest::new(error, origin))
        }
    }

    /// A copy; from now on, both are counted.
    pub(crate) fn share(&mut self) -> SharedRequest {
        if let Self::Own(error, origin) = self {
            *self = Self::Shared(SharedRequest::new(error.clone(), *origin));
        }
        match self {
            Self::Shared(shared) => shared.clone(),
            Self::Own(..) => unreachable!("it was just shared"),
        }
    }

    /// The same request, to be raised with another error if there is one.
    pub(super) fn with_error(mut self, error: Option<CancelledError>) -> Self {
        let Some(error) = error else { return self };
        let SharedRequest(made) = self.share();
        made.copied.set(true);
        let copied = Cell::new(true);
        Self::Shared(SharedRequest(Rc::new(Made { error, origin: made.origin, serial: made.serial, copied })))
    }

    /// What tells it from others, unless this is the only place where it is, which is nearly always so.
    pub(super) fn serial_if_elsewhere(&self) -> Option<u32> {
        match self {
            Self::Shared(SharedRequest(made)) if made.copied.get() || Rc::strong_count(made) > 1 => Some(made.serial),
            _ => None,
        }
    }

    /// Whether it is the one with this number.
    pub(super) fn has_serial(&self, serial: u32) -> bool {
        matches!(self, Self::Shared(SharedRequest(made)) if made.serial == serial)
    }

    pub(super) fn error(&self) -> &CancelledError {
        match self {
            Self::Own(error, _) => error,
            Self::Shared(SharedRequest(made)) => &made.error,
        }
    }

    /// The scope that it was made of.
    pub(super) fn origin(&self) -> *const ScopeBase {
        match self {
            Self::Own(_, origin) => *origin,
            Self::Shared(SharedRequest(made)) => made.origin,
        }
    }

    pub(super) fn into_error(self) -> CancelledError {
        match self {
            Self::Own(error, _) => error,
            Self::Shared(SharedRequest(made)) => {
                Rc::try_unwrap(made).map_or_else(|shared| shared.error.clone(), |made| made.error)
            }
        }
    }
}

impl SharedRequest {
    fn new(error: CancelledError, origin: *const ScopeBase) -> Self {
        Self(Rc::new(Made { error, origin, serial: current::next_request_serial(), copied: Cell::new(false) }))
    }
}

/// Room for one request in its scope: see the header of this file.
pub(super) struct Slot(Cell<*const ()>);

/// What an address may be marked with.
const MARKS: usize = align_of::<Location<'static>>() - 1;

/// The kinds by their marks, which begin at one.
const KINDS: [CancelKind; 6] = [
    CancelKind::Explicit,
    CancelKind::Timeout,
    CancelKind::TaskGroup,
    CancelKind::Gather,
    CancelKind::Signal,
    CancelKind::Shutdown,
];

const _: () = assert!(KINDS.len() <= MARKS && align_of::<Made>() > MARKS);

/// The mark of a kind: its place in [`KINDS`], counted from one.
fn mark(kind: CancelKind) -> usize {
    match kind {
        CancelKind::Explicit => 1,
        CancelKind::Timeout => 2,
        CancelKind::TaskGroup => 3,
        CancelKind::Gather => 4,
        CancelKind::Signal => 5,
        CancelKind::Shutdown => 6,
    }
}

impl Slot {
    #[inline]
    pub(super) const fn new() -> Self {
        Self(Cell::new(ptr::null()))
    }

    /// Puts in a request, in the place of the former one, of the scope that the slot is in.
    pub(super) fn set(&self, scope: *const ScopeBase, request: Request) {
        let word = match request {
            Request::Own(error, origin) if origin == scope => {
                let place: *const () = ptr::from_ref(error.location()).cast();
                place.map_addr(|address| address | mark(error.kind()))
            }
            mut other => Rc::into_raw(other.share().0).cast(),
        };
        let before = Self(Cell::new(self.0.replace(word)));
        drop(before);
    }

    /// Takes the request out of the slot, which is in `scope`.
    pub(super) fn take(&self, scope: *const ScopeBase) -> Option<Request> {
        let word = self.0.replace(ptr::null());
        let marks = word.addr() & MARKS;
        if word.is_null() {
            None
        } else if marks == 0 {
            // SAFETY: the rule: unmarked, it came from `into_raw`; and it has left the slot.
            Some(Request::Shared(SharedRequest(unsafe { Rc::from_raw(word.cast()) })))
        } else {
            let place: *const Location<'static> = word.map_addr(|address| address & !MARKS).cast();
            // SAFETY: the rule: it was made from a static reference.
            Some(Request::Own(CancelledError::at(KINDS[marks - 1], unsafe { &*place }), scope))
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.take(ptr::null()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_into_a_slot_comes_out_of_it() {
        let (scope, other) = (ScopeBase::new(), ScopeBase::new());
        for kind in KINDS {
            for message in [None, Some("why")] {
                for origin in [&raw const scope, &raw const other] {
                    let slot = Slot::new();
                    assert!(slot.take(&scope).is_none());
                    let error =
                        message.map_or(CancelledError::new(kind), |why| CancelledError::with_message(kind, why));
                    let place = error.location();
                    slot.set(&scope, Request::new(CancelledError::new(CancelKind::Signal), &scope));
                    slot.set(&scope, Request::new(error, origin));
                    let found = slot.take(&scope).expect("it was put in");
                    assert!(slot.take(&scope).is_none());
                    assert_eq!(found.origin(), origin);
                    let error = found.into_error();
                    assert_eq!((error.kind(), error.message(), error.location()), (kind, message, place));
                }
            }
        }
    }

    #[test]
    fn a_request_is_shared_once_it_is_in_two_places() {
        let scope = ScopeBase::new();
        let mut request = Request::new(CancelledError::new(CancelKind::Explicit), &scope);
        assert_eq!(request.serial_if_elsewhere(), None);
        let copy = request.share();
        let serial = request.serial_if_elsewhere().expect("there are two");
        assert!(Request::Shared(copy.clone()).has_serial(serial));
        drop(copy);
        assert_eq!(request.serial_if_elsewhere(), None);
        let other = request.with_error(Some(CancelledError::new(CancelKind::Gather)));
        assert_eq!(other.serial_if_elsewhere(), Some(serial));
        assert_eq!(other.error().kind(), CancelKind::Gather);
    }

    #[test]
    fn a_slot_that_is_dropped_drops_its_request() {
        let scope = ScopeBase::new();
        let error = CancelledError::with_message(CancelKind::Explicit, "why");
        let made = SharedRequest::new(error, &scope);
        let slot = Slot::new();
        slot.set(&scope, Request::Shared(made.clone()));
        assert_eq!(Rc::strong_count(&made.0), 2);
        drop(slot);
        assert_eq!(Rc::strong_count(&made.0), 1);
    }
}
