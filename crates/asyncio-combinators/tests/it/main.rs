//! What must hold of the combinators.

mod api;
mod as_completed;
mod async_generator;
mod call_graph;
mod clones;
mod count;
mod everywhere;
mod foreign;
mod gather;
mod group_cancel;
mod programs;
mod shield;
mod task_group;
mod timeout;
mod trace;
mod wait;
mod wait_for;
