//! Prints a word, sleeps for a second without blocking the loop, and prints another.

use std::time::Duration;

pub(crate) async fn start() {
    println!("Hello");
    asyncio::sleep(Duration::from_secs(1)).await; // Simulates a non-blocking wait
    println!("World");
}

fn main() {
    asyncio::run(start()); // Starts the event loop and runs `start`
}
