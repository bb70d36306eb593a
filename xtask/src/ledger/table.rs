//! The totals of the ledger, and their place in the page that shows them.

use crate::ledger::File;
use crate::ledger::row::{Class, State};

const BEGIN: &str = "<!-- The ledger's totals: `cargo xtask conformance --write` puts them here. -->\n";
const END: &str = "<!-- The end of the totals. -->\n";

/// How many rows of a class are in which state.
#[derive(Clone, Copy, Default)]
struct Count {
    held: usize,
    differ: usize,
    open: usize,
}

#[derive(Clone, Copy, Default)]
struct Totals {
    tests: usize,
    applies: Count,
    optional: Count,
    python: usize,
}

impl Totals {
    fn add(&mut self, class: Class, state: State) {
        self.tests += 1;
        let count = match class {
            Class::Applies => &mut self.applies,
            Class::Optional => &mut self.optional,
            Class::Python => {
                self.python += 1;
                return;
            }
        };
        match state {
            State::Held => count.held += 1,
            State::Differs => count.differ += 1,
            State::Open => count.open += 1,
            State::Nothing => {}
        }
    }

    fn line(&self, name: &str) -> String {
        let of = |count: Count| format!("{} | {} | {}", count.held, count.differ, count.open);
        let Self { tests, applies, optional, python } = *self;
        let all = applies.held + applies.differ + applies.open;
        format!("| {name} | {tests} | {all} | {} | {} | {python} |\n", of(applies), of(optional))
    }
}

/// The table: a line for each file, and one for all.
pub fn totals(files: &[File]) -> String {
    let mut table = String::from(
        "| file of CPython | tests | apply | held | differ | open | optional: held | differ | open | of Python |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    let mut all = Totals::default();
    for file in files {
        let mut one = Totals::default();
        for row in &file.rows {
            one.add(row.class, row.state);
            all.add(row.class, row.state);
        }
        table.push_str(&one.line(&file.name));
    }
    table.push_str(&all.line("all"));
    table
}

/// The page with the table in its place; none if the page has no place for it.
pub fn put(page: &str, table: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n{table}\n{END}{after}"))
}

/// What to do about a page without a place.
pub fn no_place() -> String {
    format!("no place for the totals; add the lines `{}` and `{}`", BEGIN.trim_end(), END.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::row;

    #[test]
    fn rows_are_counted_by_class_and_state() {
        let text = "applies A.test_1: a/it::b\napplies A.test_2 open: no\noptional A.test_3 differs: so\npython A.test_4: no\n";
        let rows = row::parse("a", text, &mut Vec::new());
        let table = totals(&[File { name: "test_a".into(), path: "a".into(), rows }]);
        assert!(table.contains("| test_a | 4 | 2 | 1 | 0 | 1 | 0 | 1 | 0 | 1 |\n"), "{table}");
        assert!(table.ends_with("| all | 4 | 2 | 1 | 0 | 1 | 0 | 1 | 0 | 1 |\n"), "{table}");
    }

    #[test]
    fn the_table_replaces_what_is_in_its_place() {
        let page = format!("a\n{BEGIN}old\n{END}b\n");
        let put_once = put(&page, "new\n").unwrap();
        assert_eq!(put_once, format!("a\n{BEGIN}\nnew\n\n{END}b\n"));
        assert_eq!(put(&put_once, "new\n").unwrap(), put_once);
        assert_eq!(put("no place", "new\n"), None);
    }
}
