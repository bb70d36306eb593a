#![expect(unsafe_code, reason = "signals are sent and looked at with system calls")]
//! Tests that need a process of their own: this binary again, with one test, on its main thread.
//!
//! The child says things on standard error, and the parent waits for them: nobody sleeps. The test harness runs tests on
//! other threads than the main one, where there are no signal handlers, so the child does not come as far as the harness: a
//! constructor of the binary calls the function of the test, which knows by [`in_child`] what it is to do, and ends the
//! process.

use std::io::{BufRead, BufReader, Read};
use std::mem::MaybeUninit;
use std::process::{self, ChildStderr, Command, ExitStatus, Stdio};

const VARIABLE: &str = "ASYNCIO_TEST_CHILD";

macro_rules! tests {
    ($($module:ident::$name:ident,)*) => {
        &[$((concat!(stringify!($module), "::", stringify!($name)), crate::$module::$name)),*]
    };
}

/// The tests that have a child.
const TESTS: &[(&str, fn())] = tests![
    debug::all_that_is_slow_is_reported_with_its_name_and_place,
    debug::the_environment_turns_debug_mode_on,
    debug::a_closed_standard_error_harms_no_run,
    exception::without_a_handler_standard_error_hears_what_happened_and_in_what,
    interrupt::sigint_cancels_main_which_cleans_up_and_then_kills,
    interrupt::sigint_interrupts_a_main_that_is_busy,
    interrupt::a_second_sigint_kills_while_the_cleanup_hangs,
    interrupt::a_second_sigint_kills_while_the_loop_is_stuck,
    interrupt::a_sigint_kills_while_the_end_of_a_run_hangs,
    interrupt::a_main_that_refuses_sigint_has_its_value_and_the_default_is_restored,
    interrupt::a_main_that_was_cancelled_besides_is_cancelled_not_interrupted,
    interrupt::a_sigint_in_the_last_step_of_main_is_not_lost,
    interrupt::sigint_that_somebody_else_handles_is_left_alone,
    interrupt::a_disposition_that_was_changed_during_the_run_stays,
    interrupt::a_run_on_another_thread_leaves_sigint_alone,
    interrupt::a_handler_or_stream_of_the_program_takes_sigint_over_for_as_long_as_it_is_there,
    leak::leak_of_signals,
    signal::a_handler_ends_a_wait_and_runs_in_the_loop,
    signal::removing_a_handler_restores_the_default,
    signal::handlers_can_replace_and_remove_themselves_and_one_another,
    signal::streams_hear_each_signal_and_share_it_with_the_handler,
    signal::a_panic_of_a_handler_is_reported_and_the_handler_stays,
    signal::a_signal_for_a_loop_that_does_not_run_is_heard_when_it_does,
    signal::bad_signals_and_closed_loops_are_refused,
    signal::a_stream_may_outlive_its_loop,
    signal::on_virtual_time_a_signal_is_waited_for,
];

/// Called by the loader before `main`.
#[used]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
static CONSTRUCTOR: extern "C" fn() = {
    extern "C" fn constructor() {
        let Ok(name) = std::env::var(VARIABLE) else { return };
        let test = TESTS.iter().find(|(known, _)| *known == name);
        let passed = test.is_some_and(|(_, test)| std::panic::catch_unwind(test).is_ok());
        process::exit(if passed { 0 } else { 101 });
    }
    constructor
};

/// Whether this process is a child.
pub fn in_child() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Says something to the parent.
pub fn say(what: &str) {
    eprintln!("> {what}");
}

pub struct Child {
    process: process::Child,
    stderr: Option<BufReader<ChildStderr>>,
}

impl Child {
    /// Runs the test `name` of this binary in another process.
    pub fn spawn(name: &str) -> Self {
        Self::spawn_with(name, |_| ())
    }

    pub fn spawn_with(name: &str, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        assert!(TESTS.iter().any(|(known, _)| *known == name), "{name} is not in the list of tests with a child");
        command.env(VARIABLE, name).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        change(&mut command);
        let mut process = command.spawn().unwrap();
        let stderr = process.stderr.take().map(BufReader::new);
        Self { process, stderr }
    }

    /// Waits until the child says `what`.
    pub fn expect(&mut self, what: &str) {
        let mut seen = String::new();
        loop {
            let from = seen.len();
            let stderr = self.stderr.as_mut().unwrap();
            assert!(stderr.read_line(&mut seen).unwrap() > 0, "the child ended before it said {what:?}: {seen}");
            if seen[from..].trim_end() == format!("> {what}") {
                return;
            }
        }
    }

    /// Sends a signal.
    pub fn kill(&self, signal: i32) {
        let pid = i32::try_from(self.process.id()).unwrap();
        // SAFETY: two numbers; the child has not been waited for, so the number is its own.
        assert_eq!(unsafe { libc::kill(pid, signal) }, 0);
    }

    /// Waits for the end, and returns what was said since.
    pub fn rest(mut self) -> String {
        let mut rest = String::new();
        if let Some(stderr) = &mut self.stderr {
            stderr.read_to_string(&mut rest).unwrap();
        }
        self.process.wait().unwrap();
        rest
    }

    /// Waits for the end.
    pub fn wait(mut self) -> ExitStatus {
        // Read to the end, so that the child is not held up by a full pipe.
        if let Some(stderr) = &mut self.stderr {
            let _ = std::io::copy(stderr, &mut std::io::sink());
        }
        self.process.wait().unwrap()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Sends a signal to this process.
pub fn raise(signal: i32) {
    // SAFETY: it takes a number.
    unsafe { libc::raise(signal) };
}

/// What this process does on a signal.
fn disposition(signal: i32) -> libc::sighandler_t {
    let mut action = MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: asks only; the room is that of a `sigaction`.
    unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: zeroed, which is valid, and then written.
    unsafe { action.assume_init() }.sa_sigaction
}

pub fn is_default(signal: i32) -> bool {
    disposition(signal) == libc::SIG_DFL
}

pub fn is_ignored(signal: i32) -> bool {
    disposition(signal) == libc::SIG_IGN
}

/// Ignores a signal from now on.
pub fn ignore(signal: i32) {
    // SAFETY: numbers only.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}
