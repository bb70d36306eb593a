//! Runs an async function as a task; while that sleeps, the loop could run others.

use std::time::Duration;

async fn fetch_data() -> u32 {
    println!("Start fetching");
    asyncio::sleep(Duration::from_secs(2)).await; // Simulates a time-consuming asynchronous operation
    println!("Done fetching");
    1
}

pub(crate) async fn start() {
    let task = asyncio::create_task(fetch_data()); // Schedules `fetch_data` for execution
    task.await; // Waits for the completion of the task
}

fn main() {
    asyncio::run(start());
}
