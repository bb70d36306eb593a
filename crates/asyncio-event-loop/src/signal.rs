//! Signals: handlers in the loop, a stream of them, and SIGINT while `run` runs.

mod handler;
mod interrupt;
mod stream;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::rc::Rc;

use asyncio_executor::{Context, Fault, copy_context};
use asyncio_reactor::{Interest, Watch};

use crate::event_loop::EventLoop;

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
    fn is_unused(&self) -> bool {
        self.handler.is_none() && self.streams.is_empty() && self.interrupt.is_none()
    }

    fn users(&self) -> usize {
        usize::from(self.handler.is_some()) + self.streams.len()
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

    /// Changes what is done on a signal, installing or putting back the process's handler as needed.
    fn change(&self, this: &EventLoop, signal: i32, change: impl FnOnce(&mut Action)) -> io::Result<()> {
        let mut actions = self.actions.borrow_mut();
        let action = actions.entry(signal).or_default();
        if action.installed.is_none() {
            match handler::Installed::new(signal) {
                Ok(installed) => action.installed = Some(installed),
                Err(error) => {
                    actions.remove(&signal);
                    return Err(error);
                }
            }
        }
        change(action);
        if action.is_unused() {
            actions.remove(&signal);
        }
        self.users.set(actions.values().map(Action::users).sum());
        let empty = actions.is_empty();
        drop(actions);
        let mut watch = self.watch.borrow_mut();
        if empty {
            drop(watch.take());
        } else if watch.is_none() {
            *watch = Some(this.reactor().watch(handler::bell()?.as_fd(), Interest::Readable, KEY)?);
        }
        Ok(())
    }
}

impl EventLoop {
    /// Calls `f` in the loop when the process gets `signal`. It replaces the handler that this loop had for it.
    ///
    /// Several signals of a kind that come close together may be one call.
    ///
    /// # Errors
    ///
    /// When the number is not that of a signal that can be handled (`InvalidInput`), and when this is not the process's
    /// main thread (`Unsupported`).
    ///
    /// # In Python
    ///
    /// `loop.add_signal_handler`, in `asyncio/unix_events.py`.
    #[track_caller]
    pub fn add_signal_handler(&self, signal: i32, f: impl FnMut() + 'static) -> io::Result<()> {
        handler::check(signal)?;
        let location = Location::caller();
        let new = Rc::new(Handler {
            f: RefCell::new(Box::new(f)),
            context: copy_context(),
            location,
            removed: Cell::new(false),
        });
        let mut before = None;
        self.inner.signals.change(self, signal, |action| before = action.handler.replace(new))?;
        if let Some(before) = before {
            before.removed.set(true);
        }
        Ok(())
    }

    /// Removes the handler of `signal`; what the process did on it before is done again. Says whether there was one.
    ///
    /// # In Python
    ///
    /// `loop.remove_signal_handler`.
    pub fn remove_signal_handler(&self, signal: i32) -> bool {
        let has = |action: &Action| action.handler.is_some();
        if !self.inner.signals.actions.borrow().get(&signal).is_some_and(has) {
            return false;
        }
        let mut before = None;
        // The process's handler is installed already, so there is nothing that could fail.
        let _ = self.inner.signals.change(self, signal, |action| before = action.handler.take());
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
            (Some(handler), _) => call(&handler),
            // A handler of the user's, or a stream, takes the place of what `run` does.
            (None, Some(interrupt)) if streams.is_empty() => interrupt.interrupt(),
            _ => {}
        }
        streams.iter().for_each(|stream| stream.ring());
    }
}

fn call(handler: &Handler) {
    if handler.removed.get() {
        return;
    }
    let call = || handler.context.run(|| (handler.f.borrow_mut())());
    if let Err(payload) = catch_unwind(AssertUnwindSafe(call)) {
        Fault::new("exception in a signal handler").payload(payload).callback(handler.location).report();
    }
}
