//! The reactor driven by hand: an echo over a socket pair, with no executor and no event loop.
//!
//! Run it under `strace -c -f` to see what a wait costs: one `epoll_pwait2`, and nothing else.

#[cfg(unix)]
fn main() -> std::io::Result<()> {
    use asyncio_reactor::{Reactor, Ready};
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    /// A task is a flag here: "run me".
    struct Flag(AtomicBool);

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    let rounds: u32 = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(1000);

    let reactor = Reactor::new()?;
    let (mut client, mut server) = UnixStream::pair()?;
    server.set_nonblocking(true)?;
    let source = reactor.register(&server)?;

    let flag = Arc::new(Flag(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&flag));
    let mut cx = Context::from_waker(&waker);

    let mut echoed = 0;
    while echoed < rounds {
        // The run phase: whoever was woken.
        if flag.0.swap(false, Ordering::Relaxed) {
            let mut buffer = [0; 64];
            while let Poll::Ready(count) = source.poll_read_with(&mut cx, || (&server).read(&mut buffer)) {
                let count = count?;
                server.write_all(&buffer[..count])?;
                echoed += 1;
                if count < buffer.len() {
                    // There is no more: wait without asking the system again.
                    source.clear_readable();
                }
            }
        }
        // The other side, which would be another process.
        if echoed > 0 {
            client.read_exact(&mut [0; 4])?;
        }
        client.write_all(b"ping")?;
        // Wait, note what became ready, and take out whom to wake.
        reactor.poll(None)?;
        while let Some(ready) = reactor.pop_ready() {
            if let Ready::Wakers { read, write } = ready {
                read.into_iter().chain(write).for_each(Waker::wake);
            }
        }
    }
    println!("echoed {echoed} times");
    Ok(())
}

#[cfg(not(unix))]
fn main() {
    eprintln!("this example uses Unix sockets");
}
