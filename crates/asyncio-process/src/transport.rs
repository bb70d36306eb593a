//! `SubprocessTransport`: a child and its pipes, for a protocol.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;

use asyncio_event_loop::EventLoop;
use asyncio_net::{Protocol, Transport, connect_read_pipe, connect_write_pipe};

use crate::child::{Child, End};
use crate::protocol::SubprocessProtocol;
use crate::spawn::Pipes;

/// A child process and its pipes, as [`subprocess_exec`](crate::subprocess_exec) gives it: a handle, cheap to clone.
///
/// Dropping it stops nothing: the loop keeps the child and its pipes until it has ended and they are closed.
///
/// # In Python
///
/// `asyncio.SubprocessTransport`, in `asyncio/transports.py` and `asyncio/base_subprocess.py`.
#[derive(Clone)]
pub struct SubprocessTransport(Rc<Core>);

struct Core {
    this: EventLoop,
    child: Rc<Child>,
    /// `None` after its last call.
    protocol: RefCell<Option<Rc<dyn SubprocessProtocol>>>,
    pipes: RefCell<[Option<Pipe>; 3]>,
    /// What is to be told after `connection_made`; `None` when that is on its way.
    held: RefCell<Option<Vec<Callback>>>,
    closed: Cell<bool>,
    finished: Cell<bool>,
}

type Callback = Box<dyn FnOnce()>;

/// What is known of a pipe.
enum Pipe {
    Connecting,
    Connected(Transport),
    /// Its transport stays, to be asked for.
    Disconnected(Transport),
}

impl SubprocessTransport {
    /// A child whose pipes are not connected yet.
    pub(crate) fn new(this: &EventLoop, child: Rc<Child>, protocol: Rc<dyn SubprocessProtocol>, pipes: &Pipes) -> Self {
        let ours = [&pipes.stdin, &pipes.stdout, &pipes.stderr];
        let core = Rc::new(Core {
            this: this.clone(),
            child,
            protocol: RefCell::new(Some(protocol)),
            pipes: RefCell::new(ours.map(|end| end.is_some().then_some(Pipe::Connecting))),
            held: RefCell::new(Some(Vec::new())),
            closed: Cell::new(false),
            finished: Cell::new(false),
        });
        let told = core.clone();
        core.child.on_exit(move |end| match end {
            End::Exited => told.process_exited(),
            End::LoopClosed => told.let_go(),
        });
        Self(core)
    }

    /// Closes it, and tells the protocol nothing any more: nobody took the child.
    pub(crate) fn abandon(&self) {
        self.0.let_go();
        self.close();
    }

    /// Connects the pipes, and has `connection_made` called, and then what happened meanwhile.
    pub(crate) async fn connect(&self, pipes: Pipes) -> io::Result<()> {
        let protocol = |fd| {
            let core = self.0.clone();
            move || PipeProtocol { core, fd }
        };
        if let Some(stdin) = pipes.stdin {
            self.0.connected(0, connect_write_pipe(protocol(0), stdin).await?.0);
        }
        if let Some(stdout) = pipes.stdout {
            self.0.connected(1, connect_read_pipe(protocol(1), stdout).await?.0);
        }
        if let Some(stderr) = pipes.stderr {
            self.0.connected(2, connect_read_pipe(protocol(2), stderr).await?.0);
        }
        if let Some(protocol) = self.0.protocol() {
            let transport = self.clone();
            self.0.this.call_soon(move || protocol.connection_made(transport));
        }
        for callback in self.0.held.take().into_iter().flatten() {
            self.0.this.call_soon(callback);
        }
        Ok(())
    }

    pub(crate) fn child(&self) -> &Rc<Child> {
        &self.0.child
    }

    /// The number of the process.
    ///
    /// # In Python
    ///
    /// `SubprocessTransport.get_pid`.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.child.pid()
    }

    /// What the process ended with, a negative number being that of a signal; `None` if it has not ended.
    ///
    /// # In Python
    ///
    /// `SubprocessTransport.get_returncode`.
    #[must_use]
    pub fn returncode(&self) -> Option<i32> {
        self.0.child.returncode()
    }

    /// The transport of a pipe: 0 is that of the child's standard input, to write to; 1 and 2 are those of its output and
    /// errors. `None`: it is not a pipe.
    ///
    /// # In Python
    ///
    /// `SubprocessTransport.get_pipe_transport`.
    #[must_use]
    pub fn pipe_transport(&self, fd: i32) -> Option<Transport> {
        let pipes = self.0.pipes.borrow();
        match pipes.get(usize::try_from(fd).ok()?)? {
            Some(Pipe::Connected(transport) | Pipe::Disconnected(transport)) => Some(transport.clone()),
            _ => None,
        }
    }

    /// The protocol; `None` after its last call.
    ///
    /// # In Python
    ///
    /// `SubprocessTransport.get_protocol`.
    #[must_use]
    pub fn protocol(&self) -> Option<Rc<dyn SubprocessProtocol>> {
        self.0.protocol()
    }

    /// Puts another protocol in place, which is told what happens from now on.
    pub fn set_protocol(&self, protocol: Rc<dyn SubprocessProtocol>) {
        if !self.0.finished.get() {
            let before = self.0.protocol.replace(Some(protocol));
            drop(before);
        }
    }

    /// Sends a signal: see [`Process::send_signal`](crate::Process::send_signal).
    ///
    /// # Errors
    ///
    /// `NotFound` when the child has ended; else the platform's.
    pub fn send_signal(&self, signal: i32) -> io::Result<()> {
        self.0.child.send_signal(signal)
    }

    /// Asks the child to end, by SIGTERM.
    ///
    /// # Errors
    ///
    /// Those of [`send_signal`](Self::send_signal).
    pub fn terminate(&self) -> io::Result<()> {
        self.send_signal(libc::SIGTERM)
    }

    /// Ends the child, by SIGKILL.
    ///
    /// # Errors
    ///
    /// Those of [`send_signal`](Self::send_signal).
    pub fn kill(&self) -> io::Result<()> {
        self.send_signal(libc::SIGKILL)
    }

    /// Closes the pipes, and kills the child if it has not ended. The protocol is told the rest as ever. No effect the
    /// second time.
    pub fn close(&self) {
        if self.0.closed.replace(true) {
            return;
        }
        for fd in 0..3 {
            if let Some(transport) = self.pipe_transport(fd) {
                transport.close();
            }
        }
        self.0.child.kill_running();
    }

    /// Whether it is closed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.0.closed.get()
    }
}

impl Core {
    fn protocol(&self) -> Option<Rc<dyn SubprocessProtocol>> {
        self.protocol.borrow().clone()
    }

    /// Calls the protocol no more. It may hold this transport, so it is dropped.
    fn let_go(&self) {
        self.finished.set(true);
        let protocol = self.protocol.take();
        drop(protocol);
        let held = self.held.take();
        drop(held);
    }

    /// A pipe may be lost before who connects it goes on.
    fn connected(&self, fd: usize, transport: Transport) {
        let mut pipes = self.pipes.borrow_mut();
        if let Some(pipe @ Pipe::Connecting) = &mut pipes[fd] {
            *pipe = Pipe::Connected(transport);
        }
    }

    /// Calls in a turn of its own, and not before `connection_made`.
    fn call(&self, callback: impl FnOnce() + 'static) {
        match &mut *self.held.borrow_mut() {
            Some(held) => held.push(Box::new(callback)),
            None => drop(self.this.call_soon(callback)),
        }
    }

    fn tell(&self, callback: impl FnOnce(&dyn SubprocessProtocol) + 'static) {
        if let Some(protocol) = self.protocol() {
            self.call(move || callback(&*protocol));
        }
    }

    fn process_exited(self: &Rc<Self>) {
        self.tell(|protocol| protocol.process_exited());
        self.try_finish();
    }

    fn disconnected(self: &Rc<Self>, fd: usize, error: Option<io::Error>) {
        let mut pipes = self.pipes.borrow_mut();
        if let Some(Pipe::Connected(transport)) = pipes[fd].take() {
            pipes[fd] = Some(Pipe::Disconnected(transport));
        }
        drop(pipes);
        self.tell(move |protocol| protocol.pipe_connection_lost(fd as i32, error));
        self.try_finish();
    }

    fn try_finish(self: &Rc<Self>) {
        let pipes_are_over = || self.pipes.borrow().iter().flatten().all(|pipe| matches!(pipe, Pipe::Disconnected(_)));
        if self.child.returncode().is_none() || !pipes_are_over() || self.finished.replace(true) {
            return;
        }
        let core = self.clone();
        self.call(move || {
            if let Some(protocol) = core.protocol.take() {
                protocol.connection_lost(None);
            }
        });
    }
}

/// Tells the transport of the child what its pipe is told.
struct PipeProtocol {
    core: Rc<Core>,
    fd: usize,
}

impl Protocol for PipeProtocol {
    fn connection_made(&self, transport: Transport) {
        self.core.connected(self.fd, transport);
    }

    fn data_received(&self, data: &[u8]) {
        let (fd, data) = (self.fd as i32, data.to_vec());
        self.core.tell(move |protocol| protocol.pipe_data_received(fd, &data));
    }

    fn connection_lost(&self, error: Option<io::Error>) {
        self.core.disconnected(self.fd, error);
    }

    fn pause_writing(&self) {
        if let Some(protocol) = self.core.protocol() {
            protocol.pause_writing();
        }
    }

    fn resume_writing(&self) {
        if let Some(protocol) = self.core.protocol() {
            protocol.resume_writing();
        }
    }
}

impl Drop for PipeProtocol {
    fn drop(&mut self) {
        // Its connection was not lost, but ended with the loop.
        if self.core.this.is_closed() {
            self.core.let_go();
        }
    }
}

impl fmt::Debug for SubprocessTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let closed = if self.is_closing() { " closed" } else { "" };
        write!(f, "<SubprocessTransport{closed} {:?}", self.0.child)?;
        for (fd, name) in ["stdin", "stdout", "stderr"].into_iter().enumerate() {
            if let Some(transport) = self.pipe_transport(fd as i32) {
                write!(f, " {name}={transport:?}")?;
            }
        }
        f.write_str(">")
    }
}
