//! What the tests share: a log, a future that is led by hand, wakers and faults that are counted, another thread.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use asyncio_executor::Executor;

/// Lines in the order in which they were written.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn push(&self, line: impl Into<String>) {
        self.0.borrow_mut().push(line.into());
    }

    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

/// Runs until nothing is ready; returns the number of turns.
pub fn run(executor: &Executor) -> usize {
    let mut turns = 1;
    while executor.turn() {
        turns += 1;
        assert!(turns < 10_000, "the executor does not come to rest");
    }
    turns
}

/// Runs `f` on another thread, and waits for it.
pub fn abroad<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| scope.spawn(f).join().unwrap())
}

/// Collects what is reported, as text.
pub fn faults(executor: &Executor) -> Log {
    let log = Log::default();
    let to = log.clone();
    executor.set_reporter(Some(Rc::new(move |fault| {
        to.push(format!("{}: {}", fault.message, fault.panic_message().unwrap_or("-")));
    })));
    log
}

/// Says when it is dropped.
pub struct Tattle(pub Log, pub &'static str);

impl Drop for Tattle {
    fn drop(&mut self) {
        self.0.push(self.1);
    }
}

/// Calls a closure when it is dropped.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Counts how often it was woken.
#[derive(Default)]
pub struct CountWakes(AtomicUsize);

impl CountWakes {
    pub fn new() -> (Arc<Self>, Waker) {
        let count = Arc::new(Self::default());
        (count.clone(), count.into())
    }

    pub fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// The other end of a [`Led`] future.
#[derive(Clone, Default)]
pub struct Leader(Rc<Led>);

#[derive(Default)]
pub struct Led {
    pub polls: Cell<usize>,
    pub future_drops: Cell<usize>,
    pub output_drops: Cell<usize>,
    waker: RefCell<Option<Waker>>,
    pub next: Cell<Option<Next>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    Value,
    Panic,
}

impl std::ops::Deref for Leader {
    type Target = Led;

    fn deref(&self) -> &Led {
        &self.0
    }
}

impl Leader {
    /// A future that is pending until it is told how to go on.
    pub fn future(&self) -> LedFuture {
        LedFuture(self.clone())
    }

    /// Says how the next poll ends, without waking.
    pub fn next(&self, next: Next) {
        self.next.set(Some(next));
    }

    /// A clone of the waker of the last poll.
    pub fn waker(&self) -> Waker {
        self.waker.borrow().clone().expect("it has been polled")
    }

    /// The waker of the last poll itself.
    pub fn take_waker(&self) -> Option<Waker> {
        self.waker.borrow_mut().take()
    }
}

pub struct LedFuture(Leader);

/// The output of a [`LedFuture`].
#[derive(Clone)]
pub struct Output(Leader);

impl Drop for Output {
    fn drop(&mut self) {
        self.0.output_drops.set(self.0.output_drops.get() + 1);
    }
}

impl Future for LedFuture {
    type Output = Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        let leader = &self.0;
        leader.polls.set(leader.polls.get() + 1);
        match leader.next.take() {
            Some(Next::Value) => Poll::Ready(Output(leader.clone())),
            Some(Next::Panic) => panic!("led"),
            None => {
                let before = leader.waker.replace(Some(cx.waker().clone()));
                drop(before);
                Poll::Pending
            }
        }
    }
}

impl Drop for LedFuture {
    fn drop(&mut self) {
        self.0.take_waker();
        self.0.future_drops.set(self.0.future_drops.get() + 1);
    }
}
