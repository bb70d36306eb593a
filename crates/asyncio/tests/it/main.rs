//! The facade as its users see it.
#![forbid(unsafe_code)]

mod api;
mod macros;
mod misuse;
#[cfg(unix)]
mod network;
mod seed;
mod subcrates;
