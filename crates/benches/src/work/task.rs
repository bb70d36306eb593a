//! Tasks: making them, switching between them, ending them.

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::hint::black_box;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::allocator;
use crate::meter::{Cpu, resident};
use crate::peer::{Cancel, Gather, Peer};
use crate::work::{Latch, batches};

/// Makes 10,000 tasks, then awaits each; as often as it takes.
pub fn spawn_many<P: Peer>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let (times, many) = batches(count, 10_000);
        let cpu = Cpu::start();
        for _ in 0..times {
            let tasks: Vec<_> = (0..many).map(|i| P::spawn(async move { black_box(i) })).collect();
            for task in tasks {
                black_box(task.await);
            }
        }
        cpu.per(count)
    })
}

/// Makes a task and awaits it, one after the other.
pub fn spawn_one<P: Peer>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let cpu = Cpu::start();
        for i in 0..count {
            black_box(P::spawn(async move { black_box(i) }).await);
        }
        cpu.per(count)
    })
}

/// One task that yields.
pub fn yield_alone<P: Peer>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let cpu = Cpu::start();
        for _ in 0..count {
            P::yield_now().await;
        }
        cpu.per(count)
    })
}

/// A thousand tasks that yield.
pub fn yield_among<P: Peer>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let (times, many) = batches(count, 1000);
        let cpu = Cpu::start();
        let body = async |times: usize| {
            for _ in 0..times {
                P::yield_now().await;
            }
        };
        let tasks: Vec<_> = (0..many).map(|_| P::spawn(body(times))).collect();
        for task in tasks {
            task.await;
        }
        cpu.per(count)
    })
}

/// Two tasks that take turns: each waits until the other has woken it. One operation is there and back.
pub fn ping_pong<P: Peer>(count: usize) -> Vec<f64> {
    struct Table {
        /// Whose turn it is.
        turn: Cell<usize>,
        wakers: [Cell<Option<Waker>>; 2],
    }
    async fn play(table: Rc<Table>, me: usize, count: usize) {
        for _ in 0..count {
            poll_fn(|cx| {
                if table.turn.get() == me {
                    return Poll::Ready(());
                }
                table.wakers[me].set(Some(cx.waker().clone()));
                Poll::Pending
            })
            .await;
            table.turn.set(1 - me);
            if let Some(waker) = table.wakers[1 - me].take() {
                waker.wake();
            }
        }
    }
    P::drive(async move {
        let table = Rc::new(Table { turn: Cell::new(0), wakers: Default::default() });
        let cpu = Cpu::start();
        let other = P::spawn(play(table.clone(), 1, count));
        play(table, 0, count).await;
        other.await;
        cpu.per(count)
    })
}

/// Makes a thousand tasks and waits for all at once.
pub fn gather<P: Gather>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let (times, many) = batches(count, 1000);
        let cpu = Cpu::start();
        for _ in 0..times {
            let values = P::gather((0..many).map(|i| async move { black_box(i) }).collect()).await;
            assert_eq!(values.len(), many);
        }
        cpu.per(count)
    })
}

/// Cancels tasks that wait for ever, and awaits them. Making them does not count.
pub fn cancel<P: Cancel>(count: usize) -> Vec<f64> {
    P::drive(async move {
        let latch = Rc::new(Latch::new());
        let body = |latch: Rc<Latch>| async move {
            latch.arrive();
            drop(latch);
            pending::<()>().await;
        };
        let tasks: Vec<_> = (0..count).map(|_| P::start(body(latch.clone()))).collect();
        latch.wait_for(count).await;
        let cpu = Cpu::start();
        P::cancel_all(tasks).await;
        cpu.per(count)
    })
}

/// The bytes for a task that waits for ever and keeps 64 bytes of its own, with its handle: what was allocated, and what is
/// resident.
pub fn idle<P: Peer>(count: usize) -> Vec<f64> {
    thread_local!(static STARTED: Latch = const { Latch::new() });
    P::drive(async move {
        let before = (allocator::live(), resident("self").expect("the system tells"));
        let mut tasks = Vec::with_capacity(count);
        for _ in 0..count {
            tasks.push(P::spawn(async {
                let state = black_box([0_u64; 8]);
                STARTED.with(Latch::arrive);
                pending::<()>().await;
                black_box(&state);
            }));
        }
        poll_fn(|cx| STARTED.with(|started| started.poll(count, cx))).await;
        let after = (allocator::live(), resident("self").expect("the system tells"));
        drop(tasks);
        let each = |bytes: usize| bytes as f64 / count as f64;
        vec![each(after.0 - before.0), each(after.1.saturating_sub(before.1))]
    })
}
