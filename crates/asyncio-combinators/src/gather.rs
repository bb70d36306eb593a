//! `gather`: several futures at once, their values in the order in which they were given.

pub mod shape;

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};
use asyncio_executor::{
    AwaitLink, Awaitee, CancelKind, CancelledError, Completion, Forward, Observable, TaskError, TaskHandle, Watcher,
    next_key, raise,
};

use crate::child::Control;
pub use shape::{Children, Shape};

static GATHER: WaitKind = WaitKind::new("a gather");

/// Runs futures at the same time, and gives their values in the order in which they were given.
///
/// Takes a tuple of up to 12, an array, a `Vec` or an iterator. Each future becomes a task at this call, not at the
/// `await`; a task, shared task, [`Future`](asyncio_executor::Future) or gather stays what it is.
///
/// If a child panics or ends cancelled, that goes on at once where the gather is awaited, and the others run on, unheard;
/// [`return_exceptions`](Gathering::return_exceptions) gives every outcome instead. A cancellation of the gather is passed
/// on to all children that are not done, and is raised when the first of them has ended cancelled, or, with
/// `return_exceptions`, when all have ended.
///
/// # Cancel safety
///
/// Dropping a gather lets its children run on.
///
/// # Panics
///
/// Without a running event loop, if a task has to be made.
///
/// # Examples
///
/// ```
/// use asyncio_combinators::gather;
/// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
/// # runner.run(async {
/// let (number, text) = gather((async { 1 }, async { "a" })).await;
/// assert_eq!((number, text), (1, "a"));
///
/// let squares = gather((0..3).map(|n| async move { n * n })).await;
/// assert_eq!(squares, [0, 1, 4]);
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # In Python
///
/// `asyncio.gather`, in `asyncio/tasks.py`.
#[track_caller]
pub fn gather<M, S: Shape<M>>(futures: S) -> Gathering<S::Children> {
    let mut controls = Vec::new();
    let children = futures.adopt(&mut controls);
    let state = Rc::new(State {
        unfinished: Cell::new(controls.len()),
        controls,
        verdict: RefCell::new(None),
        return_exceptions: Cell::new(false),
        cancel_requested: Cell::new(false),
        completion: Completion::new(),
        location: Location::caller(),
    });
    for (index, control) in state.controls.iter().enumerate() {
        if !control.is_done() {
            control.watch(state.clone(), index);
        }
    }
    state.count_done();
    Gathering { state: Owner(state), children }
}

/// A `gather` that has begun; awaiting it gives the values.
#[must_use = "the futures run without it, but their values are lost"]
pub struct Gathering<C> {
    state: Owner,
    children: C,
}

/// A `gather` that has begun, with `return_exceptions`; awaiting it gives the outcomes.
#[must_use = "the futures run without it, but their outcomes are lost"]
pub struct GatheringResults<C> {
    state: Owner,
    children: C,
}

/// How a gather ended.
#[derive(Clone)]
enum Verdict {
    /// All children have ended.
    All,
    /// This one panicked or was cancelled.
    One(usize),
    /// All have ended, and the gather had been cancelled.
    Cancelled(CancelledError),
}

/// The right to the values of a gather.
struct Owner(Rc<State>);

impl Deref for Owner {
    type Target = Rc<State>;

    fn deref(&self) -> &Rc<State> {
        &self.0
    }
}

impl Drop for Owner {
    /// Nobody gets the values. Tasks end some time and are still watched, so that their panics count as heard of; a future
    /// that nobody ever completes would hold the gather, and the gather the future.
    fn drop(&mut self) {
        let watcher: Rc<dyn Watcher> = self.0.clone();
        for control in self.0.controls.iter().filter(|control| !control.is_task()) {
            control.unwatch(&watcher);
        }
    }
}

/// The gather as its children and awaiters see it.
pub(crate) struct State {
    controls: Vec<Control>,
    unfinished: Cell<usize>,
    verdict: RefCell<Option<Verdict>>,
    return_exceptions: Cell<bool>,
    cancel_requested: Cell<bool>,
    completion: Completion,
    location: &'static Location<'static>,
}

impl State {
    /// Counts the children that were done when the gather was made.
    fn count_done(&self) {
        if self.controls.is_empty() {
            *self.verdict.borrow_mut() = Some(Verdict::All);
        }
        for (index, control) in self.controls.iter().enumerate() {
            if control.is_done() {
                self.count(index);
            }
        }
    }

    /// Takes back the verdict that a child has failed, and gives failures as values from now on.
    fn return_exceptions(&self) {
        self.return_exceptions.set(true);
        // As values they are known, whatever becomes of those.
        self.mark_retrieved();
        let failed = matches!(*self.verdict.borrow(), Some(Verdict::One(_)));
        if failed {
            *self.verdict.borrow_mut() = None;
            if self.unfinished.get() == 0 {
                self.end(self.all());
            }
        }
    }

    /// One child has ended.
    fn count(&self, index: usize) {
        self.unfinished.set(self.unfinished.get() - 1);
        let child = &self.controls[index];
        if self.verdict.borrow().is_some() {
            // The gather is over: nobody hears of this one.
            child.mark_retrieved();
        } else if !self.return_exceptions.get() && (child.is_cancelled() || child.is_failed()) {
            self.end(Verdict::One(index));
        } else if self.unfinished.get() == 0 {
            self.end(self.all());
        }
    }

    /// The verdict when all children have ended. If the gather was cancelled, the error is that of its last child, as in
    /// Python.
    fn all(&self) -> Verdict {
        if !self.cancel_requested.get() {
            return Verdict::All;
        }
        let last = self.controls.last().and_then(Control::cancelled_error);
        Verdict::Cancelled(last.unwrap_or_else(|| CancelledError::at(CancelKind::Gather, self.location)))
    }

    fn end(&self, verdict: Verdict) {
        if let Verdict::One(failed) = verdict {
            // The first failure is for the awaiter; those that come later are for nobody.
            for (index, control) in self.controls.iter().enumerate() {
                if index != failed {
                    control.mark_retrieved();
                }
            }
        }
        *self.verdict.borrow_mut() = Some(verdict);
        self.completion.finish();
    }

    fn verdict(&self) -> Option<Verdict> {
        self.verdict.borrow().clone()
    }

    /// Whether it ended with the panic or cancellation of a child.
    pub(crate) fn is_failed(&self) -> bool {
        matches!(*self.verdict.borrow(), Some(Verdict::One(_) | Verdict::Cancelled(_)))
    }

    /// Says that what its children end with is known.
    pub(crate) fn mark_retrieved(&self) {
        self.controls.iter().for_each(Control::mark_retrieved);
    }
}

impl Watcher for State {
    fn finished(self: Rc<Self>, index: usize) {
        self.count(index);
    }

    fn awaiters(&self) -> Vec<TaskHandle> {
        self.completion.awaiters()
    }
}

impl Awaitee for State {
    fn is_done(&self) -> bool {
        self.verdict.borrow().is_some()
    }

    fn accepts(&self) -> bool {
        !self.is_done() && self.controls.iter().any(Control::accepts)
    }

    fn cancel(self: Rc<Self>, error: &CancelledError, forward: &mut Forward) {
        let error = error.clone().with_kind(CancelKind::Gather);
        for control in &self.controls {
            if control.accepts() {
                control.forward(&error, forward);
                self.cancel_requested.set(true);
            }
        }
    }

    fn cancelled_error(&self) -> Option<CancelledError> {
        match self.verdict()? {
            Verdict::Cancelled(error) => Some(error),
            Verdict::One(index) if self.controls[index].is_cancelled() => {
                let error = self.controls[index].cancelled_error();
                Some(error.unwrap_or_else(|| CancelledError::at(CancelKind::Gather, self.location)))
            }
            Verdict::One(_) | Verdict::All => None,
        }
    }

    fn describe(&self) -> String {
        let pending = self.controls.iter().filter(|control| !control.is_done()).count();
        format!("a gather of {} ({pending} pending) made at {}", self.controls.len(), self.location)
    }
}

impl Observable for State {
    fn watch(&self, watcher: Rc<dyn Watcher>, index: usize) {
        self.completion.watch(watcher, index);
    }

    fn unwatch(&self, watcher: &Rc<dyn Watcher>) {
        self.completion.unwatch(watcher);
    }
}

/// What `Gathering`, `GatheringResults` and `Gather` can be asked.
macro_rules! gather_methods {
    ($($header:tt)*) => {
        $($header)* {
            /// Asks for the cancellation of all children that are not done. Returns `false` if there are none.
            #[track_caller]
            pub fn cancel(&self) -> bool {
                asyncio_executor::cancel_awaitee(self.state.0.clone(), &CancelledError::new(CancelKind::Explicit))
            }

            /// Like `cancel`, with a message for the `CancelledError`.
            #[track_caller]
            pub fn cancel_with(&self, message: impl Into<String>) -> bool {
                let error = CancelledError::with_message(CancelKind::Explicit, message.into());
                asyncio_executor::cancel_awaitee(self.state.0.clone(), &error)
            }

            /// Whether it has its values, or has failed.
            #[must_use]
            pub fn done(&self) -> bool {
                self.state.is_done()
            }

            /// How other combinators look at the gather.
            pub(crate) fn control(&self) -> Control {
                Control::Gather(self.state.0.clone())
            }
        }
    };
}

gather_methods!(impl<C> Gathering<C>);
gather_methods!(impl<C> GatheringResults<C>);
gather_methods!(impl<T> Gather<T>);

impl<C: Children> Gathering<C> {
    /// Gives every outcome as a `Result`, and waits for all.
    ///
    /// # Examples
    ///
    /// ```
    /// use asyncio_combinators::gather;
    /// # let mut runner = asyncio_event_loop::Runner::builder().virtual_time(true).build()?;
    /// # runner.run(async {
    /// let (value, failure) = gather((async { 1 }, async { panic!("oh") as () })).return_exceptions().await;
    /// assert_eq!(value.unwrap(), 1);
    /// assert_eq!(failure.unwrap_err().panic_message(), Some("oh"));
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn return_exceptions(self) -> GatheringResults<C> {
        let Self { state, children } = self;
        state.return_exceptions();
        GatheringResults { state, children }
    }
}

impl<C: Children> IntoFuture for Gathering<C> {
    type Output = C::Output;
    type IntoFuture = Gather<C::Output>;

    fn into_future(self) -> Gather<C::Output> {
        let children = self.children;
        Gather::new(
            self.state,
            Box::new(move |failed| match failed {
                Some(index) => Err(children.error(index)),
                None => children.outputs(),
            }),
        )
    }
}

impl<C: Children> IntoFuture for GatheringResults<C> {
    type Output = C::Results;
    type IntoFuture = Gather<C::Results>;

    fn into_future(self) -> Gather<C::Results> {
        let children = self.children;
        Gather::new(self.state, Box::new(move |_| Ok(children.results())))
    }
}

/// Puts the outcomes together; the index is that of the child that failed.
type Finish<T> = Box<dyn FnOnce(Option<usize>) -> Result<T, TaskError>>;

/// A `gather` as a future of its own: see [`gather`].
#[must_use = "the futures run without it, but their values are lost"]
pub struct Gather<T> {
    state: Owner,
    finish: Option<Finish<T>>,
    link: Option<AwaitLink>,
    key: u64,
}

impl<T> Gather<T> {
    fn new(state: Owner, finish: Finish<T>) -> Self {
        Self { state, finish: Some(finish), link: None, key: next_key() }
    }
}

impl<T> Future for Gather<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = &mut *self;
        if !this.state.is_done() {
            this.state.completion.set_awaiter(this.key, cx.waker());
        }
        // Looked at after that: the clone of the waker may have been the code of others, and have completed a child.
        let Some(verdict) = this.state.verdict() else {
            let state = &this.state.0;
            this.link.get_or_insert_with(|| AwaitLink::new(state.clone())).attach_with(cx.waker());
            report_wait(&GATHER, Some(this.state.location));
            return Poll::Pending;
        };
        this.link = None;
        let finish = this.finish.take().expect("a gather is not polled again after it has completed");
        let outcome = match verdict {
            Verdict::All => finish(None),
            Verdict::One(index) => finish(Some(index)),
            Verdict::Cancelled(error) => Err(TaskError::Cancelled(error)),
        };
        match outcome {
            Ok(value) => Poll::Ready(value),
            Err(TaskError::Cancelled(error)) => {
                raise(error);
                Poll::Pending
            }
            Err(TaskError::Panicked(payload)) => resume_unwind(payload),
            Err(error) => panic!("the outcome of a child was taken by somebody else: {error}"),
        }
    }
}

impl<T> Drop for Gather<T> {
    fn drop(&mut self) {
        self.state.completion.remove_awaiter(self.key);
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.describe())
    }
}

impl<T> fmt::Debug for Gather<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

impl<C> fmt::Debug for Gathering<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}

impl<C> fmt::Debug for GatheringResults<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.state.fmt(f)
    }
}
