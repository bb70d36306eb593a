//! HTTP/2: many requests over one connection, in tasks that are not `Send`.

use std::convert::Infallible;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use asyncio::Event;
use asyncio_hyper::{AsyncioExecutor, AsyncioIo, AsyncioTimer, serve_until};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, client};

use crate::socket_path;

/// Sends the body back after the seconds that the path says.
async fn echo(count: Rc<std::cell::Cell<usize>>, request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    let seconds = request.uri().path()[1..].parse().unwrap_or(0);
    let body = request.into_body().collect().await?.to_bytes();
    asyncio::sleep(Duration::from_secs(seconds)).await;
    count.set(count.get() + 1);
    Ok(Response::new(Full::from(body)))
}

#[test]
fn requests_run_side_by_side_and_a_graceful_end_lets_them_finish() {
    let mut runner = asyncio::Runner::builder().virtual_time(true).build().unwrap();
    let result = runner.run(async {
        let (stop, count) = (Rc::new(Event::new()), Rc::new(std::cell::Cell::new(0)));
        let (stopped, counted) = (stop.clone(), count.clone());
        let serve = async move |reader, writer| {
            let counted = counted.clone();
            let service = service_fn(move |request| echo(counted.clone(), request));
            let mut builder = http2::Builder::new(AsyncioExecutor);
            builder.timer(AsyncioTimer::new()).keep_alive_interval(Duration::from_secs(20));
            let http = builder.serve_connection(AsyncioIo::new(reader, writer), service);
            let _ = serve_until(http, stopped.wait(), http2::Connection::graceful_shutdown).await;
        };
        // On a Unix socket, where what is sent has arrived: virtual time does not pass while it is on its way.
        let path = socket_path();
        let server = asyncio::start_unix_server(serve, &path).await?;
        let (reader, writer) = asyncio::open_unix_connection(&path).await?;
        let mut builder = client::conn::http2::Builder::new(AsyncioExecutor);
        builder.timer(AsyncioTimer::new());
        let (sender, connection) = builder.handshake(AsyncioIo::new(reader, writer)).await.unwrap();
        let connection = asyncio::create_task(connection);

        let begin = asyncio::get_running_loop().time();
        let requests = (0..30u64).map(|number| {
            let mut sender = sender.clone();
            async move {
                let body = Bytes::from(vec![number as u8; 10_000 * number as usize]);
                let request = Request::post(format!("http://here/{number}")).body(Full::new(body.clone())).unwrap();
                let response = sender.send_request(request).await.unwrap();
                assert!(response.into_body().collect().await.unwrap().to_bytes() == body);
            }
        });
        let asked = asyncio::gather(requests);
        // The last ones are under way when the server begins to end.
        while count.get() < 10 {
            asyncio::sleep(Duration::from_secs(1)).await;
        }
        server.close();
        stop.set();
        asked.await;
        assert_eq!((asyncio::get_running_loop().time() - begin).as_secs(), 29);
        assert_eq!(count.get(), 30);
        drop(sender);
        let _ = connection.await;
        server.wait_closed().await;
        io::Result::<()>::Ok(())
    });
    result.unwrap().unwrap();
}

/// A service that never fails needs no error type of its own.
#[test]
fn a_connection_that_the_client_breaks_is_over_for_the_server() {
    let mut runner = asyncio::Runner::builder().virtual_time(true).build().unwrap();
    let result = runner.run(async {
        let service = async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()));
        let serve = async move |reader, writer| {
            let http = http2::Builder::new(AsyncioExecutor);
            assert!(http.serve_connection(AsyncioIo::new(reader, writer), service_fn(service)).await.is_err());
        };
        let server = asyncio::start_server(serve, ("127.0.0.1", 0)).await?;
        let (mut reader, writer) = asyncio::open_connection(server.local_addrs()).await?;
        writer.write("PRI * HTTP/2.0\r\n\r\nnonsense, from here on, and enough of it to be a frame");
        while !reader.read(1024).await?.is_empty() {}
        server.close();
        drop(writer);
        server.wait_closed().await;
        io::Result::Ok(())
    });
    result.unwrap().unwrap();
}
