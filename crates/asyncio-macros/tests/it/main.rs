//! The attributes on a stub of the facade: this crate stands in for `::asyncio`, its module `stub` for a renamed one.

extern crate self as asyncio;

mod function;
mod stub;
mod test;

pub use asyncio_macros::{main, test};
pub(crate) use stub::{Runner, run};
