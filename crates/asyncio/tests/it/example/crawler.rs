//! `crawler`: what its table says, and what is left when it is interrupted.

use std::os::unix::process::ExitStatusExt;

use rustix::process::Signal;

use super::child::Example;

/// The names and the numbers of pages in the rows of the table, and the sum below.
fn rows(output: &str) -> (Vec<(String, usize)>, usize) {
    let table: Vec<&str> =
        output.lines().skip_while(|line| !line.starts_with("  outcome ")).take_while(|line| !line.is_empty()).collect();
    let width = table[0].chars().count();
    assert!(table.iter().all(|line| line.chars().count() == width), "every line is as wide as the others: {table:#?}");
    let row = |line: &str| (line[2..28].trim_end().to_owned(), line[28..35].trim_start().parse().unwrap());
    let [header, rows @ .., line, sum] = table.as_slice() else { panic!("{table:#?}") };
    assert!(header.contains("slowest ms") && line.trim_start().chars().all(|c| c == '─'), "{table:#?}");
    (rows.iter().map(|line| row(line)).collect(), row(sum).1)
}

#[test]
fn every_page_is_fetched_once_whatever_comes_of_it() {
    let ended = Example::run("crawler", &["120", "8"]);
    assert!(ended.status.success(), "{ended:?}");
    let (rows, all) = rows(&ended.output);
    assert_eq!(rows.iter().map(|(_, pages)| pages).sum::<usize>(), all);
    let of = |name: &str| rows.iter().find(|(known, _)| known == name).map_or(0, |(_, pages)| *pages);
    // A machine that is busy may be too slow for a page and what only that one links to; never does it find more.
    assert!((1..=111).contains(&of("200 OK")), "{rows:?}");
    for (name, most) in [("404 Not Found", 9), ("500 Internal Server Error", 3), ("broken off", 3)] {
        assert!(of(name) <= most, "{name}: {rows:?}");
    }
    assert!(of("timed out") >= 1, "{rows:?}");
    assert!(ended.output.starts_with("crawled http://127.0.0.1:"), "{ended:?}");
    assert!(ended.output.contains(" pages per second; the slowest that were answered:\n\n"), "{ended:?}");
    assert!(!ended.output.contains('\x1b'), "no colours where nobody sees them: {ended:?}");
    assert!(ended.errors.lines().all(|line| line.contains(" pages, ") && line.ends_with(" at work")), "{ended:?}");
}

#[test]
fn an_interrupted_crawl_shows_what_there_is() {
    let mut example = Example::spawn("crawler", &["100000", "4"]);
    assert!(example.error_line().ends_with(" at work"));
    example.signal(Signal::INT);
    let ended = example.end();
    let (_, all) = rows(&ended.output);
    assert!((1..100_000).contains(&all));
    assert!(ended.output.trim_end().ends_with(" pages were left"), "{ended:?}");
    assert_eq!(ended.status.signal(), Some(Signal::INT.as_raw()));
}

#[test]
fn a_bad_number_is_named_with_what_to_give() {
    for (arguments, expected) in [
        (["many"].as_slice(), "crawler: `many` is no number of pages: give one from 1 to 1000000\n"),
        (&["10", "0"], "crawler: `0` is no number of pages at once: give one from 1 to 500\n"),
        (&["1", "2", "3"], "crawler: too many arguments: give the number of pages, and how many to fetch at once\n"),
    ] {
        let ended = Example::run("crawler", arguments);
        assert_eq!((ended.status.code(), ended.errors.as_str()), (Some(1), expected));
    }
}
