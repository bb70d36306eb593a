//! Programs in Python, on CPython's asyncio.

use std::collections::BTreeSet;

use super::{Named, Page, lists, queue, shares_lock, words};
use crate::expression::{Expression, List, parse};

/// The program as Python that runs.
#[must_use]
pub fn python(program: &str) -> String {
    let program = parse(program);
    let mut page = Page::default();
    page.line("import asyncio");
    page.line("from asyncio import *");
    page.line("");
    let named = Named::of(&program);
    for (_, name) in &named.primitives {
        page.line(&format!("{name} = {}", primitive(name)));
    }
    for name in &named.levels {
        page.line(&format!("level_{name} = 0"));
    }
    if named.variable {
        page.line("import contextvars");
        page.line("VARIABLE = contextvars.ContextVar('VARIABLE', default=0)");
    }
    page.line("");
    page.line("async def main():");
    page.deeper(|page| {
        globals(page, &program);
        if named.main {
            page.line("global main_task");
            page.line("main_task = current_task()");
        }
        if program.head() == "keen" {
            page.line("get_running_loop().set_task_factory(eager_task_factory)");
        }
        body(page, lists(&program, 1), 0);
    });
    page.line("");
    page.line("run(main())");
    page.text
}

fn primitive(name: &str) -> String {
    let number = &name[1..];
    match name.as_bytes()[0] {
        b'L' => "Lock()".to_owned(),
        b'E' => "Event()".to_owned(),
        b'C' if shares_lock(name) => format!("Condition(L{number})"),
        b'C' => "Condition()".to_owned(),
        b'M' => format!("Barrier({number})"),
        b'B' => format!("BoundedSemaphore({number})"),
        b'Q' => format!("Queue({number})"),
        b'Z' => format!("LifoQueue({number})"),
        b'P' => format!("PriorityQueue({number})"),
        _ => format!("Semaphore({number})"),
    }
}

/// The statements of a block; `limits` is how many timeouts are around it.
fn body<'a>(page: &mut Page, statements: impl Iterator<Item = &'a List>, limits: usize) {
    let mut any = false;
    for statement in statements {
        any = true;
        write(page, statement, limits);
    }
    if !any {
        page.line("pass");
    }
}

/// A function with the statements of `list` from `start` on.
fn function(page: &mut Page, kind: &str, name: &str, list: &List, start: usize) {
    page.line(&format!("{kind} {name}:"));
    page.deeper(|page| {
        globals(page, list);
        body(page, lists(list, start), 0);
    });
}

/// Declares what the statements of a function make: all names of a program are global.
fn globals(page: &mut Page, list: &List) {
    fn collect(list: &List, found: &mut BTreeSet<String>) {
        for inner in lists(list, 0) {
            collect(inner, found);
            match inner.head() {
                "run" | "spawn" | "eager" => found.insert(thing(inner.word(1))),
                "child" | "kid" => found.insert(thing(inner.word(2))),
                "gathering" | "group" | "future" | "soon" | "later" | "at" => found.insert(inner.word(1).to_owned()),
                "notify" => found.insert(format!("level_{}", inner.word(1))),
                "callback" => found.insert(inner.word(2).to_owned()),
                _ => false,
            };
        }
    }
    let mut found = BTreeSet::new();
    collect(list, &mut found);
    if !found.is_empty() {
        page.line(&format!("global {}", found.into_iter().collect::<Vec<_>>().join(", ")));
    }
}

/// What a name stands for.
fn thing(name: &str) -> String {
    match name {
        "self" => "current_task()".to_owned(),
        "m0" => "main_task".to_owned(),
        name if name.starts_with(['t', 'u', 'c']) => format!("task_{name}"),
        name => name.to_owned(),
    }
}

/// What a combinator gets; bodies become functions first.
fn item(page: &mut Page, item: &Expression) -> String {
    match item {
        Expression::Atom(name) => thing(name),
        Expression::List(list) => {
            let name = format!("d{}", list.number);
            function(page, "async def", &format!("{name}()"), list, 1);
            format!("{name}()")
        }
    }
}

fn items(page: &mut Page, list: &List, start: usize) -> String {
    let items: Vec<String> = list.items[start.min(list.items.len())..].iter().map(|one| item(page, one)).collect();
    items.join(", ")
}

fn delay(word: &str) -> &str {
    if word == "-" { "None" } else { word }
}

fn write(page: &mut Page, list: &List, limits: usize) {
    let (first, second) = (list.word(1), list.word(2));
    let say = |page: &mut Page, text: &str| page.numbered(text, "#", list);
    let block = |page: &mut Page, text: &str, start: usize| {
        page.numbered(text, "#", list);
        page.deeper(|page| body(page, lists(list, start), limits));
    };
    let message = if list.items.len() > 2 { format!("'{second}'") } else { String::new() };
    match list.head() {
        "sleep" => say(page, &format!("await sleep({first})")),
        "value" => say(page, &format!("'{first}'")),
        "fail" => say(page, &format!("raise Exception('{first}')")),
        "await" => say(page, &format!("await {}", thing(first))),
        "run" | "spawn" | "eager" | "child" | "kid" => {
            let of_group = matches!(list.head(), "child" | "kid");
            let (name, start) = if of_group { (second, 3) } else { (first, 2) };
            function(page, "async def", &format!("{name}()"), list, start);
            let made = match list.head() {
                "eager" => format!("Task({name}(), eager_start=True)"),
                "child" | "kid" => format!("{first}.create_task({name}())"),
                _ => format!("create_task({name}())"),
            };
            say(page, &format!("{} = {made}", thing(name)));
            if list.head() == "run" {
                page.line(&format!("await {}", thing(name)));
            }
        }
        "loop" => block(page, &format!("for _ in range({first}):"), 2),
        "catch" | "except" | "finally" => {
            let [tried, handler] = [1, 2].map(|index| list.sublist(index));
            say(page, "try:");
            page.deeper(|page| body(page, lists(&tried, 0), limits));
            page.line(match list.head() {
                "catch" => "except CancelledError:",
                "except" => "except Exception:",
                _ => "finally:",
            });
            page.deeper(|page| body(page, lists(&handler, 0), limits));
            if list.head() == "catch" && list.items.len() > 3 {
                page.deeper(|page| page.line("raise"));
            }
        }
        "gather" | "gathering" => {
            let (mode, start) = if list.head() == "gather" { (first, 2) } else { (second, 3) };
            let mut items = items(page, list, start);
            if mode == "all" {
                items.push_str(if items.is_empty() { "return_exceptions=True" } else { ", return_exceptions=True" });
            }
            if list.head() == "gather" {
                say(page, &format!("await gather({items})"));
            } else {
                say(page, &format!("{first} = gather({items})"));
            }
        }
        "wait" => {
            let mode = match first {
                "first" => "FIRST_COMPLETED",
                "exception" => "FIRST_EXCEPTION",
                _ => "ALL_COMPLETED",
            };
            let names: Vec<String> = words(list, 3).into_iter().map(thing).collect();
            let names = names.join(", ");
            say(page, &format!("await wait([{names}], timeout={}, return_when={mode})", delay(second)));
        }
        "waitfor" => {
            let item = item(page, &list.items[2]);
            say(page, &format!("await wait_for({item}, {})", delay(first)));
        }
        "shield" => {
            let item = item(page, &list.items[1]);
            say(page, &format!("await shield({item})"));
        }
        "completed" => {
            let items = items(page, list, 2);
            say(page, &format!("for each in as_completed([{items}], timeout={}):", delay(first)));
            page.deeper(|page| page.line("await each"));
        }
        "timeout" | "timeoutat" => {
            let name = if list.head() == "timeout" { "timeout" } else { "timeout_at" };
            say(page, &format!("async with {name}({}) as limit{}:", delay(first), limits + 1));
            page.deeper(|page| body(page, lists(&list.sublist(2), 0), limits + 1));
        }
        "expired" => say(page, &format!("limit{}.expired()", limits.saturating_sub(index(first)))),
        "reschedule" => {
            let when = if second == "-" { "None".to_owned() } else { format!("get_running_loop().time() + {second}") };
            say(page, &format!("limit{}.reschedule({when})", limits.saturating_sub(index(first))));
        }
        "group" => {
            say(page, &format!("async with TaskGroup() as {first}:"));
            page.deeper(|page| body(page, lists(&list.sublist(2), 0), limits));
        }
        "generate" => {
            let [before, between, cleanup, each] = [3, 4, 5, 6].map(|index| list.sublist(index));
            page.line(&format!("async def numbers{}():", list.number));
            page.deeper(|page| {
                page.line("try:");
                page.deeper(|page| {
                    body(page, lists(&before, 0), limits);
                    page.line(&format!("for number in range({second}):"));
                    page.deeper(|page| {
                        page.line("yield number");
                        body(page, lists(&between, 0), limits);
                    });
                });
                page.line("finally:");
                page.deeper(|page| body(page, lists(&cleanup, 0), limits));
            });
            page.line(&format!("numbers = numbers{}()", list.number));
            say(page, "try:");
            page.deeper(|page| {
                page.line(&format!("for _ in range({first}):"));
                page.deeper(|page| {
                    page.line("if await anext(numbers, None) is None: break");
                    body(page, lists(&each, 0), limits);
                });
            });
            page.line("finally:");
            page.deeper(|page| page.line("await numbers.aclose()"));
        }
        "cancel" => say(page, &format!("{}.cancel({message})", thing(first))),
        "uncancel" | "cancelling" => say(page, &format!("{}.{}()", thing(first), list.head())),
        "state" => say(page, &format!("{0}.done(), {0}.cancelled()", thing(first))),
        "future" => {
            say(page, &format!("{first} = Future()"));
        }
        "set" => say(page, &format!("{first}.set_result('{second}')")),
        "callback" => {
            function(page, "def", &format!("{second}(_)"), list, 3);
            say(page, &format!("{}.add_done_callback({second})", thing(first)));
        }
        "uncallback" => say(page, &format!("{}.remove_done_callback({second})", thing(first))),
        "soon" | "later" | "at" => {
            let start = if list.head() == "soon" { 2 } else { 3 };
            function(page, "def", &format!("call_{first}()"), list, start);
            let arguments = if start == 2 { String::new() } else { format!("{second}, ") };
            say(page, &format!("{first} = get_running_loop().call_{}({arguments}call_{first})", list.head()));
        }
        "unhandle" => say(page, &format!("{first}.cancel()")),
        "setvar" => say(page, &format!("VARIABLE.set({first})")),
        "getvar" => say(page, "VARIABLE.get()"),
        "withvar" => {
            page.line(&format!("token = VARIABLE.set({first})"));
            block(page, "try:", 2);
            page.line("finally:");
            page.deeper(|page| page.line("VARIABLE.reset(token)"));
        }
        "lock" | "permit" => block(page, &format!("async with {first}:"), 2),
        "acquire" | "obtain" => say(page, &format!("await {first}.acquire()")),
        "release" | "restore" => say(page, &format!("{first}.release()")),
        "locked" => say(page, &format!("{first}.locked()")),
        "attend" | "meet" => say(page, &format!("await {first}.wait()")),
        "raise" => say(page, &format!("{first}.set()")),
        "lower" => say(page, &format!("{first}.clear()")),
        "cwait" | "cwaitfor" | "notify" => {
            say(page, &format!("async with {first}:"));
            let inner = match (list.head(), second) {
                ("cwait", _) => format!("await {first}.wait()"),
                ("cwaitfor", level) => format!("await {first}.wait_for(lambda: level_{first} >= {level})"),
                (_, "all") => format!("level_{first} += 1; {first}.notify_all()"),
                (_, count) => format!("level_{first} += 1; {first}.notify({count})"),
            };
            page.deeper(|page| page.line(&inner));
        }
        "reset" | "abort" => say(page, &format!("await {first}.{}()", list.head())),
        "put" | "get" | "join" | "putnow" | "getnow" | "taskdone" | "shutdown" => {
            let name = queue(first);
            let call = match list.head() {
                "put" => format!("await {name}.put({second})"),
                "get" | "join" => format!("await {name}.{}()", list.head()),
                "putnow" => format!("{name}.put_nowait({second})"),
                "getnow" => format!("{name}.get_nowait()"),
                "taskdone" => format!("{name}.task_done()"),
                _ => format!("{name}.shutdown(immediate={})", if second == "now" { "True" } else { "False" }),
            };
            say(page, &call);
        }
        head => say(page, &format!("??? {head}")),
    }
}

fn index(word: &str) -> usize {
    word.parse().unwrap_or(0)
}
