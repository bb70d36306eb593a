//! `chat`: who hears what, who is let go, and the goodbye.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::Signal;

use super::child::{Example, connect};

struct Member(BufReader<TcpStream>);

impl Member {
    fn connect(address: SocketAddr) -> Self {
        Self(BufReader::new(connect(address)))
    }

    /// Enters, and hears who is there.
    fn enter(address: SocketAddr, name: &str, here: &str) -> Self {
        let mut member = Self::connect(address);
        member.hears("* your name?");
        member.says(name);
        member.hears(&format!("* here are: {here}"));
        member
    }

    fn says(&mut self, line: &str) {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The next line; empty at the end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn hears(&mut self, expected: &str) {
        assert_eq!(self.line(), expected);
    }

    fn hears_the_end(&mut self) {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "");
    }
}

fn start() -> (Example, SocketAddr) {
    let mut example = Example::spawn("chat", &["127.0.0.1:0"]);
    let address = example.address();
    (example, address)
}

fn stop(example: Example, signal: Signal) -> String {
    example.signal(signal);
    let ended = example.end();
    assert!(ended.status.success() && ended.errors.is_empty(), "{ended:?}");
    ended.output
}

#[test]
fn without_arguments_members_meet_and_the_goodbye_is_heard() {
    let ended = Example::run("chat", &[]);
    assert!(ended.status.success() && ended.errors.is_empty(), "{ended:?}");
    let of = |name: &str| -> Vec<&str> {
        ended.output.lines().filter_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(" | ")).collect()
    };
    assert_eq!(of("cleo")[..2], ["* your name?", "* here are: ann, bob, cleo"]);
    let (came, left) = (["* cleo is here", "* cleo has left"], "* the server is going down, goodbye");
    assert_eq!(of("bob"), ["* your name?", "* here are: ann, bob", came[0], came[1], left]);
    let heard = ["* your name?", "* here are: ann", "* bob is here", "bob: hi, anybody here?", came[0], came[1], left];
    assert_eq!(of("ann"), heard);
}

#[test]
fn what_one_says_all_others_hear() {
    let (example, address) = start();
    let mut ann = Member::enter(address, "ann", "ann");
    let mut bob = Member::enter(address, "bob", "ann, bob");
    let mut cleo = Member::enter(address, "cleo", "ann, bob, cleo");
    ann.hears("* bob is here");
    ann.hears("* cleo is here");
    bob.hears("* cleo is here");
    ann.says("hello");
    ann.says("");
    ann.says("\x1b[2Jand\x07 again");
    for member in [&mut bob, &mut cleo] {
        member.hears("ann: hello");
        member.hears("ann: [2Jand again");
    }
    bob.says("/quit");
    bob.hears_the_end();
    for member in [&mut ann, &mut cleo] {
        member.hears("* bob has left");
    }
    drop(cleo);
    ann.hears("* cleo has left");
    ann.says("/who");
    ann.hears("* here are: ann");
    // Who says nothing more hears what there is, and then the end.
    ann.says("/who");
    ann.0.get_ref().shutdown(Shutdown::Write).unwrap();
    ann.hears("* here are: ann");
    ann.hears_the_end();
    assert_eq!(stop(example, Signal::TERM), "saying goodbye to \ndone\n");
}

#[test]
fn a_name_is_good_and_free_and_a_line_not_too_long() {
    let (example, address) = start();
    let mut ann = Member::enter(address, "Änn1", "Änn1");
    let mut other = Member::connect(address);
    other.hears("* your name?");
    for bad in ["", "two words", "/who", &"x".repeat(21)] {
        other.says(bad);
        other.hears("* a name has letters and digits, at most 20; your name?");
    }
    other.says("Änn1");
    other.hears("* Änn1 is taken; your name?");
    other.says(&"x".repeat(5000));
    other.hears("* at most 1000 bytes");
    other.says("bob");
    let mut line = other.line();
    // The rest of a line that was too long may be taken for another one.
    while line != "* here are: Änn1, bob" {
        assert!(line.starts_with("* a name has") || line == "* at most 1000 bytes", "{line}");
        line = other.line();
    }
    ann.hears("* bob is here");
    stop(example, Signal::TERM);
}

/// The talker must not go on when the test has failed.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_member_who_does_not_read_is_let_go_and_holds_up_nobody() {
    let (example, address) = start();
    let mut slow = Member::enter(address, "slow", "slow");
    let mut talker = Member::enter(address, "talker", "slow, talker");
    let mut reader = Member::enter(address, "reader", "slow, talker, reader");
    talker.hears("* reader is here");
    let enough = AtomicBool::new(false);
    let said = thread::scope(|scope| {
        let talking = scope.spawn(|| {
            let text = "x".repeat(900);
            let mut said = 0;
            while !enough.load(Ordering::Relaxed) {
                talker.says(&format!("{said:09}{text}"));
                said += 1;
            }
            talker.says("the end");
            said
        });
        let _stop = StopOnDrop(&enough);
        let mut heard = 0;
        loop {
            let line = reader.line();
            if line == "* slow has left" {
                enough.store(true, Ordering::Relaxed);
            } else if line == "talker: the end" {
                break;
            } else {
                assert!(line.starts_with(&format!("talker: {heard:09}")), "{line}");
                heard += 1;
            }
        }
        let said: i32 = talking.join().unwrap();
        assert_eq!(said, heard, "the one who reads hears everything");
        said
    });
    assert!(said > 64, "the queue and the sockets hold some");
    talker.hears("* slow has left");
    // It has what the sockets held, and no more.
    let mut held = String::new();
    slow.0.read_to_string(&mut held).unwrap();
    assert!(held.lines().count() < said as usize);
    stop(example, Signal::TERM);
}

#[test]
fn both_signals_say_goodbye_to_all_and_send_what_waits() {
    for signal in [Signal::TERM, Signal::INT] {
        let (example, address) = start();
        let mut ann = Member::enter(address, "ann", "ann");
        let mut bob = Member::enter(address, "bob", "ann, bob");
        let mut nameless = Member::connect(address);
        nameless.hears("* your name?");
        ann.hears("* bob is here");
        for number in 0..50 {
            bob.says(&format!("{number}"));
        }
        // Nothing of it has been read when the server ends.
        ann.hears("bob: 0");
        bob.says("/who");
        bob.hears("* here are: ann, bob");
        assert_eq!(stop(example, signal), "saying goodbye to ann, bob\ndone\n");
        for number in 1..50 {
            ann.hears(&format!("bob: {number}"));
        }
        for member in [&mut ann, &mut bob, &mut nameless] {
            member.hears("* the server is going down, goodbye");
            member.hears_the_end();
        }
    }
}
