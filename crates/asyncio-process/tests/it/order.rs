//! The order in which a protocol and those who wait are told, turn by turn. What CPython does in the same scenario is the
//! expected list.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;

use asyncio::{create_task, yield_now};
use asyncio_process::{
    DEVNULL, INHERIT, SubprocessProtocol, SubprocessTransport, create_subprocess_exec, subprocess_exec,
};

use crate::support::{children, run, run_without_leak, turns};

/// Writes down what it is told, along with what others write.
#[derive(Clone, Default)]
struct Log(Rc<RefCell<Vec<String>>>);

impl Log {
    fn note(&self, what: &str) {
        self.0.borrow_mut().push(what.to_owned());
    }

    fn take(&self) -> Vec<String> {
        self.0.take()
    }
}

impl SubprocessProtocol for Log {
    fn connection_made(&self, _: SubprocessTransport) {
        self.note("made");
    }
    fn pipe_data_received(&self, fd: i32, _: &[u8]) {
        self.note(&format!("data {fd}"));
    }
    fn pipe_connection_lost(&self, fd: i32, _: Option<std::io::Error>) {
        self.note(&format!("lost {fd}"));
    }
    fn process_exited(&self) {
        self.note("exited");
    }
    fn connection_lost(&self, _: Option<std::io::Error>) {
        self.note("lost");
    }
}

#[test]
fn connection_made_comes_just_before_the_creation_returns() {
    run(async {
        let log = Log::default();
        let told = log.clone();
        let ticking = log.clone();
        let ticks = create_task(async move {
            for tick in 0.. {
                ticking.note(&tick.to_string());
                yield_now().await;
            }
        });
        let created = subprocess_exec(move || told, "sleep", ["3600"]).stdin(INHERIT).stdout(INHERIT).stderr(INHERIT);
        let (transport, _) = created.await.unwrap();
        log.note("created");
        ticks.cancel();
        assert_eq!(log.take(), ["0", "1", "made", "created"]);
        transport.close();
    });
}

#[test]
fn each_pipe_takes_two_turns_to_be_connected() {
    run(async {
        let log = Log::default();
        let (told, ticking) = (log.clone(), log.clone());
        let ticks = create_task(async move {
            for tick in 0.. {
                ticking.note(&tick.to_string());
                yield_now().await;
            }
        });
        let (transport, _) = subprocess_exec(move || told, "sleep", ["3600"]).await.unwrap();
        log.note("created");
        ticks.cancel();
        assert_eq!(log.take(), ["0", "1", "2", "3", "4", "5", "6", "7", "made", "created"]);
        transport.close();
    });
}

#[test]
fn a_process_takes_as_many_turns() {
    run(async {
        let log = Log::default();
        let ticking = log.clone();
        let ticks = create_task(async move {
            for tick in 0.. {
                ticking.note(&tick.to_string());
                yield_now().await;
            }
        });
        create_subprocess_exec("true", ()).await.unwrap();
        log.note("created");
        ticks.cancel();
        assert_eq!(log.take(), ["0", "1", "created"]);
    });
}

#[test]
fn what_happened_before_connection_made_is_told_after_it() {
    run_without_leak(async || {
        let log = Log::default();
        let told = log.clone();
        // Holds the loop, after the start and before the pipes are connected, until the child has ended.
        create_task(async {
            while Path::new("/proc/self/stat").exists() && !children().iter().any(|child| child.ends_with("(echo) Z")) {
                std::thread::yield_now();
            }
        });
        let created = subprocess_exec(move || told, "echo", ["early"]).stdin(DEVNULL);
        let (transport, _) = created.await.unwrap();
        while transport.protocol().is_some() {
            yield_now().await;
        }
        let log = log.take();
        assert_eq!(log[0], "made");
        assert_eq!(log[log.len() - 1], "lost");
        assert_eq!(log.len(), 6, "{log:?}");
        turns().await;
    });
}

#[test]
fn process_exited_then_connection_lost_in_one_turn_then_who_waits() {
    run(async {
        let log = Log::default();
        let told = log.clone();
        let created = subprocess_exec(move || told, "sleep", ["3600"]).stdin(INHERIT).stdout(INHERIT).stderr(INHERIT);
        let (transport, _) = created.await.unwrap();
        log.take();
        transport.kill().unwrap();
        while transport.returncode().is_none() {
            yield_now().await;
        }
        // The return code came in this turn, and the calls are on their way.
        assert_eq!(log.take(), [""; 0]);
        yield_now().await;
        assert_eq!(log.take(), ["exited", "lost"]);
    });
}
