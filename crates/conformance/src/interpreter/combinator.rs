//! Statements that wait for several things, or for one under conditions.

use std::cell::RefCell;
use std::rc::Rc;

use asyncio::{
    ALL_COMPLETED, FIRST_COMPLETED, FIRST_EXCEPTION, Gather, Instant, SharedTask, TaskError, TaskHandle, Timeout,
    Waitable, as_completed, async_generator, gather, shield, try_task_group, wait, wait_for, with_cleanup,
};

use super::immediate::Failure;
use super::world::{Gathered, Thing, World};
use super::{Env, Running, body, cancelled, catch_unwinding, delay, fail, number, text_of};
use crate::expression::{Expression, List};

/// What a combinator gets: things of one type, or two of different types.
enum Items {
    Tasks(Vec<SharedTask<String>>),
    Futures(Vec<asyncio::Future<String>>),
    Bodies(Vec<Running>),
    Gathers(Vec<Gather<Vec<String>>>),
    TaskAndFuture(SharedTask<String>, asyncio::Future<String>),
    TaskAndBody(SharedTask<String>, Running),
    FutureAndBody(asyncio::Future<String>, Running),
}

/// The things that a statement names or contains, from `start` on.
fn items(world: &Rc<World>, statement: &Rc<List>, start: usize) -> Items {
    let mut tasks = Vec::new();
    let mut futures = Vec::new();
    let mut bodies = Vec::new();
    let mut gathers = Vec::new();
    for item in &statement.items[start..] {
        match item {
            Expression::Atom(name) => match world.find(name) {
                Some(Thing::Task(task)) => tasks.push(task),
                Some(Thing::Future(future)) => futures.push(future),
                Some(Thing::Gather(_)) => gathers.extend(world.take_plain(name)),
                Some(Thing::Handle(_)) => panic!("{statement}: only its creator can await it"),
                None => {}
            },
            Expression::List(list) => bodies.push(body(world, list, 1, &Env::new(&format!("d{}", list.number)))),
        }
    }
    match (tasks.len(), futures.len(), bodies.len(), gathers.len()) {
        (_, 0, 0, 0) => Items::Tasks(tasks),
        (0, _, 0, 0) => Items::Futures(futures),
        (0, 0, _, 0) => Items::Bodies(bodies),
        (0, 0, 0, _) => Items::Gathers(gathers),
        (1, 1, 0, 0) => Items::TaskAndFuture(tasks.remove(0), futures.remove(0)),
        (1, 0, 1, 0) => Items::TaskAndBody(tasks.remove(0), bodies.remove(0)),
        (0, 1, 1, 0) => Items::FutureAndBody(futures.remove(0), bodies.remove(0)),
        _ => panic!("{statement}: its items must be of one type, or be a task, a future, and a body, two of them"),
    }
}

fn show(values: &[String]) -> String {
    format!("[{}]", values.join(","))
}

fn show_result(result: &Result<String, TaskError>) -> String {
    match result {
        Ok(value) => value.clone(),
        Err(TaskError::Cancelled(error)) => cancelled(error),
        Err(TaskError::Panicked(payload)) => format!("error {}", text_of(payload.as_ref())),
        Err(error) => format!("{error}"),
    }
}

fn show_list(result: &Result<Vec<String>, TaskError>) -> String {
    match result {
        Ok(values) => show(values),
        Err(TaskError::Cancelled(error)) => cancelled(error),
        Err(TaskError::Panicked(payload)) => format!("error {}", text_of(payload.as_ref())),
        Err(error) => format!("{error}"),
    }
}

fn show_results(results: &[Result<String, TaskError>]) -> String {
    show(&results.iter().map(show_result).collect::<Vec<_>>())
}

/// A gather, not awaited yet.
fn gathered(world: &Rc<World>, mode: &str, statement: &Rc<List>, start: usize) -> Gathered {
    macro_rules! gathered {
        ($items:expr, $plain:ident, $results:ident) => {
            match mode {
                "all" => Gathered::$results(gather($items).return_exceptions().into_future()),
                _ => Gathered::$plain(gather($items).into_future()),
            }
        };
    }
    match items(world, statement, start) {
        Items::Tasks(tasks) => gathered!(tasks, Plain, Results),
        Items::Futures(futures) => gathered!(futures, Plain, Results),
        Items::Bodies(bodies) => gathered!(bodies, Plain, Results),
        Items::Gathers(gathers) => gathered!(gathers, Nested, NestedResults),
        Items::TaskAndFuture(task, future) => gathered!((task, future), Pair, PairResults),
        Items::TaskAndBody(task, body) => gathered!((task, body), Pair, PairResults),
        Items::FutureAndBody(future, body) => gathered!((future, body), Pair, PairResults),
    }
}

/// A gather that is named, to be awaited later or never.
pub(super) fn gathering(world: &Rc<World>, statement: &Rc<List>) -> Thing {
    Thing::Gather(Rc::new(RefCell::new(Some(gathered(world, statement.word(2), statement, 3)))))
}

async fn await_gathered(gathered: Gathered) -> String {
    match gathered {
        Gathered::Plain(gather) => show(&gather.await),
        Gathered::Results(gather) => show_results(&gather.await),
        Gathered::Nested(gather) => show(&gather.await.iter().map(|values| show(values)).collect::<Vec<_>>()),
        Gathered::NestedResults(gather) => show(&gather.await.iter().map(show_list).collect::<Vec<_>>()),
        Gathered::Pair(gather) => {
            let (first, second) = gather.await;
            show(&[first, second])
        }
        Gathered::PairResults(gather) => {
            let (first, second) = gather.await;
            show(&[show_result(&first), show_result(&second)])
        }
    }
}

pub(super) async fn await_gather(gather: &RefCell<Option<Gathered>>) -> String {
    let taken = gather.borrow_mut().take();
    match taken {
        Some(gather) => await_gathered(gather).await,
        None => "taken".to_owned(),
    }
}

pub(super) async fn step(world: &Rc<World>, statement: &Rc<List>, env: &Env) -> String {
    match statement.head() {
        "gather" => await_gathered(gathered(world, statement.word(1), statement, 2)).await,
        "wait" => {
            let names: Vec<&str> = statement.items[3..].iter().filter_map(Expression::atom).collect();
            let found: Vec<(&str, Thing)> =
                names.into_iter().filter_map(|name| Some((name, world.find(name)?))).collect();
            let futures: Vec<(&str, asyncio::Future<String>)> = found
                .iter()
                .filter_map(|(name, thing)| match thing {
                    Thing::Future(future) => Some((*name, future.clone())),
                    _ => None,
                })
                .collect();
            let tasks: Vec<(&str, TaskHandle)> =
                found.iter().filter_map(|(name, thing)| Some((*name, thing.handle()?))).collect();
            match (tasks.is_empty(), futures.is_empty()) {
                (true, true) => "none".to_owned(),
                (false, true) => wait_step(statement, &tasks).await,
                (true, false) => wait_step(statement, &futures).await,
                (false, false) => panic!("{statement}: its items must be all tasks or all futures"),
            }
        }
        "waitfor" => {
            let limit = delay(statement.word(1));
            let result = match &statement.items[2] {
                Expression::List(list) => wait_for(body(world, list, 1, env), limit).await,
                Expression::Atom(name) => match world.find(name) {
                    Some(Thing::Task(task)) => wait_for(task, limit).await,
                    Some(Thing::Future(future)) => wait_for(future, limit).await,
                    Some(Thing::Gather(_)) => match world.take_plain(name) {
                        Some(gather) => wait_for(gather, limit).await.map(|values| show(&values)),
                        None => Ok("none".to_owned()),
                    },
                    Some(Thing::Handle(_)) => panic!("{statement}: only its creator can await it"),
                    None => Ok("none".to_owned()),
                },
            };
            result.unwrap_or_else(|_| fail("timeout"))
        }
        "shield" => match &statement.items[1] {
            Expression::List(list) => shield(body(world, list, 1, &Env::new(&format!("d{}", list.number)))).await,
            Expression::Atom(name) => match world.find(name) {
                Some(Thing::Task(task)) => shield(task).await,
                Some(Thing::Future(future)) => shield(future).await,
                Some(Thing::Gather(_)) => match world.take_plain(name) {
                    Some(gather) => show(&shield(gather).await),
                    None => "none".to_owned(),
                },
                Some(Thing::Handle(_)) => panic!("{statement}: only its creator can await it"),
                None => "none".to_owned(),
            },
        },
        "completed" => completed(world, statement, env).await,
        "timeout" | "timeoutat" => {
            let limit = delay(statement.word(1));
            let limit = Rc::new(match statement.head() {
                "timeout" => Timeout::after(limit),
                _ => Timeout::at(limit.map(|when| Instant::ZERO + when)),
            });
            let limits = std::iter::once(limit.clone()).chain(env.limits.iter().cloned()).collect();
            let inner = Env { label: env.label.clone(), limits };
            match limit.run(body(world, &statement.sublist(2), 0, &inner)).await {
                Ok(_) => format!("expired {}", limit.expired()),
                Err(_) => fail("timeout"),
            }
        }
        "group" => group(world, statement, env).await,
        "generate" => generate(world, statement, env).await,
        head => panic!("`{head}` is no statement"),
    }
}

async fn wait_step<W: Waitable>(statement: &List, things: &[(&str, W)]) -> String {
    let mode = match statement.word(1) {
        "first" => FIRST_COMPLETED,
        "exception" => FIRST_EXCEPTION,
        _ => ALL_COMPLETED,
    };
    let waited = things.iter().map(|(_, thing)| thing);
    let (done, pending) = wait(waited).timeout(delay(statement.word(2))).return_when(mode).await;
    let name = |thing: &W| things.iter().find(|(_, other)| std::ptr::eq(other, thing)).map_or("?", |(name, _)| name);
    let done: Vec<&str> = done.into_iter().map(name).collect();
    format!("{}/{}", done.join(","), pending.len())
}

async fn completed(world: &Rc<World>, statement: &Rc<List>, env: &Env) -> String {
    let limit = delay(statement.word(1));
    let mut values = 0;
    macro_rules! each {
        ($items:expr) => {{
            let mut all = as_completed($items).timeout(limit);
            while let Some(value) = all.next().await {
                let value = value.unwrap_or_else(|_| fail("timeout"));
                world.log_text(format!("{} next {value}", env.label));
                values += 1;
            }
        }};
    }
    match items(world, statement, 2) {
        Items::Tasks(tasks) => each!(tasks),
        Items::Futures(futures) => each!(futures),
        Items::Bodies(bodies) => each!(bodies),
        _ => panic!("{statement}: its items must be all tasks, all futures, or all bodies"),
    }
    values.to_string()
}

async fn group(world: &Rc<World>, statement: &Rc<List>, env: &Env) -> String {
    let inner = body(world, &statement.sublist(2), 0, env);
    let ended = try_task_group(async move |group| {
        world.groups.borrow_mut().insert(statement.word(1).to_owned(), group);
        catch_unwinding(inner).await.map_err(Failure)
    });
    match ended.await {
        Ok(_) => "ok".to_owned(),
        Err(group) => {
            let errors: Vec<String> = group.iter().map(ToString::to_string).collect();
            fail(format!("group{}", show(&errors)))
        }
    }
}

#[expect(clippy::await_holding_refcell_ref, reason = "the body is dropped before its cleanup begins")]
async fn generate(world: &Rc<World>, statement: &Rc<List>, env: &Env) -> String {
    let (take, count) = (number(statement.word(1)), number(statement.word(2)));
    let [before, between, cleanup, each] = [3, 4, 5, 6].map(|index| statement.sublist(index));
    let generator = RefCell::new(async_generator(async |y| {
        let values = async {
            body(world, &before, 0, env).await;
            for value in 0..count {
                y.emit(value).await;
                body(world, &between, 0, env).await;
            }
        };
        with_cleanup(values, || async {
            world.log(env, &cleanup, "finally");
            body(world, &cleanup, 0, env).await;
        })
        .await;
    }));
    let consume = async {
        for _ in 0..take {
            let mut generator = generator.borrow_mut();
            let value = generator.next().await;
            drop(generator);
            let Some(value) = value else {
                world.log(env, &each, "over");
                break;
            };
            world.log(env, &each, &value.to_string());
            body(world, &each, 0, env).await;
        }
    };
    with_cleanup(consume, || async {
        generator.borrow_mut().aclose().await;
    })
    .await;
    "ok".to_owned()
}
