//! Runs two async functions at the same time, and gets their results in the order in which they were given.

use std::time::Duration;

async fn task1() -> &'static str {
    asyncio::sleep(Duration::from_secs(2)).await;
    "Result of task1"
}

async fn task2() -> &'static str {
    asyncio::sleep(Duration::from_secs(1)).await;
    "Result of task2"
}

pub(crate) async fn start() {
    let results = asyncio::gather((task1(), task2())).await;
    for result in <[_; 2]>::from(results) {
        println!("{result}");
    }
}

fn main() {
    asyncio::run(start());
}
