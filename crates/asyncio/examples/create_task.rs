//! Makes a task, which runs beside the one that made it, and waits for it.

use std::time::Duration;

async fn my_task() {
    asyncio::sleep(Duration::from_secs(1)).await;
    println!("Task completed");
}

pub(crate) async fn start() {
    let task = asyncio::create_task(my_task());
    task.await;
}

fn main() {
    asyncio::run(start());
}
