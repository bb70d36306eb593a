//! What CPython did with the recorded programs, this library does.

use conformance::interpreter;
use conformance::recording::{difference, folder, matches, read};

fn replay(file: &str, at_least: usize) {
    let cases = read(&folder().join(file)).expect("the recorded cases are there");
    assert!(cases.len() >= at_least, "{file} has {} cases only", cases.len());
    for case in cases {
        let trace = interpreter::run(&case.program).trace;
        assert!(matches(&case.trace, &trace), "{}\n{}", case.program, difference(&case.trace, &trace));
    }
}

#[test]
fn recorded_programs_do_what_they_do_in_cpython() {
    replay("programs.txt", 2000);
}

#[test]
fn programs_that_once_differed_do_what_they_do_in_cpython() {
    replay("differed.txt", 1);
}
