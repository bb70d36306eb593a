//! The primitives under an executor that knows nothing of them: the local pool of the crate `futures-executor`.

use std::rc::Rc;

use asyncio_sync::{Event, Queue};
use futures_executor::LocalPool;
use futures_util::task::{LocalSpawnExt, SpawnError};

fn main() -> Result<(), SpawnError> {
    let mut pool = LocalPool::new();
    let queue = Rc::new(Queue::new(1));
    let started = Rc::new(Event::new());

    let (jobs, start) = (Rc::clone(&queue), Rc::clone(&started));
    pool.spawner().spawn_local(async move {
        start.wait().await;
        for job in ["wash", "dry", "fold"] {
            println!("putting {job}");
            jobs.put(job).await.expect("the queue is open");
        }
        jobs.shutdown(false);
    })?;

    let done = pool.run_until(async move {
        started.set();
        let mut done = Vec::new();
        while let Ok(job) = queue.get().await {
            println!("doing {job}");
            done.push(job);
        }
        done
    });
    assert_eq!(done, ["wash", "dry", "fold"]);
    Ok(())
}
