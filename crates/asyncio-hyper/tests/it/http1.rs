//! HTTP/1: servers against bytes, and against hyper's client.

use std::convert::Infallible;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use asyncio::{Event, Server, StreamReader, StreamWriter};
use asyncio_hyper::{AsyncioIo, AsyncioTimer, serve_until};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, client};

use crate::socket_path;

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

/// Sends the body back as a whole, after the seconds that the path says.
async fn echo(request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    let seconds = request.uri().path()[1..].parse().unwrap_or(0);
    let is_get = request.method() == Method::GET;
    let body = request.into_body().collect().await?.to_bytes();
    asyncio::sleep(Duration::from_secs(seconds)).await;
    Ok(Response::new(Full::from(if is_get { Bytes::from_static(b"hello") } else { body })))
}

/// A server on a Unix socket: there, what is sent has arrived, so that virtual time does not pass while it is on its way.
struct Served {
    server: Server,
    path: PathBuf,
}

async fn start(stop: &Rc<Event>) -> io::Result<Served> {
    let stop = stop.clone();
    let serve = async move |reader: StreamReader, writer: StreamWriter| {
        let mut builder = http1::Builder::new();
        builder.timer(AsyncioTimer::new()).header_read_timeout(Duration::from_secs(10));
        let http = builder.serve_connection(AsyncioIo::new(reader, writer), service_fn(echo));
        let _ = serve_until(http, stop.wait(), http1::Connection::graceful_shutdown).await;
    };
    let path = socket_path();
    Ok(Served { server: asyncio::start_unix_server(serve, &path).await?, path })
}

/// Runs a test on virtual time, with a server that is over at its end, and its connections with it.
fn with_server(test: impl AsyncFnOnce(&Served, &Event) -> io::Result<()>) {
    let mut runner = asyncio::Runner::builder().virtual_time(true).build().unwrap();
    let result = runner.run(async {
        let stop = Rc::new(Event::new());
        let served = start(&stop).await?;
        test(&served, &stop).await?;
        served.server.close();
        served.server.wait_closed().await;
        io::Result::Ok(())
    });
    result.unwrap().unwrap();
}

async fn connect(server: &Served) -> io::Result<(StreamReader, StreamWriter)> {
    asyncio::open_unix_connection(&server.path).await
}

/// Reads one answer with a length: its status line and its body.
async fn answer(reader: &mut StreamReader) -> io::Result<(String, Vec<u8>)> {
    let head = String::from_utf8(reader.readuntil(b"\r\n\r\n").await?).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    Ok((head.lines().next().unwrap().to_owned(), reader.readexactly(length).await?))
}

#[test]
fn a_connection_serves_request_after_request_and_those_that_come_together_in_order() {
    with_server(async |server, _| {
        let (mut reader, writer) = connect(server).await?;
        for _ in 0..3 {
            writer.write(GET);
            assert_eq!(answer(&mut reader).await?, ("HTTP/1.1 200 OK".into(), b"hello".to_vec()));
        }
        let together: String =
            (0..50).map(|n| format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{n:02}")).collect();
        writer.write(together);
        for n in 0..50 {
            assert_eq!(answer(&mut reader).await?.1, format!("{n:02}").into_bytes());
        }
        writer.write("HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        let head = reader.read_to_end().await?;
        assert!(head.starts_with(b"HTTP/1.1 200 OK\r\n") && head.ends_with(b"\r\n\r\n"));
        Ok(())
    });
}

#[test]
fn large_bodies_go_both_ways_although_the_sockets_hold_less() {
    with_server(async |server, _| {
        let (mut reader, writer) = connect(server).await?;
        let body: Vec<u8> = (0..20_000_000u32).map(|n| (n % 251) as u8).collect();
        writer.writelines([
            format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(),
            &body,
        ]);
        assert!(answer(&mut reader).await?.1 == body);
        Ok(())
    });
}

/// Many small frames are several pieces for one write.
#[test]
fn a_body_of_many_pieces_arrives_whole() {
    let mut runner = asyncio::Runner::builder().virtual_time(true).build().unwrap();
    let result = runner.run(async {
        let pieces: Rc<Vec<Bytes>> = Rc::new((0..500).map(|n| Bytes::from(vec![n as u8; 1 + n % 700])).collect());
        let expected = pieces.concat();
        let serve = async move |reader, writer| {
            let answer = service_fn(|_: Request<Incoming>| {
                let pieces: Vec<_> =
                    pieces.iter().cloned().map(|piece| Ok::<_, Infallible>(Frame::data(piece))).collect();
                async move { Ok::<_, Infallible>(Response::new(StreamBody::new(futures_util::stream::iter(pieces)))) }
            });
            http1::Builder::new().serve_connection(AsyncioIo::new(reader, writer), answer).await.unwrap();
        };
        let server = asyncio::start_server(serve, ("127.0.0.1", 0)).await?;
        let (reader, writer) = asyncio::open_connection(server.local_addrs()).await?;
        let (mut sender, connection) = client::conn::http1::handshake(AsyncioIo::new(reader, writer)).await.unwrap();
        let connection = asyncio::create_task(connection);
        let request = Request::get("/").header("host", "h").body(Empty::<Bytes>::new()).unwrap();
        let body = sender.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
        assert!(body == expected);
        drop(sender);
        connection.await.unwrap();
        server.close();
        server.wait_closed().await;
        io::Result::Ok(())
    });
    result.unwrap().unwrap();
}

#[test]
fn a_client_asks_several_times_over_one_connection() {
    with_server(async |server, _| {
        let (reader, writer) = connect(server).await?;
        let (mut sender, connection) = client::conn::http1::handshake(AsyncioIo::new(reader, writer)).await.unwrap();
        let connection = asyncio::create_task(connection);
        for size in [0, 1, 70_000, 3_000_000] {
            sender.ready().await.unwrap();
            let body = Bytes::from(vec![7; size]);
            let request = Request::post("/").header("host", "h").body(Full::new(body.clone())).unwrap();
            let response = sender.send_request(request).await.unwrap();
            assert!(response.into_body().collect().await.unwrap().to_bytes() == body);
        }
        assert_eq!(server.server.clients().len(), 1);
        drop(sender);
        connection.await.unwrap();
        Ok(())
    });
}

#[test]
fn what_is_no_http_is_told_so() {
    with_server(async |server, _| {
        for nonsense in ["nonsense\r\n\r\n", "GET / HTTP/1.1\r\nno header\r\n\r\n"] {
            let (mut reader, writer) = connect(server).await?;
            writer.write(nonsense);
            assert!(reader.read_to_end().await?.starts_with(b"HTTP/1.1 400 Bad Request\r\n"));
        }
        Ok(())
    });
}

#[test]
fn the_time_of_a_head_is_the_loops() {
    with_server(async |server, _| {
        let begin = asyncio::get_running_loop().time();
        let (mut reader, writer) = connect(server).await?;
        // The first is answered, so what follows it has arrived.
        writer.write(format!("{GET}GET / HT"));
        answer(&mut reader).await?;
        reader.read_to_end().await?;
        assert_eq!((asyncio::get_running_loop().time() - begin).as_secs(), 10);
        Ok(())
    });
}

#[test]
fn a_graceful_end_lets_a_request_finish_and_closes_what_is_idle() {
    with_server(async |server, stop| {
        let (mut idle, idle_writer) = connect(server).await?;
        idle_writer.write(GET);
        answer(&mut idle).await?;
        let (mut busy, busy_writer) = connect(server).await?;
        busy_writer.write(format!("{GET}GET /5 HTTP/1.1\r\nHost: h\r\n\r\n"));
        answer(&mut busy).await?;
        let begin = asyncio::get_running_loop().time();
        stop.set();
        assert_eq!(idle.read(1).await?, b"");
        assert_eq!(asyncio::get_running_loop().time(), begin, "at once");
        assert_eq!(answer(&mut busy).await?, ("HTTP/1.1 200 OK".into(), b"hello".to_vec()));
        assert_eq!(busy.read(1).await?, b"");
        assert_eq!((asyncio::get_running_loop().time() - begin).as_secs(), 5);
        Ok(())
    });
}

#[test]
fn a_client_that_goes_away_ends_its_request() {
    with_server(async |server, _| {
        let (_reader, writer) = connect(server).await?;
        writer.write("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc");
        while server.server.clients().is_empty() {
            asyncio::yield_now().await;
        }
        writer.transport().abort();
        Ok(())
    });
}

/// hyper hands over what it has read beyond its share, and the two ends are there for whatever follows.
#[test]
fn an_upgraded_connection_gives_the_stream_back() {
    let mut runner = asyncio::Runner::builder().virtual_time(true).build().unwrap();
    let result = runner.run(async {
        let serve = async |reader, writer| {
            let answer = service_fn(async |_: Request<Incoming>| {
                let response =
                    Response::builder().status(101).header("upgrade", "echo").header("connection", "upgrade");
                Ok::<_, Infallible>(response.body(Empty::<Bytes>::new()).unwrap())
            });
            let http = http1::Builder::new().serve_connection(AsyncioIo::new(reader, writer), answer);
            let parts = http.without_shutdown().await.unwrap();
            let (mut reader, writer) = parts.io.into_inner();
            writer.write(parts.read_buf);
            writer.write(reader.readline().await.unwrap());
        };
        let server = asyncio::start_server(serve, ("127.0.0.1", 0)).await?;
        let (mut reader, writer) = asyncio::open_connection(server.local_addrs()).await?;
        writer.write("GET / HTTP/1.1\r\nHost: h\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n");
        assert!(reader.readuntil(b"\r\n\r\n").await?.starts_with(b"HTTP/1.1 101 "));
        writer.write("a line\n");
        assert_eq!(reader.read_to_end().await?, b"a line\n");
        server.close();
        drop(writer);
        server.wait_closed().await;
        io::Result::Ok(())
    });
    result.unwrap().unwrap();
}
