//! The line of calls that wait for one direction of a socket.
//!
//! A source of the reactor has room for one waiter per direction. The first in line is that waiter and keeps its waker
//! there; the others keep theirs here. Whoever leaves from the front hands the place on, so that
//!
//! 1. calls end in the order in which they began to wait, and two `sock_sendall` do not mix their bytes;
//! 2. a call that is cancelled takes only its own place away.
//!
//! A line with one call in it, which is the rule, allocates nothing.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::task::Waker;

/// A place in a line. Zero is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What is to be done for those who stay.
#[derive(Debug)]
#[must_use]
pub(super) enum Left {
    /// Nothing.
    Behind,
    /// The front is empty: nobody waits.
    Empty,
    /// This one is the front now, and is to be put into the source.
    Next(Waker),
}

#[derive(Default)]
pub(super) struct Line {
    front: Cell<u64>,
    last: Cell<u64>,
    rest: RefCell<VecDeque<(u64, Waker)>>,
}

impl Line {
    /// Takes the last place. `waker` is kept if that is not the front.
    pub(super) fn join(&self, waker: &Waker) -> Ticket {
        let ticket = self.last.get() + 1;
        self.last.set(ticket);
        if self.front.get() == 0 {
            self.front.set(ticket);
        } else {
            // Cloning a waker may run code of the user: not under the borrow.
            let waker = waker.clone();
            self.rest.borrow_mut().push_back((ticket, waker));
        }
        Ticket(ticket)
    }

    pub(super) fn is_front(&self, ticket: Ticket) -> bool {
        self.front.get() == ticket.0
    }

    /// Changes the waker of somebody who is not the front.
    pub(super) fn renew(&self, ticket: Ticket, waker: &Waker) {
        let waker = waker.clone();
        let mut rest = self.rest.borrow_mut();
        let before =
            rest.iter_mut().find(|(other, _)| *other == ticket.0).map(|(_, kept)| std::mem::replace(kept, waker));
        drop(rest);
        drop(before);
    }

    /// Gives a place up.
    pub(super) fn leave(&self, ticket: Ticket) -> Left {
        if self.is_front(ticket) {
            let next = self.rest.borrow_mut().pop_front();
            return match next {
                Some((next, waker)) => {
                    self.front.set(next);
                    Left::Next(waker)
                }
                None => {
                    self.front.set(0);
                    Left::Empty
                }
            };
        }
        let mut rest = self.rest.borrow_mut();
        let place = rest.iter().position(|(other, _)| *other == ticket.0);
        let removed = place.and_then(|place| rest.remove(place));
        drop(rest);
        drop(removed);
        Left::Behind
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_front_is_handed_on_in_order() {
        let line = Line::default();
        let tickets: Vec<_> = (0..3).map(|_| line.join(Waker::noop())).collect();
        assert!(line.is_front(tickets[0]));
        assert!(matches!(line.leave(tickets[1]), Left::Behind));
        assert!(matches!(line.leave(tickets[0]), Left::Next(_)));
        assert!(line.is_front(tickets[2]));
        assert!(matches!(line.leave(tickets[2]), Left::Empty));
    }

    proptest! {
        #[test]
        fn it_is_a_queue_from_which_anybody_may_leave(steps in proptest::collection::vec(0_usize..8, 0..64)) {
            let line = Line::default();
            let mut model: Vec<Ticket> = Vec::new();
            for step in steps {
                if step < 4 {
                    model.push(line.join(Waker::noop()));
                } else if !model.is_empty() {
                    let index = (step - 4) % model.len();
                    let ticket = model.remove(index);
                    let left = line.leave(ticket);
                    prop_assert_eq!(matches!(left, Left::Behind), index > 0);
                    prop_assert_eq!(matches!(left, Left::Empty), index == 0 && model.is_empty());
                }
                for (index, ticket) in model.iter().enumerate() {
                    prop_assert_eq!(line.is_front(*ticket), index == 0);
                }
            }
        }
    }
}
