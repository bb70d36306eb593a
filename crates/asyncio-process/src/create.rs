//! `create_subprocess_exec`, `create_subprocess_shell`, and the same for protocols: `subprocess_exec`, `subprocess_shell`.

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

use asyncio_event_loop::{EventLoop, get_running_loop};
use asyncio_executor::{catch_cancelled, yield_now};
use asyncio_net::{open_read_pipe, open_write_pipe};

use crate::child::Child;
use crate::options::{Args, Options};
use crate::process::{Process, StandardStreams};
use crate::protocol::SubprocessProtocol;
use crate::spawn::{Pipes, Spawned};
use crate::transport::SubprocessTransport;

/// The limit of a stream, unless `limit` sets another: that of all streams.
const LIMIT: usize = 64 * 1024;

/// Starts a program, and gives a [`Process`].
///
/// What it returns is awaited, after its options were set. `args` are the program's arguments: see [`Args`]. A program
/// without a slash in its name is looked for in `PATH`. Its standard streams are those of this process unless
/// [`stdin`](CreateSubprocess::stdin) and so on say otherwise.
///
/// The child begins with no signal blocked, and with those that Rust ignores (SIGPIPE) doing what they do by default.
///
/// # Cancel safety
///
/// Cancelling it kills the child, and waits for its end. Dropping it otherwise kills the child, and the loop waits.
///
/// # Errors
///
/// The platform's, with the name of the program, and the working directory if one was set: `NotFound`, `PermissionDenied`
/// and so on. `InvalidInput` for options that contradict one another.
///
/// # Panics
///
/// When it is awaited without a running event loop.
///
/// # Examples
///
/// ```
/// use asyncio_process::{PIPE, create_subprocess_exec};
///
/// # fn main() -> std::io::Result<()> {
/// asyncio::run(async {
///     let mut cat = create_subprocess_exec("cat", ()).stdin(PIPE).stdout(PIPE).await?;
///     cat.stdin().write("one line\n");
///     assert_eq!(cat.stdout().readline().await?, b"one line\n");
///     cat.stdin().close();
///     assert_eq!(cat.wait().await?, 0);
///     Ok(())
/// })
/// # }
/// ```
///
/// # In Python
///
/// `asyncio.create_subprocess_exec`, in `asyncio/subprocess.py`.
pub fn create_subprocess_exec(program: impl AsRef<OsStr>, args: impl Args) -> CreateSubprocess {
    CreateSubprocess { options: Options::exec(program, args), to: Streams { limit: LIMIT } }
}

/// Starts a command of the shell, `/bin/sh -c`, and gives a [`Process`].
///
/// The shell finds its own meaning in spaces, quotes, `$`, `;` and so on: do not put together a command of what comes from
/// outside, but use [`create_subprocess_exec`]. The rest is as there.
///
/// # Examples
///
/// ```
/// use asyncio_process::{PIPE, create_subprocess_shell};
///
/// # fn main() -> std::io::Result<()> {
/// asyncio::run(async {
///     let mut shell = create_subprocess_shell("echo $((6 * 7)); exit 3").stdout(PIPE).await?;
///     assert_eq!(shell.communicate(None).await?.0, b"42\n");
///     assert_eq!(shell.returncode(), Some(3));
///     Ok(())
/// })
/// # }
/// ```
///
/// # In Python
///
/// `asyncio.create_subprocess_shell`, in `asyncio/subprocess.py`.
pub fn create_subprocess_shell(command: impl AsRef<OsStr>) -> CreateSubprocess {
    CreateSubprocess { options: Options::shell(command), to: Streams { limit: LIMIT } }
}

/// Starts a program, and makes the protocol of it with `factory`.
///
/// What it returns is awaited, after its options were set. It gives the transport and the protocol, whose
/// `connection_made` has been called. All three standard streams are pipes, unless [`stdin`](CreateSubprocess::stdin) and
/// so on say otherwise. The rest is as in [`create_subprocess_exec`].
///
/// # Examples
///
/// ```
/// use asyncio_process::{DEVNULL, SubprocessProtocol, subprocess_exec};
/// use std::cell::RefCell;
///
/// struct Collect(RefCell<Vec<u8>>, asyncio::Future<()>);
///
/// impl SubprocessProtocol for Collect {
///     fn pipe_data_received(&self, fd: i32, data: &[u8]) {
///         assert_eq!(fd, 1);
///         self.0.borrow_mut().extend_from_slice(data);
///     }
///     fn connection_lost(&self, _error: Option<std::io::Error>) {
///         self.1.set_result(()).unwrap();
///     }
/// }
///
/// # fn main() -> std::io::Result<()> {
/// asyncio::run(async {
///     let factory = || Collect(RefCell::default(), asyncio::Future::new());
///     let (transport, protocol) = subprocess_exec(factory, "echo", ["hello"]).stdin(DEVNULL).await?;
///     protocol.1.clone().await;
///     assert_eq!(*protocol.0.borrow(), b"hello\n");
///     assert_eq!(transport.returncode(), Some(0));
///     Ok(())
/// })
/// # }
/// ```
///
/// # In Python
///
/// `loop.subprocess_exec`, in `asyncio/base_events.py`.
pub fn subprocess_exec<F, P>(factory: F, program: impl AsRef<OsStr>, args: impl Args) -> CreateSubprocess<Callbacks<F>>
where
    F: FnOnce() -> P,
    P: SubprocessProtocol + 'static,
{
    CreateSubprocess { options: Options::exec(program, args).with_pipes(), to: Callbacks(factory) }
}

/// Starts a command of the shell, `/bin/sh -c`, and makes the protocol of it with `factory`: see [`subprocess_exec`] and
/// [`create_subprocess_shell`].
///
/// # In Python
///
/// `loop.subprocess_shell`, in `asyncio/base_events.py`.
pub fn subprocess_shell<F, P>(factory: F, command: impl AsRef<OsStr>) -> CreateSubprocess<Callbacks<F>>
where
    F: FnOnce() -> P,
    P: SubprocessProtocol + 'static,
{
    CreateSubprocess { options: Options::shell(command).with_pipes(), to: Callbacks(factory) }
}

/// The calls that start children, as methods of [`EventLoop`].
///
/// # In Python
///
/// Methods of `asyncio.AbstractEventLoop`, in `asyncio/base_events.py`.
pub trait LoopSubprocess: sealed::Sealed {
    /// As the function [`subprocess_exec`].
    ///
    /// # In Python
    ///
    /// `loop.subprocess_exec`.
    fn subprocess_exec<F, P>(
        &self,
        factory: F,
        program: impl AsRef<OsStr>,
        args: impl Args,
    ) -> CreateSubprocess<Callbacks<F>>
    where
        F: FnOnce() -> P,
        P: SubprocessProtocol + 'static,
    {
        subprocess_exec(factory, program, args)
    }

    /// As the function [`subprocess_shell`].
    ///
    /// # In Python
    ///
    /// `loop.subprocess_shell`.
    fn subprocess_shell<F, P>(&self, factory: F, command: impl AsRef<OsStr>) -> CreateSubprocess<Callbacks<F>>
    where
        F: FnOnce() -> P,
        P: SubprocessProtocol + 'static,
    {
        subprocess_shell(factory, command)
    }
}

impl LoopSubprocess for EventLoop {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for asyncio_event_loop::EventLoop {}
}

/// A child that is to be started, and how: see [`create_subprocess_exec`] and [`subprocess_exec`].
#[derive(Debug)]
#[must_use = "nothing is done before it is awaited"]
pub struct CreateSubprocess<To = Streams> {
    pub(crate) options: Options,
    to: To,
}

/// A child is to be connected with streams, as a [`Process`].
#[derive(Debug)]
pub struct Streams {
    limit: usize,
}

/// A child is to be connected with a protocol, which this makes.
pub struct Callbacks<F>(F);

impl<F> std::fmt::Debug for Callbacks<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Callbacks")
    }
}

impl CreateSubprocess<Streams> {
    /// The limit of the readers in bytes: see [`StreamReader`](asyncio_net::StreamReader).
    ///
    /// # Panics
    ///
    /// When it is 0.
    #[track_caller]
    pub fn limit(mut self, limit: usize) -> Self {
        assert!(limit > 0, "the limit of a stream must be at least one byte");
        self.to.limit = limit;
        self
    }
}

type Creating<T> = Pin<Box<dyn Future<Output = io::Result<T>>>>;

impl IntoFuture for CreateSubprocess<Streams> {
    type Output = io::Result<Process>;
    type IntoFuture = Creating<Process>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (child, pipes) = start(self.options)?;
            let streams = connected(&child, open(pipes, self.to.limit)).await?;
            Ok(Process::new(child, streams))
        })
    }
}

async fn open(pipes: Pipes, limit: usize) -> io::Result<StandardStreams> {
    let mut streams = StandardStreams::default();
    if let Some(stdin) = pipes.stdin {
        streams.stdin = Some(open_write_pipe(stdin).await?);
    }
    if let Some(stdout) = pipes.stdout {
        streams.stdout = Some(open_read_pipe(stdout).limit(limit).await?);
    }
    if let Some(stderr) = pipes.stderr {
        streams.stderr = Some(open_read_pipe(stderr).limit(limit).await?);
    }
    Ok(streams)
}

impl<F, P> IntoFuture for CreateSubprocess<Callbacks<F>>
where
    F: FnOnce() -> P + 'static,
    P: SubprocessProtocol + 'static,
{
    type Output = io::Result<(SubprocessTransport, Rc<P>)>;
    type IntoFuture = Creating<(SubprocessTransport, Rc<P>)>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let protocol = Rc::new((self.to.0)());
            let (child, pipes) = start(self.options)?;
            let transport = SubprocessTransport::new(&get_running_loop(), child, protocol.clone(), &pipes);
            let abandoning = AbandonOnDrop(Some(transport.clone()));
            connected(transport.child(), transport.connect(pipes)).await?;
            abandoning.disarm();
            Ok((transport, protocol))
        })
    }
}

/// Lets go of a child that nobody took.
struct AbandonOnDrop(Option<SubprocessTransport>);

impl AbandonOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for AbandonOnDrop {
    fn drop(&mut self) {
        if let Some(transport) = self.0.take() {
            transport.abandon();
        }
    }
}

fn start(options: Options) -> io::Result<(Rc<Child>, Pipes)> {
    let this = get_running_loop();
    let Spawned { child, pipes } = options.spawn()?;
    Ok((Child::watch(&this, child)?, pipes))
}

/// Waits for `connecting`. If it fails or is cancelled, the child is killed and waited for first.
async fn connected<T>(child: &Rc<Child>, connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let killing = KillOnDrop(Some(child.clone()));
    // In Python the pipes are connected in a task of their own: that takes a turn to begin, and another to be known.
    let connected = catch_cancelled(async {
        yield_now().await;
        let value = connecting.await?;
        yield_now().await;
        Ok(value)
    });
    let connected = connected.await;
    if let Ok(Ok(value)) = connected {
        killing.disarm();
        return Ok(value);
    }
    drop(killing);
    child.wait(std::panic::Location::caller()).await;
    match connected {
        Ok(result) => result,
        Err(cancelled) => cancelled.raise().await,
    }
}

/// Kills a child that nobody took.
struct KillOnDrop(Option<Rc<Child>>);

impl KillOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        if let Some(child) = self.0.take() {
            child.kill_running();
        }
    }
}
