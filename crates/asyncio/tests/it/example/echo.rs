//! The echo servers, over TCP with streams and with protocols, and over UDP.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::process::ExitStatusExt;
use std::thread;

use rustix::process::Signal;

use super::child::{Example, connect};

const TCP: [&str; 2] = ["tcp_echo", "protocol_echo"];

#[test]
fn without_arguments_an_echo_ends_and_has_echoed() {
    for (name, end) in [("tcp_echo", "\\n"), ("protocol_echo", ""), ("udp_echo", "")] {
        let ended = Example::run(name, &[]);
        let mut expected = String::new();
        if name == "udp_echo" {
            expected.push_str("no answer to \"one\", attempt 1\n");
        }
        for word in ["one", "two", "three"] {
            expected.push_str(&format!("sent \"{word}\", got \"{word}{end}\"\n"));
        }
        assert_eq!(ended.output, expected, "{name}");
        assert!(ended.status.success() && ended.errors.is_empty(), "{name}: {ended:?}");
    }
}

/// Sends `data` from one thread and reads in another until the end, as `nc` does.
fn exchange(mut stream: TcpStream, data: &[u8]) -> Vec<u8> {
    let mut heard = Vec::new();
    let mut sending = stream.try_clone().unwrap();
    thread::scope(|scope| {
        scope.spawn(move || {
            sending.write_all(data).unwrap();
            sending.shutdown(Shutdown::Write).unwrap();
        });
        stream.read_to_end(&mut heard).unwrap();
    });
    heard
}

#[test]
fn a_tcp_echo_serves_many_at_once_and_ends_of_ctrl_c_although_a_client_is_there() {
    for name in TCP {
        let mut example = Example::spawn(name, &["127.0.0.1:0"]);
        let address = example.address();
        let mut silent = connect(address);
        // More than the sockets hold, so that both ends have to wait for one another.
        let lines: Vec<u8> = (0..1000).flat_map(|number: u32| format!("{number:2000}\n").into_bytes()).collect();
        thread::scope(|scope| {
            for _ in 0..5 {
                scope.spawn(|| assert!(exchange(connect(address), &lines) == lines, "{name}"));
            }
        });
        example.signal(Signal::INT);
        assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0, "{name}");
        let ended = example.end();
        assert_eq!(ended.status.signal(), Some(Signal::INT.as_raw()), "{name}: {ended:?}");
        assert!(ended.errors.is_empty(), "{name}: {ended:?}");
    }
}

#[test]
fn a_udp_echo_answers_each_sender_and_empty_datagrams_too() {
    let mut example = Example::spawn("udp_echo", &["127.0.0.1", "0"]);
    let address: SocketAddr = example.address();
    let sockets = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    for data in [b"".as_slice(), b"some bytes", &[7; 8000]] {
        for socket in &sockets {
            assert_eq!(socket.send_to(data, address).unwrap(), data.len());
        }
        for socket in &sockets {
            let mut buffer = [0; 9000];
            let (count, from) = socket.recv_from(&mut buffer).unwrap();
            assert!(&buffer[..count] == data && from == address);
        }
    }
    example.signal(Signal::INT);
    assert_eq!(example.end().status.signal(), Some(Signal::INT.as_raw()));
}

#[test]
fn a_bad_argument_is_named_with_what_to_write_instead() {
    for (name, arguments, expected) in [
        ("tcp_echo", ["8888"].as_slice(), "tcp_echo: `8888` is not an address: write `host:port`\n"),
        (
            "protocol_echo",
            &["localhost:http"],
            "protocol_echo: `localhost:http` is not an address: write `host:port`\n",
        ),
        ("udp_echo", &["127.0.0.1", "99999"], "udp_echo: `99999` is not a port: give a number below 65536\n"),
    ] {
        let ended = Example::run(name, arguments);
        assert_eq!((ended.status.code(), ended.errors.as_str()), (Some(1), expected), "{name}");
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for name in TCP {
        let ended = Example::run(name, &[&address]);
        assert_eq!(ended.status.code(), Some(1), "{name}");
        assert!(ended.errors.starts_with(&format!("{name}: cannot bind to {address}: ")), "{ended:?}");
    }
}
