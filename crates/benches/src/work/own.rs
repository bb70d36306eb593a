//! What only this library has.

use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;

use crate::clock::Cpu;
use crate::peer::Peer;
use crate::peer::asyncio::{self as ours, Asyncio};

/// `catch_cancelled` around a future that yields once.
pub fn catch_cancelled(count: usize) -> Vec<f64> {
    Asyncio::drive(async move {
        let cpu = Cpu::start();
        for _ in 0..count {
            ours::catch_cancelled().await;
        }
        vec![cpu.per(count)]
    })
}

/// A task group whose body makes one child and awaits it.
pub fn task_group(count: usize) -> Vec<f64> {
    Asyncio::drive(async move {
        let cpu = Cpu::start();
        for _ in 0..count {
            black_box(ours::task_group().await);
        }
        vec![cpu.per(count)]
    })
}

/// Callbacks put into the ready queue, a thousand to the turn.
pub fn call_soon(count: usize) -> Vec<f64> {
    Asyncio::drive(async move {
        let called = Rc::new(Cell::new(0));
        let running = asyncio::get_running_loop();
        let cpu = Cpu::start();
        for _ in 0..count / 1000 {
            for _ in 0..1000 {
                let called = called.clone();
                running.call_soon(move || called.set(called.get() + 1));
            }
            asyncio::yield_now().await;
        }
        let cost = cpu.per(count);
        assert_eq!(called.get(), count / 1000 * 1000);
        vec![cost]
    })
}
