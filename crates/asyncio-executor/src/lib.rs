//! Tasks, cancel scopes, futures and the order of a turn: asyncio's rules, without time and without I/O.
//!
//! An [`Executor`] holds a ready queue of task steps and callbacks and runs it a turn at a time, on one thread. It reads no
//! clock and waits for nothing: an event loop, a test or a GUI steps it. A task is one allocation and seldom more; cancellation is a
//! request that code can catch ([`catch_cancelled`]), clean up after with `await`, pass on or refuse.

mod awaitee;
mod call_graph;
mod callback;
mod cancel;
mod catch;
mod contain;
mod context_var;
mod current;
mod done;
mod executor;
mod fault;
mod future;
mod life;
mod link;
mod list;
mod pool;
mod ready;
mod running;
mod scope;
mod scope_key;
mod shared;
mod task;
mod yield_now;

pub use awaitee::{Awaitee, Forward, Observable, cancel_awaitee};
pub use call_graph::{CallGraph, CallGraphEntry, capture_call_graph, format_call_graph, print_call_graph};
pub use callback::Handle;
pub use cancel::{CancelKind, CancelledError, Never, Raise, Returns};
pub use catch::{CatchCancelled, WithCleanup, catch_cancelled, with_cleanup};
pub use context_var::{
    Context, ContextSnapshot, ContextVar, EnteredContext, EnteredLazyContext, LazyContext, Token, copy_context,
};
pub use done::{CallbackId, Completion, Watcher};
pub use executor::{Executor, ExecutorClosed, ExecutorRemote, TaskFactory};
pub use fault::{Fault, Reporter};
pub use future::Future;
pub use link::AwaitLink;
pub use ready::Entry;
pub use running::{Enter, all_tasks, call_soon, cancelled_task, create_task, current_task, next_key, wake_next_turn};
pub use scope::{Scope, catch_raised, raise};
pub use scope_key::ScopeKey;
pub use task::builder::TaskBuilder;
pub use task::error::{InvalidStateError, TaskError, panic_message};
pub use task::handle::{Task, TaskHandle, TaskId};
pub use task::join::Join;
pub use task::shared::SharedTask;
pub use yield_now::{YieldNow, yield_now};

/// Compiles and runs the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
