//! A small language of asyncio programs, and what compares this library with CPython on them.
//!
//! A program is text; [`interpreter`] runs it on this library, `python/interpret.py` on CPython, both on a virtual clock.
//! Both give a trace: who did what, when, and what came of it. The traces must be equal. [`generator`] makes random
//! programs, [`shrinker`] makes one that differs small, [`printer`] shows it as
//! Python and as Rust, [`coverage`] counts which operations met.
#![forbid(unsafe_code)]

pub mod coverage;
pub mod expression;
pub mod generator;
pub mod interpreter;
pub mod printer;
pub mod python;
pub mod random;
pub mod recording;
pub mod shrinker;
