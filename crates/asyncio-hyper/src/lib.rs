//! hyper on the event loop of asyncio: its streams, timers and tasks behind hyper's traits.
//!
//! [`hyper`] speaks HTTP and leaves connections, time and tasks to a runtime. Here are the three things that it asks for:
//! [`AsyncioIo`] makes a connection of a stream, [`AsyncioTimer`] has hyper's timeouts run on the loop's clock, also on a
//! virtual one, and [`AsyncioExecutor`] makes tasks, which HTTP/2 needs. Nothing has to be `Send`. A fourth,
//! [`serve_until`], ends a connection of a server gracefully.
//!
//! # Examples
//!
//! A server and a client of it:
//!
//! ```
//! use asyncio_hyper::{AsyncioIo, AsyncioTimer};
//! use http_body_util::{BodyExt, Empty, Full};
//! use hyper::body::{Bytes, Incoming};
//! use hyper::service::service_fn;
//! use hyper::{Request, Response, client, server};
//!
//! async fn hello(request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
//!     Ok(Response::new(Full::from(format!("hello from {}", request.uri().path()))))
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! asyncio::run(async {
//!     let serve = async |reader, writer| {
//!         let http = server::conn::http1::Builder::new()
//!             .timer(AsyncioTimer::new())
//!             .serve_connection(AsyncioIo::new(reader, writer), service_fn(hello));
//!         if let Err(error) = http.await {
//!             eprintln!("a connection failed: {error}");
//!         }
//!     };
//!     let server = asyncio::start_server(serve, ("127.0.0.1", 0)).await?;
//!
//!     let (reader, writer) = asyncio::open_connection(server.local_addrs()).await?;
//!     let io = AsyncioIo::new(reader, writer);
//!     let (mut sender, connection) = client::conn::http1::handshake(io).await?;
//!     asyncio::create_task(connection); // does the work of the connection beside us
//!     let request = Request::get("/here").header("host", "localhost").body(Empty::<Bytes>::new())?;
//!     let response = sender.send_request(request).await?;
//!     assert_eq!(response.into_body().collect().await?.to_bytes(), "hello from /here");
//!     Ok(())
//! })
//! # }
//! ```
#![forbid(unsafe_code)]

mod executor;
mod io;
mod shutdown;
mod timer;

pub use executor::AsyncioExecutor;
pub use io::AsyncioIo;
pub use shutdown::serve_until;
pub use timer::AsyncioTimer;
