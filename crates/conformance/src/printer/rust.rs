//! Programs in Rust, on this library.

use super::{Named, Page, lists, queue, shares_lock, words};
use crate::expression::{Expression, List, parse};

/// The program as Rust, but for the clones that closures and tasks take.
#[must_use]
pub fn rust(program: &str) -> String {
    let program = parse(program);
    let mut page = Page::default();
    page.line("use std::time::Duration;");
    page.line("use asyncio::*;");
    page.line("");
    let named = Named::of(&program);
    if named.variable {
        page.line("context_var! { static VARIABLE: u64 = 0; }");
    }
    for (_, name) in &named.primitives {
        page.line(&format!("let {name} = Rc::new({});", primitive(name)));
    }
    for name in &named.levels {
        page.line(&format!("let level_{name} = Cell::new(0);"));
    }
    page.line("");
    page.line("run(async {");
    page.deeper(|page| {
        if named.main {
            page.line("let main_task = current_task().unwrap();");
        }
        if program.head() == "keen" {
            page.line("get_running_loop().set_task_factory(|builder| builder.eager_start(true));");
        }
        body(page, lists(&program, 1), 0);
    });
    page.line("});");
    page.text
}

fn primitive(name: &str) -> String {
    let number = &name[1..];
    match name.as_bytes()[0] {
        b'L' => "Lock::new(())".to_owned(),
        b'E' => "Event::new()".to_owned(),
        b'C' if shares_lock(name) => format!("Condition::with_lock(L{number})"),
        b'C' => "Condition::new(())".to_owned(),
        b'M' => format!("Barrier::new({number})"),
        b'B' => format!("BoundedSemaphore::new({number})"),
        b'Q' => format!("Queue::new({number})"),
        b'Z' => format!("LifoQueue::new({number})"),
        b'P' => format!("PriorityQueue::new({number})"),
        _ => format!("Semaphore::new({number})"),
    }
}

fn body<'a>(page: &mut Page, statements: impl Iterator<Item = &'a List>, limits: usize) {
    for statement in statements {
        write(page, statement, limits);
    }
}

/// What a name stands for.
fn thing(name: &str) -> String {
    match name {
        "self" => "current_task().unwrap()".to_owned(),
        "m0" => "main_task".to_owned(),
        name => name.to_owned(),
    }
}

/// What a combinator gets; a body becomes a future with a name first.
fn item(page: &mut Page, item: &Expression) -> String {
    match item {
        Expression::Atom(name) => thing(name),
        Expression::List(list) => {
            let name = format!("d{}", list.number);
            page.line(&format!("let {name} = async {{"));
            page.deeper(|page| body(page, lists(list, 1), 0));
            page.line("};");
            name
        }
    }
}

fn items(page: &mut Page, list: &List, start: usize) -> String {
    let items: Vec<String> = list.items[start.min(list.items.len())..].iter().map(|one| item(page, one)).collect();
    items.join(", ")
}

fn delay(word: &str) -> String {
    if word == "-" { "None".to_owned() } else { format!("secs({word})") }
}

fn write(page: &mut Page, list: &List, limits: usize) {
    let (first, second) = (list.word(1), list.word(2));
    let say = |page: &mut Page, text: &str| page.numbered(text, "//", list);
    // A line that opens a block, the block, and a line that closes it.
    let block = |page: &mut Page, open: &str, inner: &List, start: usize, limits: usize, close: &str| {
        page.numbered(open, "//", list);
        page.deeper(|page| body(page, lists(inner, start), limits));
        page.line(close);
    };
    match list.head() {
        "sleep" => say(page, &format!("sleep({}).await;", delay(first))),
        "value" => say(page, &format!("\"{first}\";")),
        "fail" => say(page, &format!("panic!(\"{first}\");")),
        "await" => say(page, &format!("{first}.clone().await;")),
        "spawn" => block(page, &format!("let {first} = create_task(async {{"), list, 2, 0, "}).shared();"),
        "run" => block(page, "create_task(async {", list, 2, 0, "}).await;"),
        "eager" => {
            let open = format!("let {first} = Task::builder().eager_start(true).spawn(async {{");
            block(page, &open, list, 2, 0, "}).shared();");
        }
        "child" => block(page, &format!("let {second} = {first}.try_create_task(async {{"), list, 3, 0, "}).handle();"),
        "kid" => block(page, &format!("let {second} = {first}.create_task(async {{"), list, 3, 0, "}).handle();"),
        "loop" => block(page, &format!("for _ in 0..{first} {{"), list, 2, limits, "}"),
        "catch" => {
            block(page, "if let Err(error) = catch_cancelled(async {", &list.sublist(1), 0, limits, "}).await {");
            page.deeper(|page| {
                body(page, lists(&list.sublist(2), 0), limits);
                if list.items.len() > 3 {
                    page.line("error.raise().await;");
                }
            });
            page.line("}");
        }
        "except" => {
            block(page, "if catch_unwind(async {", &list.sublist(1), 0, limits, "}).await.is_err() {");
            page.deeper(|page| body(page, lists(&list.sublist(2), 0), limits));
            page.line("}");
        }
        "finally" => {
            block(page, "with_cleanup(async {", &list.sublist(1), 0, limits, "}, || async {");
            page.deeper(|page| body(page, lists(&list.sublist(2), 0), limits));
            page.line("}).await;");
        }
        "gather" | "gathering" => {
            let (mode, start) = if list.head() == "gather" { (first, 2) } else { (second, 3) };
            let items = items(page, list, start);
            let mode = if mode == "all" { ".return_exceptions()" } else { "" };
            match list.head() {
                "gather" => say(page, &format!("gather(({items},)){mode}.await;")),
                _ => say(page, &format!("let {first} = gather(({items},)){mode}.into_future();")),
            }
        }
        "wait" => {
            let mode = match first {
                "first" => "FIRST_COMPLETED",
                "exception" => "FIRST_EXCEPTION",
                _ => "ALL_COMPLETED",
            };
            let names: Vec<String> = words(list, 3).into_iter().map(|name| format!("&{name}")).collect();
            let names = names.join(", ");
            say(page, &format!("wait([{names}]).timeout({}).return_when({mode}).await;", delay(second)));
        }
        "waitfor" => {
            let item = item(page, &list.items[2]);
            say(page, &format!("wait_for({item}, {}).await.expect(\"timeout\");", delay(first)));
        }
        "shield" => {
            let item = item(page, &list.items[1]);
            say(page, &format!("shield({item}).await;"));
        }
        "completed" => {
            let items = items(page, list, 2);
            page.line(&format!("let mut all = as_completed([{items}]).timeout({});", delay(first)));
            say(page, "while let Some(each) = all.next().await {");
            page.deeper(|page| page.line("each.expect(\"timeout\");"));
            page.line("}");
        }
        "timeout" | "timeoutat" => {
            let name = if list.head() == "timeout" { "timeout" } else { "timeout_at" };
            let open = format!("{name}({}, async |limit{}| {{", delay(first), limits + 1);
            block(page, &open, &list.sublist(2), 0, limits + 1, "}).await.expect(\"timeout\");");
        }
        "expired" => say(page, &format!("limit{}.expired();", limits.saturating_sub(index(first)))),
        "reschedule" => {
            let when = match second {
                "-" => "None".to_owned(),
                delay => format!("get_running_loop().time() + secs({delay})"),
            };
            say(page, &format!("limit{}.reschedule({when});", limits.saturating_sub(index(first))));
        }
        "group" => {
            let open = format!("try_task_group(async |{first}| {{");
            say(page, &open);
            page.deeper(|page| {
                body(page, lists(&list.sublist(2), 0), limits);
                page.line("Ok(())");
            });
            page.line("}).await.unwrap();");
        }
        "generate" => {
            let [before, between, cleanup, each] = [3, 4, 5, 6].map(|index| list.sublist(index));
            page.line("let mut numbers = async_generator(async |y| with_cleanup(async {");
            page.deeper(|page| {
                body(page, lists(&before, 0), limits);
                page.line(&format!("for number in 0..{second} {{"));
                page.deeper(|page| {
                    page.line("y.emit(number).await;");
                    body(page, lists(&between, 0), limits);
                });
                page.line("}");
            });
            page.line("}, || async {");
            page.deeper(|page| body(page, lists(&cleanup, 0), limits));
            page.line("}).await);");
            say(page, "with_cleanup(async {");
            page.deeper(|page| {
                page.line(&format!("for _ in 0..{first} {{"));
                page.deeper(|page| {
                    page.line("if numbers.next().await.is_none() { break; }");
                    body(page, lists(&each, 0), limits);
                });
                page.line("}");
            });
            page.line("}, || numbers.aclose()).await;");
        }
        "cancel" if list.items.len() > 2 => say(page, &format!("{}.cancel_with(\"{second}\");", thing(first))),
        "cancel" | "uncancel" | "cancelling" => say(page, &format!("{}.{}();", thing(first), list.head())),
        "state" => say(page, &format!("({0}.done(), {0}.cancelled());", thing(first))),
        "future" => say(page, &format!("let {first} = Future::new();")),
        "set" => say(page, &format!("{first}.set_result(\"{second}\");")),
        "callback" => {
            let open = format!("let {second} = {}.add_done_callback(|_| {{", thing(first));
            block(page, &open, list, 3, 0, "});");
        }
        "uncallback" => say(page, &format!("{}.remove_done_callback({second});", thing(first))),
        "soon" => block(page, &format!("let {first} = get_running_loop().call_soon(|| {{"), list, 2, 0, "});"),
        "later" => {
            let open = format!("let {first} = get_running_loop().call_later(secs({second}), || {{");
            block(page, &open, list, 3, 0, "});");
        }
        "at" => {
            let open = format!("let {first} = get_running_loop().call_at(Instant::ZERO + secs({second}), || {{");
            block(page, &open, list, 3, 0, "});");
        }
        "unhandle" => say(page, &format!("{first}.cancel();")),
        "setvar" => say(page, &format!("VARIABLE.set({first});")),
        "getvar" => say(page, "VARIABLE.get();"),
        "withvar" => {
            page.line(&format!("let token = VARIABLE.set({first});"));
            block(page, "with_cleanup(async {", list, 2, limits, "}, || async { VARIABLE.reset(token) }).await;");
        }
        "lock" | "permit" => {
            let name = if list.head() == "lock" { "guard" } else { "permit" };
            page.line("{");
            page.deeper(|page| {
                say(page, &format!("let _{name} = {first}.acquire().await;"));
                body(page, lists(list, 2), limits);
            });
            page.line("}");
        }
        "acquire" => say(page, &format!("let held = {first}.acquire().await;")),
        "obtain" => say(page, &format!("{first}.acquire().await.forget();")),
        "release" => say(page, "drop(held);"),
        "restore" => say(page, &format!("{first}.release();")),
        "locked" => say(page, &format!("{first}.locked();")),
        "attend" => say(page, &format!("{first}.wait().await;")),
        "meet" => say(page, &format!("{first}.wait().await.expect(\"broken\");")),
        "raise" => say(page, &format!("{first}.set();")),
        "lower" => say(page, &format!("{first}.clear();")),
        "cwait" | "cwaitfor" | "notify" => {
            say(page, &format!("let guard = {first}.acquire().await;"));
            page.line(&match (list.head(), second) {
                ("cwait", _) => format!("drop({first}.wait(guard).await);"),
                ("cwaitfor", level) => {
                    format!("drop({first}.wait_for(guard, |_| level_{first}.get() >= {level}).await);")
                }
                (_, "all") => {
                    format!("level_{first}.update(|level| level + 1); {first}.notify_all(&guard); drop(guard);")
                }
                (_, count) => {
                    format!("level_{first}.update(|level| level + 1); {first}.notify(&guard, {count}); drop(guard);")
                }
            });
        }
        "reset" | "abort" => say(page, &format!("{first}.{}().await;", list.head())),
        "put" | "get" | "join" | "putnow" | "getnow" | "taskdone" | "shutdown" => {
            let name = queue(first);
            let call = match list.head() {
                "put" => format!("{name}.put({second}).await.expect(\"shutdown\");"),
                "get" => format!("{name}.get().await.expect(\"shutdown\");"),
                "join" => format!("{name}.join().await;"),
                "putnow" => format!("{name}.put_nowait({second});"),
                "getnow" => format!("{name}.get_nowait();"),
                "taskdone" => format!("{name}.task_done();"),
                _ => format!("{name}.shutdown({});", second == "now"),
            };
            say(page, &call);
        }
        head => say(page, &format!("??? {head}")),
    }
}

fn index(word: &str) -> usize {
    word.parse().unwrap_or(0)
}
