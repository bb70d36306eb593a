//! Whatever is written arrives, however the stream of records is cut on its way.

use std::os::unix::net::UnixStream;

use asyncio::{create_task, yield_now};
use asyncio_net::{StreamReader, StreamWriter, open_connection};
use proptest::prelude::*;

use super::peer::{TLS12, TLS13, client_of, server};
use crate::support::run;

/// Passes on what comes, in pieces of these lengths.
async fn relay(mut from: StreamReader, to: StreamWriter, pieces: Vec<usize>) {
    for piece in pieces.iter().cycle() {
        let Ok(data) = from.read(*piece).await else { return };
        if data.is_empty() {
            // The other direction may go on.
            let _ = to.write_eof();
            return;
        }
        to.write(data);
        if to.drain().await.is_err() {
            return;
        }
        if piece % 3 == 0 {
            yield_now().await;
        }
    }
}

/// Writes `data` in pieces of these lengths, and reads as much meanwhile.
async fn exchange(mut reader: StreamReader, writer: StreamWriter, data: Vec<u8>, pieces: Vec<usize>) -> Vec<u8> {
    let wanted = data.len();
    let again = writer.clone();
    let writing = create_task(async move {
        let mut rest = &data[..];
        for piece in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (now, later) = rest.split_at((*piece).min(rest.len()));
            let (half, other) = now.split_at(now.len() / 2);
            if piece % 2 == 0 {
                again.write(now)
            } else {
                again.writelines([half, other])
            }
            rest = later;
            again.drain().await.unwrap();
        }
    });
    let received = reader.readexactly(wanted).await.unwrap();
    writing.await;
    writer.close();
    writer.wait_closed().await.unwrap();
    assert!(writer.transport().tls().unwrap().received_close_notify());
    received
}

fn lengths(most: usize) -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(1..most, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn bytes_arrive_in_order_however_the_records_are_cut(
        new in any::<bool>(),
        count in 1usize..200_000,
        (up, down) in (lengths(3_000), lengths(3_000)),
        (written, written_back) in (lengths(40_000), lengths(40_000)),
    ) {
        let data: Vec<u8> = (0..count).map(|n| (n / 7) as u8).collect();
        run(async {
            let (client, client_side) = UnixStream::pair().unwrap();
            let (server_side, serving) = UnixStream::pair().unwrap();
            let (from_client, to_client) = open_connection(client_side).await.unwrap();
            let (from_server, to_server) = open_connection(server_side).await.unwrap();
            let relays = [
                create_task(relay(from_client, to_server, up)),
                create_task(relay(from_server, to_client, down)),
            ];
            let version = if new { &TLS13 } else { &TLS12 };
            let opening = create_task(
                open_connection(client).tls(client_of(version)).server_hostname("localhost").into_future(),
            );
            let (reader, writer) = open_connection(serving).tls(server()).await.unwrap();
            let answering = create_task(exchange(reader, writer, data.clone(), written_back));
            let (reader, writer) = opening.await.unwrap();
            let received = exchange(reader, writer, data.clone(), written).await;
            assert!(received == data);
            assert!(answering.await == data);
            for relay in relays {
                relay.await;
            }
        });
    }
}
