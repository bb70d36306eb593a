//! Programs of the language as a person would write them: in Python, and in Rust.
//!
//! The number behind a line is that of its statement in the trace. What a line does is exact; what would hide it is left
//! out: that a name may be unknown when it is used, and, in Rust, the clones that closures take of what they share.

mod python;
mod rust;

use std::collections::BTreeSet;

use crate::expression::{Expression, List};

pub use python::python;
pub use rust::rust;

/// Lines of code, each as deep as the blocks around it.
#[derive(Default)]
struct Page {
    text: String,
    depth: usize,
}

impl Page {
    fn line(&mut self, text: &str) {
        self.text.push_str(&"    ".repeat(self.depth));
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// A line that is a statement of the program, with its number.
    fn numbered(&mut self, text: &str, comment: &str, list: &List) {
        self.line(&format!("{text}  {comment} {}", list.number));
    }

    fn deeper(&mut self, write: impl FnOnce(&mut Self)) {
        self.depth += 1;
        write(self);
        self.depth -= 1;
    }
}

/// The lists of a list, from `start` on.
fn lists(list: &List, start: usize) -> impl Iterator<Item = &List> {
    list.items.iter().skip(start).filter_map(Expression::list).map(|list| &**list)
}

/// The words of a list, from `start` on.
fn words(list: &List, start: usize) -> Vec<&str> {
    list.items.iter().skip(start).filter_map(Expression::atom).collect()
}

/// What a program names and shares.
#[derive(Default)]
struct Named {
    /// The primitives; locks first, which conditions may share.
    primitives: BTreeSet<(bool, String)>,
    /// Conditions that count how often they were notified.
    levels: BTreeSet<String>,
    /// Whether the context variable is used.
    variable: bool,
    /// Whether main is named.
    main: bool,
}

impl Named {
    fn of(program: &List) -> Self {
        let mut named = Self::default();
        named.look_at(program);
        named
    }

    fn look_at(&mut self, list: &List) {
        lists(list, 0).for_each(|inner| self.look_at(inner));
        let name = list.word(1);
        self.main |= name == "m0";
        match list.head() {
            "setvar" | "getvar" | "withvar" => self.variable = true,
            "cwait" | "cwaitfor" | "notify" => {
                self.add(name.to_owned());
                self.levels.insert(name.to_owned());
                if shares_lock(name) {
                    self.add(name.replace('C', "L"));
                }
            }
            "acquire" | "release" | "lock" | "locked" | "obtain" | "restore" | "permit" | "attend" | "raise"
            | "lower" | "meet" | "reset" | "abort" => self.add(name.to_owned()),
            "put" | "get" | "join" | "shutdown" | "putnow" | "getnow" | "taskdone" => self.add(queue(name)),
            _ => {}
        }
    }

    fn add(&mut self, name: String) {
        self.primitives.insert((!name.starts_with('L'), name));
    }
}

/// Whether a condition shares the lock of its number.
fn shares_lock(condition: &str) -> bool {
    condition.ends_with(['1', '3', '5', '7', '9'])
}

/// The name of a queue: one that is last in, first out has the letter of semaphores in the language.
fn queue(name: &str) -> String {
    name.replace('S', "Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generator;

    #[test]
    fn a_program_reads_as_python_and_as_rust() {
        let program = "(main (spawn t1 (timeout 2 ((lock L0 (sleep 5))))) (sleep 1) (cancel t1 m1) (await t1))";
        assert_eq!(
            python(program),
            "import asyncio\n\
             from asyncio import *\n\
             \n\
             L0 = Lock()\n\
             \n\
             async def main():\n    \
                 global task_t1\n    \
                 async def t1():\n        \
                     async with timeout(2) as limit1:  # 2\n            \
                         async with L0:  # 4\n                \
                             await sleep(5)  # 5\n    \
                 task_t1 = create_task(t1())  # 1\n    \
                 await sleep(1)  # 6\n    \
                 task_t1.cancel('m1')  # 7\n    \
                 await task_t1  # 8\n\
             \n\
             run(main())\n"
        );
        assert_eq!(
            rust(program),
            "use std::time::Duration;\n\
             use asyncio::*;\n\
             \n\
             let L0 = Rc::new(Lock::new(()));\n\
             \n\
             run(async {\n    \
                 let t1 = create_task(async {  // 1\n        \
                     timeout(secs(2), async |limit1| {  // 2\n            \
                         {\n                \
                             let _guard = L0.acquire().await;  // 4\n                \
                             sleep(secs(5)).await;  // 5\n            \
                         }\n        \
                     }).await.expect(\"timeout\");\n    \
                 }).shared();\n    \
                 sleep(secs(1)).await;  // 6\n    \
                 t1.cancel_with(\"m1\");  // 7\n    \
                 t1.clone().await;  // 8\n\
             });\n"
        );
    }

    #[test]
    fn every_statement_of_random_programs_is_printed() {
        for seed in 0..3000 {
            let program = generator::program(seed);
            for text in [python(&program), rust(&program)] {
                assert!(!text.contains("???"), "{program}\n{text}");
            }
        }
    }
}
