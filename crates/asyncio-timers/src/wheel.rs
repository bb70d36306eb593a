//! The timing wheel: which list a deadline belongs to, and when each list becomes due.
//!
//! A wheel has a time, `elapsed`, and [`LEVELS`] levels of [`SLOTS`] slots; each slot is a FIFO list. Keys are
//! nanoseconds, written as eleven digits of six bits. A key later than `elapsed` is in the level of the highest digit in
//! which the two differ, in the slot that this digit of the key names. Three more lists hold the rest: `PAST` those
//! armed with a key not later than `elapsed`, `DUE` those that `advance` has handed over, `DOOMED` those that `clear`
//! is about to drop.
//!
//! # Why the order is exact
//!
//! 1. Where a key is depends on the key and `elapsed` alone. Equal keys are in the same slot, at any time.
//! 2. A slot of level `l` has the digits above `l` in common with `elapsed`, and a greater digit `l`. So the keys of a
//!    lower level are less than those of a higher one, and within a level those of a lower slot are less. The earliest
//!    key is in the lowest slot that is occupied in the lowest level that is occupied: the *nearest* slot.
//! 3. `elapsed` moves, from `a` to `b`, only when no key in the wheel is in `a..b` (`advance` empties the nearest slot
//!    first). If the start of the nearest slot is later than `b`, then `b` has the same digits as `a` from that slot's
//!    level up, except that this level's digit may have grown while still being less than the slot's. So each key stays
//!    where rule 1 wants it. If not, `b` lies within the nearest slot: the keys of that slot go to lower levels, and all
//!    others stay, for they differ from `a` and from `b` in the same highest digit.
//! 4. A slot is emptied front to back, and every list is appended to at its tail. The lower slots that it is spread
//!    over are empty before, as its level was the lowest. So with rule 1, equal keys keep the order in which they were
//!    armed, through all levels, and a timer armed later, whatever `elapsed` was, is behind them.
//! 5. `advance` appends to `DUE` first what is in `PAST`, stably sorted (keys up to the old `elapsed`), then what
//!    leaves the wheel (later keys), in the order of rules 2 and 4.
//!
//! Each move of a timer is to a lower level or to `DUE`: eleven at most.
//!
//! No code of others runs in this file, but for the destructors in `clear`, which are called between steps.

use crate::list::{Lists, Node, Unlinked};
use crate::sort::{self, SCRATCH};
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;

/// Bits of a digit. Six, so that the slots of a level fit one word of occupancy.
const DIGIT: u32 = 6;
/// Slots of a level.
const SLOTS: usize = 1 << DIGIT;
/// Levels that a key of 64 bits needs; the last one uses 16 slots.
const LEVELS: usize = 11;

/// Due, to be popped.
const DUE: usize = LEVELS * SLOTS;
/// Armed with a key that was not later than `elapsed`.
const PAST: usize = DUE + 1;
/// What `clear` is dropping.
const DOOMED: usize = PAST + 1;
/// The first of the lists that sorting needs.
const SORT: usize = DOOMED + 1;
/// The first of the lists, one per slot, that spreading a crowded slot needs; they are empty otherwise.
const REAR: usize = SORT + SCRATCH;
/// All lists.
const LISTS: usize = REAR + SLOTS;

/// How many timers of the nearest slot are looked at to find the earliest.
///
/// More make the wake-up exact in denser crowds, at the price of a longer look; fewer make a needless wake-up more
/// frequent, each of which spreads the slot over a lower level and so is not lost. A look at 32 takes well under the
/// microsecond that one needless wake-up of the system costs.
const SCAN_LIMIT: usize = 32;

/// What is known of the earliest key in the wheel proper.
#[derive(Clone, Copy)]
enum Earliest {
    /// Nothing, or the wheel is empty.
    Unknown,
    /// It is this.
    Exactly(u64),
    /// It is not earlier than this, which is later than `elapsed`.
    NotBefore(u64),
}

/// A place in the wheel.
#[derive(Clone, Copy)]
struct Place {
    level: usize,
    slot: usize,
}

impl Place {
    /// Where `key` belongs when the wheel is at `elapsed`, which is earlier (rule 1).
    #[inline]
    fn of(key: u64, elapsed: u64) -> Self {
        debug_assert!(key > elapsed);
        // The lowest bit makes no difference to the level; with it set, the logarithm exists.
        let level = ((key ^ elapsed) | 1).ilog2() / DIGIT;
        Self { level: level as usize, slot: (key >> (level * DIGIT)) as usize % SLOTS }
    }

    fn list(self) -> usize {
        self.level * SLOTS + self.slot
    }

    /// The smallest key that belongs here.
    fn start(self, elapsed: u64) -> u64 {
        let shift = self.level as u32 * DIGIT;
        let above = (elapsed >> shift) & !(SLOTS as u64 - 1);
        (above | self.slot as u64) << shift
    }
}

/// The node of a timer: it keeps the wheel alive while it is linked.
pub(crate) type TimerNode<T> = Node<Rc<Wheel<T>>, T>;

pub(crate) struct Wheel<T> {
    /// The wheel's time.
    elapsed: Cell<u64>,
    earliest: Cell<Earliest>,
    /// How many timers are in any list.
    len: Cell<usize>,
    /// Whether the keys of `PAST` ascend.
    past_ascends: Cell<bool>,
    /// Bit `l` is set exactly if `occupied[l]` is not zero.
    levels: Cell<u32>,
    /// Bit `s` of entry `l` is set exactly if the slot is not empty.
    occupied: [Cell<u64>; LEVELS],
    lists: Lists<Rc<Wheel<T>>, T, LISTS>,
}

impl<T> Wheel<T> {
    pub(crate) fn new() -> Self {
        Self {
            elapsed: Cell::new(0),
            earliest: Cell::new(Earliest::Unknown),
            len: Cell::new(0),
            past_ascends: Cell::new(true),
            levels: Cell::new(0),
            occupied: [const { Cell::new(0) }; LEVELS],
            lists: Lists::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len.get()
    }

    pub(crate) fn elapsed(&self) -> u64 {
        self.elapsed.get()
    }

    pub(crate) fn has_due(&self) -> bool {
        !self.lists.is_empty(DUE)
    }

    /// Links `node`, which is idle.
    #[inline]
    pub(crate) fn insert(self: &Rc<Self>, node: Pin<&TimerNode<T>>, key: u64, value: T) {
        node.owner.set(Some(Rc::clone(self)));
        node.value.set(Some(value));
        self.len.set(self.len.get() + 1);
        let elapsed = self.elapsed.get();
        if key <= elapsed {
            let ascends = self.lists.back(PAST).is_none_or(|last| self.past_ascends.get() && last <= key);
            self.past_ascends.set(ascends);
            self.lists.push_back(PAST, node, key);
            return;
        }
        let first = self.levels.get() == 0;
        let place = Place::of(key, elapsed);
        self.lists.push_back(place.list(), node, key);
        self.occupy(place);
        match self.earliest.get() {
            // Nothing is before the bound, so what is armed at it or before it is the earliest.
            Earliest::Exactly(bound) | Earliest::NotBefore(bound) if key <= bound => {
                self.earliest.set(Earliest::Exactly(key));
            }
            Earliest::Unknown if first => self.earliest.set(Earliest::Exactly(key)),
            _ => {}
        }
    }

    /// Takes note that a node of this wheel was unlinked, by other means than popping.
    #[inline]
    pub(crate) fn forget(&self, node: Unlinked) {
        self.len.set(self.len.get() - 1);
        let elapsed = self.elapsed.get();
        if node.key <= elapsed {
            return;
        }
        if let Earliest::Exactly(key) = self.earliest.get()
            && key == node.key
        {
            self.earliest.set(Earliest::Unknown);
        }
        if node.left_empty {
            // The list that is empty now may have been `DOOMED`.
            let place = Place::of(node.key, elapsed);
            if self.lists.is_empty(place.list()) {
                self.vacate(place);
                if let Earliest::NotBefore(_) = self.earliest.get() {
                    self.earliest.set(Earliest::Unknown);
                }
            }
        }
    }

    #[inline]
    fn occupy(&self, place: Place) {
        let level = &self.occupied[place.level];
        level.set(level.get() | 1 << place.slot);
        self.levels.set(self.levels.get() | 1 << place.level);
    }

    #[inline]
    fn vacate(&self, place: Place) {
        let level = &self.occupied[place.level];
        level.set(level.get() & !(1 << place.slot));
        if level.get() == 0 {
            self.levels.set(self.levels.get() & !(1 << place.level));
        }
    }

    /// The nearest slot (rule 2).
    fn nearest(&self) -> Option<Place> {
        let levels = self.levels.get();
        if levels == 0 {
            return None;
        }
        let level = levels.trailing_zeros() as usize;
        Some(Place { level, slot: self.occupied[level].get().trailing_zeros() as usize })
    }

    /// Makes due what is armed for `now` or before; a `now` earlier than `elapsed` counts as `elapsed`.
    pub(crate) fn advance(&self, now: u64) {
        self.sort_past();
        self.lists.append(PAST, DUE);
        let now = now.max(self.elapsed.get());
        while let Some(place) = self.nearest() {
            let start = place.start(self.elapsed.get());
            if start > now {
                break;
            }
            self.spread(place, start, now);
        }
        self.elapsed.set(now);
        if let Earliest::Exactly(bound) | Earliest::NotBefore(bound) = self.earliest.get()
            && bound <= now
        {
            self.earliest.set(Earliest::Unknown);
        }
    }

    /// Empties the nearest slot, which begins at `start`: not later than `now`.
    fn spread(&self, place: Place, start: u64, now: u64) {
        let from = place.list();
        self.vacate(place);
        if place.level == 0 {
            self.elapsed.set(start);
            self.lists.append(from, DUE);
            return;
        }
        if let Some(earliest) = self.lists.min(from, SCAN_LIMIT) {
            // Going to the earliest key, or as far as allowed, saves the levels in between.
            self.elapsed.set(earliest.min(now));
        } else {
            self.elapsed.set(start);
            self.spread_crowd(place);
        }
        self.spread_front(from);
    }

    /// Moves what is in list `from` to where it belongs now, front to back.
    fn spread_front(&self, from: usize) {
        let elapsed = self.elapsed.get();
        while let Some(key) = self.lists.front(from) {
            if key == elapsed {
                self.lists.move_front(from, DUE);
            } else {
                let place = Place::of(key, elapsed);
                self.lists.move_front(from, place.list());
                self.occupy(place);
            }
        }
    }

    /// Empties a crowded slot, whose start is now `elapsed`, from both ends at once.
    ///
    /// The next timer of a list is known only once the one before it has been read, which for a crowd means waiting for
    /// memory each time. Two ends are two such chains, and the processor waits for both together. The front half is
    /// appended to the slots of the next lower level; the rear half, walked backwards, is put before what is in the
    /// `REAR` list of its digit, and that list is appended to the slot in the end. So each slot keeps the order (rule 4).
    /// What belongs to still lower levels, with digit zero, is spread from front to back thereafter.
    fn spread_crowd(&self, place: Place) {
        let (from, level) = (place.list(), place.level - 1);
        let digit = |key: u64| (key >> (level as u32 * DIGIT)) as usize % SLOTS;
        // Nothing is in the lower levels, so slot zero of this one is free: it stays unoccupied in the end.
        let lists = level * SLOTS;
        while let Some(key) = self.lists.front(from) {
            self.lists.move_front(from, lists + digit(key));
            if let Some(key) = self.lists.back(from) {
                self.lists.move_back(from, REAR + digit(key));
            }
        }
        for slot in 0..SLOTS {
            self.lists.append(REAR + slot, lists + slot);
            if slot > 0 && !self.lists.is_empty(lists + slot) {
                self.occupy(Place { level, slot });
            }
        }
        self.lists.append(lists, from);
    }

    fn sort_past(&self) {
        if !self.past_ascends.replace(true) {
            sort::sort(&self.lists, PAST, SORT);
        }
    }

    /// The next due value. A timer whose value is out on loan is skipped.
    pub(crate) fn pop_due(&self) -> Option<T> {
        self.pop(DUE)
    }

    fn pop(&self, list: usize) -> Option<T> {
        loop {
            // The owner that is dropped here is not the last one: the caller has the queue.
            let (_owner, value) = self.lists.pop_front(list)?;
            self.len.set(self.len.get() - 1);
            if value.is_some() {
                return value;
            }
        }
    }

    /// When to call `advance` next: the earliest key, or a bound.
    pub(crate) fn next_wakeup(&self) -> Option<u64> {
        self.earliest(SCAN_LIMIT)
    }

    /// The earliest key that is not due.
    pub(crate) fn next_deadline(&self) -> Option<u64> {
        self.earliest(usize::MAX)
    }

    fn earliest(&self, limit: usize) -> Option<u64> {
        if !self.lists.is_empty(PAST) {
            self.sort_past();
            return self.lists.front(PAST);
        }
        let place = self.nearest()?;
        match self.earliest.get() {
            Earliest::Exactly(key) => return Some(key),
            Earliest::NotBefore(bound) if limit == SCAN_LIMIT => return Some(bound),
            _ => {}
        }
        let start = place.start(self.elapsed.get());
        let exact = if place.level == 0 { Some(start) } else { self.lists.min(place.list(), limit) };
        self.earliest.set(exact.map_or(Earliest::NotBefore(start), Earliest::Exactly));
        exact.or(Some(start))
    }

    /// Drops the values of all timers that are armed now.
    pub(crate) fn clear(&self) {
        self.lists.append(DUE, DOOMED);
        self.lists.append(PAST, DOOMED);
        while let Some(place) = self.nearest() {
            self.vacate(place);
            self.lists.append(place.list(), DOOMED);
        }
        self.past_ascends.set(true);
        self.earliest.set(Earliest::Unknown);

        /// Goes on dropping if one of the destructors panics.
        struct Rest<'a, T>(&'a Wheel<T>);
        impl<T> Drop for Rest<'_, T> {
            fn drop(&mut self) {
                while self.0.pop(DOOMED).is_some() {}
            }
        }
        let rest = Rest(self);
        // From here on destructors run, each between two steps; they may arm, disarm and drop timers of this wheel.
        while self.pop(DOOMED).is_some() {}
        drop(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Instant, Timer, TimerQueue};
    use proptest::prelude::*;

    /// What the proof in the header relies on.
    fn check<T>(wheel: &Wheel<T>) {
        for level in 0..LEVELS {
            let occupied = wheel.occupied[level].get();
            assert_eq!(wheel.levels.get() >> level & 1 == 1, occupied != 0, "level {level}");
            for slot in 0..SLOTS {
                let place = Place { level, slot };
                assert_eq!(
                    occupied >> slot & 1 == 1,
                    !wheel.lists.is_empty(place.list()),
                    "level {level}, slot {slot}"
                );
                if let Some(key) = wheel.lists.front(place.list()) {
                    assert!(key > wheel.elapsed.get());
                    assert_eq!(Place::of(key, wheel.elapsed.get()).list(), place.list());
                }
            }
        }
        assert!((SORT..LISTS).all(|list| wheel.lists.is_empty(list)));
    }

    proptest! {
        #[test]
        fn every_key_is_where_it_belongs(
            keys in prop::collection::vec((any::<u64>(), prop::sample::select(vec![0, 20, 56])), 0..500),
            steps in prop::collection::vec((any::<u64>(), 0..64u32), 0..20),
        ) {
            let queue = TimerQueue::new();
            let timers: Vec<_> = keys.iter().map(|_| Box::pin(Timer::new())).collect();
            for (timer, (key, shift)) in timers.iter().zip(&keys) {
                queue.arm(timer.as_ref(), Instant::from_nanos(key >> shift), ());
            }
            check(queue.wheel());
            for (index, (step, shift)) in steps.into_iter().enumerate() {
                queue.advance(Instant::from_nanos(queue.wheel().elapsed().saturating_add(step >> shift)));
                check(queue.wheel());
                timers.iter().skip(index).step_by(7).for_each(|timer| { timer.as_ref().disarm(); });
                check(queue.wheel());
            }
        }
    }

    #[test]
    fn the_start_of_a_place_is_its_smallest_key() {
        for (key, elapsed) in [(1, 0), (64, 63), (u64::MAX, 0), (u64::MAX, u64::MAX - 1), (1 << 60, (1 << 60) - 1)] {
            let place = Place::of(key, elapsed);
            let start = place.start(elapsed);
            assert!(elapsed < start && start <= key);
            assert_eq!(Place::of(start, elapsed).list(), place.list());
            assert!(start - 1 == elapsed || Place::of(start - 1, elapsed).list() != place.list());
        }
    }
}
