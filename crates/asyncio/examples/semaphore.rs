//! Ten tasks want a resource that only three may use at a time.

use asyncio::Semaphore;
use std::rc::Rc;
use std::time::Duration;

async fn access_resource(sem: Rc<Semaphore>, num: u32) {
    let permit = sem.acquire().await;
    println!("Resource being accessed by coroutine {num}");
    asyncio::sleep(Duration::from_secs(2)).await; // Simulates a task using the resource
    drop(permit);
    println!("Coroutine {num} released the resource");
}

pub(crate) async fn start() {
    let sem = Rc::new(Semaphore::new(3)); // Limits to 3 concurrent tasks
    asyncio::gather((0..10).map(|i| access_resource(sem.clone(), i))).await;
}

fn main() {
    asyncio::run(start());
}
