#![expect(unsafe_code, reason = "a step calls the functions that know the type of the future")]
//! A step of a task, from the ready queue to its suspension or its end.
//!
//! The `SAFETY` comments rest on this: a step is the only code that polls or replaces the stage of a task that is not
//! done; it sets `RUNNING` for that time, and a task that is running is never stepped again (it may be queued).

use std::ptr;
use std::rc::Rc;
use std::task::Context;

use asyncio_context::take_wait;

use crate::awaitee::Forward;
use crate::callback;
use crate::cancel::CancelledError;
use crate::contain::{Payload, contain, drop_contained, drop_payload, wake};
use crate::current;
use crate::done::Waiter;
use crate::executor::Inner;
use crate::fault::Fault;
use crate::scope::{Entered, NoScope};
use crate::task::cell;
use crate::task::error::TaskError;
use crate::task::extra::Extra;
use crate::task::handle::TaskHandle;
use crate::task::header::{Header, TaskRef};
use crate::task::sole;
use crate::task::state::{Attention, End};
use crate::task::waker;

/// Makes a task the current one, and puts the former one back when dropped.
struct Current(*const Header);

impl Current {
    fn new(task: &TaskRef) -> Self {
        Self(current::with(|current| current.task.replace(task.as_ptr().as_ptr())))
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        current::with(|current| current.task.set(self.0));
    }
}

/// Runs an entry of the ready queue: a step, or the done-callbacks of a task that has ended.
#[inline]
pub(crate) fn run(task: &TaskRef) {
    if task.is_done() { notify(task) } else { step(task) }
}

/// One step.
#[inline]
fn step(task: &TaskRef) {
    let first = task.state.transition_to_running();
    let end = {
        let _current = Current::new(task);
        advance(task, first)
    };
    match end {
        Some(end) => complete(task, end),
        None => {
            task.wait.take_report();
            if let Some(attention) = task.state.transition_to_suspended() {
                suspend(task, attention);
            }
        }
    }
}

/// Raises what is to be raised in the task itself, or else polls it.
#[inline]
fn advance(task: &TaskRef, first: bool) -> Option<End> {
    if (task.scope.has_mail() || task.state.is_flagged())
        && let Some(error) = take_request(task, first)
    {
        return Some(raise(task, error));
    }
    poll(task)
}

/// What is to be raised in the task itself instead of a step, after what is still a flag has been delivered.
#[cold]
fn take_request(task: &TaskRef, first: bool) -> Option<CancelledError> {
    if first {
        if let Some(error) = task.scope.take_flag() {
            return Some(error);
        }
    } else if task.state.take_flagged() {
        let mut forward = Forward::new();
        task.scope.deliver_flags(None, &mut forward);
        forward.run();
    }
    task.scope.take_pending()
}

/// Polls the future once.
#[inline]
fn poll(task: &TaskRef) -> Option<End> {
    let waker = waker::borrow(task);
    let mut cx = Context::from_waker(&waker);
    let _ = take_wait();
    let polled = {
        let _scope = Entered::new(&task.scope);
        // SAFETY: see the header of this file.
        contain(|| unsafe { (task.vtable().poll)(task.as_ptr(), &mut cx) })
    };
    let ready = match polled {
        Ok(ready) => ready,
        Err(payload) => return Some(fail(task, payload)),
    };
    if task.scope.has_mail()
        && let Some(error) = take_outcome(task, ready)
    {
        return Some(raise(task, error));
    }
    ready.then_some(End::Value)
}

/// What was raised in the task during the poll that has just ended; or a request that came while it was `ready`, which
/// drops the value.
#[cold]
fn take_outcome(task: &TaskRef, ready: bool) -> Option<CancelledError> {
    let raised = task.scope.take_raised();
    if raised.is_none() && ready { task.scope.take_flag() } else { raised }
}

/// Ends the task cancelled, dropping its future or value. A panic of a destructor wins.
#[cold]
fn raise(task: &TaskRef, error: CancelledError) -> End {
    // The scope of whoever started or ends this task is not the place for what its destructors do.
    let _scope = NoScope::new();
    // SAFETY: see the header of this file.
    match contain(|| unsafe { (task.vtable().replace)(task.as_ptr(), None) }) {
        Ok(()) => {
            // SAFETY: as above; the stage is empty, so nothing of the user's is dropped.
            unsafe { (task.vtable().replace)(task.as_ptr(), Some(TaskError::Cancelled(error))) };
            End::Cancelled
        }
        Err(payload) => fail(task, payload),
    }
}

/// Ends the task with a panic. A second panic, of a destructor, is dropped: the first one tells more.
#[cold]
fn fail(task: &TaskRef, payload: Payload) -> End {
    let _scope = NoScope::new();
    // SAFETY: see the header of this file.
    if let Err(second) = contain(|| unsafe { (task.vtable().replace)(task.as_ptr(), None) }) {
        drop_payload(second);
    }
    // SAFETY: as above; the stage is empty.
    unsafe { (task.vtable().replace)(task.as_ptr(), Some(TaskError::Panicked(payload))) };
    End::Panicked
}

/// The task was suspended with requests about.
#[cold]
fn suspend(task: &TaskRef, attention: Attention) {
    if task.state.is_queued() {
        // Its next step delivers what is still a flag, and may reach what this one did not.
        return;
    }
    let mut forward = Forward::new();
    if attention.forwarded && !task.scope.reclaim(None, &mut forward) {
        task.state.clear_forwarded();
    }
    if attention.flagged && task.state.take_flagged() {
        task.scope.deliver_flags(None, &mut forward);
    } else if attention.delivered && !task.scope.escalate(None, &mut forward) {
        task.state.clear_delivered();
    }
    forward.run();
}

/// The task is over: everybody who waits is told, in the order in which they came.
pub(crate) fn complete(task: &TaskRef, end: End) {
    task.state.transition_to_done(end);
    task.scope.orphan();
    task.wait.clear();
    if let Some(home) = task.home() {
        home.ended();
    }
    if let Some(scope) = sole::scope(task) {
        if let Some(awaiter) = scope.task() {
            awaiter.schedule();
        }
    } else if let Some(extra) = task.extra() {
        tell(task, extra, end);
    }
    told(task);
    if !task.state.is_queued() {
        // SAFETY: done and not in the queue; and from now on it will not be put there. The callers are at their end.
        unsafe { task.release_alive() };
    }
}

/// Drops the context of a task that is done. That of a panic is kept as long as the panic may have to be reported, which
/// is done in it: until the outcome is taken.
#[inline(never)]
pub(crate) fn drop_context(extra: &Extra) {
    if let Some(context) = extra.context.take() {
        drop_contained(context);
    }
}

/// Drops the context, and tells those who wait.
#[inline(never)]
fn tell(task: &TaskRef, extra: &Extra, end: End) {
    if end != End::Panicked {
        drop_context(extra);
    }
    // Most often there is one, and an awaiter.
    match extra.done.take_only() {
        None => dispatch(task, extra),
        Some(Waiter::Awaiter(_, waker)) => wake(waker),
        Some(waiter) => queue_notices(task, std::iter::once(waiter), &mut Notices::default()),
    }
}

/// Wakes awaiters and queues watchers and callbacks, in order. A run of those shares one entry of the ready queue.
#[inline(never)]
fn dispatch(task: &TaskRef, extra: &Extra) {
    let mut notices = Notices::default();
    let mut run = Vec::new();
    for waiter in extra.done.take() {
        match waiter {
            Waiter::Awaiter(_, waker) => {
                queue_notices(task, run.drain(..), &mut notices);
                wake(waker);
            }
            other => run.push(other),
        }
    }
    queue_notices(task, run.drain(..), &mut notices);
}

/// The entries of the queue in which watchers and callbacks of a task that has just ended are to run.
#[derive(Default)]
struct Notices {
    own_entry_used: bool,
    others: Option<Rc<Telling>>,
}

/// Held by entries other than the task's own: watchers may look at an outcome that nobody can take, until the last one ran.
struct Telling(TaskRef);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.state.clear_telling();
        told(&self.0);
    }
}

/// Drops an outcome that nobody can take, once all who were to be told of the end have been.
#[inline]
pub(crate) fn told(task: &TaskRef) {
    if task.state.is_outcome_lost() {
        discard_output(task);
    }
}

/// Queues watchers and callbacks of a task that has just ended: in the task's own entry of the ready queue, which needs
/// no allocation, the first time, unless it is still there for a step that will not take place.
#[inline]
fn queue_notices(task: &TaskRef, waiters: impl ExactSizeIterator<Item = Waiter>, notices: &mut Notices) {
    if waiters.len() == 0 {
        return;
    }
    let Some(home) = task.home().filter(|home| !home.is_closed()) else {
        // The loop is closing: there will be no turn to run them in.
        waiters.for_each(drop_contained);
        return;
    };
    if !notices.own_entry_used && task.state.transition_to_notifying() {
        notices.own_entry_used = true;
        let done = &task.extra_or_new().done;
        waiters.for_each(|waiter| done.push(waiter));
        task.push(home);
    } else {
        queue_apart(task, home, waiters.collect(), notices);
    }
}

/// Queues watchers and callbacks in another entry than the task's own.
#[cold]
fn queue_apart(task: &TaskRef, home: &Inner, waiters: Vec<Waiter>, notices: &mut Notices) {
    task.state.set_telling();
    let telling = notices.others.get_or_insert_with(|| Rc::new(Telling(task.clone()))).clone();
    callback::schedule(home, None, task.location, move || {
        waiters.into_iter().for_each(run_waiter);
        drop(telling);
    });
}

/// Runs the done-callbacks of a task that was in the queue when it had ended.
#[inline(never)]
fn notify(task: &TaskRef) {
    task.state.transition_from_queue();
    if let Some(extra) = task.extra() {
        match extra.done.take_only() {
            Some(waiter) => run_waiter(waiter),
            None => extra.done.take().for_each(run_waiter),
        }
    }
    told(task);
    // SAFETY: it has just left the queue, so `complete` has left the alive reference to this entry.
    unsafe { task.release_alive() };
}

/// Runs a watcher or callback. A panic goes to the executor's reporter, not to those who come after.
fn run_waiter(waiter: Waiter) {
    let _task = NoTask::new();
    if let Err(payload) = contain(|| waiter.run()) {
        Fault::new("exception in a done-callback").payload(payload).report();
    }
}

/// While callbacks run there is no current task.
pub(crate) struct NoTask {
    before: *const Header,
    _scope: NoScope,
}

impl NoTask {
    pub(crate) fn new() -> Self {
        Self { before: current::with(|current| current.task.replace(ptr::null())), _scope: NoScope::new() }
    }
}

impl Drop for NoTask {
    fn drop(&mut self) {
        current::with(|current| current.task.set(self.before));
    }
}

/// Drops the output of a task that is done and whose outcome nobody can take any more, reporting a panic.
pub(crate) fn discard_output(task: &TaskRef) {
    let fault = match contain(|| cell::drop_outcome(task)) {
        Ok(None) => return,
        Ok(Some(None)) => None,
        Ok(Some(Some(payload))) if task.state.is_quiet() => {
            drop_payload(payload);
            None
        }
        Ok(Some(Some(payload))) => Some(("task exception was never retrieved", payload)),
        // The destructor of an output that nobody wanted.
        Err(payload) => Some(("exception while a task's output was dropped", payload)),
    };
    if let Some((message, payload)) = fault {
        let _entered = task.vars().enter();
        Fault::new(message).payload(payload).task(TaskHandle::new(task.clone())).report_to(task.home());
    }
    if let Some(extra) = task.extra() {
        drop_context(extra);
    }
}

/// Drops the watchers and callbacks of a task that is done, and then its output if nobody can take it, because its entry
/// of the queue will not run: they must not be left for another thread that frees the allocation.
pub(crate) fn discard_notices(task: &TaskRef) {
    for waiter in task.extra().into_iter().flat_map(|extra| extra.done.take()) {
        drop_contained(waiter);
    }
    told(task);
}

/// Ends a task that will not be stepped any more, because its executor closes. The caller has seen to it that nothing is
/// stepped meanwhile (`Inner::hold_steps`): the task may be in the queue.
pub(crate) fn abandon(task: &TaskRef, error: CancelledError) {
    if !task.is_done() {
        task.state.transition_to_abandoned();
        let end = {
            let _current = Current::new(task);
            raise(task, error)
        };
        complete(task, end);
    }
}
