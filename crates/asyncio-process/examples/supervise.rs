//! Runs a command of the shell until it succeeds, with a pause in between: `supervise COMMAND`.

#[cfg(unix)]
mod unix {
    use std::io;
    use std::time::Duration;

    use asyncio_event_loop::{run, sleep};
    use asyncio_process::create_subprocess_shell;

    /// Doubled after each failure.
    const PAUSE: Duration = Duration::from_millis(10);

    async fn supervise(command: &str) -> io::Result<u32> {
        let (mut starts, mut pause) = (0, PAUSE);
        loop {
            starts += 1;
            let child = create_subprocess_shell(command).env("STARTS", starts.to_string()).await?;
            match child.wait().await? {
                0 => return Ok(starts),
                code => println!("process {} ended with {code}", child.pid()),
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    pub fn main() -> io::Result<()> {
        let command = std::env::args().nth(1).unwrap_or_else(|| "test $STARTS -ge 3".to_owned());
        let starts = run(supervise(&command))?;
        println!("{command:?} succeeded when it was started {starts} times");
        Ok(())
    }
}

#[cfg(unix)]
use unix::main;

#[cfg(not(unix))]
fn main() {
    eprintln!("supervise: this platform has no such shell");
}
