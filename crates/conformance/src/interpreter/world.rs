//! What a running program has: its trace, and what it names.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use asyncio::{
    Barrier, BoundedSemaphore, CallbackId, Condition, Event, Gather, Handle, LifoQueue, Lock, OwnedLockGuard,
    PriorityQueue, Queue, Semaphore, SharedTask, TaskError, TaskGroup, TaskHandle, TimerHandle, Token, catch_cancelled,
    context_var, get_running_loop,
};

use super::Env;
use crate::coverage::Meetings;
use crate::expression::List;

context_var! {
    /// The context variable of every program.
    pub(super) static VARIABLE: u64 = 0;
}

/// Sets the variable, until it is dropped.
pub(super) struct Variable(Option<Token<u64>>);

impl Variable {
    pub(super) fn set(value: u64) -> Self {
        Self(Some(VARIABLE.set(value)))
    }
}

impl Drop for Variable {
    fn drop(&mut self) {
        if let Some(token) = self.0.take() {
            VARIABLE.reset(token);
        }
    }
}

/// A gather of its own, until somebody awaits it.
pub(super) enum Gathered {
    Plain(Gather<Vec<String>>),
    Results(Gather<Vec<Result<String, TaskError>>>),
    /// Of gathers.
    Nested(Gather<Vec<Vec<String>>>),
    NestedResults(Gather<Vec<Result<Vec<String>, TaskError>>>),
    /// Of two things of different types.
    Pair(Gather<(String, String)>),
    PairResults(Gather<(Result<String, TaskError>, Result<String, TaskError>)>),
}

/// Runs `$body` with `$gather` as the gather, whatever its kind.
macro_rules! with_gather {
    ($any:expr, $gather:ident => $body:expr) => {
        match $any {
            Gathered::Plain($gather) => $body,
            Gathered::Results($gather) => $body,
            Gathered::Nested($gather) => $body,
            Gathered::NestedResults($gather) => $body,
            Gathered::Pair($gather) => $body,
            Gathered::PairResults($gather) => $body,
        }
    };
}
pub(super) use with_gather;

/// What can be awaited or cancelled by name.
#[derive(Clone)]
pub(super) enum Thing {
    Task(SharedTask<String>),
    Handle(TaskHandle),
    Future(asyncio::Future<String>),
    Gather(Rc<RefCell<Option<Gathered>>>),
}

impl Thing {
    pub(super) fn handle(&self) -> Option<TaskHandle> {
        match self {
            Self::Task(task) => Some(task.handle()),
            Self::Handle(handle) => Some(handle.clone()),
            _ => None,
        }
    }
}

/// A callback of the loop.
pub(super) enum Scheduled {
    Soon(Handle),
    Later(TimerHandle),
}

/// One of the three queues.
#[derive(Clone)]
pub(super) enum AnyQueue {
    Fifo(Rc<Queue<i64>>),
    Lifo(Rc<LifoQueue<i64>>),
    Priority(Rc<PriorityQueue<i64>>),
}

/// One of the two semaphores.
#[derive(Clone)]
pub(super) enum AnySemaphore {
    Plain(Rc<Semaphore>),
    Bounded(Rc<BoundedSemaphore>),
}

/// Why a task failed, if it did.
pub(super) type Failed = Rc<RefCell<Option<String>>>;

/// Things by name.
type Names<T> = RefCell<HashMap<String, T>>;

pub(super) struct World {
    trace: RefCell<Vec<String>>,
    /// Whether the trace has ended before the program.
    frozen: Cell<bool>,
    /// Whether the trace ends with main.
    calm: bool,
    main_ended: Cell<bool>,
    finished: Cell<bool>,
    pub(super) meetings: RefCell<Meetings>,
    pending: RefCell<HashMap<String, usize>>,
    pub(super) things: Names<Thing>,
    /// All tasks, so that no outcome is lost while somebody may ask for it.
    made: RefCell<Vec<Thing>>,
    /// Why the tasks of these names failed.
    pub(super) failures: Names<Failed>,
    pub(super) callbacks: Names<CallbackId>,
    pub(super) handles: Names<Scheduled>,
    pub(super) groups: Names<TaskGroup>,
    locks: Names<Rc<Lock<()>>>,
    /// Locks that were acquired by hand or by a statement.
    pub(super) held: Names<OwnedLockGuard<()>>,
    semaphores: Names<AnySemaphore>,
    events: Names<Rc<Event>>,
    conditions: Names<Rc<Condition<()>>>,
    pub(super) levels: Names<u64>,
    barriers: Names<Rc<Barrier>>,
    queues: Names<AnyQueue>,
}

/// Statements that only hold others.
const STRUCTURE: &[&str] = &["loop", "catch", "except", "finally", "withvar", "value", "fail"];

/// Says that an operation is pending, until it is dropped.
pub(super) struct Pending<'a>(Option<(&'a World, &'a str)>);

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some((world, head)) = self.0
            && let Some(count) = world.pending.borrow_mut().get_mut(head)
        {
            *count -= 1;
        }
    }
}

/// Asks a gather for what nobody asked it for: the loop is closed, and a failure that is lost would go to standard error.
fn ask(gather: Gathered) {
    let asking = catch_cancelled(async { with_gather!(gather, gather => drop(gather.await)) });
    let poll = || pin!(asking).poll(&mut Context::from_waker(Waker::noop())).is_ready();
    let _ = catch_unwind(AssertUnwindSafe(poll));
}

fn entry<T: Clone>(names: &Names<T>, name: &str, make: impl FnOnce() -> T) -> T {
    names.borrow_mut().entry(name.to_owned()).or_insert_with(make).clone()
}

impl World {
    pub(super) fn new(calm: bool) -> Self {
        Self {
            trace: RefCell::default(),
            frozen: Cell::new(false),
            calm,
            main_ended: Cell::new(false),
            finished: Cell::new(false),
            meetings: RefCell::default(),
            pending: RefCell::default(),
            things: RefCell::default(),
            made: RefCell::default(),
            failures: RefCell::default(),
            callbacks: RefCell::default(),
            handles: RefCell::default(),
            groups: RefCell::default(),
            locks: RefCell::default(),
            held: RefCell::default(),
            semaphores: RefCell::default(),
            events: RefCell::default(),
            conditions: RefCell::default(),
            levels: RefCell::default(),
            barriers: RefCell::default(),
            queues: RefCell::default(),
        }
    }

    fn freeze(&self) {
        self.frozen.set(true);
    }

    pub(super) fn main_ended(&self) {
        self.main_ended.set(true);
        if self.calm {
            self.freeze();
        }
    }

    /// A task is being made. At the end of a run, Python abandons it: the trace ends here.
    pub(super) fn task_made(&self) {
        if self.main_ended.get() {
            self.freeze();
        }
    }

    fn entry(&self, text: String) {
        if self.frozen.get() {
            return;
        }
        let now = get_running_loop().time().as_nanos() / 1_000_000_000;
        self.trace.borrow_mut().push(format!("{now} {text}"));
    }

    pub(super) fn log(&self, env: &Env, statement: &List, what: &str) {
        self.entry(format!("{} {} {what}", env.label, statement.number));
    }

    pub(super) fn log_text(&self, text: String) {
        self.entry(text);
    }

    /// The program is over: writes the last entry, unless there is one.
    pub(super) fn finish(&self, time: u64, end: &str) {
        if !self.finished.replace(true) {
            let last = match (self.frozen.replace(true), end) {
                (true, _) => "frozen".to_owned(),
                (false, "deadlock") => end.to_owned(),
                (false, _) => format!("{time} {end}"),
            };
            self.trace.borrow_mut().push(last);
        }
    }

    /// Lets go of what may hold the world, and gives the trace.
    pub(super) fn clear(&self) -> String {
        for thing in self.made.take() {
            thing.handle().iter().for_each(TaskHandle::mark_retrieved);
        }
        for (_, thing) in self.things.take() {
            if let Thing::Gather(gather) = thing {
                gather.take().into_iter().for_each(ask);
            }
        }
        self.callbacks.take();
        self.handles.take();
        self.groups.take();
        self.held.take();
        self.trace.take().join(";")
    }

    /// An operation begins: it meets all that are pending.
    pub(super) fn begin<'a>(&'a self, head: &'a str) -> Pending<'a> {
        if STRUCTURE.contains(&head) {
            return Pending(None);
        }
        let mut pending = self.pending.borrow_mut();
        let mut meetings = self.meetings.borrow_mut();
        for (other, _) in pending.iter().filter(|(_, count)| **count > 0) {
            *meetings.entry((head.to_owned(), other.clone())).or_default() += 1;
        }
        *pending.entry(head.to_owned()).or_default() += 1;
        Pending(Some((self, head)))
    }

    pub(super) fn find(&self, name: &str) -> Option<Thing> {
        if name == "self" {
            return asyncio::current_task().map(Thing::Handle);
        }
        self.things.borrow().get(name).cloned()
    }

    /// Takes a gather of plain values that nobody has awaited.
    pub(super) fn take_plain(&self, name: &str) -> Option<Gather<Vec<String>>> {
        let Some(Thing::Gather(gather)) = self.find(name) else { return None };
        let mut gather = gather.borrow_mut();
        match gather.take() {
            Some(Gathered::Plain(plain)) => Some(plain),
            other => {
                *gather = other;
                None
            }
        }
    }

    /// Names a task, and notes its end.
    pub(super) fn watch(self: &Rc<Self>, name: &str, thing: Thing, failed: Failed) {
        let handle = thing.handle().expect("a task is watched");
        self.things.borrow_mut().insert(name.to_owned(), thing.clone());
        let (world, name) = (self.clone(), name.to_owned());
        self.made.borrow_mut().push(thing);
        self.failures.borrow_mut().insert(name.to_owned(), failed.clone());
        handle.add_done_callback(move |task| {
            let what = match &*failed.borrow() {
                Some(text) => format!("error {text}"),
                None if task.cancelled() => "cancelled".to_owned(),
                None => "value".to_owned(),
            };
            world.entry(format!("{name} ended {what}"));
        });
    }

    pub(super) fn lock(&self, name: &str) -> Rc<Lock<()>> {
        entry(&self.locks, name, || Rc::new(Lock::new(())))
    }

    pub(super) fn semaphore(&self, name: &str) -> AnySemaphore {
        let value = super::number(&name[1..]) as usize;
        entry(&self.semaphores, name, || match name.as_bytes()[0] {
            b'B' => AnySemaphore::Bounded(Rc::new(BoundedSemaphore::new(value))),
            _ => AnySemaphore::Plain(Rc::new(Semaphore::new(value))),
        })
    }

    pub(super) fn event(&self, name: &str) -> Rc<Event> {
        entry(&self.events, name, || Rc::new(Event::new()))
    }

    pub(super) fn condition(&self, name: &str) -> Rc<Condition<()>> {
        let number = super::number(&name[1..]);
        let condition = match number % 2 {
            1 => Condition::with_lock(self.lock(&format!("L{number}"))),
            _ => Condition::new(()),
        };
        entry(&self.conditions, name, || Rc::new(condition))
    }

    pub(super) fn barrier(&self, name: &str) -> Rc<Barrier> {
        entry(&self.barriers, name, || Rc::new(Barrier::new(super::number(&name[1..]) as usize)))
    }

    pub(super) fn queue(&self, name: &str) -> AnyQueue {
        let size = super::number(&name[1..]) as usize;
        entry(&self.queues, name, || match name.as_bytes()[0] {
            b'Q' => AnyQueue::Fifo(Rc::new(Queue::<i64>::new(size))),
            b'S' => AnyQueue::Lifo(Rc::new(LifoQueue::<i64>::new(size))),
            _ => AnyQueue::Priority(Rc::new(PriorityQueue::<i64>::new(size))),
        })
    }
}
