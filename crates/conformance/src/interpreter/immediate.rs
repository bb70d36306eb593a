//! Statements that never wait: they may also be in callbacks.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use asyncio::{GetError, Instant, PutError, Task, Timeout, get_running_loop};

use super::combinator::gathering;
use super::world::{AnyQueue, AnySemaphore, Failed, Gathered, Scheduled, Thing, VARIABLE, World, with_gather};
use super::{Env, body, catch_unwinding, number, task};
use crate::expression::List;

/// Runs `$body` with `$queue` as the queue, whatever its kind.
macro_rules! with_queue {
    ($any:expr, $queue:ident => $body:expr) => {
        match $any {
            AnyQueue::Fifo($queue) => $body,
            AnyQueue::Lifo($queue) => $body,
            AnyQueue::Priority($queue) => $body,
        }
    };
}
pub(super) use with_queue;

/// Why a child of a group failed.
#[derive(Debug)]
pub(super) struct Failure(pub(super) String);

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failure {}

/// Runs the statements of a callback.
fn acts(world: &Rc<World>, list: &Rc<List>, start: usize, label: &str) {
    let env = Env::new(label);
    for index in start..list.items.len() {
        let statement = list.sublist(index);
        let value = {
            let _pending = world.begin(statement.head());
            act(world, &statement, &env)
        };
        world.log(&env, &statement, &value);
    }
}

fn flag(value: bool) -> String {
    value.to_string()
}

pub(super) fn act(world: &Rc<World>, statement: &Rc<List>, env: &Env) -> String {
    let name = statement.word(1);
    let ok = || "ok".to_owned();
    match statement.head() {
        "value" => name.to_owned(),
        "spawn" | "eager" => {
            let (body, failed) = task(world, statement, 2, name);
            let task = match statement.head() {
                "spawn" => asyncio::create_task(body),
                _ => Task::builder().eager_start(true).spawn(body),
            };
            world.watch(name, Thing::Task(task.shared()), failed);
            ok()
        }
        "child" | "kid" => child(world, statement),
        "expired" => match env.limits.get(number(name) as usize) {
            Some(limit) => flag(limit.expired()),
            None => "none".to_owned(),
        },
        "future" => {
            world.things.borrow_mut().insert(name.to_owned(), Thing::Future(asyncio::Future::new()));
            ok()
        }
        "gathering" => {
            let gather = gathering(world, statement);
            world.things.borrow_mut().insert(name.to_owned(), gather);
            ok()
        }
        "cancel" | "uncancel" | "cancelling" | "state" | "set" | "callback" => match world.find(name) {
            Some(thing) => act_on(world, &thing, statement),
            None => "none".to_owned(),
        },
        "uncallback" => {
            let id = world.callbacks.borrow().get(statement.word(2)).copied();
            match (world.find(name), id) {
                (Some(Thing::Future(future)), Some(id)) => flag(future.remove_done_callback(id)),
                (Some(thing), Some(id)) => flag(thing.handle().is_some_and(|task| task.remove_done_callback(id))),
                _ => "none".to_owned(),
            }
        }
        "soon" | "later" | "at" => {
            let (inner, list, label) = (world.clone(), statement.clone(), name.to_owned());
            let this = get_running_loop();
            let start = if statement.head() == "soon" { 2 } else { 3 };
            let call = move || acts(&inner, &list, start, &label);
            let handle = match statement.head() {
                "soon" => Scheduled::Soon(this.call_soon(call)),
                "later" => Scheduled::Later(this.call_later(Duration::from_secs(number(statement.word(2))), call)),
                _ => {
                    let when = Instant::from_nanos(number(statement.word(2)) * 1_000_000_000);
                    Scheduled::Later(this.call_at(when, call))
                }
            };
            world.handles.borrow_mut().insert(name.to_owned(), handle);
            ok()
        }
        "unhandle" => match world.handles.borrow().get(name) {
            None => "none".to_owned(),
            Some(Scheduled::Soon(handle)) => {
                handle.cancel();
                ok()
            }
            Some(Scheduled::Later(handle)) => {
                handle.cancel();
                ok()
            }
        },
        "reschedule" => reschedule(env.limits.get(number(name) as usize), statement.word(2)),
        "setvar" => {
            let _ = VARIABLE.set(number(name));
            ok()
        }
        "getvar" => VARIABLE.get().to_string(),
        "release" => {
            let guard = world.held.borrow_mut().remove(name);
            if guard.is_some() { ok() } else { "free".to_owned() }
        }
        "restore" => match world.semaphore(name) {
            AnySemaphore::Plain(semaphore) => {
                semaphore.release();
                ok()
            }
            AnySemaphore::Bounded(semaphore) => semaphore.release().map_or_else(|_| "over".to_owned(), |()| ok()),
        },
        "locked" => flag(match name.as_bytes()[0] {
            b'L' => world.lock(name).locked(),
            _ => match world.semaphore(name) {
                AnySemaphore::Plain(semaphore) => semaphore.locked(),
                AnySemaphore::Bounded(semaphore) => semaphore.locked(),
            },
        }),
        "raise" => {
            world.event(name).set();
            ok()
        }
        "lower" => {
            world.event(name).clear();
            ok()
        }
        _ => queue(world, statement),
    }
}

fn queue(world: &Rc<World>, statement: &List) -> String {
    let any = world.queue(statement.word(1));
    match statement.head() {
        "putnow" => {
            let item = number(statement.word(2)) as i64;
            match with_queue!(any, queue => queue.put_nowait(item)) {
                Ok(()) => "ok",
                Err(PutError::Full(_)) => "full",
                Err(PutError::ShutDown(_)) => "shutdown",
                Err(error) => panic!("{error}"),
            }
            .to_owned()
        }
        "getnow" => match with_queue!(any, queue => queue.get_nowait()) {
            Ok(item) => item.to_string(),
            Err(GetError::Empty) => "empty".to_owned(),
            Err(GetError::ShutDown) => "shutdown".to_owned(),
            Err(error) => panic!("{error}"),
        },
        "taskdone" => match with_queue!(any, queue => queue.task_done()) {
            Ok(()) => "ok".to_owned(),
            Err(_) => "many".to_owned(),
        },
        "shutdown" => {
            with_queue!(any, queue => queue.shutdown(statement.word(2) == "now"));
            "ok".to_owned()
        }
        head => panic!("`{head}` is no statement"),
    }
}

/// Makes a child of a group, named in the statement.
fn child(world: &Rc<World>, statement: &Rc<List>) -> String {
    let Some(group) = world.groups.borrow().get(statement.word(1)).cloned() else { return "none".to_owned() };
    let name = statement.word(2);
    let failed = Failed::default();
    let slot = failed.clone();
    let started = Rc::new(Cell::new(false));
    let (start, body) = (started.clone(), body(world, statement, 3, &Env::new(name)));
    let future = catch_unwinding(async move {
        start.set(true);
        body.await
    });
    let task = if statement.head() == "kid" {
        group.create_task(async move { future.await.unwrap_or_else(|text| text) })
    } else {
        group.try_create_task(async move {
            future.await.map_err(|text| {
                *slot.borrow_mut() = Some(text.clone());
                Failure(text)
            })
        })
    };
    if task.done() && !started.get() {
        return "refused".to_owned();
    }
    world.watch(name, Thing::Handle(task.handle()), failed);
    "ok".to_owned()
}

fn reschedule(limit: Option<&Rc<Timeout>>, delay: &str) -> String {
    let Some(limit) = limit else { return "none".to_owned() };
    if limit.expired() {
        return "late".to_owned();
    }
    limit.reschedule(super::delay(delay).map(|delay| get_running_loop().time() + delay));
    "ok".to_owned()
}

/// Statements about something that was found.
fn act_on(world: &Rc<World>, thing: &Thing, statement: &Rc<List>) -> String {
    match (statement.head(), thing) {
        ("cancel", Thing::Gather(gather)) => match (&*gather.borrow(), statement.items.len() > 2) {
            (None, _) => "taken".to_owned(),
            (Some(any), false) => flag(with_gather!(any, gather => gather.cancel())),
            (Some(any), true) => flag(with_gather!(any, gather => gather.cancel_with(statement.word(2)))),
        },
        ("cancel", Thing::Future(future)) if statement.items.len() > 2 => flag(future.cancel_with(statement.word(2))),
        ("cancel", Thing::Future(future)) => flag(future.cancel()),
        ("state", Thing::Future(future)) => state(future.done(), future.cancelled()),
        ("set", Thing::Future(future)) => {
            future.set_result(statement.word(2).to_owned()).map_or_else(|_| "invalid", |()| "ok").to_owned()
        }
        ("callback", Thing::Future(future)) => {
            let (inner, list, label) = (world.clone(), statement.clone(), statement.word(2).to_owned());
            let id = future.add_done_callback(move |future| {
                called(&inner, &list, &label, future.cancelled());
            });
            world.callbacks.borrow_mut().insert(statement.word(2).to_owned(), id);
            "ok".to_owned()
        }
        (head, thing) => {
            let task = thing.handle().unwrap_or_else(|| panic!("{statement} is not about a task"));
            match head {
                "cancel" if statement.items.len() > 2 => flag(task.cancel_with(statement.word(2))),
                "cancel" => flag(task.cancel()),
                "uncancel" => task.uncancel().to_string(),
                "cancelling" => task.cancelling().to_string(),
                "state" => state(task.done(), task.cancelled() && !failed(world, statement.word(1))),
                "callback" => {
                    let (inner, list, label) = (world.clone(), statement.clone(), statement.word(2).to_owned());
                    let slot = world.failures.borrow().get(statement.word(1)).cloned().unwrap_or_default();
                    let id = task.add_done_callback(move |task| {
                        called(&inner, &list, &label, task.cancelled() && slot.borrow().is_none());
                    });
                    world.callbacks.borrow_mut().insert(statement.word(2).to_owned(), id);
                    "ok".to_owned()
                }
                head => panic!("`{head}` is no statement"),
            }
        }
    }
}

/// Whether the task of this name has failed, as far as the program is concerned.
fn failed(world: &World, name: &str) -> bool {
    world.failures.borrow().get(name).is_some_and(|failed| failed.borrow().is_some())
}

fn state(done: bool, cancelled: bool) -> String {
    let state = if cancelled {
        "cancelled"
    } else if done {
        "done"
    } else {
        "pending"
    };
    state.to_owned()
}

/// A callback of the program is called.
fn called(world: &Rc<World>, list: &Rc<List>, label: &str, cancelled: bool) {
    let what = if cancelled { "cancelled" } else { "done" };
    world.log_text(format!("{label} called {what}"));
    acts(world, list, 3, label);
}
