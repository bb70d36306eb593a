//! Every call that the documents show, compiled and run: one file per topic.

mod cancellation;
mod combinators;
mod context;
mod event_loop;
mod network;
#[cfg(unix)]
mod process;
mod running;
mod synchronisation;
mod tasks;
mod threads;
