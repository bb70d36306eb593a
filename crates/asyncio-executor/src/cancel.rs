//! `CancelledError`: what is raised where a task is cancelled, with its message, its cause and its origin.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::scope;

/// Who asked for a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelKind {
    /// Somebody called `cancel` or `cancel_with`.
    Explicit,
    /// A `timeout` expired.
    Timeout,
    /// A task group ends its tasks because one of them failed, or because it was told to.
    TaskGroup,
    /// A `gather` passed a request on to its children.
    Gather,
    /// A signal, such as SIGINT while `run` runs.
    Signal,
    /// The run is over.
    Shutdown,
}

/// A cancellation, raised at the place where a task is suspended.
///
/// [`catch_cancelled`](crate::catch_cancelled) is the `except` clause that gets one, and
/// [`raise`](CancelledError::raise) passes it on. It says who asked ([`kind`](CancelledError::kind)), with what message,
/// and where in the code.
///
/// # In Python
///
/// `asyncio.CancelledError`, in `asyncio/exceptions.py`.
#[derive(Clone)]
#[must_use = "a cancellation that is neither raised again nor refused on purpose is lost"]
pub struct CancelledError(Repr);

#[derive(Clone)]
enum Repr {
    Plain { kind: CancelKind, location: &'static Location<'static> },
    Full(Rc<Full>),
}

struct Full {
    kind: CancelKind,
    location: &'static Location<'static>,
    message: Box<str>,
}

impl CancelledError {
    /// A cancellation with no message, asked for at the caller's place.
    #[track_caller]
    pub fn new(kind: CancelKind) -> Self {
        Self(Repr::Plain { kind, location: Location::caller() })
    }

    /// A cancellation with a message, asked for at the caller's place.
    #[track_caller]
    pub fn with_message(kind: CancelKind, message: impl Into<Box<str>>) -> Self {
        Self(Repr::Full(Rc::new(Full { kind, location: Location::caller(), message: message.into() })))
    }

    /// A cancellation with no message, asked for at `location`. For combinators.
    pub fn at(kind: CancelKind, location: &'static Location<'static>) -> Self {
        Self(Repr::Plain { kind, location })
    }

    /// The message given to `cancel_with`, if there was one.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        match &self.0 {
            Repr::Plain { .. } => None,
            Repr::Full(full) => Some(&full.message),
        }
    }

    /// Who asked.
    #[must_use]
    pub fn kind(&self) -> CancelKind {
        match &self.0 {
            Repr::Plain { kind, .. } => *kind,
            Repr::Full(full) => full.kind,
        }
    }

    /// Where it was asked for: the place of the call of `cancel`, `timeout` and so on.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        match &self.0 {
            Repr::Plain { location, .. } => location,
            Repr::Full(full) => full.location,
        }
    }

    /// The same request, passed on by somebody else: same message and place, other kind.
    pub fn with_kind(self, kind: CancelKind) -> Self {
        match self.0 {
            Repr::Plain { location, .. } => Self(Repr::Plain { kind, location }),
            Repr::Full(full) => {
                Self(Repr::Full(Rc::new(Full { kind, location: full.location, message: full.message.clone() })))
            }
        }
    }

    /// Raises the cancellation again, in the next scope out. Awaiting this never returns.
    ///
    /// Its output is the type `!`, so it fits wherever a value is expected.
    ///
    /// # Panics
    ///
    /// When it is awaited where no scope of this library is around it: under another executor, outside
    /// [`catch_cancelled`](crate::catch_cancelled).
    ///
    /// # In Python
    ///
    /// `raise` in an `except asyncio.CancelledError:` clause.
    pub fn raise(self) -> Raise {
        Raise(Some(self))
    }
}

impl fmt::Display for CancelledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.kind() {
            CancelKind::Explicit => "cancelled",
            CancelKind::Timeout => "cancelled by a timeout",
            CancelKind::TaskGroup => "cancelled by its task group",
            CancelKind::Gather => "cancelled by a gather",
            CancelKind::Signal => "cancelled by a signal",
            CancelKind::Shutdown => "cancelled at the end of the run",
        };
        write!(f, "{by} at {}", self.location())?;
        match self.message() {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for CancelledError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelledError")
            .field("kind", &self.kind())
            .field("message", &self.message())
            .field("location", &format_args!("{}", self.location()))
            .finish()
    }
}

impl std::error::Error for CancelledError {}

/// Names the type `!` on stable Rust: the return type of `fn() -> !`.
pub trait Returns {
    /// The return type.
    type Output;
}

impl<R> Returns for fn() -> R {
    type Output = R;
}

/// The type `!`.
pub type Never = <fn() -> ! as Returns>::Output;

/// Raises a cancellation when it is awaited: see [`CancelledError::raise`].
#[derive(Debug)]
#[must_use = "a cancellation is raised when this is awaited"]
pub struct Raise(Option<CancelledError>);

impl Future for Raise {
    type Output = Never;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Never> {
        if let Some(error) = self.0.take() {
            scope::raise(error);
        }
        Poll::Pending
    }
}
