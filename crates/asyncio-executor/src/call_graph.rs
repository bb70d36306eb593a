//! Who waits for whom: a task, the tasks that await it, those that await them, and so on.

use std::collections::HashSet;
use std::fmt;

use asyncio_context::Wait;

use crate::task::handle::TaskHandle;

/// A task in a [`CallGraph`].
#[derive(Clone, Debug)]
pub struct CallGraphEntry {
    task: TaskHandle,
    depth: usize,
    waits: Vec<String>,
    repeated: bool,
}

impl CallGraphEntry {
    /// The task.
    #[must_use]
    pub fn task(&self) -> &TaskHandle {
        &self.task
    }

    /// How many awaits lie between it and the task that the graph is of: 0 for that task itself.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// What it waited for when the graph was captured, and where. Empty if it ran, or was done, or did not say.
    #[must_use]
    pub fn waits(&self) -> &[String] {
        &self.waits
    }

    /// Whether it stands in the graph above, with those that await it: they are not given again.
    #[must_use]
    pub fn is_repeated(&self) -> bool {
        self.repeated
    }
}

/// Who waits for a task, and for whom they wait: see [`capture_call_graph`].
///
/// `Display` gives it as text.
#[derive(Clone, Debug)]
pub struct CallGraph {
    entries: Vec<CallGraphEntry>,
}

impl CallGraph {
    /// The tasks, each before those that await it. The first is the one that the graph is of.
    #[must_use]
    pub fn entries(&self) -> &[CallGraphEntry] {
        &self.entries
    }
}

impl fmt::Display for CallGraph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.entries.iter().enumerate() {
            let indent = "    ".repeat(entry.depth);
            let task = &entry.task;
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{indent}* task {:?} spawned at {}", task.name(), task.location())?;
            if entry.repeated {
                write!(f, ", as above")?;
                continue;
            }
            for wait in &entry.waits {
                write!(f, "\n{indent}  + waits for {wait}")?;
            }
            if self.entries.get(index + 1).is_some_and(|next| next.depth > entry.depth) {
                write!(f, "\n{indent}  + awaited by:")?;
            }
        }
        Ok(())
    }
}

/// Captures who waits for `task`: the tasks that await it, directly or through a `gather`, a `wait`, a task group or
/// whatever else is made of tasks, then those that await them, up to the tasks that nobody awaits.
///
/// It takes a reference to a `Task`, a `SharedTask` or a `TaskHandle`, on the thread of its loop. Nothing is stopped or
/// woken. A task that several await through others is shown with its own awaiters once.
///
/// # Examples
///
/// ```
/// use asyncio_executor::{Executor, capture_call_graph, create_task};
/// use std::future::pending;
///
/// let executor = Executor::new(|| {});
/// let inner = executor.spawn(pending::<()>()).shared();
/// let outer = executor.spawn(inner.clone());
/// outer.handle().set_name("outer");
/// executor.turn();
/// let graph = capture_call_graph(&inner);
/// let names: Vec<String> = graph.entries().iter().map(|entry| entry.task().name()).collect();
/// assert_eq!(names[1], "outer");
/// assert!(graph.to_string().contains("awaited by:"));
/// ```
///
/// # In Python
///
/// `asyncio.capture_call_graph`, in `asyncio/graph.py` (3.14). Instead of a stack of frames, a task here says what it waits
/// for and where.
#[must_use]
pub fn capture_call_graph(task: impl Into<TaskHandle>) -> CallGraph {
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    // An explicit stack: a chain of awaiting tasks may be a million long.
    let mut next = vec![(task.into(), 0)];
    while let Some((task, depth)) = next.pop() {
        let repeated = !seen.insert(task.id());
        if !repeated {
            let awaiters = task.awaited_by();
            next.extend(awaiters.into_iter().rev().map(|awaiter| (awaiter, depth + 1)));
        }
        let waits = if task.done() { Vec::new() } else { waits(&task) };
        entries.push(CallGraphEntry { task, depth, waits, repeated });
    }
    CallGraph { entries }
}

fn waits(task: &TaskHandle) -> Vec<String> {
    let awaits = task.awaits();
    if awaits.is_empty() { task.wait().iter().map(Wait::to_string).collect() } else { awaits }
}

/// The text of a task's call graph: that of [`capture_call_graph`].
///
/// # In Python
///
/// `asyncio.format_call_graph`, in `asyncio/graph.py` (3.14).
#[must_use]
pub fn format_call_graph(task: impl Into<TaskHandle>) -> String {
    capture_call_graph(task).to_string()
}

/// Prints a task's call graph to standard output: that of [`capture_call_graph`].
///
/// # In Python
///
/// `asyncio.print_call_graph`, in `asyncio/graph.py` (3.14).
pub fn print_call_graph(task: impl Into<TaskHandle>) {
    println!("{}", capture_call_graph(task));
}
