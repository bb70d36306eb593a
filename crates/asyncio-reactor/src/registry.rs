//! Who is registered, under which key, and what was noted of them.
//!
//! A key is a slot's index and the slot's generation, packed into the one word that the platform keeps for us and hands
//! back with each event. The generation changes whenever a slot is vacated. An event that comes back with a key of an
//! earlier generation belongs to a registration that is gone, and is dropped: a descriptor number that was closed and
//! given out again is another slot or another generation.
//!
//! What was noted is a queue of keys in the order first reported; the directions are kept in the slot until they are
//! handed out. So a registration is in the queue once at most, however often it was reported, and one that goes away is
//! forgotten by its generation alone.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use crate::descriptor::RawSource;
use crate::source::State;
use crate::sys::Event;
use crate::watch::Interest;

/// How many bits of a token are the index. The other half tells generations apart; on 32-bit platforms a million
/// descriptors are enough, and a generation is mistaken only if 4,096 registrations pass between an event and its wait.
const INDEX_BITS: u32 = if usize::BITS >= 64 { 32 } else { 20 };
const INDEX_MASK: usize = (1 << INDEX_BITS) - 1;
const GENERATION_MASK: u32 = (usize::MAX >> INDEX_BITS) as u32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    /// The word that the platform keeps. Never `usize::MAX` or the one below it: the last two indices are not given out.
    pub(crate) fn token(self) -> usize {
        (self.generation as usize) << INDEX_BITS | self.index as usize
    }

    fn from_token(token: usize) -> Self {
        Self { index: (token & INDEX_MASK) as u32, generation: (token >> INDEX_BITS) as u32 }
    }
}

pub(crate) enum Entry {
    Source(Rc<State>),
    /// In a box: there are few of them, and as many slots as sources.
    Watch(Box<Watched>),
}

pub(crate) struct Watched {
    pub(crate) descriptor: RawSource,
    pub(crate) user_key: usize,
    pub(crate) interest: Rc<Cell<Interest>>,
}

struct Slot {
    entry: Option<Entry>,
    generation: u32,
    /// The directions noted and not handed out yet; in the queue if there are any.
    noted: Option<Interest>,
}

// There is one for each connection.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Slot>() == 24);

#[derive(Default)]
pub(crate) struct Registry {
    slots: Vec<Slot>,
    vacant: Vec<u32>,
    by_descriptor: HashMap<RawSource, Key>,
    noted: VecDeque<Key>,
}

impl Registry {
    /// Gives `entry` a key. `None` when there are no keys left.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<Key> {
        if let Some(index) = self.vacant.pop() {
            let slot = &mut self.slots[index as usize];
            slot.entry = Some(entry);
            return Some(Key { index, generation: slot.generation });
        }
        let index = u32::try_from(self.slots.len()).ok().filter(|index| (*index as usize) < INDEX_MASK - 1)?;
        self.slots.push(Slot { entry: Some(entry), generation: 0, noted: None });
        Some(Key { index, generation: 0 })
    }

    fn slot(&self, key: Key) -> Option<&Slot> {
        self.slots.get(key.index as usize).filter(|slot| slot.generation == key.generation)
    }

    fn slot_mut(&mut self, key: Key) -> Option<&mut Slot> {
        self.slots.get_mut(key.index as usize).filter(|slot| slot.generation == key.generation)
    }

    /// Takes out what `key` stands for. The caller drops it once nothing is borrowed.
    pub(crate) fn remove(&mut self, key: Key) -> Option<Entry> {
        let slot = self.slot_mut(key)?;
        let entry = slot.entry.take()?;
        slot.generation = (slot.generation + 1) & GENERATION_MASK;
        slot.noted = None;
        self.vacant.push(key.index);
        Some(entry)
    }

    /// Makes `key` the registration of this descriptor number. One that had the number before was closed: the platform
    /// would not have taken it twice.
    pub(crate) fn claim(&mut self, descriptor: RawSource, key: Key) {
        self.by_descriptor.insert(descriptor, key);
    }

    /// Gives the number up; `false` if it is not, or not any more, that of `key`.
    pub(crate) fn release(&mut self, descriptor: RawSource, key: Key) -> bool {
        let held = self.holds(descriptor, key);
        if held {
            self.by_descriptor.remove(&descriptor);
        }
        held
    }

    /// Whether this descriptor number is that of `key`.
    pub(crate) fn holds(&self, descriptor: RawSource, key: Key) -> bool {
        self.by_descriptor.get(&descriptor) == Some(&key)
    }

    pub(crate) fn get(&self, key: Key) -> Option<&Entry> {
        self.slot(key)?.entry.as_ref()
    }

    pub(crate) fn find(&self, descriptor: RawSource) -> Option<&Entry> {
        self.get(*self.by_descriptor.get(&descriptor)?)
    }

    /// Notes what the platform reported; `None` if it reported somebody who is gone.
    pub(crate) fn note(&mut self, event: Event) -> Option<Key> {
        let key = Key::from_token(event.token);
        let slot = self.slot_mut(key)?;
        let entry = slot.entry.as_ref()?;
        if let Entry::Source(state) = entry {
            state.note(event);
        }
        let before = slot.noted;
        let readable = event.readable || before.is_some_and(Interest::is_readable);
        let writable = event.writable || before.is_some_and(Interest::is_writable);
        slot.noted = Interest::new(readable, writable);
        if before.is_none() && slot.noted.is_some() {
            self.noted.push_back(key);
        }
        Some(key)
    }

    /// The next registration in the queue that is still there, with the directions noted of it.
    pub(crate) fn pop_noted(&mut self) -> Option<(&Entry, Interest)> {
        loop {
            let key = self.noted.pop_front()?;
            if let Some(noted) = self.slot_mut(key).and_then(|slot| slot.noted.take()) {
                return self.get(key).map(|entry| (entry, noted));
            }
        }
    }

    /// Whether something may have been noted; what belonged to somebody who is gone counts until it is popped.
    pub(crate) fn has_noted(&self) -> bool {
        !self.noted.is_empty()
    }

    /// How many descriptors are registered.
    pub(crate) fn len(&self) -> usize {
        self.by_descriptor.len()
    }

    pub(crate) fn sources(&self) -> impl Iterator<Item = &Rc<State>> {
        self.slots.iter().filter_map(|slot| match &slot.entry {
            Some(Entry::Source(state)) => Some(state),
            Some(Entry::Watch(_)) | None => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Event, INDEX_MASK, Key, Registry, State};
    use std::rc::Rc;

    fn entry() -> Entry {
        Entry::Source(Rc::new(State::new(5)))
    }

    fn event(key: Key) -> Event {
        Event { token: key.token(), readable: true, writable: false, ending: false }
    }

    #[test]
    fn a_token_carries_index_and_generation() {
        let key = Key { index: 7, generation: 3 };
        assert_eq!(Key::from_token(key.token()), key);
        let last = Key { index: (INDEX_MASK - 2) as u32, generation: super::GENERATION_MASK };
        assert!(last.token() < usize::MAX - 1);
    }

    #[test]
    fn an_event_of_an_earlier_generation_is_dropped() {
        let mut registry = Registry::default();
        let old = registry.insert(entry()).unwrap();
        registry.remove(old);
        let new = registry.insert(entry()).unwrap();
        assert_eq!(old.index, new.index);
        assert!(registry.note(event(old)).is_none());
        assert!(registry.pop_noted().is_none());
        assert!(registry.note(event(new)).is_some());
        assert!(registry.pop_noted().is_some());
    }

    #[test]
    fn what_is_removed_while_noted_vanishes_even_if_its_slot_is_reused() {
        let mut registry = Registry::default();
        let old = registry.insert(entry()).unwrap();
        registry.note(event(old));
        registry.remove(old);
        registry.insert(entry()).unwrap();
        assert!(registry.pop_noted().is_none());
    }

    #[test]
    fn a_number_that_was_claimed_anew_is_not_released_by_its_first_holder() {
        let mut registry = Registry::default();
        let (first, second) = (registry.insert(entry()).unwrap(), registry.insert(entry()).unwrap());
        registry.claim(9, first);
        registry.claim(9, second);
        assert!(!registry.release(9, first));
        assert!(registry.release(9, second));
        assert!(registry.find(9).is_none());
    }
}
