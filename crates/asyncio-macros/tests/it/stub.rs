//! A facade that polls once, and keeps a log of what was asked of it.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn log(line: impl Into<String>) {
    LOG.with_borrow_mut(|log| log.push(line.into()));
}

/// What was asked of the stub on this thread, oldest first.
pub fn take_log() -> Vec<String> {
    LOG.take()
}

fn poll_once<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

pub fn run<F: Future>(future: F) -> F::Output {
    log("run");
    poll_once(future).expect("a future that is ready at once")
}

#[derive(Default)]
pub struct Builder {
    asked: Vec<String>,
}

impl Builder {
    #[must_use]
    pub fn debug(mut self, on: bool) -> Self {
        self.asked.push(format!("debug({on})"));
        self
    }

    #[must_use]
    pub fn virtual_time(mut self, on: bool) -> Self {
        self.asked.push(format!("virtual_time({on})"));
        self
    }

    pub fn build(self) -> io::Result<Runner> {
        self.asked.into_iter().for_each(log);
        Ok(Runner)
    }
}

pub struct Runner;

impl Runner {
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub fn run<F: Future>(&mut self, future: F) -> Result<F::Output, RunError> {
        log("Runner::run");
        poll_once(future).ok_or(RunError)
    }
}

#[derive(Debug)]
pub struct RunError;

impl fmt::Display for RunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the loop has nothing left to do")
    }
}
