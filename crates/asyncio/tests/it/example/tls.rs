//! `tls_echo`: both ends in one process, and as a server of clients that do not trust it.

use std::io::Read;
use std::net::TcpStream;

use rustix::process::Signal;

use super::child::Example;

#[test]
fn it_sends_back_each_line_through_tls() {
    let ended = Example::run("tls_echo", &[]);
    let expected = "connected to localhost with TLSv1_3\n\
                    sent \"one\", got \"one\\n\"\nsent \"two\", got \"two\\n\"\nsent \"three\", got \"three\\n\"\n";
    assert_eq!(ended.output, expected, "{}", ended.errors);
    assert!(ended.status.success());
}

#[test]
fn a_client_without_tls_is_told_and_does_not_stop_it() {
    let mut server = Example::spawn("tls_echo", &["127.0.0.1:0"]);
    let address = server.address();
    for _ in 0..2 {
        let mut client = TcpStream::connect(address).unwrap();
        std::io::Write::write_all(&mut client, b"hello there\n").unwrap();
        let mut answer = Vec::new();
        // An alert, then the end.
        let _ = client.read_to_end(&mut answer);
        assert_eq!(answer.first(), Some(&21));
    }
    server.signal(Signal::INT);
    let ended = server.end();
    assert!(ended.errors.contains("received corrupt message"), "{}", ended.errors);
}
