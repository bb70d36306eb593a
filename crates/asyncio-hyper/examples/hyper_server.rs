//! A server on hyper: HTTP/1 and, for clients that begin with it, HTTP/2; timeouts; an end that lets requests finish.
//!
//! Without an argument it asks itself for a page and ends. With an address it serves there until SIGTERM or Ctrl-C:
//! `hyper_server 127.0.0.1:8080`, and in another terminal `curl -i localhost:8080`, `curl -d hello localhost:8080/echo`,
//! `curl --http2-prior-knowledge localhost:8080`.

use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use asyncio::{Event, Server, StreamReader, StreamWriter};
use asyncio_hyper::{AsyncioExecutor, AsyncioIo, AsyncioTimer, serve_until};
use futures_util::AsyncBufReadExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};

/// How long the head of a request may take, and, at the end, all that is under way.
const HEAD: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(10);

type Answer = Response<BoxBody<Bytes, hyper::Error>>;

fn text(status: StatusCode, text: &'static str) -> Answer {
    let mut response = Response::new(Full::from(text).map_err(|never: Infallible| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", const { hyper::header::HeaderValue::from_static("text/plain") });
    response
}

async fn answer(request: Request<Incoming>) -> hyper::Result<Answer> {
    Ok(match (request.uri().path(), request.method()) {
        ("/", &Method::GET | &Method::HEAD) => text(StatusCode::OK, "hello\n"),
        ("/slow", &Method::GET) => {
            asyncio::sleep(Duration::from_secs(1)).await; // others are served meanwhile
            text(StatusCode::OK, "here at last\n")
        }
        // Goes back piece by piece, as it comes, however much it is.
        ("/echo", &Method::POST) => Response::new(request.into_body().boxed()),
        ("/" | "/slow" | "/echo", _) => text(StatusCode::METHOD_NOT_ALLOWED, "not like this\n"),
        _ => text(StatusCode::NOT_FOUND, "there is nothing here\n"),
    })
}

async fn serve(stop: &Event, mut reader: StreamReader, writer: StreamWriter) {
    // A client that speaks HTTP/2 without having agreed on it says so in its first bytes.
    let first = asyncio::wait_for(reader.fill_buf(), HEAD).await;
    let Ok(Ok(first)) = first else { return };
    let is_http2 = first.starts_with(b"PRI * HTTP/2");
    let io = AsyncioIo::new(reader, writer);
    let served = if is_http2 {
        let http =
            http2::Builder::new(AsyncioExecutor).timer(AsyncioTimer::new()).serve_connection(io, service_fn(answer));
        serve_until(http, stop.wait(), http2::Connection::graceful_shutdown).await
    } else {
        let mut builder = http1::Builder::new();
        builder.timer(AsyncioTimer::new()).header_read_timeout(HEAD);
        let http = builder.serve_connection(io, service_fn(answer));
        serve_until(http, stop.wait(), http1::Connection::graceful_shutdown).await
    };
    // What goes wrong with one connection is no concern of the others.
    let _ = served;
}

async fn start(address: &str, stop: &Rc<Event>) -> io::Result<Server> {
    let stop = stop.clone();
    let handler = async move |reader: StreamReader, writer: StreamWriter| serve(&stop, reader, writer).await;
    asyncio::start_server(handler, address).backlog(1024).await
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
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let signalled = signalled.clone();
        asyncio::get_running_loop().add_signal_handler(signal, move || signalled.set())?;
    }
    println!("listening on {}", server.local_addrs()[0]);
    signalled.wait().await;
    shut_down(server, &stop).await;
    Ok(())
}

async fn demonstrate() -> io::Result<()> {
    let stop = Rc::new(Event::new());
    let server = start("127.0.0.1:0", &stop).await?;
    let (mut reader, writer) = asyncio::open_connection(server.local_addrs()).await?;
    writer.write("GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
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
        eprintln!("hyper_server: {error}");
        std::process::exit(1);
    }
}
