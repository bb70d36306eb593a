//! `signals`: what it does on each signal, and how it ends.

use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;

use super::child::Example;

const CLEANING: &str = "SIGINT: cleaning up, once more ends it at once";

#[test]
fn without_arguments_it_sends_itself_signals_and_dies_of_the_last() {
    let ended = Example::run("signals", &[]);
    let expected = format!(
        "SIGUSR1: still here, asked 1 so far\n\
         SIGHUP: the configuration is read again (1)\n\
         SIGUSR1: still here, asked 2 so far\n\
         SIGHUP: the configuration is read again (2)\n\
         {CLEANING}\n\
         cleaned up after 2 questions\n"
    );
    assert_eq!(ended.output, expected);
    assert!(ended.errors.is_empty(), "{ended:?}");
    assert_eq!(ended.status.signal(), Some(Signal::INT.as_raw()));
}

#[test]
fn signals_from_outside_are_taken_as_they_come() {
    let mut example = Example::spawn("signals", &["wait"]);
    assert!(example.line().starts_with("waiting: "));
    example.signal(Signal::HUP);
    assert_eq!(example.line(), "SIGHUP: the configuration is read again (1)");
    for count in 1..=3 {
        example.signal(Signal::USR1);
        assert_eq!(example.line(), format!("SIGUSR1: still here, asked {count} so far"));
    }
    example.signal(Signal::INT);
    assert_eq!(example.line(), CLEANING);
    let ended = example.end();
    assert_eq!(ended.output, "cleaned up after 3 questions\n");
    assert_eq!(ended.status.signal(), Some(Signal::INT.as_raw()));
}

#[test]
fn an_unknown_word_is_refused() {
    let ended = Example::run("signals", &["weight"]);
    assert_eq!(ended.errors, "signals: `weight` is unknown: say `wait`, or nothing\n");
    assert_eq!(ended.status.code(), Some(1));
}
