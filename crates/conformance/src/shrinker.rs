//! Makes a program smaller for as long as it still does what it is kept for.

use std::rc::Rc;

use crate::expression::{Expression, List, parse};

/// Statements whose lists are statements or bodies, each of which can go.
const HOLDERS: &[&str] = &[
    "",
    "main",
    "calm",
    "keen",
    "spawn",
    "eager",
    "child",
    "kid",
    "run",
    "loop",
    "do",
    "withvar",
    "lock",
    "permit",
    "soon",
    "later",
    "at",
    "callback",
    "gather",
    "gathering",
    "completed",
];

/// The smallest program found for which `keeps` holds, as it does for `program`.
pub fn shrink(program: &str, mut keeps: impl FnMut(&str) -> bool) -> String {
    let mut best = program.to_owned();
    loop {
        let root = Expression::List(parse(&best));
        let mut candidates: Vec<String> = variants(&root).iter().map(ToString::to_string).collect();
        candidates.sort_by_key(String::len);
        match candidates.into_iter().find(|candidate| keeps(candidate)) {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

/// The program with one thing made smaller, in all ways.
fn variants(expression: &Expression) -> Vec<Expression> {
    let Expression::List(list) = expression else { return Vec::new() };
    let mut found = Vec::new();
    for (index, item) in list.items.iter().enumerate() {
        if may_go(list, index) {
            found.push(with(list, index, &[]));
        }
        match item {
            Expression::Atom(atom) => {
                found.extend(smaller(list, index, atom).map(|atom| with(list, index, &[Expression::Atom(atom)])));
            }
            Expression::List(inner) => {
                if HOLDERS.contains(&list.head()) && !matches!(list.head(), "gather" | "gathering" | "completed") {
                    for start in 0..inner.items.len() {
                        if let Some(body) = hoisted(inner, start) {
                            found.push(with(list, index, &body));
                        }
                    }
                }
                found.extend(variants(item).into_iter().map(|item| with(list, index, &[item])));
            }
        }
    }
    found
}

/// The statements inside a statement, to stand in its place.
fn hoisted(statement: &List, index: usize) -> Option<Vec<Expression>> {
    let inner = statement.items[index].list()?;
    match statement.head() {
        "" => None,
        "catch" | "except" | "finally" | "timeout" | "timeoutat" | "group" | "generate" => Some(inner.items.clone()),
        "waitfor" | "shield" | "gather" | "completed" => Some(inner.items[1..].to_vec()),
        "lock" | "permit" | "loop" | "run" | "withvar" => Some(vec![statement.items[index].clone()]),
        _ => None,
    }
}

fn with(list: &List, index: usize, replacement: &[Expression]) -> Expression {
    let mut items = list.items.clone();
    items.splice(index..=index, replacement.iter().cloned());
    Expression::List(Rc::new(List { number: 0, items }))
}

fn may_go(list: &List, index: usize) -> bool {
    match &list.items[index] {
        Expression::List(_) => HOLDERS.contains(&list.head()),
        Expression::Atom(_) => match list.head() {
            "cancel" => index == 2,
            "catch" | "wait" => index > 3 || (list.head() == "catch" && index == 3),
            "gather" | "completed" => index > 1,
            "gathering" => index > 2,
            _ => false,
        },
    }
}

/// A smaller number.
fn smaller(list: &List, index: usize, atom: &str) -> Option<Rc<str>> {
    let heads = [
        "sleep",
        "later",
        "at",
        "timeout",
        "timeoutat",
        "waitfor",
        "loop",
        "completed",
        "wait",
        "generate",
        "reschedule",
    ];
    if index == 0 || !heads.contains(&list.head()) {
        return None;
    }
    let number: u64 = atom.parse().ok()?;
    number.checked_sub(1).map(|number| number.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_matter_goes() {
        let program = "(main (spawn t1 (timeout 3 ((sleep 2) (fail x)))) (await t1) (gather all t1 t2))";
        let shrunk = shrink(program, |text| text.contains("(fail x)") && text.contains("gather"));
        assert_eq!(shrunk, "(main (spawn t1 (fail x)) (gather all))");
    }
}
