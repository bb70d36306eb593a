//! `serve_until`: a connection of a server, and its graceful end.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};

/// Runs `connection` to its end; when `stop` is ready before, calls `shut_down` once, and lets the connection finish.
///
/// `shut_down` is the `graceful_shutdown` of hyper's connections, which are several types without a trait in common: it
/// lets the requests end that are under way, and takes no others. How long that may take is for the caller to bound.
///
/// # Cancel safety
///
/// That of `connection`: dropping it closes the connection.
///
/// # Examples
///
/// ```
/// use asyncio_hyper::{AsyncioIo, serve_until};
/// use http_body_util::Full;
/// use hyper::body::{Bytes, Incoming};
/// use hyper::server::conn::http1;
/// use hyper::{Request, Response, service::service_fn};
/// use std::rc::Rc;
///
/// async fn hello(_: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
///     Ok(Response::new(Full::from("hello")))
/// }
///
/// # fn main() -> std::io::Result<()> {
/// asyncio::run(async {
///     let stop = Rc::new(asyncio::Event::new());
///     let stopped = stop.clone();
///     let serve = async move |reader, writer| {
///         let http = http1::Builder::new().serve_connection(AsyncioIo::new(reader, writer), service_fn(hello));
///         let _ = serve_until(http, stopped.wait(), http1::Connection::graceful_shutdown).await;
///     };
///     let server = asyncio::start_server(serve, ("127.0.0.1", 0)).await?;
///     let (mut reader, _writer) = asyncio::open_connection(server.local_addrs()).await?;
///     server.close(); // accepts nobody any more
///     stop.set(); // and those who are there ask for nothing more
///     server.wait_closed().await;
///     assert_eq!(reader.read(1).await?, b"");
///     Ok(())
/// })
/// # }
/// ```
pub async fn serve_until<C: Future>(
    connection: C,
    stop: impl Future<Output = ()>,
    shut_down: impl FnOnce(Pin<&mut C>),
) -> C::Output {
    let (mut connection, mut stop) = (pin!(connection), pin!(stop));
    let mut shut_down = Some(shut_down);
    poll_fn(|cx| {
        if shut_down.is_some()
            && stop.as_mut().poll(cx).is_ready()
            && let Some(shut_down) = shut_down.take()
        {
            shut_down(connection.as_mut());
        }
        connection.as_mut().poll(cx)
    })
    .await
}
