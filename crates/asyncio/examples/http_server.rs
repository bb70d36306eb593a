//! An HTTP/1.1 server: persistent connections, pipelining, bodies with a length or in chunks, limits on everything, and an
//! end that lets requests finish.
//!
//! Without an argument it asks itself a few things, prints the answers, and ends. With an address it serves there until
//! SIGTERM or Ctrl-C: `http_server 127.0.0.1:8080`, and in another terminal `curl -i localhost:8080`,
//! `curl -d hello localhost:8080/echo`, `curl localhost:8080/slow`. For a server of your own take a library; this shows
//! what the streams and timeouts of this one are good for.

use std::fmt::Write;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use asyncio::{Event, ReadError, Server, StreamReader, StreamWriter};
use futures_util::AsyncBufReadExt;
use futures_util::future::{Either, select};

/// How long the line and the headers of a request may be, and how long its body.
const MAX_HEAD: usize = 16 * 1024;
const MAX_BODY: usize = 1024 * 1024;

/// How long to wait for the next request, for the rest of its head, for its body, for the client to take the answer,
/// and, when the server ends, for requests that are under way.
const IDLE: Duration = Duration::from_secs(30);
const HEAD: Duration = Duration::from_secs(10);
const BODY: Duration = Duration::from_secs(30);
const SEND: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(10);

// Requests.

#[derive(Debug, Default)]
struct Request {
    method: String,
    path: String,
    keep_alive: bool,
    /// The client speaks HTTP/1.0, and has to be told that the connection stays.
    old: bool,
    body: Vec<u8>,
}

/// Why a request is not answered as asked.
enum Refusal {
    /// With this status. The connection ends, since nobody knows where the next request begins.
    Status(&'static str),
    /// Not at all: the client is gone.
    Gone,
}

const BAD_REQUEST: Refusal = Refusal::Status("400 Bad Request");
const TOO_SLOW: Refusal = Refusal::Status("408 Request Timeout");
const BODY_TOO_LONG: Refusal = Refusal::Status("413 Content Too Large");
const HEAD_TOO_LONG: Refusal = Refusal::Status("431 Request Header Fields Too Large");

impl From<ReadError> for Refusal {
    fn from(error: ReadError) -> Self {
        if let ReadError::LimitOverrun(_) = error { HEAD_TOO_LONG } else { Refusal::Gone }
    }
}

async fn read_request(reader: &mut StreamReader, writer: &StreamWriter) -> Result<Request, Refusal> {
    let head = asyncio::wait_for(reader.readuntil(b"\r\n\r\n"), HEAD).await.map_err(|_| TOO_SLOW)??;
    let head = std::str::from_utf8(&head).map_err(|_| BAD_REQUEST)?;
    let (mut request, body) = parse_head(head)?;
    request.body = asyncio::wait_for(read_body(reader, writer, body), BODY).await.map_err(|_| TOO_SLOW)??;
    Ok(request)
}

#[derive(Default)]
struct Body {
    length: Option<usize>,
    chunked: bool,
    /// The client waits for a word before it sends the body.
    expected: bool,
}

fn parse_head(head: &str) -> Result<(Request, Body), Refusal> {
    // An empty line or two before a request are left over from the one before.
    let mut lines = head.trim_start_matches("\r\n").trim_end_matches("\r\n").split("\r\n");
    let mut line = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) = (line.next(), line.next(), line.next(), line.next()) else {
        return Err(BAD_REQUEST);
    };
    let old = match version {
        "HTTP/1.1" => false,
        "HTTP/1.0" => true,
        _ if version.starts_with("HTTP/") => return Err(Refusal::Status("505 HTTP Version Not Supported")),
        _ => return Err(BAD_REQUEST),
    };
    if !is_token(method) || target.is_empty() || target.bytes().any(|byte| byte.is_ascii_control()) {
        return Err(BAD_REQUEST);
    }
    // The target may be a whole address, with the host; what follows a `?` is for nobody here.
    let path = target.strip_prefix("http://").map_or(target, |rest| rest.find('/').map_or("/", |at| &rest[at..]));
    let path = path.split('?').next().unwrap_or_default();
    let mut request = Request { method: method.into(), path: path.into(), keep_alive: !old, old, body: Vec::new() };
    let (mut body, mut hosts) = (Body::default(), 0);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(BAD_REQUEST)?;
        if !is_token(name) || value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(BAD_REQUEST);
        }
        let value = value.trim_matches([' ', '\t']);
        let is = |known: &str| name.eq_ignore_ascii_case(known);
        if is("host") {
            hosts += 1;
        } else if is("connection") {
            for option in value.split(',').map(str::trim) {
                if option.eq_ignore_ascii_case("close") {
                    request.keep_alive = false;
                } else if option.eq_ignore_ascii_case("keep-alive") {
                    request.keep_alive = true;
                }
            }
        } else if is("content-length") {
            let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            if !is_number || body.length.is_some() {
                return Err(BAD_REQUEST);
            }
            // A number that has no room in a `usize` is too large in any case.
            body.length = Some(value.parse().unwrap_or(usize::MAX));
        } else if is("transfer-encoding") {
            if !value.eq_ignore_ascii_case("chunked") {
                return Err(Refusal::Status("501 Not Implemented"));
            }
            body.chunked = true;
        } else if is("expect") {
            body.expected = value.eq_ignore_ascii_case("100-continue");
        }
    }
    // Two lengths of one body are how requests are smuggled past a proxy.
    let ambiguous = body.chunked && (body.length.is_some() || old);
    if ambiguous || hosts > 1 || (hosts == 0 && !old) { Err(BAD_REQUEST) } else { Ok((request, body)) }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

async fn read_body(reader: &mut StreamReader, writer: &StreamWriter, body: Body) -> Result<Vec<u8>, Refusal> {
    let length = body.length.unwrap_or(0);
    if length > MAX_BODY {
        return Err(BODY_TOO_LONG);
    }
    if body.expected && (body.chunked || length > 0) {
        writer.write("HTTP/1.1 100 Continue\r\n\r\n");
    }
    if !body.chunked {
        return Ok(reader.readexactly(length).await?);
    }
    let mut data = Vec::new();
    loop {
        let line = reader.readuntil(b"\r\n").await?;
        let size = std::str::from_utf8(&line).unwrap_or_default().split([';', '\r']).next().unwrap_or_default().trim();
        if size.is_empty() || !size.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BAD_REQUEST);
        }
        let size = usize::from_str_radix(size, 16).unwrap_or(usize::MAX);
        if size > MAX_BODY - data.len() {
            return Err(BODY_TOO_LONG);
        }
        if size == 0 {
            break;
        }
        data.extend(reader.readexactly(size).await?);
        if reader.readexactly(2).await? != b"\r\n" {
            return Err(BAD_REQUEST);
        }
    }
    // What may follow a body in chunks is read and left alone.
    let mut left = MAX_HEAD;
    loop {
        let line = reader.readuntil(b"\r\n").await?;
        if line == b"\r\n" {
            return Ok(data);
        }
        left = left.checked_sub(line.len()).ok_or(HEAD_TOO_LONG)?;
    }
}

// Answers.

struct Response {
    status: &'static str,
    /// The methods that there are instead.
    allow: Option<&'static str>,
    body: Vec<u8>,
}

impl Response {
    fn new(status: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, allow: None, body: body.into() }
    }
}

/// What the server is there for.
async fn answer(request: Request) -> Response {
    match (request.path.as_str(), request.method.as_str()) {
        ("/", "GET" | "HEAD") => Response::new("200 OK", "hello\n"),
        ("/slow", "GET" | "HEAD") => {
            asyncio::sleep(Duration::from_secs(1)).await; // others are served meanwhile
            Response::new("200 OK", "here at last\n")
        }
        ("/echo", "POST" | "PUT") => Response::new("200 OK", request.body),
        ("/" | "/slow", _) => Response { allow: Some("GET, HEAD"), ..Response::new("405 Method Not Allowed", "") },
        ("/echo", _) => Response { allow: Some("POST, PUT"), ..Response::new("405 Method Not Allowed", "") },
        _ => Response::new("404 Not Found", "there is nothing here\n"),
    }
}

/// The answer as it goes over the wire, in one piece. `None` of `connection`: what the version of HTTP has by default.
fn encode(response: Response, connection: Option<&str>, with_body: bool) -> Vec<u8> {
    let Response { status, allow, body } = response;
    let mut head = format!("HTTP/1.1 {status}\r\nDate: {}\r\nContent-Length: {}\r\n", now(), body.len());
    if !body.is_empty() {
        head.push_str("Content-Type: text/plain; charset=utf-8\r\n");
    }
    for (name, value) in [("Allow", allow), ("Connection", connection)] {
        if let Some(value) = value {
            let _ = write!(head, "{name}: {value}\r\n");
        }
    }
    head.push_str("\r\n");
    let mut encoded = head.into_bytes();
    if with_body {
        encoded.extend(body);
    }
    encoded
}

/// The time as HTTP writes it.
fn now() -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March, in cycles of 400: the day that comes and goes is then the last of a year.
    let day = (days + 719_468) % 146_097;
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let year = year + 400 * ((days + 719_468) / 146_097) + u64::from(month >= 10);
    let (weekday, month_name, day) =
        (DAYS[(days % 7) as usize], MONTHS[month as usize], day - (153 * month + 2) / 5 + 1);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month_name} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

// Connections.

/// Waits for the first byte of a request. `false`: there will be none.
async fn wait_for_request(reader: &mut StreamReader, stop: &Event) -> bool {
    match asyncio::wait_for(select(pin!(reader.fill_buf()), pin!(stop.wait())), IDLE).await {
        Ok(Either::Left((Ok(buffered), _))) => !buffered.is_empty(),
        _ => false,
    }
}

/// Serves one connection, request by request. Those that a client sends without waiting are in the reader's buffer.
pub(crate) async fn serve(stop: &Event, mut reader: StreamReader, writer: StreamWriter) {
    while wait_for_request(&mut reader, stop).await {
        let (encoded, keep_alive) = match read_request(&mut reader, &writer).await {
            Ok(request) => {
                let (asked, old, with_body) = (request.keep_alive, request.old, request.method != "HEAD");
                let response = answer(request).await;
                let keep_alive = asked && !stop.is_set();
                let connection = if keep_alive { old.then_some("keep-alive") } else { Some("close") };
                (encode(response, connection, with_body), keep_alive)
            }
            Err(Refusal::Status(status)) => (encode(Response::new(status, ""), Some("close"), true), false),
            Err(Refusal::Gone) => return,
        };
        writer.write(encoded);
        match asyncio::wait_for(writer.drain(), SEND).await {
            Ok(Ok(())) if keep_alive => {}
            Ok(Ok(())) => return linger(reader, &writer).await,
            Ok(Err(_)) => return,
            Err(_) => return writer.transport().abort(),
        }
    }
}

/// Ends a connection so that the client gets the answer: a socket that is closed while there is something to read tells the
/// other end to throw away what it has not read yet.
async fn linger(mut reader: StreamReader, writer: &StreamWriter) {
    let discarded = async {
        writer.write_eof()?;
        while !reader.read(64 * 1024).await?.is_empty() {}
        io::Result::Ok(())
    };
    let _ = asyncio::wait_for(discarded, Duration::from_secs(2)).await;
}

async fn start(address: &str, stop: &Rc<Event>) -> io::Result<Server> {
    let stop = stop.clone();
    let handler = async move |reader: StreamReader, writer: StreamWriter| serve(&stop, reader, writer).await;
    asyncio::start_server(handler, address).limit(MAX_HEAD).backlog(1024).await
}

/// Accepts no more, lets requests that are under way finish, and ends what takes too long.
async fn shut_down(server: Server, stop: &Event) {
    stop.set();
    server.close();
    if asyncio::wait_for(server.wait_closed(), GRACE).await.is_err() {
        server.abort_clients();
        server.wait_closed().await;
    }
}

async fn run_until_signal(address: &str) -> io::Result<()> {
    let (stop, signalled) = (Rc::new(Event::new()), Rc::new(Event::new()));
    let server = start(address, &stop).await?;
    let this_loop = asyncio::get_running_loop();
    let signals = [libc::SIGINT, libc::SIGTERM];
    for signal in signals {
        let signalled = signalled.clone();
        this_loop.add_signal_handler(signal, move || signalled.set())?;
    }
    println!("listening on {}", server.local_addrs()[0]);
    signalled.wait().await;
    // From here on, the signals do what they always do: nobody has to wait for the rest.
    signals.iter().for_each(|signal| _ = this_loop.remove_signal_handler(*signal));
    println!("finishing {} connections", server.clients().len());
    shut_down(server, &stop).await;
    println!("done");
    Ok(())
}

async fn demonstrate() -> io::Result<()> {
    let stop = Rc::new(Event::new());
    let server = start("127.0.0.1:0", &stop).await?;
    let (mut reader, writer) = asyncio::open_connection(server.local_addrs()).await?;
    // Four requests at once, on one connection: the answers come in order.
    let requests = [
        "GET / HTTP/1.1\r\nHost: here\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nin two\r\n8\r\n chunks\n\r\n0\r\n\r\n",
        "DELETE /echo HTTP/1.1\r\nHost: here\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n",
    ];
    writer.writelines(requests);
    print!("{}", String::from_utf8_lossy(&reader.read_to_end().await?));
    drop(writer);
    shut_down(server, &stop).await;
    Ok(())
}

pub(crate) fn main() {
    let result = asyncio::run(async {
        match std::env::args().nth(1) {
            Some(address) => run_until_signal(&address).await,
            None => demonstrate().await,
        }
    });
    if let Err(error) = result {
        eprintln!("http_server: {error}");
        std::process::exit(1);
    }
}
