//! The attributes of asyncio: main and test.
//!
//! Use them through the facade, as `#[asyncio::main]` and `#[asyncio::test]`. Both turn an `async fn` into a plain one
//! that holds the original as an inner function and runs it; the tokens of the original stay as they are, so what the
//! compiler has to say about them points at them.
#![forbid(unsafe_code)]

mod diagnostic;
mod expansion;
mod function;
mod option;

use proc_macro::TokenStream;

use crate::expansion::{Attribute, expand};

#[cfg(doctest)]
mod misuse;

/// Turns an `async fn` into a function that runs it on an event loop of its own, until it returns.
///
/// The function takes no arguments and has no generic parameters; usually it is `main`. Its return type is kept, so
/// `?` works as in any other `main` that returns a `Result`.
///
/// # Options
///
/// * `debug`, or `debug = true`: the loop runs in debug mode.
/// * `crate = path`: where the facade is found, if it is not `::asyncio`.
///
/// # Panics
///
/// The function panics if the event loop cannot be made or if the run fails, with the reason in the message.
///
/// # Examples
///
/// ```rust,standalone_crate
/// # extern crate self as asyncio;
/// # pub use asyncio_macros::main;
/// # pub fn run<F: std::future::Future>(future: F) -> F::Output {
/// #     let mut context = std::task::Context::from_waker(std::task::Waker::noop());
/// #     match std::pin::pin!(future).poll(&mut context) {
/// #         std::task::Poll::Ready(output) => output,
/// #         std::task::Poll::Pending => unreachable!(),
/// #     }
/// # }
/// #[asyncio::main]
/// async fn main() -> Result<(), std::num::ParseIntError> {
///     let answer: u32 = "42".parse()?;
///     assert_eq!(answer, 42);
///     Ok(())
/// }
/// ```
///
/// # In Python
///
/// `asyncio.run(main())` (asyncio/runners.py, `run`) below `if __name__ == "__main__":`.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(Attribute::Main, options, item)
}

/// Turns an `async fn` into a test that runs it on an event loop of its own.
///
/// Other attributes are kept: `#[should_panic]`, `#[ignore]`, `#[cfg]`. A test that returns a `Result` fails on `Err`,
/// as with `#[test]`.
///
/// # Options
///
/// * `virtual_time`, or `virtual_time = true`: the clock jumps to the next timer whenever nothing else is left to do,
///   so that hours of sleep take microseconds.
/// * `debug`, or `debug = true`: the loop runs in debug mode.
/// * `crate = path`: where the facade is found, if it is not `::asyncio`.
///
/// # Panics
///
/// The test panics if the event loop cannot be made or if the run fails, with the reason in the message.
///
/// # Examples
///
/// ```rust,standalone_crate
/// # extern crate self as asyncio;
/// # pub use asyncio_macros::test;
/// # pub async fn sleep(_: std::time::Duration) {}
/// # pub struct Runner;
/// # impl Runner {
/// #     pub fn builder() -> Self { Runner }
/// #     pub fn virtual_time(self, _: bool) -> Self { self }
/// #     pub fn build(self) -> std::io::Result<Self> { Ok(self) }
/// #     pub fn run<F: Future>(&mut self, _: F) -> Result<F::Output, std::fmt::Error> { Err(std::fmt::Error) }
/// # }
/// use std::time::Duration;
///
/// #[asyncio::test(virtual_time)]
/// async fn a_day_passes() {
///     asyncio::sleep(Duration::from_secs(24 * 60 * 60)).await;
/// }
/// # fn main() {}
/// ```
///
/// # In Python
///
/// A method of `unittest.IsolatedAsyncioTestCase` (unittest/async_case.py); there is no counterpart of virtual time.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    expand(Attribute::Test, options, item)
}
