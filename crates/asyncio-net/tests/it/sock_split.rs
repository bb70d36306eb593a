//! Bytes arrive in order, however they are split on both sides.

use std::io;
use std::os::fd::OwnedFd;

use asyncio_event_loop::EventLoop;
use asyncio_executor::yield_now;
use asyncio_net::{AsSocket, LoopSockets, Socket};
use futures_util::join;
use proptest::prelude::*;

use crate::loopback::{run, tcp_pair, unix_pair};

/// Sends `data` in pieces and receives it in others, with everybody pausing where `pauses` says.
async fn transfer(
    this: &EventLoop,
    near: &impl AsSocket,
    far: &impl AsSocket,
    data: &[u8],
    pieces: &[usize],
    rooms: &[usize],
) -> io::Result<Vec<u8>> {
    let send = async {
        let mut rest = data;
        for piece in pieces.iter().cycle() {
            let (now, later) = rest.split_at((*piece).min(rest.len()));
            this.sock_sendall(near, now).await?;
            rest = later;
            if rest.is_empty() {
                return Ok(());
            }
            if piece % 3 == 0 {
                yield_now().await;
            }
        }
        unreachable!("there is one piece at least")
    };
    let receive = async {
        let mut all = Vec::new();
        for room in rooms.iter().cycle() {
            if all.len() == data.len() {
                break;
            }
            if room % 2 == 0 {
                all.extend(this.sock_recv(far, *room).await?);
            } else {
                let mut buffer = vec![0; *room];
                let received = this.sock_recv_into(far, &mut buffer).await?;
                all.extend(&buffer[..received]);
            }
            if room % 5 == 0 {
                yield_now().await;
            }
        }
        Ok(all)
    };
    let (sent, received): (io::Result<()>, io::Result<Vec<u8>>) = join!(send, receive);
    sent?;
    received
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_arrive_in_order_however_they_are_split(
        length in 1_usize..300_000,
        pieces in proptest::collection::vec(1_usize..70_000, 1..6),
        rooms in proptest::collection::vec(1_usize..70_000, 1..6),
        kept in 0_u8..4,
        tcp: bool,
    ) {
        let data: Vec<u8> = (0..length).map(|n| (n * 31 % 251) as u8).collect();
        // Small rooms would make it long without making it different.
        let rooms: Vec<usize> = rooms.iter().map(|room| *room.max(&(length / 200 + 1))).collect();
        let received = run(|this| async {
            let this = this;
            let (near, far): (OwnedFd, OwnedFd) = if tcp {
                let (near, far) = tcp_pair();
                (near.into(), far.into())
            } else {
                let (near, far) = unix_pair();
                (near.into(), far.into())
            };
            socket2::SockRef::from(&near).set_send_buffer_size(8192).unwrap();
            match kept {
                0 => transfer(&this, &near, &far, &data, &pieces, &rooms).await,
                1 => transfer(&this, &Socket::new(near).unwrap(), &far, &data, &pieces, &rooms).await,
                2 => transfer(&this, &near, &Socket::new(far).unwrap(), &data, &pieces, &rooms).await,
                _ => {
                    let (near, far) = (Socket::new(near).unwrap(), Socket::new(far).unwrap());
                    transfer(&this, &near, &far, &data, &pieces, &rooms).await
                }
            }
        });
        prop_assert!(received.unwrap() == data);
    }
}
