//! Runs programs of the language on this library.
//!
//! A program is `(main STATEMENT…)`; in a `keen` one all tasks start eagerly, and the trace of a `calm` one ends with main. A statement is a list whose first word says what it does; what it came to is an
//! entry of the trace: the time in seconds, the label of the task or callback, the number of the statement, the outcome.
//! Two kinds of entry have no number: `ended`, from a done-callback that every task gets when it is made, and `called`,
//! from a callback that the program added. A body's value is the outcome of its last statement.
//!
//! Names come into being when they are first used, and say what they are: `t` a task, `u` one that its creator awaits, `c`
//! a child of a group (awaited by nobody: its failure is the group's), `f` a future, `a` a gather, `L` a lock, `S` or `B`
//! with a number a semaphore or bounded semaphore of that value, `Q`, `S`, `P` with a number a queue of that size.
//!
//! What raises in Python panics here, with the text of the error as the payload; a failing child of a group returns an
//! `Err`.

mod combinator;
mod immediate;
mod primitive;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use asyncio::{CancelledError, EventLoop, RunError, Runner, Timeout, catch_cancelled, sleep, with_cleanup};

use crate::coverage::Meetings;
use crate::expression::{List, parse};
use world::{Failed, Thing, World};

/// A body or a part of one.
type Running = Pin<Box<dyn Future<Output = String>>>;

/// In what surroundings a statement runs.
#[derive(Clone)]
struct Env {
    label: Rc<str>,
    /// The timeouts around it, innermost first.
    limits: Rc<[Rc<Timeout>]>,
}

impl Env {
    fn new(label: &str) -> Self {
        Self { label: label.into(), limits: Rc::new([]) }
    }
}

/// What a run gave.
#[derive(Debug)]
pub struct Run {
    /// The trace, its entries parted by `;`.
    pub trace: String,
    /// Which operations began while which were pending.
    pub meetings: Meetings,
}

/// Runs a program.
///
/// # Panics
///
/// When the program is not one, or the event loop cannot be made.
#[must_use]
pub fn run(text: &str) -> Run {
    let program = parse(text);
    let world = Rc::new(World::new(program.head() == "calm"));
    let mut runner = Runner::builder().virtual_time(true).build().expect("an event loop can be made");
    runner.get_loop().set_exception_handler(Some(Rc::new(|_, _| {})));
    let keen = program.head() == "keen";
    let counted = world.clone();
    runner.get_loop().set_task_factory(Some(Rc::new(move |builder| {
        counted.task_made();
        if keen { builder.eager_start(true) } else { builder }
    })));
    let main = body(&world, &program, 1, &Env::new("main"));
    let inner = world.clone();
    let main = async move {
        let this = asyncio::current_task().expect("main is a task");
        inner.things.borrow_mut().insert("m0".to_owned(), Thing::Handle(this));
        let outcome = catch_unwinding(catch_cancelled(main)).await;
        inner.main_ended();
        match outcome {
            Ok(Ok(value)) => value,
            Ok(Err(error)) => error.raise().await,
            Err(text) => resume_unwind(Box::new(text)),
        }
    };
    let this = runner.get_loop();
    let end = match catch_unwind(AssertUnwindSafe(|| runner.run(main))) {
        Ok(Ok(value)) => value,
        Ok(Err(RunError::Cancelled(error))) => cancelled(&error),
        Ok(Err(RunError::Deadlock(_))) => {
            world.finish(seconds(&this), "deadlock");
            String::new()
        }
        Ok(Err(error)) => format!("{error}"),
        Err(payload) => format!("error {}", text_of(payload.as_ref())),
    };
    runner.close();
    world.finish(seconds(&this), &end);
    let trace = world.clear();
    Run { trace, meetings: world.meetings.take() }
}

/// The time on the loop's clock.
fn seconds(this: &EventLoop) -> u64 {
    this.time().as_nanos() / 1_000_000_000
}

/// How a cancellation shows in the trace.
fn cancelled(error: &CancelledError) -> String {
    format!("cancelled {}", error.message().unwrap_or("-"))
}

/// Fails as `raise` does.
fn fail(text: impl Into<String>) -> ! {
    resume_unwind(Box::new(text.into()))
}

/// The text of a failure.
fn text_of(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default()
}

/// `try: … except Exception`: awaits a future, and gives the text if it fails.
async fn catch_unwinding<F: Future>(future: F) -> Result<F::Output, String> {
    struct Catch<F>(Option<Pin<Box<F>>>);
    impl<F: Future> Future for Catch<F> {
        type Output = Result<F::Output, String>;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
            let inner = self.0.as_mut().expect("not polled again after completion").as_mut();
            match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
                Ok(polled) => polled.map(Ok),
                Err(payload) => {
                    self.0 = None;
                    Poll::Ready(Err(text_of(payload.as_ref())))
                }
            }
        }
    }
    Catch(Some(Box::pin(future))).await
}

/// The delay that a word says; `-` is none.
fn delay(word: &str) -> Option<Duration> {
    (word != "-").then(|| Duration::from_secs(number(word)))
}

fn number(word: &str) -> u64 {
    word.parse().unwrap_or_else(|_| panic!("`{word}` must be a number"))
}

/// The body of a task, and where its failure is noted.
fn task(world: &Rc<World>, list: &Rc<List>, start: usize, name: &str) -> (Running, Failed) {
    let failed = Failed::default();
    let (body, slot) = (catch_unwinding(body(world, list, start, &Env::new(name))), failed.clone());
    let running = Box::pin(async move {
        body.await.unwrap_or_else(|text| {
            *slot.borrow_mut() = Some(text.clone());
            fail(text)
        })
    });
    (running, failed)
}

/// The statements of a list from `start` on, as a future.
fn body(world: &Rc<World>, list: &Rc<List>, start: usize, env: &Env) -> Running {
    let (world, list, env) = (world.clone(), list.clone(), env.clone());
    Box::pin(async move {
        let mut value = "ok".to_owned();
        for index in start..list.items.len() {
            let statement = list.sublist(index);
            value = step(&world, &statement, &env).await;
        }
        value
    })
}

async fn step(world: &Rc<World>, statement: &Rc<List>, env: &Env) -> String {
    let value = {
        let _pending = world.begin(statement.head());
        match statement.head() {
            "sleep" | "await" | "run" | "fail" | "loop" | "catch" | "except" | "finally" | "withvar" => {
                control(world, statement, env).await
            }
            "gather" | "wait" | "waitfor" | "shield" | "completed" | "timeout" | "timeoutat" | "group" | "generate" => {
                combinator::step(world, statement, env).await
            }
            "acquire" | "lock" | "obtain" | "permit" | "attend" | "cwait" | "cwaitfor" | "notify" | "meet"
            | "reset" | "abort" | "put" | "get" | "join" => primitive::step(world, statement, env).await,
            _ => immediate::act(world, statement, env),
        }
    };
    world.log(env, statement, &value);
    value
}

/// Statements about the flow of control.
async fn control(world: &Rc<World>, statement: &Rc<List>, env: &Env) -> String {
    match statement.head() {
        "sleep" => {
            sleep(Duration::from_secs(number(statement.word(1)))).await;
            "ok".to_owned()
        }
        "await" => match world.find(statement.word(1)) {
            None => "none".to_owned(),
            Some(Thing::Task(task)) => task.await,
            Some(Thing::Future(future)) => future.await,
            Some(Thing::Handle(_)) => panic!("{statement}: only its creator can await it"),
            Some(Thing::Gather(gather)) => combinator::await_gather(&gather).await,
        },
        "run" => {
            let name = statement.word(1);
            let (running, failed) = task(world, statement, 2, name);
            let task = asyncio::create_task(running);
            world.watch(name, Thing::Handle(task.handle()), failed);
            task.await
        }
        "fail" => fail(statement.word(1)),
        "loop" => {
            for _ in 0..number(statement.word(1)) {
                body(world, statement, 2, env).await;
            }
            "ok".to_owned()
        }
        "catch" => match catch_cancelled(body(world, &statement.sublist(1), 0, env)).await {
            Ok(value) => value,
            Err(error) => {
                let handler = statement.sublist(2);
                world.log(env, &handler, &cancelled(&error));
                body(world, &handler, 0, env).await;
                if statement.items.len() > 3 { error.raise().await } else { "caught".to_owned() }
            }
        },
        "except" => match catch_unwinding(body(world, &statement.sublist(1), 0, env)).await {
            Ok(value) => value,
            Err(text) => {
                let handler = statement.sublist(2);
                world.log(env, &handler, &format!("error {text}"));
                body(world, &handler, 0, env).await;
                "caught".to_owned()
            }
        },
        "finally" => {
            let cleanup = statement.sublist(2);
            let inner = body(world, &statement.sublist(1), 0, env);
            with_cleanup(inner, || async {
                world.log(env, &cleanup, "finally");
                body(world, &cleanup, 0, env).await;
            })
            .await
        }
        "withvar" => {
            let _reset = world::Variable::set(number(statement.word(1)));
            body(world, statement, 2, env).await
        }
        head => panic!("`{head}` is no statement"),
    }
}
