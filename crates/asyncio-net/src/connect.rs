//! How a socket is connected: one attempt, and several attempts against one another.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use asyncio_context::{WaitKind, report_wait};
use asyncio_event_loop::{IoHandler, Sleep, get_running_loop, sleep};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::connection::Io;
use crate::sys;

static CONNECT: WaitKind = WaitKind::new("a connection");

/// Every failure of the attempts to connect, in the order in which they failed: what is inside of the `io::Error` of
/// [`create_connection`](crate::create_connection) and [`open_connection`](crate::open_connection) when there were several
/// different ones.
///
/// # In Python
///
/// The `ExceptionGroup` that `loop.create_connection(all_errors=True)` raises.
#[derive(Debug)]
pub struct ConnectErrors(Vec<io::Error>);

impl ConnectErrors {
    /// The failures.
    #[must_use]
    pub fn errors(&self) -> &[io::Error] {
        &self.0
    }
}

impl fmt::Display for ConnectErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every attempt to connect failed")?;
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{} {error}", if index == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

impl Error for ConnectErrors {}

/// Joins the failures of several attempts into one error.
fn joined(mut errors: Vec<io::Error>) -> io::Error {
    let first = errors[0].to_string();
    if errors.iter().all(|error| error.to_string() == first) {
        errors.swap_remove(0)
    } else {
        io::Error::new(errors[0].kind(), ConnectErrors(errors))
    }
}

/// Waits for the end of a `connect`.
#[derive(Default)]
struct Waiter {
    ready: Cell<bool>,
    waker: Cell<Option<Waker>>,
}

impl IoHandler for Waiter {
    fn ready(self: Rc<Self>, _readable: bool, writable: bool) {
        if writable {
            self.ready.set(true);
            if let Some(waker) = self.waker.take() {
                waker.wake();
            }
        }
    }
}

/// Registers a socket that is connected, for a connection that takes it over.
pub(crate) fn connected(socket: Socket) -> io::Result<Io> {
    Io::register(&get_running_loop(), socket, Rc::new(Waiter::default()))
}

/// Connects a socket, and registers it.
///
/// Dropping it closes the socket.
pub(crate) async fn connect(socket: Socket, address: &SockAddr) -> io::Result<Io> {
    let waiter = Rc::new(Waiter::default());
    let under_way = match socket.connect(address) {
        Ok(()) => false,
        Err(error) if sys::is_under_way(&error) => true,
        Err(error) => return Err(error),
    };
    let io = Io::register(&get_running_loop(), socket, waiter.clone())?;
    if under_way {
        poll_fn(|cx| {
            if waiter.ready.get() {
                return Poll::Ready(());
            }
            waiter.waker.set(Some(cx.waker().clone()));
            report_wait(&CONNECT, None);
            Poll::Pending
        })
        .await;
        if let Some(error) = io.socket().take_error()? {
            return Err(error);
        }
    }
    Ok(io)
}

type Attempt = Pin<Box<dyn Future<Output = io::Result<(Io, SockAddr)>>>>;

/// One attempt. `local`: what to bind to first, of which those of the other family are skipped.
async fn attempt(address: SocketAddr, local: Rc<[SocketAddr]>) -> io::Result<(Io, SockAddr)> {
    let said = |error: io::Error| io::Error::new(error.kind(), format!("cannot connect to {address}: {error}"));
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).map_err(said)?;
    socket.set_nonblocking(true)?;
    if !local.is_empty() {
        bind_one(&socket, address, &local)?;
    }
    let address = SockAddr::from(address);
    let io = connect(socket, &address).await.map_err(said)?;
    Ok((io, address))
}

fn bind_one(socket: &Socket, address: SocketAddr, local: &[SocketAddr]) -> io::Result<()> {
    let mut last = None;
    for &local in local.iter().filter(|local| local.is_ipv4() == address.is_ipv4()) {
        match socket.bind(&local.into()) {
            Ok(()) => return Ok(()),
            Err(error) => {
                last = Some(io::Error::new(error.kind(), format!("cannot bind to {local}: {error}")));
            }
        }
    }
    Err(last.unwrap_or_else(|| {
        let message = format!("no local address is of the family of {address}");
        io::Error::new(io::ErrorKind::AddrNotAvailable, message)
    }))
}

/// The addresses with the families taking turns, each in its order, after the first `lead - 1` of the family of the first.
fn interleaved(addresses: Vec<SocketAddr>, lead: usize) -> Vec<SocketAddr> {
    let first_is_v4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let count = addresses.len();
    let (first, second): (Vec<_>, Vec<_>) = addresses.into_iter().partition(|address| address.is_ipv4() == first_is_v4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut result = Vec::with_capacity(count);
    result.extend(first.by_ref().take(lead.saturating_sub(1)));
    while result.len() < count {
        result.extend(first.next());
        result.extend(second.next());
    }
    result
}

/// Attempts the addresses in order, each when the one before has failed or, with a `delay`, has gone on for that long. The
/// first that succeeds ends the others. With an `interleave` of more than zero the families take turns.
pub(crate) async fn connect_any(
    addresses: Vec<SocketAddr>,
    local: Vec<SocketAddr>,
    delay: Option<Duration>,
    interleave: usize,
) -> io::Result<(Io, SockAddr)> {
    let local: Rc<[SocketAddr]> = local.into();
    let addresses = if interleave > 0 { interleaved(addresses, interleave) } else { addresses };
    let mut waiting = addresses.into_iter();
    let mut running: Vec<Attempt> = Vec::new();
    let mut errors = Vec::new();
    let mut timer: Option<Pin<Box<Sleep>>> = None;
    let mut begin = true;
    poll_fn(|cx| {
        loop {
            if std::mem::take(&mut begin)
                && let Some(address) = waiting.next()
            {
                running.push(Box::pin(attempt(address, local.clone())));
                timer = delay.map(|delay| Box::pin(sleep(delay)));
            }
            let mut index = 0;
            while let Some(attempt) = running.get_mut(index) {
                match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(done)) => return Poll::Ready(Ok(done)),
                    Poll::Ready(Err(error)) => {
                        errors.push(error);
                        drop(running.remove(index));
                        begin = true;
                    }
                    Poll::Pending => index += 1,
                }
            }
            if waiting.len() == 0 {
                begin = false;
                if running.is_empty() {
                    return Poll::Ready(Err(joined(std::mem::take(&mut errors))));
                }
                return Poll::Pending;
            }
            if !begin {
                match timer.as_mut().map(|timer| timer.as_mut().poll(cx)) {
                    Some(Poll::Ready(())) => begin = true,
                    Some(Poll::Pending) | None => return Poll::Pending,
                }
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let parse = |text: &[&str]| text.iter().map(|text| text.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let given = parse(&["[::1]:1", "[::1]:2", "[::1]:3", "1.1.1.1:1", "1.1.1.1:2"]);
        let expected = parse(&["[::1]:1", "1.1.1.1:1", "[::1]:2", "1.1.1.1:2", "[::1]:3"]);
        assert_eq!(interleaved(given.clone(), 1), expected);
        let expected = parse(&["[::1]:1", "[::1]:2", "1.1.1.1:1", "[::1]:3", "1.1.1.1:2"]);
        assert_eq!(interleaved(given.clone(), 2), expected);
        assert_eq!(interleaved(given.clone(), 9), given);
    }

    #[test]
    fn equal_failures_are_one_and_different_ones_are_kept() {
        let error = |text: &str| io::Error::new(io::ErrorKind::ConnectionRefused, text);
        assert_eq!(joined(vec![error("a"), error("a")]).to_string(), "a");
        let both = joined(vec![error("a"), error("b")]);
        assert_eq!(both.kind(), io::ErrorKind::ConnectionRefused);
        let inner = both.get_ref().and_then(|inner| inner.downcast_ref::<ConnectErrors>()).unwrap();
        assert_eq!(inner.errors().len(), 2);
        assert_eq!(both.to_string(), "every attempt to connect failed: a; b");
    }
}
