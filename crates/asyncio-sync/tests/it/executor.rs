//! A first-in-first-out executor that cancels as CPython's tasks do: the request is known at once to whoever asks the
//! probe, and takes effect on the task's next step, which drops its future.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use asyncio_context::{Probe, ProbeCell, set_probe_source, take_wait};

thread_local!(static CURRENT: Cell<Probe> = const { Cell::new(Probe::NONE) });

type Ready = Arc<Mutex<VecDeque<usize>>>;

struct TaskWaker {
    id: usize,
    scheduled: AtomicBool,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.scheduled.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap().push_back(self.id);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Has not ended; what it waits for, if it is suspended in one of ours.
    Pending(Option<&'static str>),
    Done,
    Cancelled,
}

struct Task {
    future: RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>,
    waker: Arc<TaskWaker>,
    probe: ProbeCell,
    cancel: Cell<bool>,
    suspended: Cell<bool>,
    status: Cell<Status>,
    when_cancelled: RefCell<Option<Box<dyn FnOnce()>>>,
}

/// Clones are handles of the same executor, so that tasks can spawn and cancel.
#[derive(Clone, Default)]
pub struct Executor {
    ready: Ready,
    tasks: Rc<RefCell<Vec<Rc<Task>>>>,
}

impl Executor {
    pub fn new() -> Self {
        set_probe_source(Some(|| CURRENT.get()));
        Self::default()
    }

    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> usize {
        let id = self.tasks.borrow().len();
        let waker = Arc::new(TaskWaker { id, scheduled: AtomicBool::new(false), ready: Arc::clone(&self.ready) });
        self.tasks.borrow_mut().push(Rc::new(Task {
            future: RefCell::new(Some(Box::pin(future))),
            waker: Arc::clone(&waker),
            probe: ProbeCell::new(),
            cancel: Cell::new(false),
            suspended: Cell::new(false),
            status: Cell::new(Status::Pending(None)),
            when_cancelled: RefCell::new(None),
        }));
        waker.wake();
        id
    }

    /// Calls `f` after the task's future has been dropped by a cancellation.
    pub fn when_cancelled(&self, id: usize, f: impl FnOnce() + 'static) {
        *self.task(id).when_cancelled.borrow_mut() = Some(Box::new(f));
    }

    pub fn cancel(&self, id: usize) -> bool {
        let task = self.task(id);
        if !matches!(task.status.get(), Status::Pending(_)) {
            return false;
        }
        task.cancel.set(true);
        // One that is running gets the request when it suspends; one that has not started is in the queue already.
        if task.suspended.get() {
            task.probe.set_cancelled(true);
            Arc::clone(&task.waker).wake();
        }
        true
    }

    /// Drops the task's future at once, as a lost branch of `select!` is dropped: no probe says so before.
    pub fn abandon(&self, id: usize) {
        let task = self.task(id);
        let future = task.future.borrow_mut().take();
        if future.is_some() {
            task.status.set(Status::Cancelled);
        }
        drop(future);
    }

    /// [`cancel`](Self::cancel), for whoever does not care whether the task had ended.
    pub fn request(&self, id: usize) {
        self.cancel(id);
    }

    pub fn status(&self, id: usize) -> Status {
        self.task(id).status.get()
    }

    /// Makes one step of the task that is first in the queue; false if there is none.
    pub fn step(&self) -> bool {
        let Some(id) = self.ready.lock().unwrap().pop_front() else { return false };
        let task = self.task(id);
        let Some(mut future) = task.future.borrow_mut().take() else { return true };
        if task.cancel.get() {
            task.status.set(Status::Cancelled);
            drop(future);
            if let Some(f) = task.when_cancelled.borrow_mut().take() {
                f();
            }
            return true;
        }
        task.waker.scheduled.store(false, Ordering::Relaxed);
        task.suspended.set(false);
        let waker = Waker::from(Arc::clone(&task.waker));
        let before = CURRENT.replace(task.probe.probe());
        let _ = take_wait();
        let outcome = future.as_mut().poll(&mut Context::from_waker(&waker));
        CURRENT.set(before);
        match outcome {
            Poll::Ready(()) => task.status.set(Status::Done),
            Poll::Pending => {
                task.status.set(Status::Pending(take_wait().map(|wait| wait.kind.name())));
                task.suspended.set(true);
                *task.future.borrow_mut() = Some(future);
                if task.cancel.get() {
                    task.probe.set_cancelled(true);
                    Arc::clone(&task.waker).wake();
                }
            }
        }
        true
    }

    /// One turn: the steps of those that are ready now.
    pub fn turn(&self) {
        let ready = self.ready.lock().unwrap().len();
        for _ in 0..ready {
            self.step();
        }
    }

    /// Runs until nothing is ready.
    pub fn run(&self) {
        while self.step() {}
    }

    /// Runs until nothing is ready and says whether all tasks have ended.
    pub fn finish(&self) -> bool {
        self.run();
        self.tasks.borrow().iter().all(|task| !matches!(task.status.get(), Status::Pending(_)))
    }

    fn task(&self, id: usize) -> Rc<Task> {
        Rc::clone(&self.tasks.borrow()[id])
    }
}

/// `asyncio.sleep(0)`.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A log that tasks share.
#[derive(Clone, Default)]
pub struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    pub fn push(&self, entry: impl Into<String>) {
        self.0.borrow_mut().push(entry.into());
    }

    pub fn take(&self) -> Vec<String> {
        self.0.take()
    }
}
