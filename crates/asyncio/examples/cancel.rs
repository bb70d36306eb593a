//! Cancels a task that would run for ever; the task catches that, says so, and raises it again.

use std::time::Duration;

async fn check_updates(interval: Duration) {
    let checks = async {
        loop {
            // Simulates a task that checks for updates
            println!("Checking for updates...");
            asyncio::sleep(interval).await;
        }
    };
    let Err(cancelled) = asyncio::catch_cancelled(checks).await;
    println!("Update check has been cancelled");
    // Perform any cleanup here
    cancelled.raise().await
}

pub(crate) async fn start() {
    // Makes the task
    let update_task = asyncio::create_task(check_updates(Duration::from_millis(750)));

    // Runs the task for a while
    asyncio::sleep(Duration::from_secs(3)).await;

    // Cancels the task
    update_task.cancel();

    // Waits for the cancellation to complete
    if asyncio::catch_cancelled(update_task).await.is_err() {
        println!("Main: The update task was cancelled");
    }
}

fn main() {
    asyncio::run(start());
}
