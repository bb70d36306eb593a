//! Standard streams of every kind, here descriptors that stand in for them: read, written, and left as they were.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use asyncio::{run, wait_for};
use rustix::fs::OFlags;

use super::{OpenReadPipe, OpenWritePipe, Source};
use crate::stream::LIMIT;

/// A test that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// A descriptor that lives as long as the process, as those of the standard streams do.
fn standing(fd: impl Into<OwnedFd>) -> BorrowedFd<'static> {
    let fd: &'static OwnedFd = Box::leak(Box::new(fd.into()));
    fd.as_fd()
}

fn reader(source: Source) -> OpenReadPipe {
    OpenReadPipe { source, limit: LIMIT }
}

fn writer(source: Source) -> OpenWritePipe {
    OpenWritePipe { source }
}

/// Both ways to read or write what is shared.
const WAYS: [fn(BorrowedFd<'static>) -> Source; 2] = [Source::Shared, Source::Asked];

fn is_blocking(fd: BorrowedFd<'_>) -> bool {
    !rustix::fs::fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

fn test<T>(test: impl Future<Output = T>) -> T {
    run(async { wait_for(test, PATIENCE).await.expect("the test hangs") })
}

/// A file that is gone when the test is over.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("asyncio-net-{}-{name}", std::process::id())))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Both ends of a terminal: the master and the slave.
fn terminal() -> (OwnedFd, OwnedFd) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    let slave = rustix::fs::open(&name, flags, rustix::fs::Mode::empty()).unwrap();
    (master, slave)
}

#[test]
fn a_pipe_is_read_to_its_end_and_keeps_its_mode() {
    for way in WAYS {
        let (read, mut write) = io::pipe().unwrap();
        let read = standing(read);
        test(async {
            let mut input = reader(way(read)).await.unwrap();
            write.write_all(b"one\n").unwrap();
            assert_eq!(input.readline().await.unwrap(), b"one\n");
            write.write_all(b"two").unwrap();
            drop(write);
            assert_eq!(input.read_to_end().await.unwrap(), b"two");
        });
        assert!(is_blocking(read));
    }
}

#[test]
fn a_pipe_that_is_full_is_written_when_there_is_room_and_keeps_its_mode() {
    let data: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    for way in WAYS {
        let (read, write) = io::pipe().unwrap();
        let write = standing(write);
        let received = test(async {
            let output = writer(way(write)).await.unwrap();
            output.write(&data);
            let mut input = super::open_read_pipe(read).await.unwrap();
            let received = input.readexactly(data.len()).await.unwrap();
            output.close();
            output.wait_closed().await.unwrap();
            received
        });
        assert!(received == data);
        assert!(is_blocking(write));
    }
}

#[test]
fn a_pipe_whose_reader_is_gone_ends_the_writer() {
    for way in WAYS {
        let (read, write) = io::pipe().unwrap();
        let write = standing(write);
        drop(read);
        test(async {
            let output = writer(way(write)).await.unwrap();
            output.wait_closed().await.unwrap();
            assert!(output.drain().await.is_err());
        });
    }
}

#[test]
fn a_program_with_input_open_ends() {
    for way in WAYS {
        let (read, _write) = io::pipe().unwrap();
        let read = standing(read);
        let input = test(async { reader(way(read)).await.unwrap() });
        assert!(!input.at_eof());
    }
}

#[test]
fn a_file_is_read_and_written_where_it_stands() {
    let path = Temporary::new("file");
    let long = vec![b'x'; 700_000];
    fs::write(&path.0, [b"skipped".as_slice(), &long].concat()).unwrap();
    let mut file = File::open(&path.0).unwrap();
    file.seek(io::SeekFrom::Start(7)).unwrap();
    let read = standing(file);
    test(async {
        let mut input = reader(Source::Shared(read)).limit(1000).await.unwrap();
        assert!(input.read_to_end().await.unwrap() == long);
    });
    let mut file = File::options().write(true).truncate(true).open(&path.0).unwrap();
    file.write_all(b"before ").unwrap();
    let write = standing(file.try_clone().unwrap());
    test(async {
        let output = writer(Source::Shared(write)).await.unwrap();
        output.writelines(["one ", "two "]);
        output.write(&long);
        output.close();
        output.wait_closed().await.unwrap();
    });
    file.write_all(b" after").unwrap();
    let expected = [b"before one two ".as_slice(), &long, b" after"].concat();
    assert!(fs::read(&path.0).unwrap() == expected);
}

#[test]
fn the_null_device_has_no_input_and_takes_all_output() {
    for way in WAYS {
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let null = standing(null);
        test(async {
            let mut input = reader(way(null)).await.unwrap();
            assert_eq!(input.read_to_end().await.unwrap(), b"");
            let output = writer(way(null)).await.unwrap();
            output.write(vec![0; 1_000_000]);
            output.drain().await.unwrap();
            assert_eq!(output.transport().write_buffer_size(), 0);
            output.close();
            output.wait_closed().await.unwrap();
        });
    }
}

#[test]
fn a_device_without_end_leaves_the_others_their_turns() {
    let zero = standing(File::open("/dev/zero").unwrap());
    test(async {
        let mut input = reader(Source::Shared(zero)).await.unwrap();
        for _ in 0..50 {
            assert_eq!(input.readexactly(100_000).await.unwrap(), vec![0; 100_000]);
            asyncio::sleep(Duration::from_micros(100)).await;
        }
    });
}

#[test]
fn a_terminal_gives_all_its_lines_and_keeps_its_mode() {
    for way in WAYS {
        let (master, slave) = terminal();
        let slave = standing(slave);
        let mut keyboard = File::from(master);
        test(async {
            let mut input = reader(way(slave)).await.unwrap();
            let output = writer(way(slave)).await.unwrap();
            // Three lines at once, of which each read gives one.
            keyboard.write_all(b"one\ntwo\nthree\n").unwrap();
            for line in ["one\n", "two\n", "three\n"] {
                assert_eq!(input.readline().await.unwrap(), line.as_bytes());
            }
            output.write("hello\n");
            output.drain().await.unwrap();
            let mut shown = Vec::new();
            let mut buffer = [0; 100];
            while !shown.ends_with(b"hello\r\n") {
                let count = keyboard.read(&mut buffer).unwrap();
                shown.extend_from_slice(&buffer[..count]);
            }
        });
        assert!(is_blocking(slave));
    }
}

#[test]
fn a_socket_is_read_and_written_in_its_mode() {
    let (near, mut far) = UnixStream::pair().unwrap();
    let near = standing(near);
    far.set_nonblocking(true).unwrap();
    test(async {
        let mut input = reader(Source::Shared(near)).await.unwrap();
        let output = writer(Source::Shared(near)).await.unwrap();
        far.write_all(b"question\n").unwrap();
        assert_eq!(input.readline().await.unwrap(), b"question\n");
        output.write(vec![b'x'; 1_000_000]);
        output.writelines(["y", "z"]);
        let (mut received, mut buffer) = (0, vec![0; 64 * 1024]);
        while received < 1_000_002 {
            match far.read(&mut buffer) {
                Ok(count) => received += count,
                Err(error) => {
                    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                    asyncio::yield_now().await;
                }
            }
        }
        drop(far);
        assert_eq!(input.read_to_end().await.unwrap(), b"");
    });
    assert!(is_blocking(near));
}

#[test]
fn a_write_that_the_device_refuses_is_an_error_of_the_stream() {
    let Ok(full) = File::options().write(true).open("/dev/full") else { return };
    let full = standing(full);
    test(async {
        let output = writer(Source::Shared(full)).await.unwrap();
        output.write("no room");
        assert_eq!(output.drain().await.unwrap_err().kind(), io::ErrorKind::StorageFull);
    });
}
