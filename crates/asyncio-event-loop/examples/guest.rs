//! Guest mode: an event loop that is run, in three parts, by a foreign loop that owns the thread. The foreign loop is that of
//! a game here; in a program with windows it is that of the toolkit.
//!
//! The README shows this program.

use asyncio_event_loop::{Runner, get_running_loop, sleep, to_thread};
use std::time::Duration;

/// How long the guest may wait for events in each frame.
const REST: Duration = Duration::from_millis(4);

fn main() -> std::io::Result<()> {
    let mut runner = Runner::new()?;
    let guest = runner.get_loop();

    // Tasks can be made before the loop turns. This one loads while the game goes on.
    let mut loading = guest.create_task(async {
        let level = to_thread(|| String::from("a level from the disk")).await;
        sleep(Duration::from_millis(20)).await;
        level
    });
    guest.call_later(Duration::from_millis(10), || {
        println!("still loading, {:?} after the start", get_running_loop().time());
    });

    // The loop of the host. It owns the thread: it draws a frame, and leaves the rest of the time to the guest.
    let mut frames = 0;
    let level = loop {
        frames += 1;

        // Waits for threads, timers and descriptors; less than REST if one of them has something.
        guest.poll_events(Some(REST))?;
        // Notes which timers are due.
        guest.process_events();
        // Runs what is ready: steps of tasks, and callbacks.
        guest.process_ready();

        if let Some(outcome) = loading.try_result() {
            break outcome;
        }
    };
    println!("{} after {frames} frames", level.expect("nobody cancels it, and it does not panic"));

    // Other tasks are cancelled and may clean up; then the threads are waited for.
    runner.close();
    Ok(())
}
