//! Signals: handlers in the loop, a stream of them, and SIGINT while `run` runs.

mod handler;
mod interrupt;
mod stream;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::panic::Location;
use std::rc::Rc;

use asyncio_executor::{Context, copy_context};
use asyncio_reactor::{Interest, Watch};

use crate::event_loop::EventLoop;
use crate::exception;

use handler::Times;
pub(crate) use interrupt::{Interrupt, die_of_sigint};
pub use stream::{Signal, signal};

/// The key of the watch on the descriptor that signals ring. No descriptor has this number.
pub(crate) const KEY: usize = usize::MAX;

/// What a loop does on signals.
#[derive(Default)]
pub(crate) struct Signals {
    /// By signal number.
    actions: RefCell<BTreeMap<i32, Action>>,
    /// On the descriptor that rings, while there are actions.
    watch: RefCell<Option<Watch>>,
    /// Actions of the user's, other than that of `run` on SIGINT: they may wake a loop on virtual time.
    users: Cell<usize>,
}

#[derive(Default)]
struct Action {
    handler: Option<Rc<Handler>>,
    streams: Vec<Rc<stream::Shared>>,
    interrupt: Option<Rc<interrupt::State>>,
    /// What the process did on this signal before: put back at the end.
    installed: Option<handler::Installed>,
}

struct Handler {
    f: RefCell<Box<dyn FnMut()>>,
    context: Context,
    location: &'static Location<'static>,
    removed: Cell<bool>,
}

impl Action {
    fn users(&self) -> usize {
        usize::from(self.handler.is_some()) + self.streams.len()
    }

    /// Whether the process's handler is to be in place, and for how many signals; `None`: it is not.
    fn wants(&self) -> Option<Times> {
        match &self.interrupt {
            _ if self.users() > 0 => Some(Times::Each),
            Some(interrupt) if !interrupt.came() => Some(Times::Once),
            _ => None,
        }
    }

    /// Puts the process's handler in place as `wants` says, or puts back what was there.
    fn settle(&mut self, signal: i32) -> io::Result<()> {
        match (self.wants(), &mut self.installed) {
            (None, installed) => drop(installed.take()),
            (Some(times), Some(installed)) => installed.set_times(times),
            (Some(times), installed @ None) => *installed = Some(handler::Installed::new(signal, times)?),
        }
        Ok(())
    }
}

impl Signals {
    /// Whether a program waits for signals.
    pub(crate) fn is_used(&self) -> bool {
        self.users.get() > 0
    }

    /// Whether the reactor watches the bell.
    pub(crate) fn is_watched(&self) -> bool {
        self.watch.borrow().is_some()
    }

    /// Puts everything back as it was.
    pub(crate) fn clear(&self) {
        let actions = self.actions.take();
        drop(actions);
        drop(self.watch.take());
        self.users.set(0);
    }

    /// Adds to what is done on a signal, installing the process's handler as needed. If that fails, nothing is changed.
    ///
    /// `change` must drop nothing of the user's.
    fn add(&self, this: &EventLoop, signal: i32, times: Times, change: impl FnOnce(&mut Action)) -> io::Result<()> {
        if !self.is_watched() {
            let watch = this.reactor().watch(handler::bell()?, Interest::Readable, KEY)?;
            self.watch.replace(Some(watch));
        }
        let mut actions = self.actions.borrow_mut();
        let action = actions.entry(signal).or_default();
        let result = if action.installed.is_none() {
            handler::Installed::new(signal, times).map(|installed| action.installed = Some(installed))
        } else {
            Ok(())
        };
        if result.is_ok() {
            change(action);
        }
        drop(actions);
        self.settle(signal);
        result
    }

    /// Takes from what is done on a signal, and puts the process's handler back if that was all.
    ///
    /// `change` must drop nothing of the user's.
    fn remove(&self, signal: i32, change: impl FnOnce(&mut Action)) {
        if let Some(action) = self.actions.borrow_mut().get_mut(&signal) {
            change(action);
        }
        self.settle(signal);
    }

    /// Does what follows from a change.
    fn settle(&self, signal: i32) {
        let mut actions = self.actions.borrow_mut();
        if let Some(action) = actions.get_mut(&signal) {
            // The number is known to be good, so there is nothing that could fail.
            let _ = action.settle(signal);
            if action.users() == 0 && action.interrupt.is_none() {
                actions.remove(&signal);
            }
        }
        self.users.set(actions.values().map(Action::users).sum());
        if actions.is_empty() {
            drop(self.watch.take());
        }
    }

    /// Whether the program handles a signal itself.
    fn has_users(&self, signal: i32) -> bool {
        self.actions.borrow().get(&signal).is_some_and(|action| action.users() > 0)
    }

    /// Rings once more if a signal came that nobody took: another loop of this thread may have heard the bell.
    pub(crate) fn ring_again(&self) {
        if self.actions.borrow().keys().any(|signal| handler::came(*signal)) {
            handler::ring();
        }
    }
}

impl EventLoop {
    /// Calls `f` in the loop when the process gets `signal`. It replaces the handler that this loop had for it, and is in
    /// place until it is removed or the loop is closed; then the process does again what it did before.
    ///
    /// `f` runs outside any task, in a copy of the current context, after what is ready. Several signals of a kind that come
    /// close together may be one call. A handler for SIGINT takes the place of what a run does on it.
    ///
    /// On Windows the signals are those of the C library: SIGINT (2) for Ctrl-C, SIGBREAK (21) for Ctrl-Break, and SIGTERM
    /// (15), which only the process itself raises. A second one that comes before the first was noted ends the process.
    ///
    /// # Errors
    ///
    /// When the number is not that of a signal that can be handled (`InvalidInput`), and when this is not the process's
    /// main thread (`Unsupported`).
    ///
    /// # Panics
    ///
    /// When the loop is closed.
    ///
    /// # In Python
    ///
    /// `loop.add_signal_handler`, in `asyncio/unix_events.py`; there is none on Windows.
    #[track_caller]
    pub fn add_signal_handler(&self, signal: i32, f: impl FnMut() + 'static) -> io::Result<()> {
        self.assert_open("signals cannot be handled in it");
        handler::check(signal)?;
        let location = Location::caller();
        let new = Rc::new(Handler {
            f: RefCell::new(Box::new(f)),
            context: copy_context(),
            location,
            removed: Cell::new(false),
        });
        let mut before = None;
        self.inner.signals.add(self, signal, Times::Each, |action| before = action.handler.replace(new))?;
        if let Some(before) = before {
            before.removed.set(true);
        }
        Ok(())
    }

    /// Removes the handler of `signal`; what the process did on it before is done again. Says whether there was one.
    ///
    /// # In Python
    ///
    /// `loop.remove_signal_handler`, in `asyncio/unix_events.py`.
    pub fn remove_signal_handler(&self, signal: i32) -> bool {
        let mut before: Option<Rc<Handler>> = None;
        self.inner.signals.remove(signal, |action| before = action.handler.take());
        before.is_some_and(|before| {
            before.removed.set(true);
            true
        })
    }
}

/// Does what is to be done on the signals that came.
pub(crate) fn dispatch(this: &EventLoop) {
    handler::drain();
    let signals: Vec<i32> = this.inner.signals.actions.borrow().keys().copied().collect();
    for signal in signals {
        if !handler::take(signal) {
            continue;
        }
        let (handler, streams, interrupt) = {
            let actions = this.inner.signals.actions.borrow();
            let Some(action) = actions.get(&signal) else { continue };
            (action.handler.clone(), action.streams.clone(), action.interrupt.clone())
        };
        match (handler, interrupt) {
            (Some(handler), _) => {
                // An earlier one may have removed it.
                if !handler.removed.get() {
                    let what = "exception in a signal handler";
                    exception::call(this, what, handler.location, &handler.context, || (handler.f.borrow_mut())());
                }
                // It may have removed itself.
                exception::contain(this, "exception in a destructor", || drop(handler));
            }
            // A handler of the user's, or a stream, takes the place of what `run` does.
            (None, Some(interrupt)) if streams.is_empty() => {
                interrupt.interrupt();
                this.inner.signals.settle(signal);
            }
            _ => {}
        }
        for stream in streams {
            exception::contain(this, "exception in a waker", || stream.ring());
        }
    }
}
