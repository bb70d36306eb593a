//! A crawl of pages that take their time, without the crate `asyncio`: as many at once as there are, each with a limit, the
//! quick ones first, and an end to all of it.

use std::error::Error;
use std::time::Duration;

use asyncio_combinators::{as_completed, async_generator, gather, shield, task_group, timeout, wait_for};
use asyncio_event_loop::{Runner, get_running_loop, sleep};
use asyncio_executor::{create_task, with_cleanup};

/// The pages of a site, and how many seconds each takes.
const PAGES: [(&str, u64); 4] = [("index", 1), ("news", 3), ("archive", 30), ("contact", 2)];

async fn fetch(page: &'static str, seconds: u64) -> String {
    sleep(Duration::from_secs(seconds)).await;
    format!("{page} after {seconds} s")
}

fn main() -> Result<(), Box<dyn Error>> {
    // On virtual time the seconds take no time.
    let mut runner = Runner::builder().virtual_time(true).build()?;
    runner.run(async {
        let (index, news) = gather((fetch("index", 1), fetch("news", 3))).await;
        println!("both: {index}, {news}");

        let mut results =
            as_completed(PAGES.map(|(page, seconds)| fetch(page, seconds))).timeout(Duration::from_secs(5));
        while let Some(result) = results.next().await {
            match result {
                Ok(text) => println!("quick: {text}"),
                Err(error) => println!("slow: {error}"),
            }
        }

        let done = task_group(async |group| {
            let tasks =
                PAGES.map(|(page, seconds)| group.create_task(wait_for(fetch(page, seconds), Duration::from_secs(10))));
            let mut lost = 0;
            for task in tasks {
                lost += usize::from(task.await.is_err());
            }
            lost
        });
        println!("lost in the group: {}", done.await.expect("no child can fail"));

        // The save goes on although the wait for it was given up.
        let save = create_task(fetch("save", 8)).shared();
        let patience = timeout(Duration::from_secs(1), async |_| shield(save.clone()).await);
        if patience.await.is_err() {
            println!("later: {}", save.await);
        }

        let mut ticks = async_generator(async |y| {
            let clock = async {
                loop {
                    y.emit(get_running_loop().time()).await;
                    sleep(Duration::from_secs(1)).await;
                }
            };
            with_cleanup(clock, || async { println!("the clock stops") }).await;
        });
        for _ in 0..2 {
            println!("tick: {:?}", ticks.next().await);
        }
        ticks.aclose().await;
    })?;
    Ok(())
}
