//! `#[asyncio::test]`, mostly on the tests of this file themselves.

use std::future::pending;

use crate::stub::take_log;

#[asyncio::test]
async fn runs_with_run() {
    assert_eq!(take_log(), ["run"]);
}

#[asyncio::test(virtual_time)]
async fn virtual_time_is_asked_for() {
    assert_eq!(take_log(), ["virtual_time(true)", "Runner::run"]);
}

#[asyncio::test(crate = crate::stub, virtual_time = false, debug)]
async fn options_may_be_in_any_order() {
    assert_eq!(take_log(), ["debug(true)", "virtual_time(false)", "Runner::run"]);
}

#[asyncio::test]
async fn may_return_a_result() -> Result<(), std::num::ParseIntError> {
    let seven: u32 = "7".parse()?;
    assert_eq!(seven, 7);
    Ok(())
}

#[asyncio::test]
#[should_panic(expected = "on purpose")]
async fn attributes_below_are_kept() {
    panic!("on purpose");
}

#[should_panic(expected = "on purpose")]
#[asyncio::test]
async fn attributes_above_are_kept() {
    panic!("on purpose");
}

#[asyncio::test]
#[ignore = "shows that the attribute is kept"]
async fn an_ignored_test_is_not_run() {
    panic!("is run");
}

#[asyncio::test]
#[cfg(not(test))]
async fn a_test_may_be_configured_away() {
    compile_error!("is compiled");
}

#[asyncio::test(virtual_time)]
#[should_panic(expected = "the loop has nothing left to do")]
async fn a_failed_run_is_shown_in_the_panic() {
    pending::<()>().await;
}
