//! `add_reader` and `add_writer`.

use std::cell::{Cell, RefCell};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use asyncio_event_loop::{get_running_loop, sleep};
use asyncio_executor::yield_now;

use crate::log::{Dropped, Log, OnDrop, secs, virtual_runner};

fn pair() -> (Rc<UnixStream>, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    (Rc::new(near), far)
}

fn read_byte(stream: &Rc<UnixStream>) -> Option<u8> {
    let mut byte = [0];
    matches!((&**stream).read(&mut byte), Ok(1)).then_some(byte[0])
}

#[test]
fn a_reader_runs_after_what_is_ready_and_before_timers() {
    let log = Log::new();
    let (near, mut far) = pair();
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            let inner = (log.clone(), near.clone());
            this.add_reader(&*near, move || {
                inner.0.add("read");
                read_byte(&inner.1);
                get_running_loop().call_soon(inner.0.line("soon of read"));
            })
            .unwrap();
            far.write_all(b"a").unwrap();
            this.call_later(Duration::ZERO, log.line("timer"));
            this.call_soon(log.line("soon"));
            for i in 0..3 {
                log.add(format!("main {i}"));
                yield_now().await;
            }
            assert!(this.remove_reader(&*near));
            assert!(!this.remove_reader(&*near));
        })
        .unwrap();
    assert_eq!(log.take(), ["main 0", "soon", "main 1", "read", "timer", "main 2", "soon of read"]);
}

#[test]
fn a_reader_is_called_as_long_as_there_is_something_and_can_remove_itself() {
    let (near, mut far) = pair();
    let got: Rc<RefCell<Vec<Option<u8>>>> = Rc::default();
    let (value, dropped) = Dropped::new();
    virtual_runner()
        .run(async {
            let inner = (near.clone(), got.clone());
            get_running_loop()
                .add_reader(&*near, move || {
                    let _value = &value;
                    let byte = read_byte(&inner.0);
                    inner.1.borrow_mut().push(byte);
                    if byte.is_none() {
                        assert!(get_running_loop().remove_reader(&*inner.0));
                        // What runs is not dropped while it does.
                        inner.1.borrow_mut().push(Some(0));
                    }
                })
                .unwrap();
            far.write_all(b"xyz").unwrap();
            drop(far);
            // Time passes when nothing is to be read any more.
            sleep(secs(1)).await;
        })
        .unwrap();
    assert_eq!(*got.borrow(), [Some(b'x'), Some(b'y'), Some(b'z'), None, Some(0)]);
    assert!(dropped.get());
}

#[test]
fn a_replaced_callback_is_not_called_for_what_was_noted_of_the_old_one() {
    let log = Log::new();
    let (near, mut far) = pair();
    let mut runner = virtual_runner();
    runner
        .run(async {
            let this = get_running_loop();
            let (value, dropped) = Dropped::new();
            let inner = log.clone();
            this.add_reader(&*near, move || {
                let _value = &value;
                inner.add("old");
            })
            .unwrap();
            far.write_all(b"a").unwrap();
            let inner = (log.clone(), near.clone());
            this.call_soon(move || {
                inner.0.add("replace");
                let again = (inner.0.clone(), inner.1.clone());
                let new = move || {
                    again.0.add("new");
                    read_byte(&again.1);
                };
                get_running_loop().add_reader(&*inner.1, new).unwrap();
                assert!(dropped.get());
            });
            // The descriptor is looked at in the next turn.
            this.call_later(Duration::ZERO, log.line("timer"));
            yield_now().await;
            log.add("main");
            sleep(secs(1)).await;
            this.remove_reader(&*near);
        })
        .unwrap();
    assert_eq!(log.take(), ["replace", "main", "timer", "new"]);
}

#[test]
fn what_was_noted_of_a_removed_callback_is_not_called() {
    let log = Log::new();
    let (near, mut far) = pair();
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            this.add_reader(&*near, log_line(&log, "read")).unwrap();
            far.write_all(b"a").unwrap();
            let inner = near.clone();
            this.call_soon(move || assert!(get_running_loop().remove_reader(&*inner)));
            this.call_later(Duration::ZERO, || ());
            sleep(secs(1)).await;
        })
        .unwrap();
    assert!(log.take().is_empty());
}

/// Makes a closure keep `value`.
fn hold<T>(_value: &T) {}

fn log_line(log: &Log, line: &'static str) -> impl FnMut() + 'static {
    let log = log.clone();
    move || log.add(line)
}

#[test]
fn both_directions_share_a_descriptor_and_the_reader_goes_first() {
    let log = Log::new();
    let (near, mut far) = pair();
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            let inner = (log.clone(), near.clone());
            this.add_writer(&*near, move || {
                inner.0.add("write");
                assert!(get_running_loop().remove_writer(&*inner.1));
                assert!(!get_running_loop().remove_writer(&*inner.1));
            })
            .unwrap();
            let inner = (log.clone(), near.clone());
            this.add_reader(&*near, move || {
                inner.0.add(format!("read {:?}", read_byte(&inner.1)));
            })
            .unwrap();
            far.write_all(b"a").unwrap();
            sleep(secs(1)).await;
            far.write_all(b"b").unwrap();
            sleep(secs(1)).await;
            assert!(this.remove_reader(&*near));
            far.write_all(b"c").unwrap();
            sleep(secs(1)).await;
        })
        .unwrap();
    assert_eq!(log.take(), ["read Some(97)", "write", "read Some(98)"]);
}

#[test]
fn a_reader_can_remove_the_writer_that_is_due_with_it() {
    let log = Log::new();
    let (near, mut far) = pair();
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            this.add_writer(&*near, log_line(&log, "write")).unwrap();
            let inner = (log.clone(), near.clone());
            this.add_reader(&*near, move || {
                inner.0.add("read");
                assert!(get_running_loop().remove_writer(&*inner.1));
                assert!(get_running_loop().remove_reader(&*inner.1));
            })
            .unwrap();
            far.write_all(b"a").unwrap();
            sleep(secs(1)).await;
        })
        .unwrap();
    assert_eq!(log.take(), ["read"]);
}

#[test]
fn a_callback_that_panics_is_reported_and_stays() {
    let (near, mut far) = pair();
    let mut runner = virtual_runner();
    let faults = Log::new();
    let inner = faults.clone();
    runner.get_loop().set_exception_handler(move |_, fault| inner.add(fault.message.clone()));
    runner
        .run(async {
            let inner = near.clone();
            get_running_loop()
                .add_reader(&*near, move || {
                    read_byte(&inner);
                    panic!("in a callback");
                })
                .unwrap();
            for _ in 0..2 {
                far.write_all(b"a").unwrap();
                sleep(secs(1)).await;
            }
            get_running_loop().remove_reader(&*near);
        })
        .unwrap();
    assert_eq!(faults.take(), ["exception in a callback of a descriptor"; 2]);
}

#[test]
fn destructors_of_callbacks_may_use_the_loop() {
    let (near, _far) = pair();
    let count = Rc::new(Cell::new(0));
    virtual_runner()
        .run(async {
            let this = get_running_loop();
            for _ in 0..2 {
                let inner = (near.clone(), count.clone());
                let value = OnDrop(move || {
                    let this = get_running_loop();
                    this.remove_writer(&*inner.0);
                    inner.1.set(inner.1.get() + 1);
                });
                this.add_reader(&*near, move || hold(&value)).unwrap();
                this.add_writer(&*near, || ()).unwrap();
            }
            // The first was replaced.
            assert_eq!(count.get(), 1);
            this.remove_reader(&*near);
            assert_eq!(count.get(), 2);
            assert!(!this.remove_writer(&*near));
        })
        .unwrap();
}

#[test]
fn descriptors_of_transports_and_files_are_refused() {
    let (near, _far) = pair();
    let runner = virtual_runner();
    let this = runner.get_loop();
    let source = this.reactor().register(&*near).unwrap();
    let error = this.add_reader(&*near, || ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("belongs to a transport or stream"), "{error}");
    assert!(this.add_writer(&*near, || ()).is_err());
    assert!(!this.remove_reader(&*near));
    drop(source);
    this.add_reader(&*near, || ()).unwrap();
    let file = std::fs::File::open(std::env::current_exe().unwrap()).unwrap();
    let (value, dropped) = Dropped::new();
    assert!(this.add_reader(&file, move || hold(&value)).is_err());
    assert!(dropped.get());
}

#[test]
fn a_descriptor_that_was_closed_behind_the_loop_is_an_error_not_a_mess() {
    let runner = virtual_runner();
    let this = runner.get_loop();
    let (near, far) = UnixStream::pair().unwrap();
    let copy = far.try_clone().unwrap();
    this.add_reader(&near, || ()).unwrap();
    // The number now means another descriptor, which the system knows nothing of.
    let near = {
        use std::os::fd::AsRawFd;
        let number = near.as_raw_fd();
        drop(near);
        let again = copy.try_clone().unwrap();
        if again.as_raw_fd() != number {
            // Another test took it.
            return;
        }
        again
    };
    let this2 = this.clone();
    let value = OnDrop(move || {
        let (other, _) = UnixStream::pair().unwrap();
        this2.remove_reader(&other);
    });
    assert!(this.add_writer(&near, move || hold(&value)).is_err());
    assert!(this.add_reader(&near, || ()).is_err(), "it would never be called");
    assert!(!this.remove_writer(&near));
    assert!(this.remove_reader(&near));
    this.add_writer(&near, || ()).unwrap();
    assert!(this.remove_writer(&near));
}

#[test]
fn after_the_end_nothing_can_be_added_and_there_is_nothing_to_remove() {
    let (near, _far) = pair();
    let mut runner = virtual_runner();
    let this = runner.get_loop();
    let (value, dropped) = Dropped::new();
    this.add_reader(&*near, move || hold(&value)).unwrap();
    runner.close();
    assert!(dropped.get());
    assert!(!this.remove_reader(&*near) && !this.remove_writer(&*near));
    assert!(catch_unwind(AssertUnwindSafe(|| this.add_reader(&*near, || ()))).is_err());
}

#[test]
fn what_was_noted_in_the_turn_of_a_stop_is_called_once() {
    let (near, mut far) = pair();
    let mut runner = virtual_runner();
    let this = runner.get_loop();
    let calls = Rc::new(Cell::new(0));
    let inner = (near.clone(), calls.clone());
    this.add_reader(&*near, move || {
        read_byte(&inner.0);
        inner.1.set(inner.1.get() + 1);
    })
    .unwrap();
    far.write_all(b"a").unwrap();
    this.stop();
    let stopped = runner.run(std::future::pending::<()>());
    assert!(matches!(stopped, Err(asyncio_event_loop::RunError::Stopped)));
    assert_eq!(calls.get(), 1, "in the turn of the stop");
    runner.run(sleep(secs(1))).unwrap();
    assert_eq!(calls.get(), 1, "and not again in the next run");
    this.remove_reader(&*near);
}
