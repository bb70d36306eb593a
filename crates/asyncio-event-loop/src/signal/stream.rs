//! `signal`: signals as something to await.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::task::{Poll, Waker};

use asyncio_context::{WaitKind, report_wait};

use super::handler;
use crate::current;
use crate::event_loop::EventLoop;

static SIGNAL: WaitKind = WaitKind::new("a signal");

/// What the loop and a [`Signal`] share.
pub(super) struct Shared {
    came: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Shared {
    pub(super) fn ring(&self) {
        self.came.set(true);
        let waker = self.waker.take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The signals of one kind, as they come: see [`signal`].
pub struct Signal {
    this: EventLoop,
    number: i32,
    shared: Rc<Shared>,
}

/// Listens for a signal of the process, from now until the value is dropped.
///
/// Any number of these may listen for the same signal. While one does, the signal does nothing else. Signals that come
/// close together may be one.
///
/// # Errors
///
/// As for [`EventLoop::add_signal_handler`].
///
/// # Panics
///
/// Without a running event loop.
///
/// # Examples
///
/// ```standalone_crate
/// # #[cfg(unix)]
/// asyncio_event_loop::run(async {
///     let mut reload = asyncio_event_loop::signal(1)?; // SIGHUP
///     let ourselves = std::process::id().to_string();
///     std::process::Command::new("kill").args(["-HUP", &ourselves]).spawn()?.wait()?;
///     reload.recv().await;
///     Ok::<_, std::io::Error>(())
/// })?;
/// # Ok::<_, std::io::Error>(())
/// ```
///
/// # In Python
///
/// There is none: it is `loop.add_signal_handler` with an `asyncio.Event`.
#[track_caller]
pub fn signal(number: i32) -> io::Result<Signal> {
    let this = current::get_running_loop();
    handler::check(number)?;
    let shared = Rc::new(Shared { came: Cell::new(false), waker: RefCell::new(None) });
    this.inner.signals.add(&this, number, handler::Times::Each, |action| action.streams.push(shared.clone()))?;
    Ok(Signal { this, number, shared })
}

impl Signal {
    /// Waits for the next signal; returns at once if one came since the last call.
    ///
    /// # Cancel safety
    ///
    /// A signal that came is not lost when this is dropped.
    #[track_caller]
    pub fn recv(&mut self) -> impl Future<Output = ()> + use<'_> {
        let location = Location::caller();
        poll_fn(move |cx| {
            if self.shared.came.replace(false) {
                return Poll::Ready(());
            }
            let waker = cx.waker().clone();
            let before = self.shared.waker.replace(Some(waker));
            drop(before);
            report_wait(&SIGNAL, Some(location));
            Poll::Pending
        })
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        let shared = &self.shared;
        self.this.inner.signals.remove(self.number, |action| {
            action.streams.retain(|stream| !Rc::ptr_eq(stream, shared));
        });
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("number", &self.number).finish_non_exhaustive()
    }
}
