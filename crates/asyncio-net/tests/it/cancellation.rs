//! Every place that waits, cancelled there once: no descriptor and no task is left.

use std::time::Duration;

use asyncio_net::{StreamReader, StreamWriter, open_connection, start_server};

use crate::support::{run_without_leak, turns};

/// What a program does, step by step; each step waits at least once.
async fn program() {
    let handler = async |mut reader: StreamReader, writer: StreamWriter| {
        while let Ok(line) = reader.readline().await
            && !line.is_empty()
        {
            writer.write(line);
            if writer.drain().await.is_err() {
                return;
            }
        }
    };
    let server = start_server(handler, ("127.0.0.1", 0)).await.unwrap();
    let (mut reader, writer) = open_connection(server.local_addrs()).await.unwrap();
    writer.write("one\n");
    writer.drain().await.unwrap();
    reader.readline().await.unwrap();
    writer.write("two\n");
    reader.readexactly(2).await.unwrap();
    reader.readuntil(b"\n").await.unwrap();
    writer.write_eof().unwrap();
    reader.read_to_end().await.unwrap();
    writer.close();
    writer.wait_closed().await.unwrap();
    server.close();
    server.wait_closed().await;
    server.serve_forever().await;
}

#[test]
fn a_program_may_be_cancelled_in_any_turn() {
    run_without_leak(async || {
        let mut turn = 0;
        loop {
            let task = asyncio::create_task(program());
            for _ in 0..turn {
                asyncio::yield_now().await;
            }
            // What waits for the kernel gets its time, so that later turns are reached.
            asyncio::sleep(Duration::from_micros(20)).await;
            let done = task.done();
            task.cancel();
            let ended = task.join().await;
            turns().await;
            assert_eq!(asyncio::all_tasks().len(), 1, "{:?}", asyncio::all_tasks());
            if done {
                ended.unwrap();
                break;
            }
            turn += 1;
        }
        assert!(turn > 10, "{turn}");
    });
}

#[test]
fn a_drain_and_a_close_that_wait_for_the_peer_may_be_cancelled() {
    run_without_leak(async || {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (_reader, writer) = open_connection(listener.local_addr().unwrap()).await.unwrap();
        let (_peer, _) = listener.accept().unwrap();
        writer.write(vec![0; 8_000_000]);
        for wait_closed in [false, true] {
            let writer = writer.clone();
            let task = asyncio::create_task(async move {
                if wait_closed { writer.wait_closed().await } else { writer.drain().await }
            });
            turns().await;
            assert!(!task.done());
            task.cancel();
            assert!(task.join().await.unwrap_err().cancelled().is_some());
        }
        writer.transport().abort();
        writer.wait_closed().await.unwrap();
    });
}
