//! What a child gets as a standard stream.

use std::os::fd::OwnedFd;

/// What a child gets as standard input, output or error: [`PIPE`], [`DEVNULL`], [`STDOUT`], [`INHERIT`], or a file, pipe,
/// socket or other descriptor, which is handed over.
///
/// To keep a descriptor as well, hand over a `try_clone` of it.
///
/// # Examples
///
/// One program writes to another, without the data coming by here:
///
/// ```
/// use asyncio_process::{PIPE, create_subprocess_exec};
///
/// # fn main() -> std::io::Result<()> {
/// asyncio::run(async {
///     let (read, write) = std::io::pipe()?;
///     let mut echo = create_subprocess_exec("echo", ["through a pipe"]).stdout(write).await?;
///     let mut cat = create_subprocess_exec("cat", ()).stdin(read).stdout(PIPE).await?;
///     assert_eq!(cat.communicate(None).await?.0, b"through a pipe\n");
///     assert_eq!(echo.wait().await?, 0);
///     Ok(())
/// })
/// # }
/// ```
///
/// # In Python
///
/// The arguments `stdin`, `stdout` and `stderr` of `subprocess.Popen`, in `Lib/subprocess.py`.
#[derive(Debug)]
pub struct Stdio(pub(crate) Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    Inherit,
    Pipe,
    Null,
    Stdout,
    Descriptor(OwnedFd),
}

/// A new pipe, whose other end is here.
///
/// # In Python
///
/// `asyncio.subprocess.PIPE`.
pub const PIPE: Stdio = Stdio(Kind::Pipe);

/// The null device: no input, and output goes nowhere.
///
/// # In Python
///
/// `asyncio.subprocess.DEVNULL`.
pub const DEVNULL: Stdio = Stdio(Kind::Null);

/// For standard error: the same as standard output.
///
/// # In Python
///
/// `asyncio.subprocess.STDOUT`.
pub const STDOUT: Stdio = Stdio(Kind::Stdout);

/// The same as this process has.
///
/// # In Python
///
/// `None`.
pub const INHERIT: Stdio = Stdio(Kind::Inherit);

impl<T: Into<OwnedFd>> From<T> for Stdio {
    fn from(descriptor: T) -> Self {
        Self(Kind::Descriptor(descriptor.into()))
    }
}
