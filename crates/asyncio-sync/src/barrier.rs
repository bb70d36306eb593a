//! A barrier: a fixed number of tasks wait until all of them have come.
//!
//! In CPython a barrier is a condition with a state. Its lock is never held between two steps, as every wait inside it is
//! that of the condition, which releases it. So nobody ever waits for the lock, and here there is none: what is left is
//! the queue of the condition, whose waiters look at the state each time they are woken.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use asyncio_context::{WaitKind, report_wait};
use pin_project_lite::pin_project;

use crate::waiter::{Standing, Ticket, WaitQueue, Waiter};

static WAIT: WaitKind = WaitKind::new("Barrier.wait");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Tasks come and wait.
    Filling,
    /// The last one has come; until all have left, newcomers are held back.
    Draining,
    /// As `Draining`, but those who leave do so with an error.
    Resetting,
    /// Everybody gets an error.
    Broken,
}

/// A place where a fixed number of tasks, the parties, wait for one another, any number of times.
///
/// The last to come wakes the others, and each gets a number of its own between zero and the number of parties less one:
/// in the order of arrival, with the last one for whoever came last. Until all of a round have left, newcomers are held
/// back for the next round.
///
/// A cancelled waiter is taken out of the count, and the barrier goes on waiting for the full number. The numbers of a
/// round differ also after that; in CPython two tasks may then get the same.
///
/// # Examples
///
/// ```
/// # futures_executor::block_on(async {
/// use asyncio_sync::Barrier;
/// use futures_util::future::join3;
///
/// let start = Barrier::new(3);
/// let (a, b, c) = join3(start.wait(), start.wait(), start.wait()).await;
/// assert_eq!((a, b, c), (Ok(0), Ok(1), Ok(2)));
/// # });
/// ```
///
/// In Python: `asyncio.Barrier` (`asyncio/locks.py`).
pub struct Barrier {
    parties: usize,
    state: Cell<State>,
    /// The tasks that are in the barrier: waiting for it to fill, or woken and on their way out.
    count: Cell<usize>,
    waiters: WaitQueue,
}

impl Barrier {
    /// A barrier for that many tasks.
    ///
    /// # Panics
    ///
    /// If `parties` is zero. [`try_new`](Self::try_new) gives an error instead.
    #[must_use]
    #[track_caller]
    pub const fn new(parties: usize) -> Self {
        match Self::try_new(parties) {
            Ok(barrier) => barrier,
            Err(_) => panic!("Barrier::new: zero parties; a barrier needs at least one"),
        }
    }

    /// A barrier for that many tasks.
    ///
    /// # Errors
    ///
    /// If `parties` is zero.
    pub const fn try_new(parties: usize) -> Result<Self, ZeroPartiesError> {
        if parties == 0 {
            return Err(ZeroPartiesError(()));
        }
        Ok(Self { parties, state: Cell::new(State::Filling), count: Cell::new(0), waiters: WaitQueue::new() })
    }

    /// Waits until as many tasks wait as there are parties, and returns this task's number in the round.
    ///
    /// The last to come does not suspend.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrierError`] if the barrier is or becomes broken, or is reset while this task is in it.
    ///
    /// # Cancel safety
    ///
    /// A wait that is dropped is taken out of the count; the others go on waiting. If it was the last of its round on the
    /// way out, the next round begins.
    ///
    /// In Python: `Barrier.wait`, or `async with barrier`.
    #[inline]
    #[track_caller]
    pub fn wait(&self) -> BarrierWait<'_> {
        BarrierWait { barrier: self, waiter: Waiter::new(), entered: false, location: Location::caller() }
    }

    /// Sends all who are in the barrier away with an error and makes it empty, also if it was broken. Who was held back
    /// goes on waiting.
    ///
    /// # Cancel safety
    ///
    /// Does not suspend: all is done at the first poll.
    ///
    /// In Python: `Barrier.reset`.
    pub async fn reset(&self) {
        self.state.set(if self.count.get() > 0 { State::Resetting } else { State::Filling });
        self.waiters.wake_all();
    }

    /// Breaks the barrier: all who wait and all who come get an error, until [`reset`](Self::reset).
    ///
    /// # Cancel safety
    ///
    /// Does not suspend: all is done at the first poll.
    ///
    /// In Python: `Barrier.abort`.
    pub async fn abort(&self) {
        self.state.set(State::Broken);
        self.waiters.wake_all();
    }

    /// How many tasks make a round.
    ///
    /// In Python: `Barrier.parties`.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many tasks wait for the barrier to fill; zero while it is not filling.
    ///
    /// In Python: `Barrier.n_waiting`.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        if self.state.get() == State::Filling { self.count.get() } else { 0 }
    }

    /// Whether the barrier is broken.
    ///
    /// In Python: `Barrier.broken`.
    #[must_use]
    pub fn broken(&self) -> bool {
        self.state.get() == State::Broken
    }

    /// Whether newcomers are held back.
    fn holds_back(&self) -> bool {
        matches!(self.state.get(), State::Draining | State::Resetting)
    }

    /// Takes a task out of the count. The last one to leave lets in those who were held back.
    fn exit(&self) {
        self.count.set(self.count.get() - 1);
        if self.count.get() == 0 {
            if self.holds_back() {
                self.state.set(State::Filling);
            }
            self.waiters.wake_all();
        }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state.get() {
            State::Filling => "filling",
            State::Draining => "draining",
            State::Resetting => "resetting",
            State::Broken => return f.write_str("<Barrier [broken]>"),
        };
        write!(f, "<Barrier [{state}, waiters:{}/{}]>", self.n_waiting(), self.parties)
    }
}

pin_project! {
    /// The future of [`Barrier::wait`].
    #[must_use = "a barrier is waited for only by awaiting the future"]
    pub struct BarrierWait<'a> {
        barrier: &'a Barrier,
        #[pin]
        waiter: Waiter,
        // Whether the task is counted; before that, it is held back.
        entered: bool,
        location: &'static Location<'static>,
    }

    impl PinnedDrop for BarrierWait<'_> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let waker = this.barrier.waiters.remove(this.waiter.as_ref());
            if *this.entered {
                this.barrier.exit();
            }
            drop(waker);
        }
    }
}

impl Future for BarrierWait<'_> {
    type Output = Result<usize, BrokenBarrierError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let barrier = *this.barrier;
        let waiter = this.waiter.as_ref();
        let number = match waiter.poll(cx) {
            Standing::Waiting => {
                report_wait(&WAIT, Some(this.location));
                return Poll::Pending;
            }
            Standing::Woken => waiter.finish(),
            Standing::New => 0,
        };
        // Foreign code, so before the look at the state. Only the last to come does not need it.
        let ticket = Ticket::new(cx);
        if !*this.entered {
            match barrier.state.get() {
                State::Broken => return Poll::Ready(Err(BrokenBarrierError { inside: false })),
                State::Draining | State::Resetting => {}
                State::Filling => {
                    let before = barrier.count.get();
                    barrier.count.set(before + 1);
                    if before + 1 == barrier.parties {
                        // Those in the queue are the others of this round: waking gives them the numbers before this.
                        barrier.state.set(State::Draining);
                        barrier.waiters.wake_all();
                        barrier.exit();
                        return Poll::Ready(Ok(before));
                    }
                    *this.entered = true;
                }
            }
        } else if barrier.state.get() != State::Filling {
            *this.entered = false;
            let outcome = if barrier.state.get() == State::Draining {
                Ok(usize::try_from(number).expect("numbers are below the number of parties"))
            } else {
                Err(BrokenBarrierError { inside: true })
            };
            barrier.exit();
            return Poll::Ready(outcome);
        }
        barrier.waiters.push(waiter, ticket);
        report_wait(&WAIT, Some(this.location));
        Poll::Pending
    }
}

impl fmt::Debug for BarrierWait<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Barrier.wait at {}>", self.location)
    }
}

/// A task waited at a [`Barrier`] that was broken, or was aborted or reset meanwhile.
///
/// In Python: `asyncio.BrokenBarrierError`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBarrierError {
    /// Whether the task had been counted in when that happened.
    inside: bool,
}

impl fmt::Display for BrokenBarrierError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.inside {
            "the barrier was aborted or reset while the task waited at it"
        } else {
            "cannot wait at a broken barrier"
        })
    }
}

impl Error for BrokenBarrierError {}

/// A [`Barrier`] was asked for with zero parties.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZeroPartiesError(());

impl fmt::Display for ZeroPartiesError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot make a barrier of 0 parties: at least 1 is needed")
    }
}

impl Error for ZeroPartiesError {}
