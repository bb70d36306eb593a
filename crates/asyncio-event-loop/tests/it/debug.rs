//! Debug mode. What it writes to standard error is read from a child process.

use std::time::Duration;

#[cfg(unix)]
use asyncio_event_loop::sleep;
use asyncio_event_loop::{Runner, get_running_loop};
use asyncio_executor::yield_now;
#[cfg(unix)]
use asyncio_executor::{Task, create_task};

use crate::log::virtual_runner;

#[test]
fn debug_mode_is_what_was_asked_for_last() {
    let runner = Runner::builder().debug(true).build().unwrap();
    assert!(runner.get_loop().debug());
    runner.get_loop().set_debug(false);
    assert!(!runner.get_loop().debug());
    assert!(!Runner::builder().debug(false).build().unwrap().get_loop().debug());
}

#[test]
fn debug_mode_changes_no_order() {
    let log = crate::log::Log::new();
    let mut runner = virtual_runner();
    runner.get_loop().set_debug(true);
    runner
        .run(async {
            get_running_loop().call_soon(log.line("soon"));
            get_running_loop().call_later(Duration::ZERO, log.line("later"));
            yield_now().await;
            log.add("main");
        })
        .unwrap();
    runner.close();
    assert_eq!(log.take(), ["soon", "main", "later"]);
}

#[cfg(unix)]
#[test]
pub fn all_that_is_slow_is_reported_with_its_name_and_place() {
    use crate::child::{Child, in_child};
    if in_child() {
        let mut runner = virtual_runner();
        let this = runner.get_loop();
        this.set_debug(true);
        // So that all is slow.
        this.set_slow_callback_duration(Duration::ZERO);
        runner
            .run(async {
                this.call_soon(|| ());
                this.call_later(Duration::ZERO, || ());
                let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
                let near = std::rc::Rc::new(near);
                let inner = near.clone();
                this.add_writer(&*near, move || assert!(get_running_loop().remove_writer(&*inner))).unwrap();
                Task::builder().name("slow one").spawn(async {}).await;
                sleep(Duration::from_secs(1)).await;
                drop(far);
                this.set_slow_callback_duration(Duration::MAX);
                drop(create_task(async {}));
                yield_now().await;
            })
            .unwrap();
        return;
    }
    let output = Child::spawn("debug::all_that_is_slow_is_reported_with_its_name_and_place").rest();
    let lines: Vec<&str> = output.lines().filter(|line| line.starts_with("asyncio: executing ")).collect();
    let callbacks =
        lines.iter().filter(|line| line.contains("the callback scheduled at") && line.contains("debug.rs:"));
    assert_eq!(callbacks.count(), 3, "{output}");
    assert_eq!(lines.iter().filter(|line| line.contains("name=\"slow one\"")).count(), 1, "{output}");
    assert!(lines.iter().all(|line| line.contains(" took ")), "{output}");
}

#[cfg(unix)]
#[test]
pub fn the_environment_turns_debug_mode_on() {
    use crate::child::{Child, in_child};
    if in_child() {
        let runner = Runner::new().unwrap();
        assert!(runner.get_loop().debug());
        assert!(!Runner::builder().debug(false).build().unwrap().get_loop().debug());
        return;
    }
    let child = Child::spawn_with("debug::the_environment_turns_debug_mode_on", |command| {
        command.env("ASYNCIO_DEBUG", "1");
    });
    assert!(child.wait().success());
}

#[cfg(unix)]
#[test]
pub fn a_closed_standard_error_harms_no_run() {
    use crate::child::{Child, in_child};
    if in_child() {
        // As the runtime does before `main`.
        crate::child::ignore(libc::SIGPIPE);
        let mut runner = virtual_runner();
        let ended = runner.run(async {
            get_running_loop().call_soon(|| panic!("nobody hears this"));
            sleep(Duration::from_secs(1)).await;
            7
        });
        std::process::exit(if matches!(ended, Ok(7)) { 42 } else { 1 });
    }
    let child = Child::spawn_with("debug::a_closed_standard_error_harms_no_run", |command| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        command.stderr(writer);
    });
    assert_eq!(child.wait().code(), Some(42));
}
