//! The pipeline of three programs.

use super::child::Example;

/// What the example says after the counts: 15 is SIGTERM.
const TAIL: &str = "sleep ended with -15\n";

#[test]
fn the_words_of_a_text_are_counted_by_three_programs() {
    let ended = Example::run("subprocess", &[]);
    let counts =
        "1 and\n1 event\n1 for\n2 loop\n1 rest\n1 run\n1 runs\n2 tasks\n5 the\n1 they\n1 until\n1 wait\n1 waits\n";
    assert_eq!(ended.output, format!("{counts}{TAIL}"), "{ended:?}");
    assert!(ended.status.success() && ended.errors.is_empty(), "{ended:?}");
}

#[test]
fn a_text_that_no_pipe_holds_is_counted_too() {
    let path = std::env::temp_dir().join(format!("asyncio-words-{}", std::process::id()));
    std::fs::write(&path, "word\nother ".repeat(100_000)).unwrap();
    let ended = Example::run("subprocess", &[path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(ended.output, format!("100000 other\n100000 word\n{TAIL}"), "{ended:?}");
}

#[test]
fn a_file_that_is_missing_is_an_error() {
    let ended = Example::run("subprocess", &["/no/such/file"]);
    assert!(ended.errors.starts_with("subprocess: "), "{ended:?}");
    assert_eq!(ended.status.code(), Some(1));
}
