//! Everything is dropped while it is pending. Names contain `leak`: these tests are run under valgrind too.

use std::cell::RefCell;
use std::future::pending;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use asyncio_event_loop::{
    EventLoop, Runner, Sleep, TimerHandle, get_running_loop, run_coroutine_threadsafe, sleep, to_thread,
};
use asyncio_executor::{catch_cancelled, create_task, yield_now};

use crate::log::{secs, virtual_runner};

/// Something on the heap that also holds the loop.
fn cargo(this: &EventLoop) -> (Box<[u8]>, EventLoop) {
    (Box::new([7; 100]), this.clone())
}

/// Makes a closure keep all of `value`.
fn hold<T>(_value: &T) {}

fn load(this: &EventLoop) {
    let held = cargo(this);
    this.call_soon(move || drop(held));
    for delay in [Duration::ZERO, secs(1), secs(1 << 30), Duration::MAX] {
        let held = cargo(this);
        this.call_later(delay, move || drop(held));
        let held = cargo(this);
        let cancelled = this.call_later(delay, move || drop(held));
        cancelled.cancel();
        let held = cargo(this);
        drop(this.create_task(async move {
            sleep(delay).await;
            drop(held);
        }));
    }
    let held = cargo(this);
    drop(this.create_task(async move {
        pending::<()>().await;
        drop(held);
    }));
    let held = cargo(this);
    let handler = move |_: &EventLoop, _: &asyncio_executor::Fault| hold(&held);
    this.set_exception_handler(handler);
    let held = cargo(this);
    this.set_task_factory(move |builder| {
        hold(&held);
        builder
    });
    let remote = this.remote();
    let inside = remote.clone();
    remote.call_soon_threadsafe(move || drop(inside)).unwrap();
    drop(run_coroutine_threadsafe(&remote, pending::<()>));
}

#[test]
fn leak_of_a_runner_that_never_ran() {
    let runner = virtual_runner();
    load(&runner.get_loop());
}

#[test]
fn leak_of_a_runner_that_ran_a_little() {
    for virtual_time in [false, true] {
        let mut runner = Runner::builder().virtual_time(virtual_time).build().unwrap();
        load(&runner.get_loop());
        runner.run(yield_now()).unwrap();
        load(&runner.get_loop());
    }
}

#[test]
fn leak_of_what_outlives_the_loop() {
    let mut runner = virtual_runner();
    let this = runner.get_loop();
    load(&this);
    let kept: (Pin<Box<Sleep>>, TimerHandle, asyncio_executor::Task<()>) = runner
        .run(async {
            let mut nap = Box::pin(sleep(secs(1)));
            let armed = std::future::poll_fn(|cx| std::task::Poll::Ready(nap.as_mut().poll(cx).is_pending())).await;
            assert!(armed);
            let held = cargo(&get_running_loop());
            let timer = get_running_loop().call_later(secs(9), move || drop(held));
            (nap, timer, create_task(pending()))
        })
        .unwrap();
    drop(runner);
    assert!(kept.2.cancelled());
    kept.1.cancel();
    drop(kept);
    drop(this);
}

#[test]
fn leak_of_threads_at_work() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let mut runner = virtual_runner();
    runner
        .run(async {
            let held = [7; 100].to_vec();
            drop(create_task(async move {
                to_thread(move || {
                    wait.recv().unwrap();
                    held
                })
                .await;
            }));
            drop(create_task(async {
                to_thread(|| vec![7; 100]).await;
            }));
            yield_now().await;
            go.send(()).unwrap();
        })
        .unwrap();
    drop(runner);
}

#[test]
fn leak_of_tasks_that_hold_one_another() {
    let mut runner = virtual_runner();
    runner
        .run(async {
            let both: Rc<RefCell<Vec<_>>> = Rc::default();
            for _ in 0..2 {
                let inner = both.clone();
                let task = create_task(async move {
                    let _inner = inner;
                    let _ = catch_cancelled(pending::<()>()).await;
                    pending::<()>().await;
                });
                both.borrow_mut().push(task);
            }
            yield_now().await;
        })
        .unwrap();
    drop(runner);
}

#[cfg(unix)]
#[test]
fn leak_of_watches() {
    use std::os::unix::net::UnixStream;
    let mut runner = virtual_runner();
    let this = runner.get_loop();
    let (near, far) = UnixStream::pair().unwrap();
    let near = Rc::new(near);
    for _ in 0..2 {
        let held = (cargo(&this), near.clone());
        this.add_reader(&*near, move || hold(&held)).unwrap();
        let held = (cargo(&this), near.clone());
        this.add_writer(&*near, move || hold(&held)).unwrap();
    }
    runner.run(yield_now()).unwrap();
    drop(runner);
    drop(far);
}

#[cfg(unix)]
#[test]
pub fn leak_of_signals() {
    use crate::child::{Child, in_child};
    if in_child() {
        let mut runner = virtual_runner();
        let this = runner.get_loop();
        let held = cargo(&this);
        this.add_signal_handler(libc::SIGUSR1, move || hold(&held)).unwrap();
        runner
            .run(async {
                drop(create_task(async {
                    let mut stream = asyncio_event_loop::signal(libc::SIGUSR2).unwrap();
                    stream.recv().await;
                }));
                yield_now().await;
            })
            .unwrap();
        return;
    }
    assert!(Child::spawn("leak::leak_of_signals").wait().success());
}
