//! The facade as its users see it.

mod api;
#[cfg(unix)]
mod example;
mod macros;
mod misuse;
mod primitives;
mod seed;
mod subcrates;
