//! Python's asyncio, at home in Rust.
