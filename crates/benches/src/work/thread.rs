//! Other threads: a wake from one, and work on one. Measured in real time, because most of it is waiting.

use std::future::poll_fn;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Poll, Waker};
use std::thread;

use crate::meter::Wall;
use crate::peer::{Blocking, Peer};

#[derive(Default)]
struct Gate {
    asked: AtomicUsize,
    answered: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Gate {
    /// Answers `count` questions with `answer`.
    fn serve(&self, count: usize, answer: impl Fn(&Self)) {
        for i in 1..=count {
            while self.asked.load(SeqCst) < i {
                thread::park();
            }
            self.answered.store(i, SeqCst);
            answer(self);
        }
    }
}

/// Wakes a thread, and waits until that thread has woken the task.
pub fn wake<P: Peer>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let gate = Arc::new(Gate::default());
        let server = gate.clone();
        let server = thread::spawn(move || {
            server.serve(count, |gate| {
                let waker = gate.waker.lock().expect("no panic").take();
                if let Some(waker) = waker {
                    waker.wake();
                }
            });
        });
        let wall = Wall::start();
        for i in 1..=count {
            gate.asked.store(i, SeqCst);
            server.thread().unpark();
            poll_fn(|cx| {
                *gate.waker.lock().expect("no panic") = Some(cx.waker().clone());
                if gate.answered.load(SeqCst) == i { Poll::Ready(()) } else { Poll::Pending }
            })
            .await;
        }
        let cost = wall.per(count);
        server.join().expect("no panic");
        vec![cost / 1000.0]
    })
}

/// The same between two threads that park, without any loop.
pub fn wake_of_thread(count: usize) -> Vec<f64> {
    let gate = Arc::new(Gate::default());
    let server = gate.clone();
    let here = thread::current();
    let server = thread::spawn(move || server.serve(count, |_| here.unpark()));
    let wall = Wall::start();
    for i in 1..=count {
        gate.asked.store(i, SeqCst);
        server.thread().unpark();
        while gate.answered.load(SeqCst) < i {
            thread::park();
        }
    }
    let cost = wall.per(count);
    server.join().expect("no panic");
    vec![cost / 1000.0]
}

/// Has an empty function run on another thread, and waits for it.
pub fn blocking<P: Blocking>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let wall = Wall::start();
        for _ in 0..count {
            black_box(P::blocking(|| black_box(1)).await);
        }
        vec![wall.per(count) / 1000.0]
    })
}
