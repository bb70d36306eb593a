//! The probe: a waiter's eight-byte question, "was I cancelled?", answered without a pointer to who knows.
//!
//! A place where a task can be suspended (a cancel scope) owns a [`ProbeCell`]. The cell takes a slot in a thread-local
//! table when it is first asked for a probe and gives the slot back when it is dropped. A [`Probe`] is the slot's index
//! with its generation, so a probe that outlives its cell says "not cancelled" instead of reading another's answer.

use std::cell::{Cell, RefCell};
use std::fmt;

/// Asks whether a cancellation has been delivered to the place where a waiter is suspended.
///
/// A primitive takes one with [`Probe::current`] when a waiter suspends, keeps it beside the waiter's waker, and skips
/// the waiter in its queue when [`Probe::is_cancelled`] says so. A probe is eight bytes and copied freely; it is bound
/// to the thread that made it, and on any other thread says `false`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Index of the slot in the table; meaningless when the generation is zero.
    index: u32,
    /// Generation of the slot when the probe was made. Zero belongs to no slot.
    generation: u32,
}

/// One slot of the table.
struct Slot {
    /// Even while the slot is free, odd while a cell owns it; grows by one at each change.
    generation: u32,
    cancelled: bool,
}

/// The slots of a thread and the indices of those that are free.
struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

/// How the executor on this thread answers [`Probe::current`].
pub type ProbeSource = fn() -> Probe;

thread_local! {
    static TABLE: RefCell<Table> = const { RefCell::new(Table { slots: Vec::new(), free: Vec::new() }) };
    static SOURCE: Cell<Option<ProbeSource>> = const { Cell::new(None) };
}

/// Installs the function that answers [`Probe::current`] on this thread, and returns the one before it.
///
/// For executors. The function returns [`Probe::NONE`] when none of the executor's tasks is being polled.
pub fn set_probe_source(source: Option<ProbeSource>) -> Option<ProbeSource> {
    SOURCE.replace(source)
}

impl Probe {
    /// The probe of no place: it never says "cancelled".
    pub const NONE: Self = Self { index: 0, generation: 0 };

    /// The probe of the place that is being polled on this thread now, or [`Probe::NONE`] under an executor that has none.
    #[must_use]
    pub fn current() -> Self {
        SOURCE.get().map_or(Self::NONE, |source| source())
    }

    /// Whether a cancellation has been delivered to the place, and the place has not taken it yet.
    #[must_use]
    pub fn is_cancelled(self) -> bool {
        if self.generation == 0 {
            return false;
        }
        TABLE
            .try_with(|table| {
                let table = table.borrow();
                table
                    .slots
                    .get(self.index as usize)
                    .is_some_and(|slot| slot.generation == self.generation && slot.cancelled)
            })
            .unwrap_or(false)
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            f.write_str("Probe(none)")
        } else {
            write!(f, "Probe(cancelled: {})", self.is_cancelled())
        }
    }
}

/// The other end of a [`Probe`], owned by the place that can be cancelled.
///
/// For executors. A cell that is never asked for a probe costs nothing but its eight bytes.
pub struct ProbeCell(Cell<Probe>);

impl ProbeCell {
    /// A cell that has no slot yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Cell::new(Probe::NONE))
    }

    /// The probe of this cell. The first call takes a slot.
    #[must_use]
    pub fn probe(&self) -> Probe {
        if self.0.get() == Probe::NONE {
            self.0.set(TABLE.try_with(|table| table.borrow_mut().take()).unwrap_or(Probe::NONE));
        }
        self.0.get()
    }

    /// Sets what the probes of this cell say from now on.
    pub fn set_cancelled(&self, cancelled: bool) {
        let probe = self.0.get();
        if probe != Probe::NONE {
            let _ = TABLE.try_with(|table| {
                if let Some(slot) = table.borrow_mut().slots.get_mut(probe.index as usize) {
                    slot.cancelled = cancelled;
                }
            });
        }
    }

    /// Gives the slot back; probes made before say "not cancelled" from now on.
    #[inline]
    pub fn reset(&self) {
        if self.0.get() != Probe::NONE {
            self.give_back();
        }
    }

    fn give_back(&self) {
        let probe = self.0.replace(Probe::NONE);
        // Past the end of the thread there is no table to give the slot back to.
        let _ = TABLE.try_with(|table| table.borrow_mut().give_back(probe));
    }
}

impl Default for ProbeCell {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for ProbeCell {
    fn drop(&mut self) {
        self.reset();
    }
}

impl fmt::Debug for ProbeCell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProbeCell").field(&self.0.get()).finish()
    }
}

impl Table {
    fn take(&mut self) -> Probe {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, cancelled: false });
            // A slot per suspended scope: four billion of them do not fit in memory.
            u32::try_from(self.slots.len() - 1).expect("more than 2^32 places can be cancelled at once")
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1);
        slot.cancelled = false;
        Probe { index, generation: slot.generation }
    }

    fn give_back(&mut self, probe: Probe) {
        // At the end of a thread, a cell may be dropped after the table was: some platforms then make another one, which
        // never gave this slot out.
        let slot = self.slots.get_mut(probe.index as usize);
        if let Some(slot) = slot.filter(|slot| slot.generation == probe.generation) {
            slot.generation = slot.generation.wrapping_add(1);
            slot.cancelled = false;
            self.free.push(probe.index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn a_probe_follows_its_cell_and_outlives_it() {
        let cell = ProbeCell::new();
        let probe = cell.probe();
        assert!(!probe.is_cancelled());
        cell.set_cancelled(true);
        assert!(probe.is_cancelled());
        drop(cell);
        assert!(!probe.is_cancelled());
        let other = ProbeCell::new();
        let _ = other.probe();
        other.set_cancelled(true);
        assert!(!probe.is_cancelled(), "a slot that is used again must not answer for its former owner");
    }

    #[test]
    fn a_slot_that_the_table_never_gave_out_is_not_taken_back() {
        let new = || Table { slots: Vec::new(), free: Vec::new() };
        let mut former = new();
        let (first, second) = (former.take(), former.take());
        let mut table = new();
        table.give_back(first);
        let own = table.take();
        table.give_back(second);
        former.give_back(second);
        let again = former.take();
        former.give_back(second);
        assert_eq!((own.index, again.index), (0, second.index));
        assert_eq!(table.take().index, 1);
        assert_eq!(former.take().index, 2, "what is in use again is not given out twice");
    }

    #[test]
    fn without_a_source_there_is_no_probe() {
        assert_eq!(Probe::current(), Probe::NONE);
        assert!(!Probe::NONE.is_cancelled());
    }

    #[test]
    fn the_source_answers_and_can_be_taken_out() {
        thread_local!(static CELL: ProbeCell = const { ProbeCell::new() });
        assert!(set_probe_source(Some(|| CELL.with(ProbeCell::probe))).is_none());
        let probe = Probe::current();
        CELL.with(|cell| cell.set_cancelled(true));
        assert!(probe.is_cancelled());
        assert!(set_probe_source(None).is_some());
        assert_eq!(Probe::current(), Probe::NONE);
    }

    #[test]
    fn another_thread_sees_nothing() {
        let cell = ProbeCell::new();
        let probe = cell.probe();
        cell.set_cancelled(true);
        assert!(!std::thread::spawn(move || probe.is_cancelled()).join().unwrap());
    }

    proptest::proptest! {
        /// Cells against a map: what each probe says is what its own cell was last told, or nothing once that is gone.
        #[test]
        fn probes_agree_with_a_map(steps in proptest::collection::vec((0u8..5, 0usize..6), 0..200)) {
            let mut cells: HashMap<usize, ProbeCell> = HashMap::new();
            let mut probes: Vec<(Probe, usize, u32)> = Vec::new();
            let mut model: HashMap<(usize, u32), bool> = HashMap::new();
            let mut epoch = [0u32; 6];
            for (step, key) in steps {
                match step {
                    0 => { cells.entry(key).or_default(); }
                    1 => if cells.remove(&key).is_some() {
                        model.remove(&(key, epoch[key]));
                        epoch[key] += 1;
                    },
                    2 => if let Some(cell) = cells.get(&key) {
                        probes.push((cell.probe(), key, epoch[key]));
                        model.entry((key, epoch[key])).or_insert(false);
                    },
                    step => if let Some(cell) = cells.get(&key) {
                        cell.set_cancelled(step == 3);
                        if let Some(said) = model.get_mut(&(key, epoch[key])) { *said = step == 3; }
                    },
                }
                for (probe, key, at) in &probes {
                    let expected = model.get(&(*key, *at)).copied().unwrap_or(false);
                    proptest::prop_assert_eq!(probe.is_cancelled(), expected);
                }
            }
        }
    }
}
