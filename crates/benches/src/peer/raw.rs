#![expect(unsafe_code, reason = "wakers that count with plain counters, which `std` has no safe way to make")]
//! The minimum: a queue of futures in `Rc`s, wakers without atomics, a list of wakers for each primitive, and slots of a
//! millisecond for sleepers. No cancellation, no names, no panics caught, no other threads, no I/O.
//!
//! The wakers are not fit for other threads, and the rows in which another thread wakes are written for this peer alone.
//! The `SAFETY` comments rest on this: a waker's data is a pointer from `Rc::into_raw` of the `Task<F>` of its table.

mod server;

use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::mpsc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::{Duration, Instant};

use super::{Blocking, Event, Gather, Lock, Peer, Queue, Semaphore, Sleep};
use crate::work::yield_once;

pub use server::serve;

pub struct Raw;

enum Stage<F: Future> {
    Future(F),
    Output(F::Output),
    Taken,
}

struct Task<F: Future> {
    queued: Cell<bool>,
    awaiter: Cell<Option<Waker>>,
    stage: UnsafeCell<Stage<F>>,
}

trait Step {
    fn step(self: Rc<Self>);
}

const SLOTS: usize = 4096;

thread_local! {
    static READY: RefCell<VecDeque<Rc<dyn Step>>> = const { RefCell::new(VecDeque::new()) };
    static WHEEL: RefCell<Wheel> = RefCell::new(Wheel::new());
}

fn push(task: Rc<dyn Step>) {
    READY.with_borrow_mut(|ready| ready.push_back(task));
}

impl<F: Future<Output: 'static> + 'static> Task<F> {
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: see the header of this file.
            unsafe { Rc::increment_strong_count(data.cast::<Self>()) };
            RawWaker::new(data, &Self::TABLE)
        },
        |data| {
            // SAFETY: see the header of this file; the waker's reference is used up.
            Self::wake(unsafe { Rc::from_raw(data.cast::<Self>()) });
        },
        |data| {
            // SAFETY: see the header of this file; the reference stays with the waker.
            let task = ManuallyDrop::new(unsafe { Rc::from_raw(data.cast::<Self>()) });
            Self::wake(Rc::clone(&task));
        },
        |data| {
            // SAFETY: see the header of this file; the waker's reference is used up.
            drop(unsafe { Rc::from_raw(data.cast::<Self>()) });
        },
    );

    fn wake(this: Rc<Self>) {
        if !this.queued.replace(true) {
            push(this);
        }
    }
}

impl<F: Future<Output: 'static> + 'static> Step for Task<F> {
    fn step(self: Rc<Self>) {
        self.queued.set(false);
        // SAFETY: the table is that of `Task<F>`; the waker is not dropped, so it needs no reference of its own.
        let waker = ManuallyDrop::new(unsafe { Waker::new(Rc::as_ptr(&self).cast(), &Self::TABLE) });
        // SAFETY: steps do not nest, and `take` looks after the last one.
        let stage = unsafe { &mut *self.stage.get() };
        let Stage::Future(future) = stage else { return };
        // SAFETY: the allocation does not move, and the future is dropped in place.
        let future = unsafe { Pin::new_unchecked(future) };
        if let Poll::Ready(output) = future.poll(&mut Context::from_waker(&waker)) {
            *stage = Stage::Output(output);
            if let Some(awaiter) = self.awaiter.take() {
                awaiter.wake();
            }
        }
    }
}

struct Join<F: Future>(Rc<Task<F>>);

impl<F: Future> Future for Join<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: no step of this task is going on: it does not poll its own handle.
        let stage = unsafe { &mut *self.0.stage.get() };
        if let Stage::Future(_) = stage {
            self.0.awaiter.set(Some(cx.waker().clone()));
            return Poll::Pending;
        }
        match std::mem::replace(stage, Stage::Taken) {
            Stage::Output(output) => Poll::Ready(output),
            _ => unreachable!("polled once after the end"),
        }
    }
}

fn start<F: Future<Output: 'static> + 'static>(future: F) -> Join<F> {
    let task = Rc::new(Task {
        queued: Cell::new(true),
        awaiter: Cell::new(None),
        stage: UnsafeCell::new(Stage::Future(future)),
    });
    push(task.clone());
    Join(task)
}

impl Peer for Raw {
    fn block_on<F: Future<Output: 'static> + 'static>(main: F) -> F::Output {
        let output = Rc::new(Cell::new(None));
        let to = output.clone();
        drop(start(async move { to.set(Some(main.await)) }));
        loop {
            while let Some(task) = READY.with_borrow_mut(VecDeque::pop_front) {
                task.step();
            }
            if let Some(output) = output.take() {
                return output;
            }
            Wheel::turn();
        }
    }

    fn spawn<F: Future<Output: 'static> + 'static>(future: F) -> impl Future<Output = F::Output> + 'static {
        start(future)
    }

    fn yield_now() -> impl Future<Output = ()> {
        yield_once()
    }
}

impl Gather for Raw {
    async fn gather<F: Future<Output = usize> + 'static>(futures: Vec<F>) -> Vec<usize> {
        let tasks: Vec<_> = futures.into_iter().map(start).collect();
        let mut outputs = Vec::with_capacity(tasks.len());
        for task in tasks {
            outputs.push(task.await);
        }
        outputs
    }
}

/// Permits, and who waits for one.
pub struct Permits {
    left: Cell<usize>,
    waiters: RefCell<VecDeque<Waker>>,
}

struct Permit<'a>(&'a Permits);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        match self.0.waiters.borrow_mut().pop_front() {
            // The permit is handed on.
            Some(waker) => waker.wake(),
            None => self.0.left.set(self.0.left.get() + 1),
        }
    }
}

impl Permits {
    fn new(left: usize) -> Self {
        Self { left: Cell::new(left), waiters: RefCell::default() }
    }

    fn acquire(&self) -> impl Future<Output = Permit<'_>> {
        let mut waits = false;
        poll_fn(move |cx| {
            if waits {
                return Poll::Ready(Permit(self));
            }
            if self.left.get() > 0 {
                self.left.set(self.left.get() - 1);
                return Poll::Ready(Permit(self));
            }
            waits = true;
            self.waiters.borrow_mut().push_back(cx.waker().clone());
            Poll::Pending
        })
    }
}

impl Lock for Raw {
    type Lock = Permits;

    fn lock() -> Permits {
        Permits::new(1)
    }

    fn acquire(lock: &Permits) -> impl Future<Output = impl Sized> {
        lock.acquire()
    }
}

impl Semaphore for Raw {
    type Semaphore = Permits;

    fn semaphore(permits: usize) -> Permits {
        Permits::new(permits)
    }

    fn acquire(semaphore: &Permits) -> impl Future<Output = impl Sized> {
        semaphore.acquire()
    }
}

impl Event for Raw {
    type Event = RefCell<Vec<Waker>>;

    fn event() -> Self::Event {
        RefCell::default()
    }

    fn wait(event: &Self::Event) -> impl Future<Output = ()> {
        let mut waits = false;
        poll_fn(move |cx| {
            if std::mem::replace(&mut waits, true) {
                return Poll::Ready(());
            }
            event.borrow_mut().push(cx.waker().clone());
            Poll::Pending
        })
    }

    fn wake_all(event: &Self::Event) {
        event.borrow_mut().drain(..).for_each(Waker::wake);
    }
}

/// A queue, and the one who waits at each end.
pub struct Channel {
    values: RefCell<VecDeque<usize>>,
    capacity: usize,
    sender: Cell<Option<Waker>>,
    receiver: Cell<Option<Waker>>,
}

impl Queue for Raw {
    type Sender = Rc<Channel>;
    type Receiver = Rc<Channel>;

    fn queue(capacity: usize) -> (Rc<Channel>, Rc<Channel>) {
        let values = RefCell::new(VecDeque::with_capacity(capacity));
        let channel = Rc::new(Channel { values, capacity, sender: Cell::new(None), receiver: Cell::new(None) });
        (channel.clone(), channel)
    }

    fn put(channel: &Rc<Channel>, value: usize) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            let mut values = channel.values.borrow_mut();
            if values.len() == channel.capacity {
                channel.sender.set(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            values.push_back(value);
            if let Some(waker) = channel.receiver.take() {
                waker.wake();
            }
            Poll::Ready(())
        })
    }

    fn get(channel: &mut Rc<Channel>) -> impl Future<Output = usize> {
        poll_fn(|cx| match channel.values.borrow_mut().pop_front() {
            Some(value) => {
                if let Some(waker) = channel.sender.take() {
                    waker.wake();
                }
                Poll::Ready(value)
            }
            None => {
                channel.receiver.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        })
    }
}

/// Sleepers in slots of a millisecond, for delays of less than four seconds.
struct Wheel {
    begin: Instant,
    /// The slot that comes next.
    next: usize,
    slots: Vec<Vec<Waker>>,
}

impl Wheel {
    fn new() -> Self {
        Self { begin: Instant::now(), next: 0, slots: (0..SLOTS).map(|_| Vec::new()).collect() }
    }

    fn add(&mut self, delay: Duration, waker: Waker) {
        let due = self.begin.elapsed() + delay;
        let slot = usize::try_from(due.as_millis()).unwrap_or(0) + 1;
        assert!(slot.saturating_sub(self.next) < SLOTS, "the wheel is for short delays");
        self.slots[slot % SLOTS].push(waker);
    }

    /// Waits for the next slot with somebody in it, and wakes all that are due.
    fn turn() {
        let due = WHEEL.with_borrow_mut(|wheel| {
            let slots = SLOTS + wheel.next;
            while wheel.next < slots && wheel.slots[wheel.next % SLOTS].is_empty() {
                wheel.next += 1;
            }
            let at = Duration::from_millis(wheel.next as u64);
            std::thread::sleep(at.saturating_sub(wheel.begin.elapsed()));
            wheel.next += 1;
            std::mem::take(&mut wheel.slots[(wheel.next - 1) % SLOTS])
        });
        due.into_iter().for_each(Waker::wake);
    }
}

impl Sleep for Raw {
    fn sleep(delay: Duration) -> impl Future<Output = ()> {
        let mut waits = false;
        poll_fn(move |cx| {
            if std::mem::replace(&mut waits, true) {
                return Poll::Ready(());
            }
            WHEEL.with_borrow_mut(|wheel| wheel.add(delay, cx.waker().clone()));
            Poll::Pending
        })
    }
}

impl Blocking for Raw {
    /// The work goes to a thread through a channel, and the result comes back through one.
    async fn blocking(f: fn() -> usize) -> usize {
        type Job = (fn() -> usize, mpsc::Sender<usize>);
        thread_local! {
            static WORKER: mpsc::Sender<Job> = {
                let (sender, receiver) = mpsc::channel::<Job>();
                std::thread::spawn(move || {
                    for (f, reply) in receiver {
                        let _ = reply.send(f());
                    }
                });
                sender
            };
        }
        let (reply, result) = mpsc::channel();
        WORKER.with(|worker| worker.send((f, reply)).expect("the worker is there"));
        result.recv().expect("the worker is there")
    }
}
