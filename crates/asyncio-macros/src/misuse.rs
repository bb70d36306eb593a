//! What the attributes refuse. Each example differs in one thing from the first, which compiles.
//!
//! ```rust
//! #[asyncio_macros::main(debug = false, crate = crate::stub)]
//! async fn start() {}
//! # mod stub {
//! #     pub struct Runner;
//! #     impl Runner {
//! #         pub fn builder() -> Self { Runner }
//! #         pub fn debug(self, _: bool) -> Self { self }
//! #         pub fn build(self) -> std::io::Result<Self> { Ok(self) }
//! #         pub fn run<F: Future>(&mut self, _: F) -> Result<F::Output, std::fmt::Error> { Err(std::fmt::Error) }
//! #     }
//! # }
//! # fn main() {}
//! ```
//!
//! A function that is not async.
//!
//! ```rust,compile_fail
//! #[asyncio_macros::main(debug = false, crate = crate::stub)]
//! fn start() {}
//! # mod stub {
//! #     pub struct Runner;
//! #     impl Runner {
//! #         pub fn builder() -> Self { Runner }
//! #         pub fn debug(self, _: bool) -> Self { self }
//! #         pub fn build(self) -> std::io::Result<Self> { Ok(self) }
//! #         pub fn run<F: Future>(&mut self, _: F) -> Result<F::Output, std::fmt::Error> { Err(std::fmt::Error) }
//! #     }
//! # }
//! # fn main() {}
//! ```
//!
//! Arguments.
//!
//! ```rust,compile_fail
//! #[asyncio_macros::main(debug = false, crate = crate::stub)]
//! async fn start(argument: u32) {}
//! # mod stub {
//! #     pub struct Runner;
//! #     impl Runner {
//! #         pub fn builder() -> Self { Runner }
//! #         pub fn debug(self, _: bool) -> Self { self }
//! #         pub fn build(self) -> std::io::Result<Self> { Ok(self) }
//! #         pub fn run<F: Future>(&mut self, _: F) -> Result<F::Output, std::fmt::Error> { Err(std::fmt::Error) }
//! #     }
//! # }
//! # fn main() {}
//! ```
//!
//! Generic parameters.
//!
//! ```rust,compile_fail
//! #[asyncio_macros::main(debug = false, crate = crate::stub)]
//! async fn start<T>() {}
//! # mod stub {
//! #     pub struct Runner;
//! #     impl Runner {
//! #         pub fn builder() -> Self { Runner }
//! #         pub fn debug(self, _: bool) -> Self { self }
//! #         pub fn build(self) -> std::io::Result<Self> { Ok(self) }
//! #         pub fn run<F: Future>(&mut self, _: F) -> Result<F::Output, std::fmt::Error> { Err(std::fmt::Error) }
//! #     }
//! # }
//! # fn main() {}
//! ```
//!
//! Another qualifier.
//!
//! ```rust,compile_fail
//! #[asyncio_macros::main(debug = false, crate = crate::stub)]
//! async unsafe fn start() {}
//! # mod stub {
//! #     pub struct Runner;
//! #     impl Runner {
//! #         pub fn builder() -> Self { Runner }
//! #         pub fn debug(self, _: bool) -> Self { self }
//! #         pub fn build(self) -> std::io::Result<Self> { Ok(self) }
//! #         pub fn run<F: Future>(&mut self, _: F) -> Result<F::Output, std::fmt::Error> { Err(std::fmt::Error) }
//! #     }
//! # }
//! # fn main() {}
//! ```
//!
//! Something that is no function.
//!
//! ```rust,compile_fail
//! #[asyncio_macros::main(debug = false, crate = crate::stub)]
//! struct Start;
//! # mod stub {
//! #     pub struct Runner;
//! #     impl Runner {
//! #         pub fn builder() -> Self { Runner }
//! #         pub fn debug(self, _: bool) -> Self { self }
//! #         pub fn build(self) -> std::io::Result<Self> { Ok(self) }
//! #         pub fn run<F: Future>(&mut self, _: F) -> Result<F::Output, std::fmt::Error> { Err(std::fmt::Error) }
//! #     }
//! # }
//! # fn main() {}
//! ```
//!
//! An option that is not known.
//!
//! ```rust,compile_fail
//! #[asyncio_macros::main(virtual_time, crate = crate::stub)]
//! async fn start() {}
//! # mod stub {
//! #     pub struct Runner;
//! #     impl Runner {
//! #         pub fn builder() -> Self { Runner }
//! #         pub fn debug(self, _: bool) -> Self { self }
//! #         pub fn build(self) -> std::io::Result<Self> { Ok(self) }
//! #         pub fn run<F: Future>(&mut self, _: F) -> Result<F::Output, std::fmt::Error> { Err(std::fmt::Error) }
//! #     }
//! # }
//! # fn main() {}
//! ```
//!
//! An option given twice.
//!
//! ```rust,compile_fail
//! #[asyncio_macros::main(debug, debug, crate = crate::stub)]
//! async fn start() {}
//! # mod stub {
//! #     pub struct Runner;
//! #     impl Runner {
//! #         pub fn builder() -> Self { Runner }
//! #         pub fn debug(self, _: bool) -> Self { self }
//! #         pub fn build(self) -> std::io::Result<Self> { Ok(self) }
//! #         pub fn run<F: Future>(&mut self, _: F) -> Result<F::Output, std::fmt::Error> { Err(std::fmt::Error) }
//! #     }
//! # }
//! # fn main() {}
//! ```
//!
//! A flag that is neither true nor false.
//!
//! ```rust,compile_fail
//! #[asyncio_macros::main(debug = 1, crate = crate::stub)]
//! async fn start() {}
//! # mod stub {
//! #     pub struct Runner;
//! #     impl Runner {
//! #         pub fn builder() -> Self { Runner }
//! #         pub fn debug(self, _: bool) -> Self { self }
//! #         pub fn build(self) -> std::io::Result<Self> { Ok(self) }
//! #         pub fn run<F: Future>(&mut self, _: F) -> Result<F::Output, std::fmt::Error> { Err(std::fmt::Error) }
//! #     }
//! # }
//! # fn main() {}
//! ```
//!
//! A path in quotes.
//!
//! ```rust,compile_fail
//! #[asyncio_macros::main(debug = false, crate = "crate::stub")]
//! async fn start() {}
//! # mod stub {
//! #     pub struct Runner;
//! #     impl Runner {
//! #         pub fn builder() -> Self { Runner }
//! #         pub fn debug(self, _: bool) -> Self { self }
//! #         pub fn build(self) -> std::io::Result<Self> { Ok(self) }
//! #         pub fn run<F: Future>(&mut self, _: F) -> Result<F::Output, std::fmt::Error> { Err(std::fmt::Error) }
//! #     }
//! # }
//! # fn main() {}
//! ```
//!
//! A body of another type than the function.
//!
//! ```rust,compile_fail
//! #[asyncio_macros::main(debug = false, crate = crate::stub)]
//! async fn start() -> u32 { "text" }
//! # mod stub {
//! #     pub struct Runner;
//! #     impl Runner {
//! #         pub fn builder() -> Self { Runner }
//! #         pub fn debug(self, _: bool) -> Self { self }
//! #         pub fn build(self) -> std::io::Result<Self> { Ok(self) }
//! #         pub fn run<F: Future>(&mut self, _: F) -> Result<F::Output, std::fmt::Error> { Err(std::fmt::Error) }
//! #     }
//! # }
//! # fn main() {}
//! ```
