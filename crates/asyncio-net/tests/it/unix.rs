//! Streams, servers and their files over Unix sockets.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixListener;

use asyncio_net::{StreamReader, StreamWriter, create_unix_connection, open_unix_connection, start_unix_server};

use crate::support::{Fresh, Recorder, run};

async fn upper(mut reader: StreamReader, writer: StreamWriter) {
    let line = reader.readline().await.unwrap();
    writer.write(line.to_ascii_uppercase());
}

#[test]
fn a_request_is_answered() {
    run(async {
        let path = Fresh::new();
        let server = start_unix_server(upper, &path.0).await.unwrap();
        let (mut reader, writer) = open_unix_connection(&path.0).limit(100).await.unwrap();
        writer.write("hello\n");
        assert_eq!(reader.readline().await.unwrap(), b"HELLO\n");
        assert_eq!(reader.read(1).await.unwrap(), b"");
        assert_eq!(writer.transport().unix_peer_addr().unwrap().as_pathname(), Some(path.0.as_path()));
        assert_eq!(writer.peer_addr().unwrap_err().kind(), ErrorKind::Unsupported);
        assert!(server.local_addrs().is_empty());
        drop(writer);
        server.close();
        server.wait_closed().await;
        assert!(!path.0.exists());
    });
}

#[test]
fn a_stale_socket_is_replaced_and_another_file_is_not() {
    run(async {
        let path = Fresh::new();
        drop(UnixListener::bind(&path.0).unwrap());
        assert!(path.0.exists());
        drop(start_unix_server(upper, &path.0).await.unwrap());
        assert!(!path.0.exists(), "removed on close");
        fs::write(&path.0, "precious").unwrap();
        let error = start_unix_server(upper, &path.0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(path.0.to_str().unwrap()), "{error}");
        assert_eq!(fs::read(&path.0).unwrap(), b"precious");
    });
}

#[test]
fn only_the_own_socket_is_removed_on_close() {
    run(async {
        let path = Fresh::new();
        let server = start_unix_server(upper, &path.0).await.unwrap();
        fs::remove_file(&path.0).unwrap();
        server.close();

        let server = start_unix_server(upper, &path.0).await.unwrap();
        let aside = Fresh::new();
        fs::rename(&path.0, &aside.0).unwrap();
        fs::write(&path.0, "another's").unwrap();
        server.close();
        assert!(path.0.exists());
        fs::remove_file(&path.0).unwrap();

        let server = start_unix_server(upper, &path.0).cleanup_socket(false).await.unwrap();
        server.close();
        assert!(path.0.exists());
    });
}

#[test]
fn a_missing_path_is_not_found() {
    run(async {
        let path = Fresh::new();
        let error = create_unix_connection(Recorder::default, &path.0).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_in_the_abstract_name_space_is_no_file() {
    run(async {
        let name = format!("\0asyncio-net-{}", std::process::id());
        let server = start_unix_server(upper, &name).backlog(3).start_serving(false).await.unwrap();
        server.start_serving().await.unwrap();
        let (mut reader, writer) = open_unix_connection(&name).await.unwrap();
        writer.write("x\n");
        assert_eq!(reader.readline().await.unwrap(), b"X\n");
    });
}
