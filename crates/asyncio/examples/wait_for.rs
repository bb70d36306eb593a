//! Gives a task two seconds, which is less than it needs.

use std::time::Duration;

async fn long_running_task() {
    asyncio::sleep(Duration::from_secs(10)).await;
}

pub(crate) async fn start() {
    match asyncio::wait_for(long_running_task(), Duration::from_secs(2)).await {
        Ok(()) => {}
        Err(_timeout) => println!("The task took too long to complete"),
    }
}

fn main() {
    asyncio::run(start());
}
