//! `#[asyncio::main]`, which works on functions of every name.

use std::num::ParseIntError;

use crate::stub::take_log;

#[asyncio::main]
async fn plain() {}

#[asyncio::main()]
async fn with_empty_brackets() -> u32 {
    7
}

#[asyncio::main(debug = true)]
async fn with_debug() {}

#[asyncio::main(debug, crate = crate::stub,)]
async fn with_all_options() {}

#[asyncio::main(crate = crate::stub)]
async fn with_another_facade() {}

#[test]
fn options_choose_how_the_function_is_run() {
    plain();
    assert_eq!(take_log(), ["run"]);
    assert_eq!(with_empty_brackets(), 7);
    assert_eq!(take_log(), ["run"]);
    with_debug();
    assert_eq!(take_log(), ["debug(true)", "Runner::run"]);
    with_all_options();
    assert_eq!(take_log(), ["debug(true)", "Runner::run"]);
    with_another_facade();
    assert_eq!(take_log(), ["run"]);
}

/// The last expression fits only through the return type.
#[asyncio::main]
async fn inferred() -> Vec<Option<u8>> {
    Default::default()
}

#[asyncio::main]
async fn returning_early() -> &'static str {
    let flag = std::future::ready(true).await;
    if flag {
        return "early";
    }
    "late"
}

#[asyncio::main]
async fn failing() -> Result<u32, ParseIntError> {
    let number: u32 = "no number".parse()?;
    Ok(number)
}

#[asyncio::main]
async fn implied() -> impl Iterator<Item = u8> {
    0..3
}

struct Sized<const N: usize>;

/// The return type has braces too.
#[asyncio::main]
async fn braced() -> Sized<{ 1 + 1 }> {
    Sized
}

#[asyncio::main(debug)]
async fn diverging() -> ! {
    panic!("from the body")
}

#[test]
fn the_body_is_that_of_an_async_fn() {
    assert_eq!(inferred(), []);
    assert_eq!(returning_early(), "early");
    assert!(failing().is_err());
    let Sized::<2> = braced();
    assert_eq!(implied().sum::<u8>(), 3);
}

#[test]
#[should_panic(expected = "from the body")]
fn a_panic_of_the_body_goes_on() {
    diverging()
}

/// Names that the expansion uses itself.
mod named {
    #[asyncio::main(debug)]
    pub(super) async fn error() -> u8 {
        1
    }

    #[asyncio::main(debug)]
    pub(crate) async fn run() -> u8 {
        2
    }

    #[asyncio::main]
    pub async fn r#async() -> u8 {
        3
    }
}

#[test]
fn every_name_and_visibility_is_kept() {
    assert_eq!((named::error(), named::run(), named::r#async()), (1, 2, 3));
}

macro_rules! passed_on {
    ($(#[$attribute:meta])* $visibility:vis $name:ident -> $output:ty $body:block) => {
        #[asyncio::main]
        $(#[$attribute])*
        $visibility async fn $name() -> $output $body
    };
}

passed_on! {
    /// A function.
    pub written_by_a_macro -> u32 { 5 }
}

#[test]
fn a_function_may_come_from_a_macro() {
    assert_eq!(written_by_a_macro(), 5);
}
