//! Lets five tasks use a resource one after the other, in the order in which they asked for the lock.

use asyncio::Lock;
use std::rc::Rc;
use std::time::Duration;

async fn update_shared_resource(lock: Rc<Lock<()>>, num: u32) {
    let _guard = lock.acquire().await;
    // Simulates modifying a shared resource
    println!("Resource accessed by coroutine {num}");
    asyncio::sleep(Duration::from_secs(1)).await;
}

pub(crate) async fn start() {
    let lock = Rc::new(Lock::new(()));

    // Starts multiple tasks that access the same resource
    let futures = (0..5).map(|i| update_shared_resource(lock.clone(), i));
    asyncio::gather(futures).await;
}

fn main() {
    asyncio::run(start());
}
