//! A client on hyper: asks for one page and prints it.
//!
//! `hyper_client http://127.0.0.1:8080/` asks there; without an argument it starts a server of its own to ask.

use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use asyncio_hyper::AsyncioIo;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, client, server};

/// How long the answer may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);

async fn fetch(uri: Uri) -> Result<(), Box<dyn Error>> {
    let Some(host) = uri.host().filter(|_| uri.scheme_str() == Some("http")) else {
        return Err(format!("`{uri}` is no address of a page: write `http://host:port/path`").into());
    };
    // An IPv6 address stands in brackets in a URI, and without them elsewhere.
    let address = (host.trim_matches(['[', ']']), uri.port_u16().unwrap_or(80));
    let (reader, writer) = asyncio::open_connection(address).await?;
    let (mut sender, connection) = client::conn::http1::handshake(AsyncioIo::new(reader, writer)).await?;
    asyncio::create_task(connection); // does the work of the connection beside us

    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or(host, |authority| authority.as_str());
    let request = Request::get(path).header("host", authority).body(Empty::<Bytes>::new())?;
    let response = asyncio::wait_for(sender.send_request(request), PATIENCE).await??;
    println!("{}", response.status());
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            io::stdout().write_all(data)?; // as it comes, however much it is
        }
    }
    Ok(())
}

async fn hello(request: Request<Incoming>) -> hyper::Result<Response<Full<Bytes>>> {
    Ok(Response::new(Full::from(format!("you asked for {}\n", request.uri()))))
}

async fn demonstrate() -> Result<(), Box<dyn Error>> {
    let serve = async |reader, writer| {
        let http = server::conn::http1::Builder::new();
        let _ = http.serve_connection(AsyncioIo::new(reader, writer), service_fn(hello)).await;
    };
    let server = asyncio::start_server(serve, ("127.0.0.1", 0)).await?;
    fetch(format!("http://{}/some/page?with=query", server.local_addrs()[0]).parse()?).await
}

pub(crate) fn main() {
    let result = asyncio::run(async {
        match std::env::args().nth(1) {
            Some(uri) => match uri.parse() {
                Ok(uri) => fetch(uri).await,
                Err(error) => Err(format!("`{uri}` is no address of a page: {error}").into()),
            },
            None => demonstrate().await,
        }
    });
    if let Err(error) = result {
        eprintln!("hyper_client: {error}");
        std::process::exit(1);
    }
}
