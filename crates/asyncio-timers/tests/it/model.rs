//! The queue beside a model: a map from deadline and sequence to value, and a line of what is due.

use asyncio_timers::{Instant, Timer, TimerQueue};
use proptest::prelude::*;
use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::rc::Rc;

const TIMERS: usize = 96;

/// A value that counts those alive.
#[derive(Debug)]
struct Token(u64, Rc<Cell<usize>>);

impl Token {
    fn new(id: u64, alive: &Rc<Cell<usize>>) -> Self {
        alive.set(alive.get() + 1);
        Self(id, alive.clone())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.1.set(self.1.get() - 1);
    }
}

/// A point in time, relative to the last advance or not.
#[derive(Clone, Copy, Debug)]
enum When {
    At(u64),
    After(u64),
    Before(u64),
    /// Around the next multiple of this power of 64.
    Boundary(u32, i8),
}

impl When {
    fn resolve(self, last: u64) -> u64 {
        match self {
            Self::At(nanos) => nanos,
            Self::After(nanos) => last.saturating_add(nanos),
            Self::Before(nanos) => last.saturating_sub(nanos),
            Self::Boundary(digit, offset) => {
                let unit = 1_u64 << (6 * digit);
                let boundary = (last / unit).saturating_add(1).saturating_mul(unit);
                boundary.saturating_add_signed(i64::from(offset))
            }
        }
    }
}

fn when() -> impl Strategy<Value = When> {
    prop_oneof![
        4 => (0..6u64).prop_map(When::After),
        3 => (0..200u64).prop_map(When::After),
        3 => (0..300_000u64).prop_map(When::After),
        2 => (4096..4160u64).prop_map(When::After),
        2 => any::<u64>().prop_map(|nanos| When::After(nanos >> 20)),
        2 => (0..10u64).prop_map(When::Before),
        3 => (0..11u32, -2..3i8).prop_map(|(digit, offset)| When::Boundary(digit, offset)),
        1 => (0..3u64).prop_map(|nanos| When::At(u64::MAX - nanos)),
        1 => any::<u64>().prop_map(When::At),
    ]
}

/// How far to advance; rarely so far that little is left to do.
fn step_to() -> impl Strategy<Value = When> {
    prop_oneof![
        20 => (0..6u64).prop_map(When::After),
        20 => (0..5_000u64).prop_map(When::After),
        20 => (0..4u32, -2..3i8).prop_map(|(digit, offset)| When::Boundary(digit, offset)),
        5 => (0..1_000_000u64).prop_map(When::After),
        5 => (0..100u64).prop_map(When::Before),
        1 => (4..11u32, -2..3i8).prop_map(|(digit, offset)| When::Boundary(digit, offset)),
        1 => Just(When::At(u64::MAX)),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    Arm(usize, When),
    /// Many timers into one slot.
    ArmMany(usize, When),
    Disarm(usize),
    Replace(usize),
    DropTimer(usize),
    Advance(When),
    AdvanceToWakeup,
    Pop,
    Clear,
    DropQueue,
    NextDeadline,
}

fn step() -> impl Strategy<Value = Step> {
    let timer = || 0..TIMERS;
    prop_oneof![
        20 => (timer(), when()).prop_map(|(timer, when)| Step::Arm(timer, when)),
        3 => (timer(), when()).prop_map(|(timer, when)| Step::ArmMany(timer, when)),
        6 => timer().prop_map(Step::Disarm),
        3 => timer().prop_map(Step::Replace),
        2 => timer().prop_map(Step::DropTimer),
        8 => step_to().prop_map(Step::Advance),
        6 => Just(Step::AdvanceToWakeup),
        10 => Just(Step::Pop),
        6 => Just(Step::NextDeadline),
        1 => prop_oneof![Just(Step::Clear), Just(Step::DropQueue)],
    ]
}

#[derive(Default)]
struct Model {
    last: u64,
    next: u64,
    /// By deadline and order of arming: which timer, and the value in it.
    waiting: BTreeMap<(u64, u64), (usize, u64)>,
    due: VecDeque<((u64, u64), (usize, u64))>,
}

impl Model {
    fn sequence(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn find(&mut self, timer: usize) -> Option<(u64, &mut u64)> {
        let waiting = self.waiting.iter_mut().map(|(key, entry)| (key.0, entry));
        let due = self.due.iter_mut().map(|(key, entry)| (key.0, entry));
        waiting.chain(due).find(|(_, entry)| entry.0 == timer).map(|(deadline, entry)| (deadline, &mut entry.1))
    }

    fn disarm(&mut self, timer: usize) -> Option<u64> {
        let value = *self.find(timer)?.1;
        self.waiting.retain(|_, entry| entry.0 != timer);
        self.due.retain(|(_, entry)| entry.0 != timer);
        Some(value)
    }

    fn advance(&mut self, now: u64) {
        self.last = self.last.max(now);
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= self.last
        {
            self.due.push_back(first.remove_entry());
        }
    }
}

struct Bench {
    queue: TimerQueue<Token>,
    timers: Vec<Pin<Box<Timer<Token>>>>,
    model: Model,
    alive: Rc<Cell<usize>>,
}

impl Bench {
    fn new() -> Self {
        let timers = (0..TIMERS).map(|_| Box::pin(Timer::new())).collect();
        Self { queue: TimerQueue::new(), timers, model: Model::default(), alive: Rc::default() }
    }

    fn arm(&mut self, timer: usize, deadline: u64) {
        let old = self.model.disarm(timer);
        let sequence = self.model.sequence();
        self.model.waiting.insert((deadline, sequence), (timer, sequence));
        let token = Token::new(sequence, &self.alive);
        let given_back = self.queue.arm(self.timers[timer].as_ref(), Instant::from_nanos(deadline), token);
        assert_eq!(given_back.map(|token| token.0), old);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Arm(timer, when) => self.arm(timer, when.resolve(self.model.last)),
            Step::ArmMany(first, when) => {
                for timer in 0..45 {
                    let deadline = when.resolve(self.model.last).saturating_add(timer as u64 * 7 % 23);
                    self.arm((first + timer) % TIMERS, deadline);
                }
            }
            Step::Disarm(timer) => {
                let value = self.timers[timer].as_ref().disarm().map(|token| token.0);
                assert_eq!(value, self.model.disarm(timer));
            }
            Step::Replace(timer) => {
                let sequence = self.model.sequence();
                let old = self.model.find(timer).map(|(_, value)| std::mem::replace(value, sequence));
                let replaced = self.timers[timer].as_ref().replace_value(Token::new(sequence, &self.alive));
                assert_eq!(replaced.map(|token| token.0), old);
            }
            Step::DropTimer(timer) => {
                self.timers[timer] = Box::pin(Timer::new());
                self.model.disarm(timer);
            }
            Step::Advance(when) => {
                let now = when.resolve(self.model.last);
                self.queue.advance(Instant::from_nanos(now));
                self.model.advance(now);
            }
            Step::AdvanceToWakeup => {
                if let Some(wakeup) = self.queue.next_wakeup() {
                    self.queue.advance(wakeup);
                    self.model.advance(wakeup.as_nanos());
                }
            }
            Step::Pop => {
                let expected = self.model.due.pop_front();
                assert_eq!(self.queue.pop_due().map(|token| token.0), expected.map(|(_, entry)| entry.1));
                if let Some((_, (timer, _))) = expected {
                    assert!(!self.timers[timer].is_armed());
                }
            }
            Step::Clear => {
                self.queue.clear();
                self.model.waiting.clear();
                self.model.due.clear();
            }
            Step::DropQueue => {
                self.queue = TimerQueue::new();
                self.model = Model { next: self.model.next, ..Model::default() };
            }
            Step::NextDeadline => {
                let deadline = self.model.waiting.first_key_value().map(|(key, _)| Instant::from_nanos(key.0));
                assert_eq!(self.queue.next_deadline(), deadline);
            }
        }
    }

    /// Compares what can be seen without changing what the queue remembers, but for the wake-up.
    fn compare(&mut self, with_wakeup: bool) {
        let model = &mut self.model;
        assert_eq!(self.queue.len(), model.waiting.len() + model.due.len());
        assert_eq!(self.queue.is_empty(), model.waiting.is_empty() && model.due.is_empty());
        assert_eq!(self.queue.has_due(), !model.due.is_empty());
        assert_eq!(self.alive.get(), self.queue.len());
        for (timer, actual) in self.timers.iter().enumerate() {
            let deadline = model.find(timer).map(|(deadline, _)| Instant::from_nanos(deadline));
            assert_eq!(actual.deadline(), deadline);
            assert_eq!(actual.is_armed(), deadline.is_some());
        }
        if with_wakeup {
            let wakeup = self.queue.next_wakeup().map(Instant::as_nanos);
            let deadline = model.waiting.first_key_value().map(|(key, _)| key.0);
            assert_eq!(wakeup.is_some(), deadline.is_some());
            if let (Some(wakeup), Some(deadline)) = (wakeup, deadline) {
                assert!(wakeup <= deadline, "{wakeup} is later than {deadline}");
                assert!(wakeup >= deadline.min(model.last), "{wakeup} is earlier than {}", model.last);
                assert!(wakeup == deadline || model.waiting.len() > 32 || wakeup > model.last);
            }
        }
    }
}

proptest! {
    #[test]
    fn the_queue_behaves_as_the_model(
        steps in prop::collection::vec((step(), any::<bool>()), 0..120)
    ) {
        let mut bench = Bench::new();
        for (step, with_wakeup) in &steps {
            bench.step(step);
            bench.compare(*with_wakeup);
        }
        // Everything that is left comes out in order, wake-up by wake-up.
        while bench.queue.next_wakeup().is_some() {
            bench.step(&Step::AdvanceToWakeup);
            bench.compare(true);
        }
        while bench.queue.has_due() {
            bench.step(&Step::Pop);
        }
        prop_assert!(bench.queue.is_empty());
        prop_assert_eq!(bench.alive.get(), 0);
    }

    #[test]
    fn wakeups_lead_to_every_deadline_exactly(
        deadlines in prop::collection::vec((any::<u64>(), 0..63u32).prop_map(|(nanos, shift)| nanos >> shift), 0..90)
    ) {
        let queue = TimerQueue::new();
        let timers: Vec<_> = deadlines.iter().map(|_| Box::pin(Timer::new())).collect();
        for (timer, deadline) in timers.iter().zip(&deadlines) {
            queue.arm(timer.as_ref(), Instant::from_nanos(*deadline), *deadline);
        }
        let mut fired = Vec::new();
        let mut wakeups = 0;
        while let Some(wakeup) = queue.next_wakeup() {
            wakeups += 1;
            queue.advance(wakeup);
            while let Some(deadline) = queue.pop_due() {
                prop_assert_eq!(Instant::from_nanos(deadline), wakeup);
                fired.push(deadline);
            }
        }
        let mut expected = deadlines.clone();
        expected.sort_unstable();
        prop_assert_eq!(fired, expected);
        // A needless wake-up spreads a slot of more than 32.
        prop_assert!(wakeups <= deadlines.len() + 2 * 11);
    }
}
