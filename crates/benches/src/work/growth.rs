//! The same operation among a thousand, a hundred thousand, a million: what does not grow costs the same.

use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use crate::meter::Cpu;
use crate::peer::{Cancel, Lock, Peer, Sleep, Timeout};
use crate::work::{Latch, batches};

/// A function for each size, because they are told apart by their types alone.
macro_rules! sizes {
    ($run:ident: $bound:path $(, $also:path)*; $small:ident $medium:ident $large:ident) => {
        pub fn $small<P: $bound $(+ $also)*>(count: usize) -> Vec<f64> {
            $run::<P>(1000, count)
        }

        pub fn $medium<P: $bound $(+ $also)*>(count: usize) -> Vec<f64> {
            $run::<P>(100_000, count)
        }

        pub fn $large<P: $bound $(+ $also)*>(count: usize) -> Vec<f64> {
            $run::<P>(1_000_000, count)
        }
    };
}

sizes!(yields: Peer; yields_1k yields_100k yields_1m);
sizes!(timeouts: Timeout, Sleep; timeouts_1k timeouts_100k timeouts_1m);
sizes!(handed: Lock; handed_1k handed_100k handed_1m);
sizes!(given_up: Lock, Cancel; given_up_1k given_up_100k given_up_1m);

/// Tasks that are all alive and yield in turn; making and ending them does not count.
fn yields<P: Peer>(most: usize, count: usize) -> Vec<f64> {
    P::drive(async move {
        let (times, tasks) = batches(count, most);
        let (begin, end) = (Rc::new(Latch::new()), Rc::new(Latch::new()));
        let body = |begin: Rc<Latch>, end: Rc<Latch>| async move {
            begin.arrive();
            for _ in 0..times {
                P::yield_now().await;
            }
            end.arrive();
        };
        let handles: Vec<_> = (0..tasks).map(|_| P::spawn(body(begin.clone(), end.clone()))).collect();
        begin.wait_for(tasks).await;
        let cpu = Cpu::start();
        end.wait_for(tasks).await;
        let cost = cpu.per(times * tasks);
        for handle in handles {
            handle.await;
        }
        cost
    })
}

/// A timeout around a future that yields once, while many others sleep.
fn timeouts<P: Timeout + Sleep>(most: usize, count: usize) -> Vec<f64> {
    P::drive(async move {
        let begun = Rc::new(Latch::new());
        let sleepers = most.min(count);
        let body = |begun: Rc<Latch>, i: usize| async move {
            begun.arrive();
            drop(begun);
            P::sleep(Duration::from_secs(60) + Duration::from_micros(i as u64)).await;
        };
        let handles: Vec<_> = (0..sleepers).map(|i| P::spawn(body(begun.clone(), i))).collect();
        begun.wait_for(sleepers).await;
        let cpu = Cpu::start();
        for _ in 0..count {
            P::timeout(Duration::from_secs(10), P::yield_now()).await;
        }
        let cost = cpu.per(count);
        drop(handles);
        cost
    })
}

/// Tasks that all wait for one lock, and get it one after the other.
fn handed<P: Lock>(most: usize, count: usize) -> Vec<f64> {
    P::drive(async move {
        let (times, waiters) = batches(count, most);
        let lock = Rc::new(P::lock());
        let mut costs = Vec::new();
        for _ in 0..times {
            let waiting = Rc::new(Latch::new());
            let held = P::acquire(&lock).await;
            let handles: Vec<_> = (0..waiters).map(|_| P::spawn(wait::<P>(lock.clone(), waiting.clone()))).collect();
            waiting.wait_for(waiters).await;
            let cpu = Cpu::start();
            drop(held);
            for handle in handles {
                handle.await;
            }
            costs.push(cpu.per(waiters));
        }
        mean(&costs)
    })
}

/// Tasks that all wait for one lock, and are cancelled in an order that is not theirs.
fn given_up<P: Lock + Cancel>(most: usize, count: usize) -> Vec<f64> {
    P::drive(async move {
        let (times, waiters) = batches(count, most);
        let lock = Rc::new(P::lock());
        let mut costs = Vec::new();
        for _ in 0..times {
            let waiting = Rc::new(Latch::new());
            let held = P::acquire(&lock).await;
            let handles = (0..waiters).map(|_| P::start(wait::<P>(lock.clone(), waiting.clone()))).collect();
            waiting.wait_for(waiters).await;
            let handles = shuffled(handles);
            let cpu = Cpu::start();
            P::cancel_all(handles).await;
            costs.push(cpu.per(waiters));
            drop(held);
        }
        mean(&costs)
    })
}

async fn wait<P: Lock>(lock: Rc<P::Lock>, waiting: Rc<Latch>) {
    waiting.arrive();
    drop(waiting);
    drop(black_box(P::acquire(&lock).await));
}

/// In an order that looks like chance and is the same for everybody.
fn shuffled<T>(mut list: Vec<T>) -> Vec<T> {
    let mut random: u64 = 1;
    for i in (1..list.len()).rev() {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        list.swap(i, (random >> 33) as usize % (i + 1));
    }
    list
}

fn mean(costs: &[Vec<f64>]) -> Vec<f64> {
    let sum = |figure| costs.iter().map(|cost| cost[figure]).sum::<f64>();
    (0..3).map(|figure| sum(figure) / costs.len() as f64).collect()
}
