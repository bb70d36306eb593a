//! The loop itself: callbacks, time, the exception handler, debug mode, watched descriptors.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use asyncio::{EventLoop, Fault, Handle, LoopRemote, TimerHandle};

const SECOND: Duration = Duration::from_secs(1);

#[asyncio::test(virtual_time)]
async fn callbacks_are_called_in_order() {
    let log = Rc::new(RefCell::new(Vec::new()));
    let f = |name: &'static str| {
        let log = log.clone();
        move || log.borrow_mut().push(name)
    };
    let l = asyncio::get_running_loop();
    let d = SECOND;
    let t = l.time() + SECOND * 2;
    let late: TimerHandle = l.call_at(t, f("at"));
    let cancelled = l.call_later(d, f("cancelled"));
    l.call_later(d, f("later"));
    let handle: Handle = l.call_soon(f("cancelled"));
    l.call_soon(f("soon"));
    handle.cancel();
    cancelled.cancel();
    assert!(cancelled.cancelled());
    assert!(handle.cancelled());
    assert_eq!(late.when(), t);
    assert!(l.is_running());
    asyncio::sleep(SECOND * 3).await;
    assert_eq!(*log.borrow(), ["soon", "later", "at"]);
    assert!(late.done());
}

#[test]
fn a_loop_can_be_stopped() {
    let mut runner = asyncio::Runner::new().unwrap();
    let l = runner.get_loop();
    assert!(!l.is_running());
    let result = runner.run(async {
        let l = asyncio::get_running_loop();
        l.stop();
        std::future::pending::<()>().await;
    });
    assert!(result.is_err());
}

#[asyncio::test]
async fn the_remote_of_a_loop_goes_to_other_threads() {
    fn assert_shareable<T: Send + Sync + Clone>(_: &T) {}
    let l = asyncio::get_running_loop();
    let remote: LoopRemote = l.remote();
    assert_shareable(&remote);
    let called = asyncio::Future::new();
    let call = called.clone();
    l.call_soon(move || call.set_result(()).unwrap());
    called.await;
}

#[asyncio::test(virtual_time)]
async fn an_exception_handler_hears_of_panics() {
    let l = asyncio::get_running_loop();
    let heard = Rc::new(RefCell::new(Vec::new()));
    let hear = heard.clone();
    let f = move |_: &EventLoop, fault: &Fault| {
        hear.borrow_mut().push(fault.panic_message().map(String::from));
    };
    l.set_exception_handler(f);
    l.call_soon(|| panic!("in a callback"));
    drop(asyncio::create_task(async { panic!("in a task") }));
    asyncio::sleep(SECOND).await;
    assert_eq!(*heard.borrow(), [Some("in a callback".to_string()), Some("in a task".to_string())]);
}

#[asyncio::test(virtual_time)]
async fn debug_mode_has_a_switch_and_a_limit() {
    let l = asyncio::get_running_loop();
    let d = SECOND;
    l.set_debug(true);
    l.set_slow_callback_duration(d);
    assert!(l.debug());
}

#[asyncio::test(virtual_time)]
async fn a_task_factory_sees_every_builder() {
    let l = asyncio::get_running_loop();
    let made = Rc::new(Cell::new(0));
    let count = made.clone();
    l.set_task_factory(move |builder| {
        count.set(count.get() + 1);
        builder.eager_start(true)
    });
    assert!(asyncio::create_task(async {}).done());
    assert_eq!(made.get(), 1);
    l.reset_task_factory();
    assert!(!asyncio::create_task(async {}).done());
}

#[test]
fn a_turn_in_three_parts_runs_the_loop_as_a_guest() -> std::io::Result<()> {
    let runner = asyncio::Runner::builder().virtual_time(true).build()?;
    let l = runner.get_loop();
    let task = l.create_task(async {
        asyncio::sleep(SECOND).await;
        asyncio::get_running_loop().time()
    });
    let mut turns = 0;
    while !task.done() {
        let timeout = Some(Duration::ZERO);
        l.poll_events(timeout)?;
        l.process_events();
        l.process_ready();
        turns += 1;
    }
    assert_eq!(task.result().unwrap(), asyncio::Instant::ZERO + SECOND);
    assert_eq!(turns, 3, "it begins, is woken, and ends");
    Ok(())
}

#[cfg(unix)]
#[test]
fn descriptors_can_be_watched() -> std::io::Result<()> {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    asyncio::run(async {
        let (near, mut far) = UnixStream::pair()?;
        let l = asyncio::get_running_loop();
        let (read, written) = (asyncio::Future::new(), asyncio::Future::new());
        let (on_read, on_write) = (read.clone(), written.clone());
        l.add_writer(near.as_fd(), move || _ = on_write.set_result(()))?;
        written.await;
        assert!(l.remove_writer(near.as_fd()));
        l.add_reader(near.as_fd(), move || _ = on_read.set_result(()))?;
        far.write_all(b"x")?;
        read.await;
        assert!(l.remove_reader(near.as_fd()));
        Ok(())
    })
}
