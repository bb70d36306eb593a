//! The same programs on CPython and here: random programs of combinators, and what CPython 3.13 did with them.
//!
//! `programs/generate.py` made the programs and ran them; its class `World` and the one here are the same interpreter.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use asyncio_combinators::{
    ALL_COMPLETED, ExceptionGroup, FIRST_COMPLETED, FIRST_EXCEPTION, Timeout, as_completed, gather, shield, try_gather,
    try_task_group, try_wait, wait_for,
};
use asyncio_event_loop::{get_running_loop, sleep};
use asyncio_executor::{Task, TaskError, TaskHandle, all_tasks, catch_cancelled, create_task, current_task, yield_now};
use futures_util::FutureExt;

use crate::trace;

#[derive(Debug)]
enum Node {
    /// `-` is no number.
    Number(Option<u64>),
    Call(char, Vec<Rc<Node>>),
}

fn parse(words: &mut std::iter::Peekable<impl Iterator<Item = String>>) -> Rc<Node> {
    let word = words.next().expect("another word");
    Rc::new(match word.as_str() {
        "(" => {
            let op = words.next().expect("an operator").chars().next().expect("not empty");
            let mut args = Vec::new();
            while words.peek().is_some_and(|word| word != ")") {
                args.push(parse(words));
            }
            words.next();
            Node::Call(op, args)
        }
        "-" => Node::Number(None),
        word => match word.parse() {
            Ok(number) => Node::Number(Some(number)),
            Err(_) => Node::Call(word.chars().next().expect("not empty"), Vec::new()),
        },
    })
}

type Run<T = Result<(), String>> = Pin<Box<dyn Future<Output = T>>>;

struct World {
    panics: bool,
    tasks: RefCell<Vec<TaskHandle>>,
}

fn count() -> u32 {
    current_task().unwrap().cancelling()
}

fn note(me: usize, what: impl std::fmt::Display) {
    trace::say(format_args!("{}:{}:{me}{what}", trace::turn(), trace::time()));
}

fn seconds(node: &Node) -> Option<Duration> {
    match node {
        Node::Number(seconds) => seconds.map(Duration::from_secs),
        Node::Call(..) => panic!("not a number: {node:?}"),
    }
}

fn shown(errors: &ExceptionGroup) -> String {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    format!("[{}]", errors.join(","))
}

fn outcome(outcome: Result<Result<(), String>, TaskError>) -> String {
    match outcome {
        Ok(Ok(())) => "-".into(),
        Ok(Err(error)) => error,
        Err(TaskError::Cancelled(_)) => "cancelled".into(),
        Err(error) => error.panic_message().unwrap().into(),
    }
}

/// What `program` does as a task of its own.
fn task(world: &Rc<World>, program: &Rc<Node>) -> Run {
    let (world, program) = (world.clone(), program.clone());
    Box::pin(async move {
        let me = world.tasks.borrow().len();
        world.tasks.borrow_mut().push(current_task().unwrap());
        note(me, ">");
        let outcome = catch_cancelled(AssertUnwindSafe(run(&world, me, &program)).catch_unwind()).await;
        match outcome {
            Ok(Ok(Ok(()))) => note(me, "$"),
            Ok(Ok(Err(error))) => {
                note(me, format_args!("!{error}"));
                return Err(error);
            }
            Ok(Err(payload)) => {
                note(me, format_args!("!{}", payload.downcast_ref::<String>().unwrap()));
                resume_unwind(payload);
            }
            Err(error) => {
                note(me, "~");
                error.raise().await;
            }
        }
        Ok(())
    })
}

fn tasks(world: &Rc<World>, programs: &[Rc<Node>]) -> Vec<Run> {
    programs.iter().map(|program| task(world, program)).collect()
}

fn run(world: &Rc<World>, me: usize, program: &Rc<Node>) -> Run {
    let (world, program) = (world.clone(), program.clone());
    Box::pin(async move {
        let Node::Call(op, args) = &*program else { panic!("not a program: {program:?}") };
        let world = &world;
        match (op, &args[..]) {
            ('y', _) => {
                yield_now().await;
                note(me, "y");
            }
            ('s', [delay]) => {
                sleep(seconds(delay).unwrap()).await;
                note(me, "s");
            }
            ('e', _) => {
                let error = format!("e{me}");
                if world.panics {
                    resume_unwind(Box::new(error));
                }
                return Err(error);
            }
            ('k', [number]) => {
                let Node::Number(Some(number)) = **number else { panic!("{number:?}") };
                let target = {
                    let tasks = world.tasks.borrow();
                    tasks[usize::try_from(number).unwrap() % tasks.len()].clone()
                };
                note(me, format_args!("k{}", u8::from(target.cancel())));
                yield_now().await;
            }
            (';', all) => {
                for program in all {
                    run(world, me, program).await?;
                }
            }
            ('b', [program]) => match AssertUnwindSafe(run(world, me, program)).catch_unwind().await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => note(me, format_args!("b{error}")),
                Err(payload) => note(me, format_args!("b{}", payload.downcast_ref::<String>().unwrap())),
            },
            ('c' | 'd', [program, cleanup]) => match catch_cancelled(run(world, me, program)).await {
                Ok(result) => return result,
                Err(error) => {
                    note(me, format_args!("{op}{}", count()));
                    run(world, me, cleanup).await?;
                    if *op == 'c' {
                        error.raise().await;
                    }
                }
            },
            ('u', [program]) => match catch_cancelled(run(world, me, program)).await {
                Ok(result) => return result,
                Err(_) => note(me, format_args!("u{}", current_task().unwrap().uncancel())),
            },
            ('t', [delay, program]) => {
                let limit = Timeout::after(seconds(delay));
                match limit.run(run(world, me, program)).await {
                    Ok(result) => {
                        result?;
                        note(me, format_args!("t{}{}", u8::from(limit.expired()), count()));
                    }
                    Err(_) => note(me, format_args!("T{}{}", u8::from(limit.expired()), count())),
                }
            }
            ('w' | 'W', [delay, program]) => {
                let delay = seconds(delay);
                let result = match op {
                    'W' => wait_for(create_task(task(world, program)), delay).await,
                    _ => wait_for(run(world, me, program), delay).await,
                };
                match result {
                    Ok(result) => {
                        result?;
                        note(me, format_args!("w{}", count()));
                    }
                    Err(_) => note(me, format_args!("W{}", count())),
                }
            }
            ('g', all) if world.panics => {
                drop(gather(tasks(world, all)).await);
                note(me, "g");
            }
            ('g', all) => {
                try_gather(tasks(world, all)).await?;
                note(me, "g");
            }
            ('r', all) => {
                let results = gather(tasks(world, all)).return_exceptions().await;
                let results: Vec<String> = results.into_iter().map(outcome).collect();
                note(me, format_args!("r{}", results.join(",")));
            }
            ('h', [program]) => {
                shield(task(world, program)).await?;
                note(me, "h");
            }
            ('m', [when, delay, programs @ ..]) => {
                let when = match **when {
                    Node::Call('f', _) => FIRST_COMPLETED,
                    Node::Call('x', _) => FIRST_EXCEPTION,
                    _ => ALL_COMPLETED,
                };
                let tasks: Vec<Task<_>> = tasks(world, programs).into_iter().map(create_task).collect();
                let (done, pending) = try_wait(tasks).timeout(seconds(delay)).return_when(when).await;
                note(me, format_args!("m{},{}", done.len(), pending.len()));
            }
            ('o', [delay, programs @ ..]) => {
                let tasks: Vec<Task<_>> = tasks(world, programs).into_iter().map(create_task).collect();
                let mut results = as_completed(tasks).timeout(seconds(delay));
                while let Some(item) = results.next().await {
                    match item {
                        Ok(result) => {
                            result?;
                            note(me, "o");
                        }
                        Err(_) => note(me, "O"),
                    }
                }
            }
            ('G', [children @ .., body]) => {
                let (inner, body) = (world.clone(), body.clone());
                let group = try_task_group(async |group| {
                    for child in tasks(&inner, children) {
                        let _task = group.try_create_task(child);
                    }
                    run(&inner, me, &body).await
                });
                match group.await {
                    Ok(()) => note(me, format_args!("G{}", count())),
                    Err(errors) => {
                        note(me, format_args!("E{}", count()));
                        return Err(shown(&errors));
                    }
                }
            }
            _ => panic!("not an expression: {program:?}"),
        }
        Ok(())
    })
}

/// What happens when the programs run, one task each, until no task is left.
pub fn execute(kind: &str, programs: &str) -> Vec<String> {
    let world = Rc::new(World { panics: kind == "panics", tasks: RefCell::default() });
    let spaced = programs.replace('(', "( ").replace(')', " )");
    let mut words = spaced.split_whitespace().map(str::to_owned).peekable();
    let mut parsed = Vec::new();
    while words.peek().is_some() {
        parsed.push(parse(&mut words));
    }
    let eager = kind == "eager";
    trace::logged(async move {
        let this = get_running_loop();
        this.set_exception_handler(|_, _| {});
        if eager {
            this.set_task_factory(|builder| builder.eager_start(true));
        }
        let all: Vec<_> = tasks(&world, &parsed).into_iter().map(create_task).collect();
        try_wait(all).await;
        while all_tasks().len() > 1 {
            sleep(Duration::from_secs(1)).await;
        }
    })
}

fn check(kind: &str, programs: &str, expected: &str) {
    let expected: Vec<&str> = expected.split(' ').collect();
    assert_eq!(execute(kind, programs), expected, "\n{kind} {programs}");
}

#[test]
fn random_programs_do_what_they_do_on_cpython() {
    let cases = include_str!("programs/programs.txt").lines().collect::<Vec<_>>();
    assert_eq!(cases.len() % 3, 0);
    for case in cases.chunks(3) {
        let (Some(kind), Some(trace)) = (case[0].strip_prefix("case "), case[2].strip_prefix("trace ")) else {
            panic!("not a case: {case:?}");
        };
        check(kind, case[1], trace);
    }
}

/// For longer searches: the file that this variable names has more programs.
#[test]
fn more_programs_do_what_they_do_on_cpython() {
    let Some(path) = std::env::var_os("ASYNCIO_PROGRAMS") else {
        eprintln!("skipped: ASYNCIO_PROGRAMS names no file of programs");
        return;
    };
    let text = std::fs::read_to_string(path).unwrap();
    let cases = text.lines().collect::<Vec<_>>();
    let mut failures = 0;
    for case in cases.chunks(3) {
        let result = std::panic::catch_unwind(|| check(&case[0][5..], case[1], &case[2][6..]));
        failures += u32::from(result.is_err());
    }
    assert_eq!(failures, 0);
}
