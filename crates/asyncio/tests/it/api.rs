//! Every call that the documents show, compiled and run: one file per topic.

mod cancellation;
mod combinators;
mod context;
mod event_loop;
mod network;
mod running;
mod synchronisation;
mod tasks;
mod threads;
