//! `run`, `Runner`, `sleep`, `yield_now`.

use std::cell::Cell;
use std::time::Duration;

use asyncio::{RunError, Runner};

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn run_returns_the_value_of_main_which_may_borrow() {
    let text = String::from("borrowed");
    let length = asyncio::run(async { text.len() });
    assert_eq!(length, 8);
}

#[test]
fn several_runs_share_a_loop_and_a_context() -> Result<(), Box<dyn std::error::Error>> {
    asyncio::context_var! { static NAME: String = String::from("nobody"); }
    let mut runner = asyncio::Runner::builder().debug(true).virtual_time(true).build()?;
    let _token = runner.run(async { NAME.set("somebody".into()) })?;
    assert_eq!(runner.run(async { NAME.get() })?, "somebody");
    assert!(runner.get_loop().debug());
    assert!(runner.get_loop().is_virtual());
    runner.close();
    assert!(runner.get_loop().is_closed());
    Ok(())
}

#[test]
fn a_run_may_fail() -> std::io::Result<()> {
    let mut runner = Runner::builder().virtual_time(true).build()?;
    let result: Result<(), RunError> = runner.run(async {
        asyncio::current_task().unwrap().cancel_with("enough");
        asyncio::yield_now().await;
    });
    match result {
        Err(RunError::Cancelled(error)) => assert_eq!(error.message(), Some("enough")),
        other => panic!("not {other:?}"),
    }
    let result = runner.run(async { asyncio::get_running_loop().stop() });
    assert!(matches!(result, Ok(())), "a main task that ends in the turn of `stop` has a value: {result:?}");
    let result = runner.run(async {
        asyncio::get_running_loop().stop();
        asyncio::sleep(HOUR).await;
    });
    assert!(matches!(result, Err(RunError::Stopped)));
    let result = runner.run(std::future::pending::<()>());
    assert!(matches!(result, Err(RunError::Deadlock(_))), "{result:?}");
    Ok(())
}

#[asyncio::test(virtual_time)]
async fn sleeps_pass_on_virtual_time() {
    let l = asyncio::get_running_loop();
    let start: asyncio::Instant = l.time();
    asyncio::sleep(HOUR).await;
    assert_eq!(l.time() - start, HOUR);
    asyncio::sleep_until(start + 2 * HOUR).await;
    assert_eq!(l.time(), start + 2 * HOUR);
    asyncio::yield_now().await;
    assert_eq!(l.time(), start + 2 * HOUR);
}

#[asyncio::test(virtual_time)]
async fn sleep_of_zero_is_yield_now() {
    let turns = std::rc::Rc::new(Cell::new(0));
    let count = turns.clone();
    asyncio::create_task(async move {
        loop {
            count.set(count.get() + 1);
            asyncio::yield_now().await;
        }
    });
    asyncio::sleep(Duration::ZERO).await;
    assert_eq!(turns.get(), 1);
    asyncio::yield_now().await;
    assert_eq!(turns.get(), 2);
}
