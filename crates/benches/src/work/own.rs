//! What this library has from Python, and few others have.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;

use crate::meter::Cpu;
use crate::peer::asyncio::{self as ours, Asyncio};
use crate::peer::{Group, Peer};
use crate::work::batches;

/// `catch_cancelled` around a future that yields once.
pub fn catch_cancelled(count: usize) -> Vec<f64> {
    Asyncio::drive(async move {
        let cpu = Cpu::start();
        for _ in 0..count {
            ours::catch_cancelled().await;
        }
        cpu.per(count)
    })
}

/// A group of tasks with one child, which is awaited.
pub fn task_group<P: Group>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let cpu = Cpu::start();
        for _ in 0..count {
            black_box(P::group_of_one().await);
        }
        cpu.per(count)
    })
}

/// Callbacks put into the ready queue, a thousand to the turn.
pub fn call_soon(count: usize) -> Vec<f64> {
    Asyncio::drive(async move {
        let (times, many) = batches(count, 1000);
        let called = Rc::new(Cell::new(0));
        let running = asyncio::get_running_loop();
        let cpu = Cpu::start();
        for _ in 0..times {
            for _ in 0..many {
                let called = called.clone();
                running.call_soon(move || called.set(called.get() + 1));
            }
            asyncio::yield_now().await;
        }
        let cost = cpu.per(count);
        assert_eq!(called.get(), times * many);
        cost
    })
}
