//! Makes sure of having a task, whatever the thing to be awaited was before.

use std::time::Duration;

async fn my_coroutine() -> &'static str {
    asyncio::sleep(Duration::from_secs(1)).await;
    "Coroutine result"
}

pub(crate) async fn start() {
    // Wraps a future into a task; a task would come back as itself
    let future = asyncio::ensure_future(my_coroutine());

    // Do other stuff here if needed
    // …

    // Waits for the task to be done and gets its result
    let result = future.await;
    println!("{result}");
}

fn main() {
    asyncio::run(start());
}
