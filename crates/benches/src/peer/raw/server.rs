//! The minimum of a server: a loop over `epoll_wait`, one buffer for all connections, no tasks.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use crate::net::{GREETING, LARGEST, Service, announce};

/// Serves for ever.
pub fn serve(service: Service) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    announce(listener.local_addr().expect("an address"));
    listener.set_nonblocking(true).expect("a socket");
    let epoll = epoll::create(CreateFlags::CLOEXEC).expect("epoll");
    let number_of = |fd: i32| EventData::new_u64(u64::from(fd.unsigned_abs()));
    let number = number_of(listener.as_raw_fd());
    epoll::add(&epoll, &listener, number, EventFlags::IN).expect("epoll");
    // By descriptor.
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut events = Vec::with_capacity(1024);
    let mut buffer = vec![0; LARGEST];
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("epoll_wait: {error}"),
        }
        for event in &events {
            if event.data.u64() == number.u64() {
                while let Ok((mut stream, _)) = listener.accept() {
                    if service == Service::Greet {
                        let _ = stream.write_all(GREETING);
                        continue;
                    }
                    stream.set_nonblocking(true).expect("a socket");
                    let _ = stream.set_nodelay(true);
                    let fd = stream.as_raw_fd();
                    epoll::add(&epoll, &stream, number_of(fd), EventFlags::IN).expect("epoll");
                    let slot = usize::try_from(fd).expect("a descriptor");
                    streams.resize_with(streams.len().max(slot + 1), || None);
                    streams[slot] = Some(stream);
                }
                continue;
            }
            let slot = usize::try_from(event.data.u64()).expect("a descriptor");
            let stream = streams[slot].as_mut().expect("it is open");
            let goes_on = match stream.read(&mut buffer) {
                Ok(0) => false,
                Ok(n) => write_all(stream, &buffer[..n]),
                Err(error) => error.kind() == ErrorKind::WouldBlock,
            };
            if !goes_on {
                streams[slot] = None;
            }
        }
    }
}

/// Sends everything; it waits where the socket is full, which does not happen while there is one request at a time.
fn write_all(stream: &mut TcpStream, mut data: &[u8]) -> bool {
    while !data.is_empty() {
        match stream.write(data) {
            Ok(n) => data = &data[n..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(_) => return false,
        }
    }
    true
}
