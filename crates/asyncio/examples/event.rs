//! One task waits for an event, and another sets it two seconds later.

use asyncio::Event;
use std::rc::Rc;
use std::time::Duration;

async fn waiter(event: Rc<Event>) {
    println!("Waiting for the event");
    event.wait().await;
    println!("Continuing after the event is set");
}

async fn setter(event: Rc<Event>) {
    asyncio::sleep(Duration::from_secs(2)).await; // Simulates some processing
    println!("Setting the event");
    event.set();
}

pub(crate) async fn start() {
    let event = Rc::new(Event::new());
    asyncio::gather((waiter(event.clone()), setter(event))).await;
}

fn main() {
    asyncio::run(start());
}
