//! Reports of what went wrong where nobody is there to be told.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::rc::Rc;

use crate::contain::{contain, drop_payload};
use crate::executor::Inner;
use crate::running::with_current;
use crate::task::error::panic_message;
use crate::task::handle::TaskHandle;

/// Is told of what nobody else is told of: see [`Executor::set_reporter`](crate::Executor::set_reporter).
pub type Reporter = dyn Fn(Fault);

/// Something went wrong where nobody is there to be told: a panic in a callback, or one that nobody retrieved.
#[non_exhaustive]
pub struct Fault {
    /// What happened.
    pub message: Cow<'static, str>,
    /// The payload of the panic, if it was one.
    pub payload: Option<Box<dyn Any + Send>>,
    /// The task that it happened in.
    pub task: Option<TaskHandle>,
    /// Where the callback was scheduled that it happened in.
    pub callback: Option<&'static Location<'static>>,
}

impl Fault {
    /// A report with a message and nothing else yet.
    pub fn new(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), payload: None, task: None, callback: None }
    }

    /// With the payload of a panic.
    #[must_use]
    pub fn payload(mut self, payload: Box<dyn Any + Send>) -> Self {
        self.payload = Some(payload);
        self
    }

    /// With the task that it happened in.
    #[must_use]
    pub fn task(mut self, task: TaskHandle) -> Self {
        self.task = Some(task);
        self
    }

    /// With the place where the callback was scheduled.
    #[must_use]
    pub fn callback(mut self, location: &'static Location<'static>) -> Self {
        self.callback = Some(location);
        self
    }

    /// The text of the panic, if there is one.
    #[must_use]
    pub fn panic_message(&self) -> Option<&str> {
        self.payload.as_deref().and_then(panic_message)
    }

    /// Gives it to the reporter of the current executor, or writes it to standard error. A panic of the reporter goes no
    /// further.
    pub fn report(self) {
        self.give(with_current(Inner::reporter).flatten());
    }

    /// Like [`Fault::report`], to the executor that it is about.
    pub(crate) fn report_to(self, home: Option<&Inner>) {
        match home {
            Some(home) => self.give(home.reporter()),
            None => self.report(),
        }
    }

    fn give(self, reporter: Option<Rc<Reporter>>) {
        let give = || match reporter {
            Some(reporter) => reporter(self),
            None => eprintln!("asyncio: {self}"),
        };
        if let Err(payload) = contain(give) {
            let print = || eprintln!("asyncio: exception in the exception handler: {:?}", panic_message(&*payload));
            // Standard error may be closed, which is one more panic, and there is nobody left to be told.
            if let Err(second) = contain(print) {
                drop_payload(second);
            }
            drop_payload(payload);
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(message) = self.panic_message() {
            write!(f, ": {message}")?;
        }
        if let Some(task) = &self.task {
            write!(f, "\n  task: {task:?}")?;
        }
        if let Some(location) = self.callback {
            write!(f, "\n  callback: scheduled at {location}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("message", &self.message)
            .field("panic", &self.panic_message())
            .field("task", &self.task)
            .field("callback", &self.callback)
            .finish()
    }
}
