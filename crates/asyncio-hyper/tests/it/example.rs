//! The examples as processes, one against the other, and against bytes.

use std::io::{Read, Write};

use rustix::process::Signal;

#[path = "../../../asyncio/tests/it/example/child.rs"]
mod child;

mod source;

use child::{Example, connect};

#[test]
fn without_arguments_both_ask_themselves_and_end() {
    let ended = Example::run("hyper_client", &[]);
    assert!(ended.status.success() && ended.errors.is_empty(), "{ended:?}");
    assert_eq!(ended.output, "200 OK\nyou asked for /some/page?with=query\n");
    let ended = Example::run("hyper_server", &[]);
    assert!(ended.status.success() && ended.errors.is_empty(), "{ended:?}");
    assert!(ended.output.starts_with("HTTP/1.1 200 OK\r\n") && ended.output.ends_with("\r\n\r\nhello\n"), "{ended:?}");
}

#[test]
fn the_client_asks_the_server_which_ends_when_what_is_under_way_has() {
    let mut server = Example::spawn("hyper_server", &["127.0.0.1:0"]);
    let address = server.address();
    for (path, expected) in [("", "200 OK\nhello\n"), ("/echo", "405 "), ("/nowhere?x=y", "404 ")] {
        let ended = Example::run("hyper_client", &[&format!("http://{address}{path}")]);
        assert!(ended.status.success() && ended.output.starts_with(expected), "{path}: {ended:?}");
    }
    let mut echoed = connect(address);
    let chunked = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    echoed.write_all(format!("{chunked}3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    echoed.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("abc") && answer.contains("defg"), "{answer}");

    // That the first is answered says that the server has the second too.
    let (mut idle, mut busy) = (connect(address), connect(address));
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
    for (stream, requests) in [(&mut idle, get("/")), (&mut busy, get("/") + &get("/slow"))] {
        stream.write_all(requests.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"hello\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
    }
    server.signal(Signal::TERM);
    assert_eq!(idle.read(&mut [0; 1]).unwrap(), 0);
    let mut answer = String::new();
    busy.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("here at last\n"), "{answer}");
    let ended = server.end();
    assert!(ended.status.success() && ended.output.is_empty() && ended.errors.is_empty(), "{ended:?}");
}

#[test]
fn a_bad_address_is_named_with_what_to_write_instead() {
    for (name, argument, expected) in [
        ("hyper_client", "here", "hyper_client: `here` is no address of a page: write `http://host:port/path`"),
        ("hyper_client", "http://a b", "hyper_client: `http://a b` is no address of a page: invalid uri character"),
        ("hyper_server", "8080", "hyper_server: `8080` is not an address: write `host:port`"),
    ] {
        let mut example = Example::spawn(name, &[argument]);
        assert_eq!(example.error_line(), expected);
        assert_eq!(example.end().status.code(), Some(1));
    }
}
