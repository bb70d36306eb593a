//! Tasks inside a loop of another: a toolkit that hands out events steps the executor after each of them.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc;

use asyncio_executor::{Executor, Future, catch_cancelled, yield_now};

/// What the toolkit hands out.
enum Event {
    Clicked(&'static str),
    Closed,
    /// Another thread has something for the executor.
    Wake,
}

/// Waits for clicks until one says "save"; cleans up when the window is closed.
async fn dialog(click: Rc<RefCell<Future<&'static str>>>) -> &'static str {
    let body = async {
        loop {
            let next = click.borrow().clone();
            match next.await {
                "save" => return "saved",
                button => println!("pressed {button}"),
            }
        }
    };
    match catch_cancelled(body).await {
        Ok(outcome) => outcome,
        Err(closed) => {
            println!("{closed}");
            yield_now().await;
            println!("cleaned up");
            "discarded"
        }
    }
}

fn main() {
    let (toolkit, events) = mpsc::channel();
    let wake = toolkit.clone();
    let executor = Executor::new(move || drop(wake.send(Event::Wake)));
    let click = Rc::new(RefCell::new(Future::new()));
    let dialog = executor.spawn(dialog(click.clone()));

    let remote = executor.remote();
    let worker = std::thread::spawn(move || remote.call_soon_threadsafe(|| println!("from a thread")));
    worker.join().expect("the thread does not panic").expect("the executor is there");
    for event in [Event::Clicked("help"), Event::Clicked("print"), Event::Closed] {
        toolkit.send(event).expect("the loop below has not begun");
    }

    while !dialog.done() {
        match events.recv().expect("`toolkit` is there") {
            Event::Clicked(button) => click.replace(Future::new()).set_result(button).expect("it is clicked once"),
            Event::Closed => {
                dialog.cancel();
            }
            Event::Wake => {}
        }
        while executor.turn() {}
    }
    println!("the dialog ended: {:?}", dialog.result());
}
