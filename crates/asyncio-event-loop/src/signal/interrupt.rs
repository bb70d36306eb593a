//! SIGINT while a runner runs: the first cancels the main task, the second kills.

use std::cell::Cell;
use std::rc::Rc;

use asyncio_executor::{CancelKind, CancelledError, TaskHandle};

use super::handler;
use crate::event_loop::EventLoop;

/// What SIGINT does to one run.
pub(super) struct State {
    main: TaskHandle,
    came: Cell<bool>,
}

impl State {
    pub(super) fn interrupt(&self) {
        if self.came.replace(true) || self.main.done() {
            die_of_sigint();
        }
        // A third way out, should the loop never turn again: from now on the system handles SIGINT as by default.
        self.main.cancel_for(&CancelledError::new(CancelKind::Signal));
        handler::set_default(libc::SIGINT);
    }
}

/// SIGINT cancels a main task, until this is dropped.
pub(crate) struct Interrupt {
    this: EventLoop,
    state: Rc<State>,
}

impl Interrupt {
    /// Takes SIGINT over, if this is the main thread and nobody else has.
    pub(crate) fn install(this: &EventLoop, main: &TaskHandle) -> Option<Self> {
        if !handler::is_main_thread() || !handler::is_default(libc::SIGINT) {
            return None;
        }
        let state = Rc::new(State { main: main.clone(), came: Cell::new(false) });
        let installed = this.inner.signals.change(this, libc::SIGINT, |action| action.interrupt = Some(state.clone()));
        // If signals cannot be had, the run goes on without.
        installed.ok().map(|()| Self { this: this.clone(), state })
    }

    /// Whether SIGINT came.
    pub(crate) fn came(&self) -> bool {
        self.state.came.get()
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        let _ = self.this.inner.signals.change(&self.this, libc::SIGINT, |action| action.interrupt = None);
    }
}

/// Ends the process as SIGINT does by default.
pub(crate) fn die_of_sigint() -> ! {
    handler::set_default(libc::SIGINT);
    handler::raise(libc::SIGINT);
    // Only if SIGINT is blocked: what a shell shows for a process that died of it.
    std::process::exit(128 + libc::SIGINT)
}
