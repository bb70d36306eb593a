//! Programs on virtual time, stepped turn by turn, and the log of what they did and when.

use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use asyncio_event_loop::{Runner, get_running_loop, sleep};
use asyncio_executor::{TaskError, catch_cancelled, current_task, panic_message};
use futures_util::FutureExt;

thread_local! {
    static TURN: Cell<usize> = const { Cell::new(0) };
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// More turns than any test takes.
const TOO_MANY: usize = 100_000;

/// The number of the turn that is running, counted from that of the program's first step, or of the last change of the
/// time, which is 0.
pub fn turn() -> usize {
    TURN.get()
}

/// The time, in seconds since the program began.
pub fn time() -> f64 {
    get_running_loop().time().as_secs_f64()
}

/// Logs `what`, with the turn and the time.
pub fn note(what: impl Display) {
    let line = format!("{}:{} {what}", turn(), time());
    LOG.with_borrow_mut(|log| log.push(line));
}

/// Logs `what` alone.
pub fn say(what: impl Display) {
    LOG.with_borrow_mut(|log| log.push(what.to_string()));
}

/// What was logged since the program began, or since the last call.
pub fn log() -> Vec<String> {
    LOG.take()
}

/// Runs `main` to its end on virtual time, and all other tasks after it. What it left running is cancelled and must end.
pub fn try_run<T: 'static>(main: impl Future<Output = T> + 'static) -> Result<T, TaskError> {
    LOG.take();
    TURN.set(0);
    let mut runner = Runner::builder().virtual_time(true).build().unwrap();
    let this = runner.get_loop();
    let task = this.create_task(main);
    while !task.done() {
        assert!(turn() < TOO_MANY, "hangs: {:?}", this.all_tasks());
        let before = this.time();
        this.poll_events(Some(Duration::ZERO)).unwrap();
        this.process_events();
        if this.time() > before {
            TURN.set(0);
        }
        this.process_ready();
        TURN.set(turn() + 1);
    }
    runner.close();
    assert!(this.all_tasks().is_empty(), "left: {:?}", this.all_tasks());
    task.result()
}

/// Like [`try_run`], for a program that gives a value.
pub fn run<T: 'static>(main: impl Future<Output = T> + 'static) -> T {
    match try_run(main) {
        Ok(value) => value,
        Err(TaskError::Panicked(payload)) => std::panic::resume_unwind(payload),
        Err(error) => panic!("{error}"),
    }
}

/// Runs `main` and returns the log.
pub fn logged(main: impl Future<Output = ()> + 'static) -> Vec<String> {
    run(main);
    log()
}

pub fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Sleeps, then gives `value`.
pub async fn after<T>(seconds: u64, value: T) -> T {
    sleep(s(seconds)).await;
    value
}

/// Sleeps, then panics with `text`.
pub async fn fails(seconds: u64, text: &str) {
    sleep(s(seconds)).await;
    std::panic::resume_unwind(Box::new(text.to_owned()));
}

/// Sleeps for a long time; a cancellation of that takes `cleanup` seconds to clean up after.
pub async fn slow_to_end(cleanup: u64) {
    if let Err(error) = catch_cancelled(sleep(s(1000))).await {
        sleep(s(cleanup)).await;
        error.raise().await;
    }
}

/// Calls `f` in `seconds`, outside any task.
pub fn call(seconds: u64, f: impl FnOnce() + 'static) {
    get_running_loop().call_later(s(seconds), f);
}

/// Logs what is reported to the exception handler from now on.
pub fn log_reports() {
    get_running_loop().set_exception_handler(|_, fault| {
        say(format_args!("{}: {}", fault.message, fault.panic_message().unwrap_or("-")));
    });
}

/// How many requests for cancellation the current task counts.
pub fn cancelling() -> u32 {
    current_task().unwrap().cancelling()
}

/// The text of the panic that `future` ends with.
pub async fn panic_of<T>(future: impl Future<Output = T>) -> String {
    match AssertUnwindSafe(future).catch_unwind().await {
        Ok(_) => panic!("there was no panic"),
        Err(payload) => panic_message(&*payload).unwrap_or("no text").to_owned(),
    }
}
