//! The load generator: one thread, blocking sockets and an epoll instance, the same for every server.
//!
//! It also reads what the server used meanwhile, from outside: its processor time and its resident memory.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::sockopt::set_socket_linger;

use crate::meter::{cpu_time_of, resident};
use crate::net::{GREETING, Load, raise_limit};

/// How long a server may be silent.
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };
/// How many connections are under way at once where the server closes them: below the backlog of all servers.
const WINDOW: usize = 32;
/// The most events that are taken at once.
const EVENTS: usize = 512;

/// How much is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// As much as there is time for, after a warm-up.
    For(Duration),
    /// So many operations, without a warm-up.
    Count(usize),
}

/// The server that the load is for.
pub struct Server {
    pub port: u16,
    pub process: i32,
}

/// Runs the load against the server, and returns the figures: of echo and accept the server's processor time for each
/// operation in microseconds, and operations in a second; of idle connections the resident bytes of each.
pub fn run(load: Load, server: &Server, amount: Amount) -> io::Result<Vec<f64>> {
    raise_limit();
    match load {
        Load::Idle { connections } => {
            let process = server.process.to_string();
            let before = resident(&process)?;
            let open = (0..connections).map(|_| connect(server, 64)).collect::<io::Result<Vec<_>>>()?;
            let bytes = resident(&process)?.saturating_sub(before);
            drop(open);
            Ok(vec![bytes as f64 / connections as f64])
        }
        Load::Echo { size, connections, idle } => {
            let silent = (0..idle).map(|_| connect(server, 64)).collect::<io::Result<Vec<_>>>()?;
            let mut crowd = Crowd::new(server, size, connections)?;
            let figures = measure(server, amount, |until| crowd.run(until))?;
            drop(silent);
            Ok(figures)
        }
        Load::Accept => {
            let mut callers = Callers::new(server)?;
            measure(server, amount, |until| callers.run(until))
        }
    }
}

/// When to stop.
enum Until {
    Time(Instant),
    Count(usize),
}

impl Until {
    fn is_over(&self, done: usize) -> bool {
        match self {
            Until::Time(end) => Instant::now() >= *end,
            Until::Count(count) => done >= *count,
        }
    }
}

fn measure(server: &Server, amount: Amount, mut work: impl FnMut(&Until) -> io::Result<usize>) -> io::Result<Vec<f64>> {
    let until = match amount {
        Amount::Count(count) => Until::Count(count),
        Amount::For(time) => {
            work(&Until::Time(Instant::now() + time / 4))?;
            Until::Time(Instant::now() + time)
        }
    };
    let (cpu, began) = (cpu_time_of(server.process)?, Instant::now());
    let done = work(&until)?.max(1) as f64;
    let (cpu, time) = (cpu_time_of(server.process)? - cpu, began.elapsed());
    Ok(vec![cpu.as_secs_f64() * 1e6 / done, done / time.as_secs_f64()])
}

/// Connects to an echo server and has it answer once, so that it is certain that it accepted. The end of the connection is a
/// reset, which leaves nothing behind.
fn connect(server: &Server, size: usize) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port))?;
    stream.set_nodelay(true)?;
    set_socket_linger(&stream, Some(Duration::ZERO))?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let sent: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
    stream.write_all(&sent)?;
    let mut received = vec![0; size];
    stream.read_exact(&mut received)?;
    if received != sent {
        return Err(io::Error::other(format!("the server sent back something else than these {size} bytes")));
    }
    Ok(stream)
}

/// Waits for events, and returns who they are for.
fn wait<'a>(epoll: &OwnedFd, events: &'a mut Vec<Event>) -> io::Result<impl Iterator<Item = usize> + use<'a>> {
    events.clear();
    events.reserve(EVENTS);
    while epoll::wait(epoll, spare_capacity(events), Some(&PATIENCE))
        .is_err_and(|error| error == rustix::io::Errno::INTR)
    {}
    if events.is_empty() {
        return Err(io::Error::new(ErrorKind::TimedOut, "the server was silent for 20 seconds"));
    }
    Ok(events.iter().map(|event| usize::try_from(event.data.u64()).unwrap_or(usize::MAX)))
}

/// Connections with one request under way on each.
struct Crowd {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    request: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// How many bytes of the answer are missing.
    missing: usize,
}

impl Crowd {
    fn new(server: &Server, size: usize, connections: usize) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut all = Vec::with_capacity(connections);
        for i in 0..connections {
            let stream = connect(server, size)?;
            epoll::add(&epoll, &stream, EventData::new_u64(i as u64), EventFlags::IN)?;
            all.push(Connection { stream, missing: 0 });
        }
        Ok(Self { epoll, connections: all, request: vec![b'x'; size] })
    }

    /// Makes requests until it is time, and returns how many were answered.
    fn run(&mut self, until: &Until) -> io::Result<usize> {
        for connection in &mut self.connections {
            if connection.missing == 0 {
                connection.stream.write_all(&self.request)?;
                connection.missing = self.request.len();
            }
        }
        let mut events = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        let mut done = 0;
        while !until.is_over(done) {
            for i in wait(&self.epoll, &mut events)? {
                let connection = &mut self.connections[i];
                let n = connection.stream.read(&mut buffer)?;
                if n == 0 || n > connection.missing {
                    return Err(io::Error::other(format!("{n} bytes came instead of {}", connection.missing)));
                }
                connection.missing -= n;
                if connection.missing == 0 {
                    done += 1;
                    // A request is smaller than the buffers of a socket: this does not wait.
                    connection.stream.write_all(&self.request)?;
                    connection.missing = self.request.len();
                }
            }
        }
        Ok(done)
    }
}

/// Connections that each last until the server closes them.
struct Callers<'a> {
    server: &'a Server,
    epoll: OwnedFd,
    streams: Vec<(TcpStream, usize)>,
}

impl<'a> Callers<'a> {
    fn new(server: &'a Server) -> io::Result<Self> {
        let mut this = Self { server, epoll: epoll::create(CreateFlags::CLOEXEC)?, streams: Vec::new() };
        for i in 0..WINDOW {
            let stream = this.call(i)?;
            this.streams.push((stream, 0));
        }
        Ok(this)
    }

    fn call(&self, i: usize) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(("127.0.0.1", self.server.port))?;
        epoll::add(&self.epoll, &stream, EventData::new_u64(i as u64), EventFlags::IN)?;
        Ok(stream)
    }

    /// Makes calls until it is time, and returns how many were answered.
    fn run(&mut self, until: &Until) -> io::Result<usize> {
        let mut events = Vec::new();
        let mut done = 0;
        while !until.is_over(done) {
            for i in wait(&self.epoll, &mut events)? {
                let (stream, received) = &mut self.streams[i];
                let n = stream.read(&mut [0; 16])?;
                *received += n;
                if n > 0 {
                    continue;
                }
                if *received != GREETING.len() {
                    return Err(io::Error::other(format!("the server closed after {received} bytes")));
                }
                done += 1;
                self.streams[i] = (self.call(i)?, 0);
            }
        }
        Ok(done)
    }
}
