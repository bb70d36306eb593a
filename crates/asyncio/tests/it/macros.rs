//! `#[asyncio::main]` and `#[asyncio::test]` on real code.

use std::io;
use std::num::ParseIntError;
use std::process::{ExitCode, Termination};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn parse(text: &str) -> Result<u32, ParseIntError> {
    asyncio::yield_now().await;
    text.parse()
}

/// What `#[asyncio::main]` makes is called here; a program has only one `main`.
#[test]
fn main_keeps_the_return_type() {
    #[asyncio::main]
    async fn main() -> Result<u32, Box<dyn std::error::Error>> {
        let number = parse("7").await?;
        asyncio::create_task(async {}).await;
        Ok(number)
    }
    assert_eq!(main().unwrap(), 7);

    #[asyncio::main]
    async fn fails() -> Result<(), Box<dyn std::error::Error>> {
        parse("seven").await?;
        Ok(())
    }
    assert!(fails().unwrap_err().is::<ParseIntError>());
}

#[test]
fn main_may_return_an_exit_code_or_nothing() {
    #[asyncio::main]
    async fn code() -> ExitCode {
        asyncio::yield_now().await;
        ExitCode::from(3)
    }
    assert_eq!(code().report(), ExitCode::from(3));

    #[asyncio::main]
    async fn nothing() {
        asyncio::yield_now().await;
    }
    nothing();
}

#[test]
fn main_may_turn_debug_mode_on() {
    #[asyncio::main(debug)]
    async fn main() -> bool {
        asyncio::get_running_loop().debug()
    }
    assert!(main());
}

#[asyncio::test]
async fn a_test_runs_on_the_real_clock() {
    assert!(!asyncio::get_running_loop().is_virtual());
    asyncio::sleep(Duration::from_millis(1)).await;
}

#[asyncio::test(virtual_time)]
async fn a_test_may_sleep_for_days_on_virtual_time() {
    let start = asyncio::get_running_loop().time();
    asyncio::sleep(DAY).await;
    assert_eq!(asyncio::get_running_loop().time() - start, DAY);
}

#[asyncio::test(debug)]
async fn a_test_may_turn_debug_mode_on() {
    assert!(asyncio::get_running_loop().debug());
    assert!(!asyncio::get_running_loop().is_virtual());
}

#[asyncio::test(virtual_time, debug)]
async fn options_go_together() {
    assert!(asyncio::get_running_loop().debug());
    assert!(asyncio::get_running_loop().is_virtual());
}

#[asyncio::test(virtual_time)]
async fn a_test_may_return_a_result() -> Result<(), io::Error> {
    let sum = asyncio::try_gather([parse("1"), parse("2")]).await.map_err(io::Error::other)?;
    assert_eq!(sum, [1, 2]);
    Ok(())
}

#[asyncio::test]
#[should_panic(expected = "on purpose")]
async fn a_test_may_have_to_panic() {
    asyncio::create_task(async { panic!("on purpose") }).await
}

#[asyncio::test(virtual_time)]
#[should_panic(expected = "nothing can wake the event loop again")]
async fn a_test_that_waits_for_ever_fails_on_virtual_time() {
    std::future::pending().await
}

#[asyncio::test(virtual_time)]
#[should_panic(expected = "the main task was cancelled")]
async fn a_test_that_is_cancelled_fails() {
    asyncio::current_task().unwrap().cancel();
    asyncio::sleep(DAY).await;
}
