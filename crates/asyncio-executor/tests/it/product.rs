//! Every state of a task times every event, with exact counts of polls, drops, callbacks and reports.

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use asyncio_executor::{Executor, Future, Join, Task, TaskError, TaskHandle};

use crate::trace::{Leader, LedFuture, Log, Next, Output, abroad, faults, run};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    NotStarted,
    Queued,
    Running,
    WaitsForNothing,
    WaitsForTask,
    WaitsForFuture,
    DoneValue,
    DoneCancelled,
    DonePanicked,
}

const STATES: [State; 9] = [
    State::NotStarted,
    State::Queued,
    State::Running,
    State::WaitsForNothing,
    State::WaitsForTask,
    State::WaitsForFuture,
    State::DoneValue,
    State::DoneCancelled,
    State::DonePanicked,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    WakeHome,
    WakeAbroad,
    CloneDropHome,
    CloneDropAbroad,
    Cancel,
    CancelTwice,
    Uncancel,
    CancelUncancel,
    DropHandle,
    Join,
    Await,
    AddCallback,
    DropExecutor,
}

const EVENTS: [Event; 13] = [
    Event::WakeHome,
    Event::WakeAbroad,
    Event::CloneDropHome,
    Event::CloneDropAbroad,
    Event::Cancel,
    Event::CancelTwice,
    Event::Uncancel,
    Event::CancelUncancel,
    Event::DropHandle,
    Event::Join,
    Event::Await,
    Event::AddCallback,
    Event::DropExecutor,
];

/// What is called in the middle of a poll.
type Inside = Box<dyn FnOnce(&Waker)>;

/// A task's future: led by hand, and waiting for a task or a future besides if it is told to.
struct Subject {
    led: LedFuture,
    task: Option<Task<()>>,
    future: Option<Future<()>>,
    /// Called in the first poll.
    inside: Rc<RefCell<Option<Inside>>>,
}

impl std::future::Future for Subject {
    type Output = Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        let polled = Pin::new(&mut self.led).poll(cx);
        if let Some(event) = self.inside.take() {
            event(cx.waker());
        }
        if polled.is_pending() {
            if let Some(task) = &mut self.task {
                let _ = Pin::new(task).poll(cx);
            }
            if let Some(future) = &mut self.future {
                let _ = Pin::new(future).poll(cx);
            }
        }
        polled
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    No,
    Value,
    Cancelled,
    Panicked,
}

/// All that is counted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counts {
    polls: usize,
    future_drops: usize,
    output_drops: usize,
    ended: Ended,
    cancelling: u32,
    callbacks: usize,
    /// What the joining task got.
    joined: Ended,
    reports: usize,
}

struct Case {
    executor: Option<Rc<Executor>>,
    reports: Log,
    leader: Leader,
    handle: TaskHandle,
    task: Rc<RefCell<Option<Task<Output>>>>,
    joiner: Rc<RefCell<Option<Task<()>>>>,
    joined: Rc<Cell<Ended>>,
    callbacks: Rc<Cell<usize>>,
    waker: RefCell<Option<Waker>>,
}

fn outcome<T>(outcome: &Result<T, TaskError>) -> Ended {
    match outcome {
        Ok(_) => Ended::Value,
        Err(TaskError::Cancelled(_)) => Ended::Cancelled,
        Err(TaskError::Panicked(_)) => Ended::Panicked,
        Err(other) => unreachable!("{other}"),
    }
}

impl Case {
    fn executor(&self) -> &Executor {
        self.executor.as_ref().unwrap()
    }

    /// A task in `state`; for [`State::Running`], one whose next turn runs `event` inside it.
    fn new(state: State, event: Event) -> Rc<RefCell<Self>> {
        let executor = Rc::new(Executor::new(|| {}));
        let reports = faults(&executor);
        let leader = Leader::default();
        let inside: Rc<RefCell<Option<Inside>>> = Rc::default();
        let subject = Subject {
            led: leader.future(),
            task: (state == State::WaitsForTask).then(|| executor.spawn(pending())),
            future: (state == State::WaitsForFuture).then(Future::new),
            inside: inside.clone(),
        };
        let task = executor.spawn(subject);
        let handle = task.handle();
        let case = Rc::new(RefCell::new(Self {
            executor: Some(executor.clone()),
            reports,
            leader: leader.clone(),
            handle,
            task: Rc::new(RefCell::new(Some(task))),
            joiner: Rc::default(),
            joined: Rc::new(Cell::new(Ended::No)),
            callbacks: Rc::default(),
            waker: RefCell::default(),
        }));
        match state {
            State::NotStarted => return case,
            State::Running => {
                let weak = Rc::downgrade(&case);
                *inside.borrow_mut() = Some(Box::new(move |waker| {
                    let case = weak.upgrade().unwrap();
                    *case.borrow().waker.borrow_mut() = Some(waker.clone());
                    case.borrow().apply(event);
                }));
            }
            _ => {}
        }
        match state {
            State::DoneValue => leader.next(Next::Value),
            State::DonePanicked => leader.next(Next::Panic),
            State::DoneCancelled => {
                executor.turn();
                case.borrow().handle.cancel();
            }
            _ => {}
        }
        if matches!(state, State::DoneValue | State::DonePanicked) {
            // One poll before, for the waker.
            let next = if state == State::DoneValue { Next::Value } else { Next::Panic };
            leader.next.set(None);
            executor.turn();
            *case.borrow().waker.borrow_mut() = Some(leader.waker());
            leader.next(next);
            leader.waker().wake();
        }
        if state == State::DoneCancelled {
            *case.borrow().waker.borrow_mut() = Some(leader.waker());
        }
        executor.turn();
        if !matches!(state, State::DoneValue | State::DonePanicked | State::DoneCancelled | State::Running) {
            *case.borrow().waker.borrow_mut() = Some(leader.waker());
        }
        leader.take_waker();
        if state == State::Queued {
            case.borrow().waker.borrow().as_ref().unwrap().wake_by_ref();
        }
        case
    }

    fn apply(&self, event: Event) {
        let waker = || self.waker.borrow().clone().unwrap();
        match event {
            Event::WakeHome => waker().wake(),
            Event::WakeAbroad => {
                let waker = waker();
                abroad(move || waker.wake());
            }
            Event::CloneDropHome => drop(waker()),
            Event::CloneDropAbroad => {
                let waker = waker();
                abroad(move || drop((waker.clone(), waker)));
            }
            Event::Cancel => drop(self.handle.cancel()),
            Event::CancelTwice => {
                self.handle.cancel();
                self.handle.cancel();
            }
            Event::Uncancel => assert_eq!(self.handle.uncancel(), 0),
            Event::CancelUncancel => {
                self.handle.cancel();
                assert_eq!(self.handle.uncancel(), 0);
            }
            Event::DropHandle => drop(self.task.take()),
            Event::Join => {
                let join: Join<Output> = self.task.take().unwrap().join();
                let joined = self.joined.clone();
                let joiner = self.executor().spawn(async move { joined.set(outcome(&join.await)) });
                *self.joiner.borrow_mut() = Some(joiner);
            }
            Event::Await => {
                let (task, joined) = (self.task.take().unwrap(), self.joined.clone());
                let joiner = self.executor().spawn(async move {
                    drop(task.await);
                    joined.set(Ended::Value);
                });
                let (joined, handle) = (self.joined.clone(), joiner.handle());
                joiner.add_done_callback(move |joiner| {
                    if joiner.cancelled() {
                        joined.set(Ended::Cancelled);
                    } else if joiner.panicked() {
                        joined.set(Ended::Panicked);
                        handle.mark_retrieved();
                    }
                });
                *self.joiner.borrow_mut() = Some(joiner);
            }
            Event::AddCallback => {
                let callbacks = self.callbacks.clone();
                self.handle.add_done_callback(move |_| callbacks.set(callbacks.get() + 1));
            }
            Event::DropExecutor => unreachable!("done by the test"),
        }
    }

    fn counts(&self) -> Counts {
        let handle = &self.handle;
        Counts {
            polls: self.leader.polls.get(),
            future_drops: self.leader.future_drops.get(),
            output_drops: self.leader.output_drops.get(),
            ended: match (handle.done(), handle.cancelled(), handle.panicked()) {
                (false, false, false) => Ended::No,
                (true, false, false) => Ended::Value,
                (true, true, false) => Ended::Cancelled,
                (true, false, true) => Ended::Panicked,
                impossible => unreachable!("{impossible:?}"),
            },
            cancelling: handle.cancelling(),
            callbacks: self.callbacks.get(),
            joined: self.joined.get(),
            reports: self.reports.take().len(),
        }
    }
}

/// What must be counted once nothing is ready any more.
fn expected(state: State, event: Event) -> Counts {
    let done = match state {
        State::DoneValue => Ended::Value,
        State::DoneCancelled => Ended::Cancelled,
        State::DonePanicked => Ended::Panicked,
        _ => Ended::No,
    };
    let mut counts = Counts {
        polls: match state {
            State::NotStarted => 0,
            State::DoneValue | State::DonePanicked => 2,
            _ => 1,
        },
        future_drops: usize::from(done != Ended::No),
        output_drops: 0,
        ended: done,
        cancelling: u32::from(state == State::DoneCancelled),
        callbacks: 0,
        joined: Ended::No,
        reports: 0,
    };
    if done != Ended::No {
        match event {
            Event::Uncancel | Event::CancelUncancel => counts.cancelling = 0,
            Event::DropHandle => {
                counts.output_drops = usize::from(done == Ended::Value);
                counts.reports = usize::from(done == Ended::Panicked);
            }
            Event::Join | Event::Await => {
                counts.output_drops = usize::from(done == Ended::Value);
                counts.joined = done;
            }
            Event::AddCallback => counts.callbacks = 1,
            _ => {}
        }
        return counts;
    }
    // The step that is to come anyway.
    let stepped = usize::from(matches!(state, State::NotStarted | State::Queued));
    let flagged = matches!(state, State::NotStarted | State::Queued | State::Running);
    match event {
        Event::WakeHome | Event::WakeAbroad => counts.polls += 1,
        Event::Cancel | Event::CancelTwice | Event::CancelUncancel => {
            counts.cancelling = match event {
                Event::Cancel => 1,
                Event::CancelTwice => 2,
                _ => 0,
            };
            if event == Event::CancelUncancel && flagged {
                counts.polls += stepped;
            } else {
                // What is awaited ends first, and wakes the task, which raises when it polls that; unless a second request
                // comes when a future is cancelled, and the task on its way to run.
                let polled = match state {
                    State::WaitsForTask => true,
                    State::WaitsForFuture => event != Event::CancelTwice,
                    _ => false,
                };
                counts.polls += usize::from(polled);
                counts.ended = Ended::Cancelled;
                counts.future_drops = 1;
            }
        }
        Event::DropExecutor => {
            counts.ended = Ended::Cancelled;
            counts.future_drops = 1;
        }
        _ => counts.polls += stepped,
    }
    counts
}

fn check(state: State, event: Event) {
    // A task that was never polled has given its waker to nobody.
    let needs_waker =
        matches!(event, Event::WakeHome | Event::WakeAbroad | Event::CloneDropHome | Event::CloneDropAbroad);
    if state == State::NotStarted && needs_waker || state == State::Running && event == Event::DropExecutor {
        return;
    }
    let case = Case::new(state, event);
    if event == Event::DropExecutor {
        let executor = case.borrow_mut().executor.take();
        drop(executor);
    } else {
        if state != State::Running {
            case.borrow().apply(event);
        }
        run(case.borrow().executor());
    }
    let mut expect = expected(state, event);
    assert_eq!(case.borrow().counts(), expect, "{event:?} in {state:?}");

    // A task that has not ended ends with a value, which goes to whoever wants it.
    let late = case.borrow().waker.take().or_else(|| case.borrow().leader.take_waker());
    if expect.ended == Ended::No {
        case.borrow().leader.next(Next::Value);
        late.as_ref().unwrap().wake_by_ref();
        run(case.borrow().executor());
        let wanted = case.borrow().task.borrow().is_some();
        let joins = matches!(event, Event::Join | Event::Await);
        expect.polls += 1;
        expect.future_drops = 1;
        expect.ended = Ended::Value;
        expect.output_drops = usize::from(!wanted);
        expect.callbacks = usize::from(event == Event::AddCallback);
        expect.joined = if joins { Ended::Value } else { Ended::No };
        assert_eq!(case.borrow().counts(), expect, "the end after {event:?} in {state:?}");
    }

    // Whatever is left is for nothing, and is dropped once.
    if let Some(waker) = &late {
        waker.wake_by_ref();
    }
    let task = case.borrow().task.take();
    drop(task);
    let executor = case.borrow_mut().executor.take();
    if let Some(executor) = executor {
        run(&executor);
        drop(executor);
    }
    abroad(move || drop(late));
    expect.output_drops = usize::from(expect.ended == Ended::Value);
    let cancelled_later = matches!(event, Event::Cancel | Event::CancelTwice | Event::CancelUncancel);
    // Without the executor there is no reporter, and standard error gets it.
    let told = matches!(event, Event::DropHandle | Event::Join | Event::Await | Event::DropExecutor) || cancelled_later;
    expect.reports = usize::from(state == State::DonePanicked && !told);
    assert_eq!(case.borrow().counts(), expect, "after {event:?} in {state:?}");
}

#[test]
fn each_event_in_each_state_does_what_it_must_leak() {
    for state in STATES {
        for event in EVENTS {
            check(state, event);
        }
    }
}
