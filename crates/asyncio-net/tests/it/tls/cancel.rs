//! Every place that waits, cancelled there once: no descriptor and no task is left.

use asyncio_net::{StreamReader, StreamWriter, open_connection, start_server};

use super::peer::{client, server};
use crate::cancellation::cancelled_everywhere;

/// What a program does through TLS, which it starts itself; each step waits at least once.
async fn program() {
    let handler = async |mut reader: StreamReader, writer: StreamWriter| {
        if reader.readline().await.is_err() || writer.start_tls(server()).await.is_err() {
            return;
        }
        while let Ok(line) = reader.readline().await
            && !line.is_empty()
        {
            writer.write(line);
            if writer.drain().await.is_err() {
                return;
            }
        }
    };
    let listening = start_server(handler, ("127.0.0.1", 0)).await.unwrap();
    let (mut reader, writer) = open_connection(listening.local_addrs()).await.unwrap();
    writer.write("start\n");
    writer.start_tls(client()).server_hostname("localhost").await.unwrap();
    writer.write("one\n");
    writer.drain().await.unwrap();
    assert_eq!(reader.readline().await.unwrap(), b"one\n");
    writer.close();
    writer.wait_closed().await.unwrap();
    listening.close();
    listening.wait_closed().await;
}

/// The same with TLS from the beginning.
async fn program_from_the_beginning() {
    let listening = start_server(super::ends::echo, ("127.0.0.1", 0)).tls(server()).await.unwrap();
    let (mut reader, writer) = open_connection(listening.local_addrs()).tls(client()).await.unwrap();
    writer.write("one");
    assert_eq!(reader.readexactly(3).await.unwrap(), b"one");
    writer.close();
    writer.wait_closed().await.unwrap();
    listening.close();
    listening.wait_closed().await;
}

#[test]
fn a_program_may_be_cancelled_in_any_turn() {
    let turns = cancelled_everywhere(usize::MAX, program);
    assert!(turns > 10, "{turns}");
}

#[test]
fn a_program_that_begins_with_tls_may_be_cancelled_in_any_turn() {
    let turns = cancelled_everywhere(usize::MAX, program_from_the_beginning);
    assert!(turns > 8, "{turns}");
}
