//! The same tests where the platform has no descriptors for children.

use std::process::{Command, Stdio};

use crate::support::{WITH_THREADS, alone};

#[test]
fn all_of_this_holds_where_threads_watch_the_children() {
    if std::env::var_os(WITH_THREADS).is_some() {
        return;
    }
    let mut tests = Command::new(std::env::current_exe().unwrap());
    tests.args(["--skip", "fallback::"]).env(WITH_THREADS, "1").stdin(Stdio::null());
    let output = alone(|| tests.output()).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "with threads: {text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("test result: ok"), "{text}");
}
