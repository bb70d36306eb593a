//! The order of a turn, in whole and in the three parts that a guest runs.

use std::io;
use std::time::{Duration, Instant as RealInstant};

use asyncio_executor::Enter;
use asyncio_reactor::Ready;
use asyncio_timers::{Clock, Instant, VirtualClock};

use crate::current::{Running, try_get_running_loop};
use crate::deadlock::{Deadlock, is_anybody_outside};
use crate::event_loop::{EventLoop, Inner};

/// On virtual time, bounds on deadlines from here on are not trusted: they may be those of timers that never fire.
const FAR: Instant = Instant::from_nanos(u64::MAX / 2);

/// What the wait of a turn came to.
enum Waited {
    /// There is, or may be, something to do.
    Over,
    /// On virtual time: nothing will ever be to do again.
    Never,
}

/// Makes a loop the one that runs on this thread, until it is dropped.
pub(crate) struct Entered<'a> {
    _executor: Enter<'a>,
    _current: Running<'a>,
    _running: IsRunning<'a>,
}

impl EventLoop {
    /// Makes this the loop that runs, to call `turns` and `some_turns` in.
    #[track_caller]
    pub(crate) fn enter(&self) -> Entered<'_> {
        assert!(
            try_get_running_loop().is_none(),
            "`run` was called from inside a running event loop: `await` the future there, or make a task of it"
        );
        self.enter_nested()
    }

    /// The same inside another loop, if need be.
    #[track_caller]
    fn enter_nested(&self) -> Entered<'_> {
        let running = IsRunning::new(&self.inner);
        Entered { _executor: self.inner.executor.enter(), _current: Running::new(self), _running: running }
    }

    /// Runs turns until `stop` is called. Says so if, on virtual time, nothing can ever happen again.
    pub(crate) fn turns(&self) -> Result<(), Deadlock> {
        self.inner.signals.ring_again();
        loop {
            self.turn()?;
            if self.inner.stopping.replace(false) {
                return Ok(());
            }
        }
    }

    /// Runs `count` turns without waiting.
    pub(crate) fn some_turns(&self, count: usize) {
        for _ in 0..count {
            self.inner.ask_reactor(Some(Duration::ZERO));
            self.inner.advance(self.time());
            self.run_phase(self.inner.executor.collect_ready());
        }
        self.inner.stopping.set(false);
    }

    /// Runs one turn without waiting; time passes, also if it is virtual.
    pub(crate) fn brief_turn(&self) {
        self.inner.ask_reactor(Some(Duration::ZERO));
        self.inner.let_time_pass();
        self.run_phase(self.inner.executor.collect_ready());
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
        } else if !inner.pace.may_skip(|| inner.clock.now()) || inner.stopping.get() {
            inner.ask_reactor(Some(Duration::ZERO));
            let now = self.time();
            inner.advance(now);
            inner.pace.asked(now);
            self.run_phase(ready);
        } else if inner.clock.as_virtual().is_some() {
            // A timer that is due at once is due in the next turn. On the machine's clock, who arms one says so to the
            // pace; here the clock costs nothing.
            inner.advance(self.time());
            self.run_phase(ready);
        } else {
            // The last phase has run what was noted, and nothing has been noted since.
            self.run_entries(ready);
        }
        Ok(())
    }

    /// Runs what was ready when the phase began, then I/O callbacks, then timers that are due.
    #[inline(never)]
    fn run_phase(&self, ready: usize) {
        self.run_entries(ready);
        while let Some(event) = self.inner.reactor.pop_ready() {
            self.dispatch(event);
        }
        while let Some(action) = self.inner.timers.pop_due() {
            action.run(self);
        }
    }

    /// Runs what was ready when the phase began.
    #[inline]
    fn run_entries(&self, ready: usize) {
        let inner = &*self.inner;
        inner.phase.set(inner.phase.get() + 1);
        if inner.debugging.is_on() {
            self.run_observed(ready);
        } else {
            inner.executor.run_ready(ready);
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
            Ready::Wakers { read, write } => crate::io_handler::dispatch(self, read, write),
            Ready::Watch { key, readable, writable } => {
                if key == crate::signal::KEY {
                    crate::signal::dispatch(self);
                } else {
                    crate::watch::dispatch(self, key, readable, writable);
                }
            }
        }
    }

    /// The first part of a turn, for a guest inside another loop, which calls the three parts one after the other, again and
    /// again. It waits for events, no longer than `timeout`, and no
    /// longer than until there is something to do. `None` for no limit of the caller's.
    ///
    /// # Errors
    ///
    /// The platform's.
    ///
    /// # Panics
    ///
    /// When it is called from inside a task or callback of this loop, and when the loop is closed.
    ///
    /// # In Python
    ///
    /// `loop.poll_events`, in `asyncio/base_events.py`, from 3.16 on.
    pub fn poll_events(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.assert_open("it cannot be polled");
        let inner = &*self.inner;
        let _running = IsRunning::new(inner);
        let idle = inner.executor.collect_ready() == 0 && !inner.timers.has_due() && !inner.reactor.has_ready();
        let own = match &inner.clock.as_virtual() {
            None => inner.until_wakeup(self.time()),
            // Virtual time does not pass by waiting.
            Some(_) => inner.next_jump().map(|_| Duration::ZERO),
        };
        inner.reactor.poll(if idle { shorter(timeout, own) } else { Some(Duration::ZERO) })
    }

    /// The second part: notes which timers are due now. On virtual time, jumps to the next one if nothing is ready.
    ///
    /// # In Python
    ///
    /// `loop.process_events`, in `asyncio/base_events.py`, from 3.16 on.
    pub fn process_events(&self) {
        self.inner.let_time_pass();
    }

    /// The third part: runs what is ready, and the callbacks of events and timers.
    ///
    /// # Panics
    ///
    /// When it is called from inside a task or callback of this loop, and when the loop is closed.
    ///
    /// # In Python
    ///
    /// `loop.process_ready`, in `asyncio/base_events.py`, from 3.16 on.
    pub fn process_ready(&self) {
        self.assert_open("it cannot be run");
        let _entered = self.enter_nested();
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
                let now = self.clock.now();
                let until = self.until_wakeup(now);
                self.ask_reactor(until.map(|until| self.pace.wait_for(until, self.timers.len(), now)));
                let now = self.clock.now();
                self.advance(now);
                self.pace.waited(now);
                Waited::Over
            }
            Some(clock) => {
                self.ask_reactor(Some(Duration::ZERO));
                if self.executor.has_ready() || self.reactor.has_ready() {
                    return Waited::Over;
                }
                if self.jump(clock) {
                    return Waited::Over;
                }
                // In this order: see `deadlock.rs`.
                let over = !self.can_be_woken();
                if self.executor.has_ready() {
                    return Waited::Over;
                }
                if over {
                    return Waited::Never;
                }
                self.ask_reactor(None);
                Waited::Over
            }
        }
    }

    /// On virtual time: moves the clock to the next deadline. Says whether there is one.
    fn jump(&self, clock: &VirtualClock) -> bool {
        // A bound on the deadline is as good as the deadline: it is followed until a timer is due.
        while let Some(next) = self.next_jump() {
            clock.advance_to(next);
            self.advance(clock.now());
            if self.timers.has_due() {
                return true;
            }
        }
        false
    }

    /// The next deadline, or a bound on it, that virtual time may jump to. The end of the clock stands for "never", and
    /// is not jumped to.
    fn next_jump(&self) -> Option<Instant> {
        let mut next = self.timers.next_wakeup()?;
        if next >= FAR {
            next = self.timers.next_deadline()?;
        }
        (next < Instant::FAR_FUTURE).then_some(next)
    }

    /// Notes the timers that are due; on virtual time, those that are due next if there is nothing else to do.
    fn let_time_pass(&self) {
        if let Some(clock) = self.clock.as_virtual() {
            let idle = self.executor.collect_ready() == 0 && !self.reactor.has_ready() && !self.timers.has_due();
            if idle && self.jump(clock) {
                return;
            }
        }
        self.advance(self.clock.now());
    }

    /// Whether something outside may still wake a loop on virtual time.
    fn can_be_woken(&self) -> bool {
        is_anybody_outside(&self.outside) || self.remote_tasks.are_remotes_alive() || self.has_watches()
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

    fn has_watches(&self) -> bool {
        self.signals.is_used() || self.reactor.len() > usize::from(self.signals.is_watched())
    }
}

/// Says that the loop runs, until it is dropped.
struct IsRunning<'a>(&'a Inner);

impl<'a> IsRunning<'a> {
    #[track_caller]
    fn new(inner: &'a Inner) -> Self {
        assert!(
            !inner.running.replace(true),
            "an event loop cannot be run from inside one of its own tasks or callbacks: `await` there instead"
        );
        Self(inner)
    }
}

impl Drop for IsRunning<'_> {
    fn drop(&mut self) {
        self.0.running.set(false);
    }
}
