//! The three ways to take a signal: a handler, a stream to await, and Ctrl-C, which cancels `main` and lets it clean up.
//!
//! Without an argument it sends itself some signals, and ends of the last one, as a program does that Ctrl-C stops: a shell
//! then shows the status 130. `signals wait` waits for yours: `kill -USR1`, `kill -HUP`, and Ctrl-C.

#[cfg(unix)]
mod unix {
    use std::cell::Cell;
    use std::future::pending;
    use std::io;
    use std::process;
    use std::rc::Rc;
    use std::time::Duration;

    use rustix::process::{Signal, getpid, kill_process};

    /// A stream: one task waits for one kind of signal, again and again.
    async fn reload_on(mut hangup: asyncio::Signal) {
        for count in 1.. {
            hangup.recv().await;
            println!("SIGHUP: the configuration is read again ({count})");
        }
    }

    /// What this process sends itself, in place of somebody at a keyboard.
    async fn send_signals() -> io::Result<()> {
        for signal in [Signal::USR1, Signal::HUP, Signal::USR1, Signal::HUP, Signal::INT] {
            asyncio::sleep(Duration::from_millis(20)).await;
            kill_process(getpid(), signal)?;
        }
        Ok(())
    }

    async fn run(waits: bool) -> io::Result<()> {
        // A handler: a closure that the event loop calls, outside any task.
        let asked = Rc::new(Cell::new(0));
        let count = asked.clone();
        asyncio::get_running_loop().add_signal_handler(libc::SIGUSR1, move || {
            count.set(count.get() + 1);
            println!("SIGUSR1: still here, asked {} so far", count.get());
        })?;
        // It listens from here on, not only when the task gets its turn.
        let reload = asyncio::create_task(reload_on(asyncio::signal(libc::SIGHUP)?));
        if waits {
            println!("waiting: try `kill -USR1 {0}`, `kill -HUP {0}`, and Ctrl-C", process::id());
        } else {
            asyncio::create_task(send_signals());
        }

        // Ctrl-C cancels `main` where it waits. The cleanup may await; then the cancellation goes on, and ends the process.
        asyncio::with_cleanup(pending::<()>(), || async {
            println!("SIGINT: cleaning up, once more ends it at once");
            reload.cancel();
            let _ = reload.join().await;
            asyncio::sleep(Duration::from_millis(20)).await; // says goodbye to a server, for example
            println!("cleaned up after {} questions", asked.get());
        })
        .await;
        Ok(())
    }

    pub(crate) fn main() {
        let waits = match std::env::args().nth(1).as_deref() {
            None => false,
            Some("wait") => true,
            Some(other) => {
                eprintln!("signals: `{other}` is unknown: say `wait`, or nothing");
                process::exit(1);
            }
        };
        if let Err(error) = asyncio::run(run(waits)) {
            eprintln!("signals: {error}");
            process::exit(1);
        }
    }
}

#[cfg(unix)]
pub(crate) use unix::main;

#[cfg(not(unix))]
fn main() {
    eprintln!("signals: this platform has none");
}
