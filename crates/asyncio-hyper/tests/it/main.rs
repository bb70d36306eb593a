//! What hyper does on these streams, timers and tasks.

#[cfg(unix)]
mod example;
#[cfg(unix)]
mod http1;
#[cfg(unix)]
mod http2;
mod timer;

/// A path for a socket, which nobody else uses.
#[cfg(unix)]
fn socket_path() -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU32, Ordering};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("asyncio-hyper-{}-{count}", std::process::id()))
}
