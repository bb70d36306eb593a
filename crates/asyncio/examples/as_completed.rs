//! Takes the results of three async functions in the order in which they come.

use std::time::Duration;

async fn task(delay: u64) -> u64 {
    asyncio::sleep(Duration::from_secs(delay)).await;
    delay
}

pub(crate) async fn start() {
    let tasks = [task(3), task(1), task(2)];
    let mut results = asyncio::as_completed(tasks);
    while let Some(result) = results.next().await {
        println!("Completed task with result: {result}");
    }
}

fn main() {
    asyncio::run(start());
}
