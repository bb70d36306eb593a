//! Descriptors in the loop, over TCP and so on every platform. Each test waits for the events themselves.

use std::cell::{Cell, OnceCell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;

use asyncio_event_loop::{IoHandler, IoRegistration, Runner, get_running_loop, run};
use asyncio_executor::Future;

/// A connected pair, of which the first is in nonblocking mode.
pub fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    near.set_nonblocking(true).unwrap();
    (near, far)
}

#[test]
fn a_reader_is_called_until_all_is_read_and_then_for_the_end() {
    let (near, mut far) = pair();
    let near = Rc::new(near);
    let got = Rc::new(RefCell::new(Vec::new()));
    run(async {
        let (inner, done, log) = (near.clone(), Future::new(), got.clone());
        let ended = done.clone();
        get_running_loop()
            .add_reader(&*near, move || {
                let mut byte = [0];
                match (&*inner).read(&mut byte).unwrap() {
                    0 => _ = ended.set_result(()),
                    _ => log.borrow_mut().push(byte[0]),
                }
            })
            .unwrap();
        far.write_all(b"abc").unwrap();
        drop(far);
        done.await;
        assert!(get_running_loop().remove_reader(&*near));
        assert!(!get_running_loop().remove_reader(&*near));
    });
    assert_eq!(*got.borrow(), b"abc");
}

#[test]
fn reader_and_writer_of_one_socket_are_apart() {
    let (near, mut far) = pair();
    run(async {
        let this = get_running_loop();
        let (readable, writable) = (Future::new(), Future::new());
        let inner = writable.clone();
        this.add_writer(&near, move || _ = inner.set_result(())).unwrap();
        writable.await;
        let inner = readable.clone();
        this.add_reader(&near, move || _ = inner.set_result(())).unwrap();
        assert!(this.remove_writer(&near));
        far.write_all(b"x").unwrap();
        readable.await;
        assert!(this.remove_reader(&near));
        assert!(this.reactor().is_empty() || this.reactor().len() == 1, "but for the signals' bell");
    });
}

/// Echoes what comes, and stops the loop at the end.
struct Echo {
    stream: TcpStream,
    registration: OnceCell<IoRegistration>,
    echoed: Cell<usize>,
}

impl IoHandler for Echo {
    fn ready(self: Rc<Self>, readable: bool, _writable: bool) {
        if !readable {
            return;
        }
        let mut buffer = [0; 64];
        loop {
            match (&self.stream).read(&mut buffer) {
                Ok(0) => return get_running_loop().stop(),
                Ok(count) => {
                    (&self.stream).write_all(&buffer[..count]).unwrap();
                    self.echoed.set(self.echoed.get() + count);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    return self.registration.get().unwrap().set_unreadable();
                }
            }
        }
    }
}

#[test]
fn a_handler_is_told_of_each_message_and_of_the_end() {
    let (near, mut far) = pair();
    let mut runner = Runner::new().unwrap();
    let echo = Rc::new(Echo { stream: near, registration: OnceCell::new(), echoed: Cell::new(0) });
    let registration = runner.get_loop().register_io(&echo.stream, echo.clone()).unwrap();
    let twice = runner.get_loop().register_io(&echo.stream, echo.clone()).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::AlreadyExists);
    assert!(echo.registration.set(registration).is_ok());
    let peer = std::thread::spawn(move || {
        for _ in 0..100 {
            far.write_all(b"ping").unwrap();
            far.read_exact(&mut [0; 4]).unwrap();
        }
    });
    assert!(runner.run(std::future::pending::<()>()).is_err(), "stopped");
    assert_eq!(echo.echoed.get(), 400);
    peer.join().unwrap();
    runner.close();
    assert_eq!(Rc::strong_count(&echo), 1);
}
