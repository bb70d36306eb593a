//! The order of a turn, in whole and in the three parts that a guest runs.

use std::io;
use std::time::{Duration, Instant as RealInstant};

use asyncio_reactor::Ready;
use asyncio_timers::Instant;

use crate::current::Running;
use crate::deadlock::Deadlock;
use crate::event_loop::{EventLoop, Inner};

/// What the wait of a turn came to.
enum Waited {
    /// There is, or may be, something to do.
    Over,
    /// On virtual time: nothing will ever be to do again.
    Never,
}

impl EventLoop {
    /// Runs turns until `stop` is called. Says so if, on virtual time, nothing can ever happen again.
    pub(crate) fn run_turns(&self) -> Result<(), Deadlock> {
        assert!(
            !self.inner.running.get() && crate::current::try_get_running_loop().is_none(),
            "`run` was called from inside a running event loop: `await` the future there, or make a task of it"
        );
        let _running = IsRunning::new(&self.inner);
        let _current = Running::new(self);
        let _executor = self.inner.executor.enter();
        loop {
            self.turn()?;
            if self.inner.stopping.replace(false) {
                return Ok(());
            }
        }
    }

    /// Runs `count` turns without waiting.
    pub(crate) fn run_some_turns(&self, count: usize) {
        let _running = IsRunning::new(&self.inner);
        let _current = Running::new(self);
        let _executor = self.inner.executor.enter();
        for _ in 0..count {
            self.inner.ask_reactor(Some(Duration::ZERO));
            self.inner.advance(self.time());
            self.run_phase(self.inner.executor.collect_ready());
        }
        self.inner.stopping.set(false);
    }

    /// One turn.
    #[inline]
    fn turn(&self) -> Result<(), Deadlock> {
        let inner = &*self.inner;
        let ready = inner.executor.collect_ready();
        if ready == 0 && !inner.stopping.get() {
            if let Waited::Never = inner.wait() {
                return Err(Deadlock::new(self));
            }
            // What other threads sent while the loop waited runs in this turn.
            self.run_phase(inner.executor.collect_ready());
        } else {
            if !inner.pace.may_skip() {
                inner.ask_reactor(Some(Duration::ZERO));
                let now = self.time();
                inner.advance(now);
                inner.pace.asked(now);
            } else if inner.clock.as_virtual().is_some() {
                // A timer that is due at once is due in the next turn. On the machine's clock, who arms one says so to
                // the pace; here the clock costs nothing.
                inner.advance(self.time());
            }
            self.run_phase(ready);
        }
        Ok(())
    }

    /// Runs what was ready when the phase began, then I/O callbacks, then timers that are due.
    #[inline]
    fn run_phase(&self, ready: usize) {
        let inner = &*self.inner;
        if inner.debugging.is_on() {
            self.run_observed(ready);
        } else {
            inner.executor.run_ready(ready);
        }
        while let Some(event) = inner.reactor.pop_ready() {
            self.dispatch(event);
        }
        while let Some(action) = inner.timers.pop_due() {
            action.run();
        }
    }

    #[cold]
    fn run_observed(&self, ready: usize) {
        self.inner.executor.run_ready_observed(ready, |entry, run| {
            let begin = RealInstant::now();
            run();
            self.inner.debugging.note(&entry, begin.elapsed());
        });
    }

    fn dispatch(&self, event: Ready) {
        match event {
            #[cfg(unix)]
            Ready::Wakers { read, write } => crate::io_handler::dispatch(self, read, write),
            #[cfg(not(unix))]
            Ready::Wakers { read, write } => {
                read.into_iter().chain(write).for_each(std::task::Waker::wake);
            }
            #[cfg(unix)]
            Ready::Watch { key, readable, writable } => {
                if key == crate::signal::KEY {
                    crate::signal::dispatch(self);
                } else {
                    crate::watch::dispatch(self, key, readable, writable);
                }
            }
            #[cfg(not(unix))]
            Ready::Watch { .. } => {}
        }
    }

    /// The first part of a turn, for a guest inside another loop: waits for events, no longer than `timeout` and than
    /// there is nothing to do. `None` for no limit of the caller's.
    ///
    /// # Errors
    ///
    /// The platform's.
    ///
    /// # In Python
    ///
    /// `loop.poll_events`, from 3.16 on.
    pub fn poll_events(&self, timeout: Option<Duration>) -> io::Result<()> {
        let inner = &*self.inner;
        let idle = inner.executor.collect_ready() == 0 && !inner.timers.has_due();
        let timeout = if idle { shorter(timeout, inner.until_wakeup(self.time())) } else { Some(Duration::ZERO) };
        inner.reactor.poll(timeout)
    }

    /// The second part: notes which timers are due now.
    ///
    /// # In Python
    ///
    /// `loop.process_events`, from 3.16 on.
    pub fn process_events(&self) {
        let inner = &*self.inner;
        if let Some(clock) = inner.clock.as_virtual() {
            if inner.executor.collect_ready() == 0 {
                if let Some(next) = inner.timers.next_deadline() {
                    clock.advance_to(next);
                }
            }
        }
        inner.advance(self.time());
    }

    /// The third part: runs what is ready, and the callbacks of events and timers.
    ///
    /// # Panics
    ///
    /// When it is called from inside a task or callback of this loop.
    ///
    /// # In Python
    ///
    /// `loop.process_ready`, from 3.16 on.
    pub fn process_ready(&self) {
        let _current = Running::new(self);
        let _executor = self.inner.executor.enter();
        self.run_phase(self.inner.executor.collect_ready());
    }
}

/// The shorter of two limits, where `None` is no limit.
fn shorter(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (limit, None) | (None, limit) => limit,
    }
}

impl Inner {
    /// Waits until there is something to do: events, timers, or word from another thread.
    fn wait(&self) -> Waited {
        if self.timers.has_due() {
            self.ask_reactor(Some(Duration::ZERO));
            return Waited::Over;
        }
        match self.clock.as_virtual() {
            None => {
                let now = asyncio_timers::Clock::now(&self.clock);
                self.ask_reactor(self.until_wakeup(now));
                let now = asyncio_timers::Clock::now(&self.clock);
                self.advance(now);
                self.pace.waited(now);
                Waited::Over
            }
            Some(clock) => {
                self.ask_reactor(Some(Duration::ZERO));
                if self.executor.has_ready() || self.reactor.has_ready() {
                    return Waited::Over;
                }
                // A bound on the deadline is as good as the deadline: it is followed until a timer is due.
                while let Some(next) = self.timers.next_wakeup() {
                    clock.advance_to(next);
                    self.advance(asyncio_timers::Clock::now(clock));
                    if self.timers.has_due() {
                        return Waited::Over;
                    }
                }
                if self.outside.get() == 0 && !self.has_watches() && !self.remote_tasks.are_remotes_alive() {
                    return Waited::Never;
                }
                self.ask_reactor(None);
                Waited::Over
            }
        }
    }

    /// How long until a timer may be due; `None` if there is none.
    fn until_wakeup(&self, now: Instant) -> Option<Duration> {
        self.timers.next_wakeup().map(|next| next.saturating_duration_since(now))
    }

    /// Asks the reactor, waiting no longer than `timeout`.
    fn ask_reactor(&self, timeout: Option<Duration>) {
        if let Err(error) = self.reactor.poll(timeout) {
            // There is none to be expected: the descriptors are the reactor's own. To go on would be to spin.
            panic!("the event loop cannot wait for events: {error}");
        }
    }

    /// Notes the timers that are due.
    fn advance(&self, now: Instant) {
        self.timers.advance(now);
    }

    #[cfg(unix)]
    fn has_watches(&self) -> bool {
        self.signals.is_used() || self.reactor.len() > usize::from(self.signals.is_watched())
    }

    #[cfg(not(unix))]
    fn has_watches(&self) -> bool {
        !self.reactor.is_empty()
    }
}

/// Says that the loop runs, until it is dropped.
struct IsRunning<'a>(&'a Inner);

impl<'a> IsRunning<'a> {
    fn new(inner: &'a Inner) -> Self {
        inner.running.set(true);
        Self(inner)
    }
}

impl Drop for IsRunning<'_> {
    fn drop(&mut self) {
        self.0.running.set(false);
    }
}
