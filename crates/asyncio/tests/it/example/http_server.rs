//! `http_server`, by the bytes: what it answers, what it refuses, and how it ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::thread;

use asyncio::{StreamReader, StreamWriter};
use rustix::process::Signal;

use super::child::{Example, connect};
use super::source;

const NAME: &str = "http_server";

fn start() -> (Example, SocketAddr) {
    let mut example = Example::spawn(NAME, &["127.0.0.1:0"]);
    let address = example.address();
    (example, address)
}

/// Ends the server, whose clients are gone, though it may not know yet.
fn stop(mut example: Example) {
    example.signal(Signal::TERM);
    assert!(example.line().starts_with("finishing "));
    let ended = example.end();
    assert_eq!((ended.status.code(), ended.output.as_str(), ended.errors.as_str()), (Some(0), "done\n", ""));
}

/// Sends all of it and reads to the end. The connection has to be one that the server closes, or this end.
fn ask(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    stream.write_all(request).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

/// Reads one answer: the status line, the other lines of the head, the body.
fn read_answer(stream: &mut BufReader<TcpStream>, with_body: bool) -> (String, Vec<String>, Vec<u8>) {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the server closed the connection after {lines:?}");
        let Some(line) = line.strip_suffix("\r\n") else { panic!("{line:?}") };
        if line.is_empty() {
            break;
        }
        lines.push(line.to_owned());
    }
    let length = lines.iter().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; if with_body { length } else { 0 }];
    stream.read_exact(&mut body).unwrap();
    let status = lines.remove(0).strip_prefix("HTTP/1.1 ").unwrap().to_owned();
    (status, lines, body)
}

#[test]
fn without_arguments_it_asks_itself_and_ends() {
    let ended = Example::run(NAME, &[]);
    assert!(ended.status.success() && ended.errors.is_empty(), "{ended:?}");
    let statuses: Vec<_> = ended.output.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).collect();
    assert_eq!(statuses, ["200 OK", "200 OK", "405 Method Not Allowed", "404 Not Found"]);
    assert!(ended.output.contains("\r\n\r\nin two chunks\n") && ended.output.ends_with("there is nothing here\n"));
}

#[test]
fn a_connection_serves_request_after_request() {
    let (example, address) = start();
    let mut stream = BufReader::new(connect(address));
    for _ in 0..3 {
        stream.get_mut().write_all(b"GET /?with=a+query HTTP/1.1\r\nhost: here\r\n\r\n").unwrap();
        let (status, head, body) = read_answer(&mut stream, true);
        assert_eq!((status.as_str(), body.as_slice()), ("200 OK", b"hello\n".as_slice()));
        assert!(!head.iter().any(|line| line.starts_with("Connection")), "{head:?}");
        let date = head.iter().find_map(|line| line.strip_prefix("Date: ")).unwrap();
        assert!(date.len() == "Thu, 01 Jan 1970 00:00:00 GMT".len() && date.ends_with(" GMT"), "{date:?}");
    }
    stream.get_mut().write_all(b"HEAD http://here/ HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    let (status, head, _) = read_answer(&mut stream, false);
    assert_eq!(status, "200 OK");
    assert!(head.contains(&"Content-Length: 6".to_owned()), "{head:?}");
    // An older client has to ask for it, and is told.
    stream.get_mut().write_all(b"\r\nGET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap();
    let (_, head, _) = read_answer(&mut stream, true);
    assert!(head.contains(&"Connection: keep-alive".to_owned()), "{head:?}");
    stream.get_mut().write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let (_, head, _) = read_answer(&mut stream, true);
    assert!(head.contains(&"Connection: close".to_owned()), "{head:?}");
    assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    stop(example);
}

#[test]
fn requests_that_come_together_are_answered_in_order() {
    let (example, address) = start();
    let mut requests = Vec::new();
    for number in 0..200 {
        write!(requests, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\n{number:03}").unwrap();
    }
    let mut stream = BufReader::new(connect(address));
    stream.get_mut().write_all(&requests).unwrap();
    for number in 0..200 {
        let (status, _, body) = read_answer(&mut stream, true);
        assert_eq!((status.as_str(), body), ("200 OK", format!("{number:03}").into_bytes()));
    }
    drop(stream);
    stop(example);
}

#[test]
fn bodies_come_with_a_length_or_in_chunks_however_they_are_cut() {
    let (example, address) = start();
    let body: Vec<u8> = (0..300_000).map(|n: u32| b'a' + (n % 26) as u8).collect();
    let mut with_length =
        format!("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    with_length.extend(&body);
    let mut in_chunks = b"PUT /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(70_001) {
        write!(in_chunks, "{:X};name=value\r\n", chunk.len()).unwrap();
        in_chunks.extend(chunk);
        in_chunks.extend(b"\r\n");
    }
    in_chunks.extend(b"0\r\nTrailer: value\r\n\r\n");
    for request in [with_length, in_chunks] {
        let mut stream = BufReader::new(connect(address));
        let mut sending = stream.get_ref().try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| request.chunks(9_999).for_each(|piece| sending.write_all(piece).unwrap()));
            let (status, _, echoed) = read_answer(&mut stream, true);
            assert_eq!(status, "200 OK");
            assert!(echoed == body);
        });
    }
    // The client waits for a word before it sends the body.
    let mut stream = BufReader::new(connect(address));
    stream
        .get_mut()
        .write_all(b"POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        .unwrap();
    let mut word = [0; 25];
    stream.read_exact(&mut word).unwrap();
    assert_eq!(&word, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.get_mut().write_all(b"ok").unwrap();
    assert_eq!(read_answer(&mut stream, true).2, b"ok");
    drop(stream);
    stop(example);
}

#[test]
fn what_is_wrong_is_refused_by_its_name_and_ends_the_connection() {
    let (example, address) = start();
    let long = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: x\r\n".repeat(4_000));
    let post = |head: &str| format!("POST /echo HTTP/1.1\r\nHost: h\r\n{head}\r\n");
    let cases = [
        ("400 Bad Request", "nonsense\r\n\r\n".to_owned()),
        ("400 Bad Request", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        ("400 Bad Request", "GET / HTTP/1.1\r\n\r\n".to_owned()),
        ("400 Bad Request", "GET / HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n".to_owned()),
        ("400 Bad Request", "GET / HTTP/1.1\r\nHost : h\r\n\r\n".to_owned()),
        ("400 Bad Request", "GET / HTTP/1.1\r\nHost: h\r\n folded\r\n\r\n".to_owned()),
        ("400 Bad Request", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n".to_owned()),
        ("400 Bad Request", "G(T / HTTP/1.1\r\nHost: h\r\n\r\n".to_owned()),
        ("505 HTTP Version Not Supported", "GET / HTTP/2.0\r\nHost: h\r\n\r\n".to_owned()),
        ("431 Request Header Fields Too Large", long),
        ("431 Request Header Fields Too Large", many),
        ("400 Bad Request", post("Content-Length: -1\r\n")),
        ("400 Bad Request", post("Content-Length: 1\r\nContent-Length: 2\r\n")),
        ("400 Bad Request", post("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")),
        ("413 Content Too Large", post("Content-Length: 1048577\r\n")),
        ("413 Content Too Large", post("Content-Length: 99999999999999999999999\r\n")),
        ("501 Not Implemented", post("Transfer-Encoding: gzip, chunked\r\n")),
        ("400 Bad Request", post("Transfer-Encoding: chunked\r\n") + "+5\r\nhello\r\n"),
        ("400 Bad Request", post("Transfer-Encoding: chunked\r\n") + "2\r\nhello\r\n"),
        ("413 Content Too Large", post("Transfer-Encoding: chunked\r\n") + "100001\r\n"),
        ("413 Content Too Large", post("Transfer-Encoding: chunked\r\n") + "fffffffffffffffffffff\r\n"),
    ];
    for (status, request) in cases {
        let answer = ask(address, request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request:.60?}: {answer}");
        assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
    }
    for (status, allow, request) in [
        ("404 Not Found", None, "GET /nowhere HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("405 Method Not Allowed", Some("Allow: GET, HEAD"), "BREW / HTTP/1.1\r\nHost: h\r\n\r\n"),
        ("405 Method Not Allowed", Some("Allow: POST, PUT"), "GET /echo HTTP/1.1\r\nHost: h\r\n\r\n"),
    ] {
        let answer = ask(address, request.as_bytes());
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{answer}");
        assert!(allow.is_none_or(|allow| answer.contains(allow)) && !answer.contains("Connection"), "{answer}");
    }
    for cut_off in
        ["", "GET", "GET / HTTP/1.1\r\nHost: h\r\n", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nx"]
    {
        assert_eq!(ask(address, cut_off.as_bytes()), "");
    }
    stop(example);
}

/// What is sent after the refusal must not cost the client the answer.
#[test]
fn a_client_that_goes_on_sending_reads_why_it_is_refused() {
    let (example, address) = start();
    let mut request = b"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3000000\r\n\r\n".to_vec();
    request.resize(3_000_000, b'x');
    assert!(ask(address, &request).starts_with("HTTP/1.1 413 "));
    stop(example);
}

#[test]
fn sigterm_lets_a_request_finish_and_closes_what_is_idle() {
    let (mut example, address) = start();
    let mut idle = BufReader::new(connect(address));
    idle.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    read_answer(&mut idle, true);
    // Two requests at once: that the first is answered says that the server is at work on the second.
    let mut busy = BufReader::new(connect(address));
    busy.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /slow HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    read_answer(&mut busy, true);
    example.signal(Signal::TERM);
    assert_eq!(example.line(), "finishing 2 connections");
    assert_eq!(idle.read(&mut [0; 1]).unwrap(), 0);
    let (status, head, body) = read_answer(&mut busy, true);
    assert_eq!((status.as_str(), body.as_slice()), ("200 OK", b"here at last\n".as_slice()));
    assert!(head.contains(&"Connection: close".to_owned()), "{head:?}");
    assert_eq!(busy.read(&mut [0; 1]).unwrap(), 0);
    let ended = example.end();
    assert_eq!((ended.status.code(), ended.output.as_str()), (Some(0), "done\n"));
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_rest() {
    let (mut example, address) = start();
    let mut busy = BufReader::new(connect(address));
    busy.get_mut().write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\nGET /slow HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    read_answer(&mut busy, true);
    example.signal(Signal::INT);
    assert_eq!(example.line(), "finishing 1 connections");
    example.signal(Signal::INT);
    let ended = example.end();
    assert_eq!((ended.status.signal(), ended.output.as_str()), (Some(Signal::INT.as_raw()), ""));
}

/// Runs `client` with one end of a connection, and the server with the other, on virtual time, in this process. Returns
/// what `client` does, and after how many seconds the server was done with the connection.
///
/// It is a pair of Unix sockets: there, what is sent has arrived, so that time does not pass while it is on its way.
fn with_server<T>(client: impl AsyncFnOnce(StreamReader, StreamWriter) -> std::io::Result<T>) -> (T, u64) {
    let mut runner = asyncio::Runner::builder().virtual_time(true).build().unwrap();
    let result = runner.run(async {
        let (near, far) = UnixStream::pair()?;
        let (reader, writer) = asyncio::open_connection(far).limit(16 * 1024).await?;
        let serving = asyncio::create_task(async move {
            source::http_server::serve(&asyncio::Event::new(), reader, writer).await;
            asyncio::get_running_loop().time()
        });
        let begin = asyncio::get_running_loop().time();
        let (reader, writer) = asyncio::open_connection(near).await?;
        let done = client(reader, writer).await?;
        std::io::Result::Ok((done, (serving.await - begin).as_secs()))
    });
    result.unwrap().unwrap()
}

/// What a client hears that sends `requests` and nothing more.
fn hear(requests: &str) -> (Vec<String>, u64) {
    with_server(async |mut reader, writer| {
        writer.write(requests);
        let answers = String::from_utf8(reader.read_to_end().await?).unwrap();
        Ok(answers.lines().filter_map(|line| line.strip_prefix("HTTP/1.1 ")).map(String::from).collect())
    })
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn a_client_that_is_slow_is_told_so_and_one_that_is_silent_is_not() {
    let of = |rest: &str| hear(&format!("{GET}{rest}"));
    assert_eq!(of(""), (vec!["200 OK".into()], 30));
    for head in ["G", "GET / HTTP/1.1\r\nHost: h\r\n"] {
        assert_eq!(of(head), (vec!["200 OK".into(), "408 Request Timeout".into()], 10));
    }
    for body in ["Content-Length: 3\r\n\r\nab", "Transfer-Encoding: chunked\r\n\r\n3\r\nab"] {
        let request = format!("POST /echo HTTP/1.1\r\nHost: h\r\n{body}");
        assert_eq!(of(&request), (vec!["200 OK".into(), "408 Request Timeout".into()], 30));
    }
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let ((), seconds) = with_server(async |reader, writer| {
        writer.transport().pause_reading();
        // More than both sockets hold: the server waits for room for its answers.
        let body = "x".repeat(1024 * 1024);
        for _ in 0..16 {
            writer.write(format!("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        }
        let _ = writer.wait_closed().await;
        drop(reader);
        Ok(())
    });
    assert_eq!(seconds, 30);
}
