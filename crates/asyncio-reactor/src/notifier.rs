//! How other threads end a wait.

use std::fmt;
use std::sync::Arc;

use crate::parking::Parking;
use crate::sys::Bell;

/// Ends the wait of a [`Reactor`](crate::Reactor), from any thread.
///
/// Clones belong to the same reactor. A notifier may outlive its reactor; it then does nothing.
///
/// # Examples
///
/// ```
/// let reactor = asyncio_reactor::Reactor::new()?;
/// let notifier = reactor.notifier();
/// let thread = std::thread::spawn(move || notifier.notify());
/// reactor.poll(None)?;
/// thread.join().unwrap();
/// # Ok::<_, std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Notifier {
    shared: Arc<Shared>,
}

struct Shared {
    parking: Parking,
    bell: Bell,
}

impl Notifier {
    pub(crate) fn new(bell: Bell) -> Self {
        Self { shared: Arc::new(Shared { parking: Parking::new(), bell }) }
    }

    /// Makes the poll under way, or else the next one, return soon.
    ///
    /// What this thread did before is visible to the reactor's thread after that poll. Many notifications between two
    /// polls make one poll return. A system call is made only if the reactor waits, and only by the first to notify it.
    pub fn notify(&self) {
        if self.shared.parking.notify() {
            self.shared.bell.ring();
        }
    }

    pub(crate) fn parking(&self) -> &Parking {
        &self.shared.parking
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").finish_non_exhaustive()
    }
}
