//! SIGINT while a runner runs: the first cancels the main task, the second kills.
//!
//! The process's handler is in place for one SIGINT only; the system itself, or on Windows the C library, puts the default
//! back when it comes. So the
//! second one kills, whatever the loop is busy with. A handler or stream of the program's takes precedence while it is
//! there.

use std::cell::Cell;
use std::rc::Rc;

use asyncio_executor::{CancelKind, CancelledError, TaskHandle};

use super::handler;
use crate::event_loop::EventLoop;

/// What SIGINT does to one run.
pub(super) struct State {
    main: TaskHandle,
    /// One came, and cancelled the main task.
    came: Cell<bool>,
    /// One came when the main task was done.
    late: Cell<bool>,
}

impl State {
    pub(super) fn interrupt(&self) {
        if self.main.done() {
            self.late.set(true);
        } else if self.came.replace(true) {
            die_of_sigint();
        } else {
            self.main.cancel_for(&CancelledError::new(CancelKind::Signal));
        }
    }

    /// Whether the first one came: there is nothing more to do for it.
    pub(super) fn came(&self) -> bool {
        self.came.get() || self.late.get()
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
        let state = Rc::new(State { main: main.clone(), came: Cell::new(false), late: Cell::new(false) });
        let added = this
            .inner
            .signals
            .add(this, libc::SIGINT, handler::Times::Once, |action| action.interrupt = Some(state.clone()));
        // If signals cannot be had, the run goes on without.
        added.ok().map(|()| Self { this: this.clone(), state })
    }

    /// Whether the run, whose turns are over, was ended by SIGINT: the main task ended cancelled, and nobody else asked for
    /// that; or it came while the main task made its last steps, too late to cancel it, and must not get lost.
    pub(crate) fn ended(&self, main: &TaskHandle) -> bool {
        if main.cancelled() {
            self.state.came.get() && main.uncancel() == 0
        } else {
            let unseen = !self.this.inner.signals.has_users(libc::SIGINT) && handler::take(libc::SIGINT);
            main.done() && !main.panicked() && (unseen || self.state.late.get())
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.this.inner.signals.remove(libc::SIGINT, |action| action.interrupt = None);
    }
}

/// Ends the process as SIGINT does by default.
pub(crate) fn die_of_sigint() -> ! {
    handler::die(libc::SIGINT)
}
