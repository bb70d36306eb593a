//! `Process::communicate`: input in, output out, all at once.

use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::pin::pin;
use std::task::Poll;

use asyncio_net::{StreamReader, StreamWriter};

use crate::process::Process;

impl Process {
    /// Writes `input` to the process and closes its standard input, reads its output and errors to their ends, and waits
    /// for it to end. All at the same time, so it never hangs because a pipe is full. Gives output and errors; a stream that
    /// is not a pipe gives none.
    ///
    /// A process that does not read all of its input is not an error. Everything is kept in memory.
    ///
    /// # Cancel safety
    ///
    /// Nothing happens to the process. What was read stays: `communicate(None)` goes on with it. What is left of the input
    /// goes on being written.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when there is input and the process's standard input is not a pipe, or was taken. Else those of the
    /// pipes, of which there are none to be expected.
    ///
    /// # Examples
    ///
    /// ```
    /// use asyncio_process::{PIPE, create_subprocess_exec};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// asyncio::run(async {
    ///     let mut sort = create_subprocess_exec("sort", ["-r"]).stdin(PIPE).stdout(PIPE).await?;
    ///     let (output, _) = sort.communicate(Some(b"a\nc\nb\n")).await?;
    ///     assert_eq!(output, b"c\nb\na\n");
    ///     assert_eq!(sort.returncode(), Some(0));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    ///
    /// # In Python
    ///
    /// `Process.communicate`, in `asyncio/subprocess.py`, which gives `None` for a stream that is not a pipe, ignores input
    /// that it cannot write, and loses what it has read when it is cancelled.
    pub async fn communicate(&mut self, input: Option<&[u8]>) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let streams = &mut self.streams;
        if input.is_some() && streams.stdin.is_none() {
            let message = "there is input for a process whose stdin is not a pipe here: start it with `.stdin(PIPE)`";
            return Err(io::Error::new(ErrorKind::InvalidInput, message));
        }
        let feeding = feed(streams.stdin.as_ref(), input);
        let reading = all(feeding, read(&mut streams.stdout), read(&mut streams.stderr));
        let ((), output, errors) = reading.await?;
        self.wait().await?;
        Ok((output, errors))
    }
}

/// Writes the input, as far as the process takes it, and ends it.
async fn feed(stdin: Option<&StreamWriter>, input: Option<&[u8]>) -> io::Result<()> {
    let Some(stdin) = stdin else { return Ok(()) };
    if let Some(input) = input {
        stdin.write(input);
    }
    let drained = stdin.drain().await;
    stdin.close();
    match drained {
        Err(error) if !matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => Err(error),
        _ => Ok(()),
    }
}

/// Reads to the end, and closes the pipe. The reader stays, for another call.
async fn read(reader: &mut Option<StreamReader>) -> io::Result<Vec<u8>> {
    match reader {
        None => Ok(Vec::new()),
        Some(reader) => reader.read_to_end().await,
    }
}

/// Waits for all three at the same time, or for the first error.
async fn all<A, B, C, E>(
    a: impl Future<Output = Result<A, E>>,
    b: impl Future<Output = Result<B, E>>,
    c: impl Future<Output = Result<C, E>>,
) -> Result<(A, B, C), E> {
    let (mut a, mut b, mut c) = (pin!(a), pin!(b), pin!(c));
    let (mut done_a, mut done_b, mut done_c) = (None, None, None);
    poll_fn(|cx| {
        macro_rules! poll {
            ($future:ident, $done:ident) => {
                if $done.is_none()
                    && let Poll::Ready(result) = $future.as_mut().poll(cx)
                {
                    match result {
                        Ok(value) => $done = Some(value),
                        Err(error) => return Poll::Ready(Err(error)),
                    }
                }
            };
        }
        poll!(a, done_a);
        poll!(b, done_b);
        poll!(c, done_c);
        match (done_a.take(), done_b.take(), done_c.take()) {
            (Some(a), Some(b), Some(c)) => Poll::Ready(Ok((a, b, c))),
            some => {
                (done_a, done_b, done_c) = some;
                Poll::Pending
            }
        }
    })
    .await
}
