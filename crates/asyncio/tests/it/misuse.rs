//! What goes wrong ends with a typed error, or with a panic whose message says what to do instead.

mod error;
mod forever;
mod panic;
mod task;
