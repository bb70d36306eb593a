//! Python's asyncio, at home in Rust.
#![forbid(unsafe_code)]
