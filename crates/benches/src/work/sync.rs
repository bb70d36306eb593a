//! Locks, semaphores, events, queues.

use std::hint::black_box;
use std::rc::Rc;

use crate::meter::Cpu;
use crate::peer::{Event, Lock, Peer, Queue, Semaphore};
use crate::work::{Latch, batches};

/// Acquires and releases a lock that nobody else wants.
pub fn lock_free<P: Lock>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let lock = P::lock();
        let cpu = Cpu::start();
        for _ in 0..count {
            drop(black_box(P::acquire(&lock).await));
        }
        cpu.per(count)
    })
}

/// Two tasks that want one lock.
pub fn lock_2<P: Lock>(count: usize) -> Vec<f64> {
    lock_contended::<P>(2, count)
}

/// Ten tasks that want one lock.
pub fn lock_10<P: Lock>(count: usize) -> Vec<f64> {
    lock_contended::<P>(10, count)
}

/// Tasks that want one lock and yield while they hold it.
fn lock_contended<P: Lock>(tasks: usize, count: usize) -> Vec<f64> {
    P::drive(async move {
        let lock = Rc::new(P::lock());
        let body = |lock: Rc<P::Lock>| async move {
            for _ in 0..count / tasks {
                let guard = P::acquire(&lock).await;
                P::yield_now().await;
                drop(guard);
            }
        };
        let cpu = Cpu::start();
        all::<P, _>((0..tasks).map(|_| body(lock.clone()))).await;
        cpu.per(count)
    })
}

async fn all<P: Peer, F: Future<Output = ()> + 'static>(futures: impl Iterator<Item = F>) {
    let tasks: Vec<_> = futures.map(P::spawn).collect();
    for task in tasks {
        task.await;
    }
}

/// Acquires and releases a permit that is there.
pub fn semaphore_free<P: Semaphore>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let semaphore = P::semaphore(5);
        let cpu = Cpu::start();
        for _ in 0..count {
            drop(black_box(P::acquire(&semaphore).await));
        }
        cpu.per(count)
    })
}

/// Ten tasks that want one of five permits and yield while they hold it.
pub fn semaphore_contended<P: Semaphore>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let semaphore = Rc::new(P::semaphore(5));
        let body = |semaphore: Rc<P::Semaphore>| async move {
            for _ in 0..count / 10 {
                let permit = P::acquire(&semaphore).await;
                P::yield_now().await;
                drop(permit);
            }
        };
        let cpu = Cpu::start();
        all::<P, _>((0..10).map(|_| body(semaphore.clone()))).await;
        cpu.per(count)
    })
}

/// A thousand tasks that wait for an event, again and again. One operation is one waiter once.
pub fn event<P: Event>(count: usize) -> Vec<f64> {
    struct Stage<E> {
        event: E,
        waiting: Latch,
    }
    P::drive(async move {
        let (times, tasks) = batches(count, 1000);
        let stage = Rc::new(Stage { event: P::event(), waiting: Latch::new() });
        let cpu = Cpu::start();
        let body = |stage: Rc<Stage<P::Event>>| async move {
            for _ in 0..times {
                stage.waiting.arrive();
                P::wait(&stage.event).await;
            }
        };
        let waiters: Vec<_> = (0..tasks).map(|_| P::spawn(body(stage.clone()))).collect();
        for _ in 0..times {
            stage.waiting.wait_for(tasks).await;
            P::wake_all(&stage.event);
        }
        for waiter in waiters {
            waiter.await;
        }
        cpu.per(count)
    })
}

/// A queue of 128, with a task at each end.
pub fn queue<P: Queue>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let (sender, mut receiver) = P::queue(128);
        let cpu = Cpu::start();
        let producer = P::spawn(async move {
            for i in 0..count {
                P::put(&sender, i).await;
            }
            sender
        });
        for i in 0..count {
            assert_eq!(P::get(&mut receiver).await, i);
        }
        let cost = cpu.per(count);
        producer.await;
        cost
    })
}
