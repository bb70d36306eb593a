//! A server that sends back each line that it gets, and a client of it, through TLS.
//!
//! Without an argument it runs both, and ends. With an address it serves there until Ctrl-C: `tls_echo 127.0.0.1:8443`, and in
//! another terminal `openssl s_client -quiet -connect 127.0.0.1:8443`.
//!
//! The certificate is one for tests, for `localhost`, signed by an authority that nobody but this client trusts; both are in
//! the folder beside this file. A real client trusts those that its system trusts, as the crate `rustls-platform-verifier`
//! asks it; a real server has its certificate from a file.

use std::error::Error;

use asyncio::rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use asyncio::rustls::{ClientConfig, RootCertStore, ServerConfig};
use asyncio::{StreamReader, StreamWriter};

fn server_config() -> Result<ServerConfig, Box<dyn Error>> {
    let certificate = CertificateDer::from(&include_bytes!("tls_echo/server.der")[..]);
    let key = PrivatePkcs8KeyDer::from(&include_bytes!("tls_echo/server.key.der")[..]);
    Ok(ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key.into())?)
}

fn client_config() -> Result<ClientConfig, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(&include_bytes!("tls_echo/authority.der")[..]))?;
    Ok(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

async fn echo(mut reader: StreamReader, writer: StreamWriter) {
    while let Ok(line) = reader.readline().await
        && !line.is_empty()
    {
        writer.write(&line);
        if writer.drain().await.is_err() {
            break;
        }
    }
}

async fn serve(address: &str) -> Result<(), Box<dyn Error>> {
    let server = asyncio::start_server(echo, address).tls(server_config()?).await?;
    println!("listening on {}", server.local_addrs()[0]);
    server.wait_closed().await; // nobody closes it: Ctrl-C cancels this
    Ok(())
}

async fn demonstrate() -> Result<(), Box<dyn Error>> {
    let server = asyncio::start_server(echo, ("127.0.0.1", 0)).tls(server_config()?).await?;
    let port = server.local_addrs()[0].port();
    let (mut reader, writer) = asyncio::open_connection(("localhost", port)).tls(client_config()?).await?;
    if let Some(tls) = writer.transport().tls() {
        println!("connected to {} with {:?}", tls.server_name().unwrap_or("nobody"), tls.protocol_version());
    }
    for word in ["one", "two", "three"] {
        writer.write(format!("{word}\n"));
        writer.drain().await?;
        let line = reader.readline().await?;
        println!("sent {word:?}, got {:?}", String::from_utf8_lossy(&line));
    }
    writer.close();
    writer.wait_closed().await?;
    server.close();
    server.wait_closed().await;
    Ok(())
}

pub(crate) fn main() {
    let result = asyncio::run(async {
        match std::env::args().nth(1) {
            Some(address) => serve(&address).await,
            None => demonstrate().await,
        }
    });
    if let Err(error) = result {
        eprintln!("tls_echo: {error}");
        std::process::exit(1);
    }
}
