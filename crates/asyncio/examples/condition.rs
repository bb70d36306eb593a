//! A producer fills a queue and notifies a consumer, all under the lock of a condition.

use asyncio::Condition;
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

async fn consumer(condition: Rc<Condition<VecDeque<u32>>>) {
    let mut queue = condition.acquire().await;
    let item = loop {
        match queue.pop_front() {
            Some(item) => break item,
            None => {
                println!("Consumer waiting");
                queue = condition.wait(queue).await;
            }
        }
    };
    println!("Consumer got item: {item}");
}

async fn producer(condition: Rc<Condition<VecDeque<u32>>>) {
    let mut queue = condition.acquire().await;
    for i in 0..5 {
        queue.push_back(i);
        condition.notify(&queue, 1); // Notifies the consumer
        asyncio::sleep(Duration::from_secs(1)).await; // Simulates producing time
    }
}

pub(crate) async fn start() {
    let condition = Rc::new(Condition::new(VecDeque::new()));
    asyncio::gather((producer(condition.clone()), consumer(condition))).await;
}

fn main() {
    asyncio::run(start());
}
