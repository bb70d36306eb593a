//! The same programs on CPython and here: random programs, and what CPython 3.13 did with them.
//!
//! `traces/generate.py` made the programs and ran them; its class `World` and the one here are the same interpreter.

use std::cell::{Cell, RefCell};
use std::fmt::Write;
use std::rc::{Rc, Weak};

use asyncio_sync::{
    Barrier, Condition, Event, GetError, Lock, OwnedLockGuard, OwnedSemaphorePermit, PutError, Queue, Semaphore,
};

use crate::executor::{Executor, Log, yield_now};

struct World {
    kind: String,
    log: Log,
    lock: Rc<Lock<()>>,
    semaphore: Rc<Semaphore>,
    event: Event,
    queue: Queue<usize>,
    condition: Condition<()>,
    barrier: Barrier,
    executor: Executor,
}

enum Held {
    Lock(OwnedLockGuard<()>),
    Semaphore(#[expect(dead_code, reason = "held to be dropped")] OwnedSemaphorePermit),
}

/// What a task holds, released last first.
#[derive(Default)]
struct Stack(Vec<Held>);

impl Drop for Stack {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

impl World {
    fn state(&self) -> String {
        match self.kind.as_str() {
            "lock" | "condition" | "shared" => format!("{}", u8::from(self.lock.locked())),
            "semaphore" => format!("{}{}", u8::from(self.semaphore.locked()), self.semaphore.value()),
            "event" => format!("{}", u8::from(self.event.is_set())),
            "barrier" | "breaking" => format!("{}{}", self.barrier.n_waiting(), u8::from(self.barrier.broken())),
            _ => {
                let shown = format!("{:?} ", self.queue).replace('>', " ");
                let tasks = shown.split(" tasks=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("0");
                format!("{}{tasks}", self.queue.qsize())
            }
        }
    }

    fn note(&self, task: usize, what: &str) {
        self.log.push(format!("{task}{what}/{}", self.state()));
    }

    async fn run(&self, number: usize, ops: Vec<String>, started: Rc<Cell<bool>>) {
        started.set(true);
        let mut held = Stack::default();
        for op in &ops {
            if let Some(result) = self.execute(number, op, &mut held).await {
                self.note(number, &format!("{}{result}", &op[..1]));
            }
        }
        drop(held);
        self.note(number, "$");
    }

    async fn execute(&self, number: usize, op: &str, held: &mut Stack) -> Option<String> {
        let held = &mut held.0;
        let mut result = String::new();
        match &op[..1] {
            "Y" => yield_now().await,
            "K" => result = u8::from(self.executor.cancel(op[1..].parse().unwrap())).to_string(),
            "A" => {
                if !held.is_empty() {
                    return None;
                }
                held.push(Held::Lock(Rc::clone(&self.lock).acquire_owned().await));
            }
            "a" | "z" | "s" => drop(held.pop()?),
            "S" => held.push(Held::Semaphore(Rc::clone(&self.semaphore).acquire_owned().await)),
            "r" => self.semaphore.release(),
            "W" => self.event.wait().await,
            "e" => self.event.set(),
            "c" => self.event.clear(),
            "P" => {
                if self.queue.put(number).await.is_err() {
                    result.push_str("down");
                }
            }
            "p" => match self.queue.put_nowait(number) {
                Ok(()) => {}
                Err(PutError::Full(_)) => result.push_str("full"),
                Err(_) => result.push_str("down"),
            },
            "G" => match self.queue.get().await {
                Ok(item) => write!(result, "{item}").unwrap(),
                Err(_) => result.push_str("down"),
            },
            "g" => match self.queue.get_nowait() {
                Ok(item) => write!(result, "{item}").unwrap(),
                Err(GetError::Empty) => result.push_str("empty"),
                Err(_) => result.push_str("down"),
            },
            "d" => {
                if self.queue.task_done().is_err() {
                    result.push_str("many");
                }
            }
            "J" => self.queue.join().await,
            "x" | "X" => self.queue.shutdown(op == "X"),
            "C" => {
                if held.is_empty() {
                    held.push(Held::Lock(Rc::clone(&self.lock).acquire_owned().await));
                    self.note(number, "+");
                }
                let Some(Held::Lock(guard)) = held.pop() else { unreachable!() };
                held.push(Held::Lock(self.condition.wait(guard).await));
            }
            "n" | "N" => {
                if held.is_empty() {
                    held.push(Held::Lock(Rc::clone(&self.lock).acquire_owned().await));
                }
                let Some(Held::Lock(guard)) = held.last() else { unreachable!() };
                if op == "n" {
                    self.condition.notify(guard, 1);
                } else {
                    self.condition.notify_all(guard);
                }
            }
            "B" => match self.barrier.wait().await {
                Ok(index) => write!(result, "{index}").unwrap(),
                Err(_) => result.push_str("broken"),
            },
            "R" => self.barrier.reset().await,
            "Q" => self.barrier.abort().await,
            other => unreachable!("no operation {other}"),
        }
        Some(result)
    }
}

fn run(kind: &str, tasks: &[Vec<String>]) -> Vec<String> {
    let executor = Executor::new();
    let lock = Rc::new(Lock::new(()));
    let world = Rc::new(World {
        kind: kind.to_owned(),
        log: Log::default(),
        lock: Rc::clone(&lock),
        semaphore: Rc::new(Semaphore::new(2)),
        event: Event::new(),
        queue: Queue::new(2),
        condition: Condition::with_lock(lock),
        barrier: Barrier::new(3),
        executor: executor.clone(),
    });
    for (number, ops) in tasks.iter().enumerate() {
        let started = Rc::new(Cell::new(false));
        let (inside, ops, flag) = (Rc::clone(&world), ops.clone(), Rc::clone(&started));
        let id = executor.spawn(async move { inside.run(number, ops, flag).await });
        let outside: Weak<World> = Rc::downgrade(&world);
        // A task that is cancelled before its first step never ran, in CPython neither.
        executor.when_cancelled(id, move || {
            if started.get() {
                outside.upgrade().unwrap().note(number, "!");
            }
        });
    }
    executor.run();
    world.log.take()
}

#[test]
fn programs_do_what_they_do_on_cpython() {
    let mut kind = "";
    let mut tasks: Vec<Vec<String>> = Vec::new();
    let mut cases = 0;
    let failed = RefCell::new(Vec::new());
    // Another file of programs, made with another seed.
    let text = std::env::var_os("ASYNCIO_SYNC_PROGRAMS")
        .map_or_else(|| include_str!("traces/programs.txt").to_owned(), |path| std::fs::read_to_string(path).unwrap());
    for line in text.lines() {
        let mut words = line.split(' ');
        match words.next() {
            Some("case") => {
                kind = words.next().unwrap();
                tasks.clear();
            }
            Some("task") => tasks.push(words.map(str::to_owned).collect()),
            Some("trace") => {
                let expected: Vec<&str> = words.collect();
                let seen = run(kind, &tasks);
                cases += 1;
                if seen != expected {
                    failed.borrow_mut().push(format!("{kind} {tasks:?}\n  here    {seen:?}\n  CPython {expected:?}"));
                }
            }
            _ => panic!("not a line of a program: {line}"),
        }
    }
    assert!(cases >= 300, "only {cases} programs");
    let failed = failed.into_inner();
    assert!(failed.is_empty(), "{} of {cases} programs differ; the first:\n{}", failed.len(), failed[0]);
}
