//! Transports and streams over pipes.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use asyncio_net::{LoopSockets, connect_read_pipe, connect_write_pipe, open_read_pipe, open_write_pipe};

use crate::support::{Recorder, alone, record_faults, reset_on_close, run, run_without_leak, turns, until};

/// More than any pipe takes.
const MUCH: usize = 3_000_000;

fn fill(read: &mut impl Read, len: usize) -> Vec<u8> {
    let mut data = vec![0; len];
    read.read_exact(&mut data).unwrap();
    data
}

#[test]
fn a_read_pipe_gives_its_data_in_pieces_then_the_end() {
    run_without_leak(async || {
        let (read, mut write) = io::pipe().unwrap();
        let this = asyncio::get_running_loop();
        let (transport, protocol) = this.connect_read_pipe(Recorder::default, read).await.unwrap();
        assert_eq!(protocol.log(), ["made"]);
        assert!(transport.is_reading() && !transport.is_closing() && !transport.can_write_eof());
        write.write_all(b"1").unwrap();
        until(|| protocol.data.borrow().len() == 1).await;
        write.write_all(b"2345").unwrap();
        until(|| protocol.data.borrow().len() == 5).await;
        drop(write);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "data", "data", "eof", "lost"]);
        assert!(transport.is_closing());
        // The protocol and the pipe are let go of after the callback.
        turns().await;
        assert!(transport.protocol().is_none());
    });
}

#[test]
fn the_end_of_a_read_pipe_is_the_end_whatever_the_protocol_says() {
    run(async {
        let (read, write) = io::pipe().unwrap();
        let recorder = Recorder::default();
        recorder.keep_open.set(true);
        let (_transport, protocol) = connect_read_pipe(|| recorder, read).await.unwrap();
        drop(write);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "eof", "lost"]);
    });
}

#[test]
fn a_read_pipe_that_ended_before_it_was_connected_gives_its_data_and_the_end() {
    run(async {
        let (read, mut write) = io::pipe().unwrap();
        write.write_all(b"early").unwrap();
        drop(write);
        let (_transport, protocol) = connect_read_pipe(Recorder::default, read).await.unwrap();
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "data", "eof", "lost"]);
    });
}

#[test]
fn pausing_holds_data_back_and_means_nothing_the_second_time() {
    run(async {
        let (read, mut write) = io::pipe().unwrap();
        let (transport, protocol) = connect_read_pipe(Recorder::default, read).await.unwrap();
        transport.pause_reading();
        transport.pause_reading();
        assert!(!transport.is_reading());
        write.write_all(b"held").unwrap();
        turns().await;
        assert_eq!(protocol.log(), ["made"]);
        transport.resume_reading();
        transport.resume_reading();
        until(|| protocol.data.borrow().len() == 4).await;
        transport.close();
        transport.pause_reading();
        transport.resume_reading();
        assert!(!transport.is_reading());
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "data", "lost"]);
    });
}

#[test]
fn a_read_pipe_that_is_closed_ends_once_and_in_a_later_turn() {
    run(async {
        let (read, mut write) = io::pipe().unwrap();
        let (transport, protocol) = connect_read_pipe(Recorder::default, read).await.unwrap();
        write.write_all(b"not read any more").unwrap();
        transport.close();
        transport.close();
        assert_eq!(protocol.log(), ["made"]);
        protocol.lost.clone().await;
        turns().await;
        assert_eq!(protocol.log(), ["made", "lost"]);
        assert_eq!(write.write_all(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
#[should_panic(expected = "this transport reads from a pipe, and cannot write to it")]
fn a_read_pipe_cannot_be_written_to() {
    run(async {
        let (read, _write) = io::pipe().unwrap();
        let (transport, _protocol) = connect_read_pipe(Recorder::default, read).await.unwrap();
        transport.write(b"the wrong way");
    });
}

#[test]
fn what_is_no_pipe_is_refused_by_name() {
    run_without_leak(async || {
        for read in [true, false] {
            let file = File::open("Cargo.toml").unwrap();
            let error = if read {
                connect_read_pipe(Recorder::default, file).await.map(drop).unwrap_err()
            } else {
                connect_write_pipe(Recorder::default, file).await.map(drop).unwrap_err()
            };
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let shown = error.to_string();
            assert!(shown.contains("is a regular file: it must be a pipe, a socket or a character device"), "{shown}");
        }
    });
}

#[test]
fn writes_arrive_and_close_ends_the_pipe_after_them() {
    run_without_leak(async || {
        let (mut read, write) = io::pipe().unwrap();
        let this = asyncio::get_running_loop();
        let (transport, protocol) = this.connect_write_pipe(Recorder::default, write).await.unwrap();
        transport.write(b"1");
        transport.write(b"");
        transport.writelines(["23", "45"]);
        assert_eq!(fill(&mut read, 5), b"12345");
        assert!(!transport.is_reading());
        transport.close();
        assert!(transport.is_closing());
        transport.write(b"dropped");
        protocol.lost.clone().await;
        turns().await;
        assert_eq!(read.read(&mut [0; 10]).unwrap(), 0);
        assert_eq!(protocol.log(), ["made", "lost"]);
    });
}

#[test]
fn what_a_pipe_does_not_take_is_buffered_in_order_with_water_marks() {
    for ending in ["close", "write_eof", "drained first"] {
        run_without_leak(async || {
            let (mut read, write) = io::pipe().unwrap();
            let (transport, protocol) = connect_write_pipe(Recorder::default, write).await.unwrap();
            let data: Vec<u8> = (0..MUCH as u32 / 4).flat_map(u32::to_le_bytes).collect();
            transport.write(&data[..1_000_000]);
            transport.writelines(data[1_000_000..].chunks(100_000));
            assert!(transport.write_buffer_size() > 0);
            assert_eq!(protocol.log(), ["made", "pause"]);
            match ending {
                "close" => transport.close(),
                "write_eof" => {
                    assert!(transport.can_write_eof());
                    transport.write_eof();
                    transport.write_eof();
                    assert!(transport.is_closing());
                }
                _ => {}
            }
            let reading = asyncio::to_thread(move || {
                let data = fill(&mut read, MUCH);
                (data, read)
            });
            let (received, mut read) = reading.await;
            assert!(received == data);
            until(|| transport.write_buffer_size() == 0).await;
            transport.close();
            protocol.lost.clone().await;
            turns().await;
            assert_eq!(protocol.log(), ["made", "pause", "resume", "lost"]);
            assert_eq!(read.read(&mut [0; 10]).unwrap(), 0);
        });
    }
}

#[test]
fn abort_drops_what_is_buffered() {
    run(async {
        let (mut read, write) = io::pipe().unwrap();
        let (transport, protocol) = connect_write_pipe(Recorder::default, write).await.unwrap();
        transport.write(vec![1; MUCH]);
        transport.abort();
        assert_eq!(transport.write_buffer_size(), 0);
        protocol.lost.clone().await;
        turns().await;
        assert_eq!(protocol.log(), ["made", "pause", "lost"]);
        let mut rest = Vec::new();
        read.read_to_end(&mut rest).unwrap();
        assert!(rest.len() < MUCH);
    });
}

#[test]
fn a_reader_that_goes_away_is_noticed_without_a_write() {
    run(async {
        let (read, write) = io::pipe().unwrap();
        let (transport, protocol) = connect_write_pipe(Recorder::default, write).await.unwrap();
        transport.write(b"1");
        turns().await;
        assert_eq!(protocol.log(), ["made"]);
        drop(read);
        protocol.lost.clone().await;
        assert!(transport.is_closing());
        assert_eq!(protocol.log(), ["made", "lost"]);
    });
}

#[test]
fn a_reader_that_was_gone_already_is_noticed_after_connection_made() {
    run(async {
        let (read, write) = io::pipe().unwrap();
        drop(read);
        let (_transport, protocol) = connect_write_pipe(Recorder::default, write).await.unwrap();
        // Not before the transport is there.
        assert_eq!(protocol.log(), ["made"]);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "lost"]);
    });
}

#[test]
fn a_reader_that_goes_away_from_buffered_data_breaks_the_pipe() {
    for closed in [false, true] {
        run(async {
            let faults = record_faults();
            let (read, write) = io::pipe().unwrap();
            let (transport, protocol) = connect_write_pipe(Recorder::default, write).await.unwrap();
            transport.write(vec![1; MUCH]);
            if closed {
                transport.close();
            }
            drop(read);
            protocol.lost.clone().await;
            assert_eq!(protocol.log(), ["made", "pause", "lost: BrokenPipe"]);
            for _ in 0..10 {
                transport.write(b"dropped");
            }
            assert!(faults.borrow().is_empty());
        });
    }
}

#[test]
fn a_write_to_a_reader_that_is_gone_breaks_the_pipe() {
    run(async {
        let (read, write) = io::pipe().unwrap();
        let (transport, protocol) = connect_write_pipe(Recorder::default, write).await.unwrap();
        drop(read);
        transport.write(b"too late");
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "lost: BrokenPipe"]);
    });
}

#[test]
fn a_socket_serves_as_a_pipe_in_either_direction() {
    run_without_leak(async || {
        let (near, mut far) = UnixStream::pair().unwrap();
        let (_transport, input) = connect_read_pipe(Recorder::default, near).await.unwrap();
        far.write_all(b"in").unwrap();
        until(|| *input.data.borrow() == b"in").await;
        drop(far);
        input.lost.clone().await;
        assert_eq!(input.log(), ["made", "data", "eof", "lost"]);

        let (near, mut far) = UnixStream::pair().unwrap();
        let (transport, output) = connect_write_pipe(Recorder::default, near).await.unwrap();
        transport.writelines(["o", "u", "t"]);
        assert_eq!(fill(&mut far, 3), b"out");
        // Nobody reads it here, and nothing comes of it.
        far.write_all(b"the wrong way").unwrap();
        turns().await;
        assert_eq!(output.log(), ["made"]);
        drop(far);
        output.lost.clone().await;
        assert_eq!(output.log(), ["made", "lost"]);
        turns().await;
    });
}

#[test]
fn an_error_of_a_read_is_reported_and_ends_the_pipe() {
    run(async {
        let faults = record_faults();
        let (listener, far) = loopback();
        let (near, _) = listener.accept().unwrap();
        let (_transport, protocol) = connect_read_pipe(Recorder::default, near).await.unwrap();
        reset_on_close(&far);
        drop(far);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "lost: ConnectionReset"]);
        assert_eq!(faults.borrow().len(), 1);
        assert!(faults.borrow()[0].contains("fatal error when a pipe was read"), "{:?}", faults.borrow());
    });
}

fn loopback() -> (TcpListener, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let far = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener, far)
}

/// Both ends of a terminal: the master and the slave.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (master, slave)
}

#[test]
fn a_terminal_is_written_to_until_it_is_closed() {
    run_without_leak(async || {
        let faults = record_faults();
        let (master, slave) = terminal();
        let mut master = File::from(master);
        let (transport, protocol) = connect_write_pipe(Recorder::default, slave).await.unwrap();
        for piece in ["1", "2345"] {
            transport.write(piece.as_bytes());
            assert_eq!(transport.write_buffer_size(), 0, "a terminal takes this much");
            assert_eq!(fill(&mut master, piece.len()), piece.as_bytes());
        }
        assert_eq!(protocol.log(), ["made"]);
        drop(master);
        transport.close();
        protocol.lost.clone().await;
        let log = protocol.log();
        assert!(log.len() == 2 && log[1].starts_with("lost"), "{log:?}");
        assert!(faults.borrow().is_empty(), "{faults:?}");
        turns().await;
    });
}

#[test]
fn a_terminal_is_read_and_written_at_once_through_two_pipes() {
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
    run_without_leak(async || {
        let faults = record_faults();
        let (master, slave) = terminal();
        let mut master = File::from(master);
        let mut raw = tcgetattr(&slave).unwrap();
        raw.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &raw).unwrap();
        let (reading, input) = connect_read_pipe(Recorder::default, slave.try_clone().unwrap()).await.unwrap();
        let (writing, output) = connect_write_pipe(Recorder::default, slave).await.unwrap();
        // Byte by byte: nothing is echoed, and nothing waits for the end of a line.
        for (shown, typed) in [("1", "a"), ("2345", "bcde")] {
            writing.write(shown.as_bytes());
            assert_eq!(writing.write_buffer_size(), 0, "a terminal takes this much");
            assert_eq!(fill(&mut master, shown.len()), shown.as_bytes());
            input.data.borrow_mut().clear();
            master.write_all(typed.as_bytes()).unwrap();
            until(|| *input.data.borrow() == typed.as_bytes()).await;
        }
        assert!(input.log()[1..].iter().all(|line| line == "data"), "{:?}", input.log());
        assert_eq!(output.log(), ["made"]);
        drop(master);
        reading.close();
        input.lost.clone().await;
        writing.close();
        output.lost.clone().await;
        assert!(faults.borrow().is_empty(), "{faults:?}");
        turns().await;
    });
}

#[test]
fn a_terminal_whose_other_end_is_gone_ends_quietly() {
    run_without_leak(async || {
        let faults = record_faults();
        let (master, slave) = terminal();
        let (_transport, protocol) = connect_read_pipe(Recorder::default, master).await.unwrap();
        rustix::io::write(&slave, b"shown\n").unwrap();
        until(|| protocol.data.borrow().ends_with(b"shown\r\n")).await;
        drop(slave);
        protocol.lost.clone().await;
        let log = protocol.log();
        assert!(log.last().unwrap().starts_with("lost"), "{log:?}");
        assert!(faults.borrow().is_empty());
        turns().await;
    });
}

#[test]
fn dropping_the_reader_closes_its_pipe_and_discarding_does_not() {
    run_without_leak(async || {
        let (read, write) = io::pipe().unwrap();
        let writer = open_write_pipe(write).await.unwrap();
        let reader = open_read_pipe(read).limit(10).await.unwrap();
        writer.write(vec![1; MUCH]);
        reader.discard();
        writer.close();
        writer.wait_closed().await.unwrap();

        let (read, write) = io::pipe().unwrap();
        let writer = open_write_pipe(write).await.unwrap();
        let mut reader = open_read_pipe(read).await.unwrap();
        writer.write(b"line\nrest");
        assert_eq!(reader.readline().await.unwrap(), b"line\n");
        drop(reader);
        writer.wait_closed().await.unwrap();
        assert_eq!(writer.drain().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
        turns().await;
    });
}

#[test]
fn a_small_limit_slows_the_writer_and_loses_nothing() {
    run(async {
        let (read, write) = io::pipe().unwrap();
        let mut reader = open_read_pipe(read).limit(1).await.unwrap();
        let writer = open_write_pipe(write).await.unwrap();
        let data: Vec<u8> = (0..MUCH as u32 / 4).flat_map(u32::to_le_bytes).collect();
        writer.write(&data);
        writer.write_eof().unwrap();
        drop(writer);
        assert!(reader.read_to_end().await.unwrap() == data);
    });
}

#[test]
fn opening_may_be_cancelled_in_any_turn() {
    run_without_leak(async || {
        for turn in 0..5 {
            let task = asyncio::create_task(async {
                let (read, write) = io::pipe().unwrap();
                let mut reader = open_read_pipe(read).await.unwrap();
                let writer = open_write_pipe(write).await.unwrap();
                writer.write(b"x");
                reader.readexactly(2).await.unwrap();
            });
            for _ in 0..turn {
                asyncio::yield_now().await;
            }
            task.cancel();
            assert!(task.join().await.unwrap_err().cancelled().is_some());
            turns().await;
        }
    });
}

#[test]
fn the_end_of_the_loop_closes_pipes() {
    run_without_leak(async || {
        let (read, _write) = io::pipe().unwrap();
        let (_transport, _protocol) = connect_read_pipe(Recorder::default, read).await.unwrap();
        let (_read, write) = io::pipe().unwrap();
        let (transport, _protocol) = connect_write_pipe(Recorder::default, write).await.unwrap();
        transport.write(vec![1; MUCH]);
        let null = File::options().read(true).open("/dev/null").unwrap();
        let (transport, _protocol) = connect_read_pipe(Recorder::default, null).await.unwrap();
        transport.pause_reading();
    });
}

/// The program that the next test runs: this file again, as another process.
#[test]
fn a_program_copies_its_input_to_its_outputs() {
    if std::env::var_os("COPY_INPUT").is_none() {
        return;
    }
    run(async {
        let mut input = asyncio_net::stdin().await.unwrap();
        let output = asyncio_net::stdout().await.unwrap();
        let error = asyncio_net::stderr().await.unwrap();
        while let Ok(line) = input.readline().await
            && line != b"quit\n"
            && !line.is_empty()
        {
            output.write(&line);
            error.write(&line);
        }
        output.close();
        error.close();
        output.wait_closed().await.unwrap();
        error.wait_closed().await.unwrap();
    });
}

#[test]
fn standard_streams_are_what_the_process_was_given_and_need_no_end_of_input() {
    use std::process::{Command, Stdio};
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "pipes::a_program_copies_its_input_to_its_outputs", "--nocapture"]);
    program.env("COPY_INPUT", "1");
    program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A process that is started has a copy of each descriptor, from its `fork` to its `exec`.
    let starting = alone();
    let mut child = program.spawn().unwrap();
    drop(starting);
    let mut input = child.stdin.take().unwrap();
    let text = "line\n".repeat(20_000);
    let feeding = std::thread::spawn(move || {
        input.write_all(text.as_bytes()).unwrap();
        input.write_all(b"quit\n").unwrap();
        input
    });
    let output = child.wait_with_output().unwrap();
    // Its input was open to the end.
    drop(feeding.join().unwrap());
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8(output.stderr).unwrap().matches("line\n").count(), 20_000);
    assert_eq!(String::from_utf8(output.stdout).unwrap().matches("line\n").count(), 20_000);
}
