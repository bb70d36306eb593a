//! Waits for the first of three tasks, and cancels those that are still pending.

use std::time::Duration;

async fn task(n: u64) -> u64 {
    asyncio::sleep(Duration::from_secs(n)).await;
    n
}

pub(crate) async fn start() -> Result<(), asyncio::TaskError> {
    let tasks = [asyncio::create_task(task(1)), asyncio::create_task(task(2)), asyncio::create_task(task(3))];
    let (done, pending) = asyncio::wait(tasks).return_when(asyncio::FIRST_COMPLETED).await;

    for d in done {
        println!("Task completed with result: {}", d.result()?);
    }

    for p in pending {
        println!("Cancelling a pending task");
        p.cancel();
    }
    Ok(())
}

fn main() -> Result<(), asyncio::TaskError> {
    asyncio::run(start())
}
