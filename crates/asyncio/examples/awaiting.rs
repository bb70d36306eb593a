//! Awaits one async function from another, and uses its value.

use std::fmt;
use std::time::Duration;

struct Data {
    data: u32,
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{'data': {}}}", self.data)
    }
}

async fn fetch_data() -> Data {
    println!("Start fetching");
    asyncio::sleep(Duration::from_secs(2)).await; // Simulates a time-consuming asynchronous operation
    println!("Done fetching");
    Data { data: 1 }
}

pub(crate) async fn start() {
    let data = fetch_data().await; // Pauses `start` until `fetch_data` completes
    println!("{data}");
}

fn main() {
    asyncio::run(start());
}
