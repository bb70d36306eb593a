//! Fetches from several addresses, one after the other, and goes on where one of them fails.

use std::fmt;
use std::io;
use std::time::Duration;

// Simulates a network request
async fn fetch_from_remote(url: &str) -> io::Result<String> {
    println!("Fetching data from {url}");
    asyncio::sleep(Duration::from_secs(1)).await;
    if url.contains('2') {
        // Simulates a network error with http://example.com/data2
        return Err(io::Error::other("Network Error"));
    }
    Ok(format!("Data from {url}"))
}

async fn fetch_data() -> Fetched {
    let urls = ["http://example.com/data1", "http://example.com/data2"];
    let mut results = Vec::new();

    println!("Start fetching");

    for url in urls {
        match fetch_from_remote(url).await {
            Ok(data) => results.push(Some(data)),
            Err(error) => {
                println!("Error fetching {url}: {error}");
                results.push(None);
            }
        }
    }

    println!("Done fetching");
    Fetched(results)
}

/// What came of each address; shown as a list in Python.
struct Fetched(Vec<Option<String>>);

impl fmt::Display for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.0.iter().map(|data| data.as_ref().map_or("None".into(), |data| format!("'{data}'")));
        write!(f, "[{}]", shown.collect::<Vec<_>>().join(", "))
    }
}

pub(crate) async fn start() {
    let fetched_data = fetch_data().await;
    println!("Fetched data: {fetched_data}");
}

fn main() {
    asyncio::run(start());
}
