//! Python's asyncio, at home in Rust.
//!
//! One event loop on one thread, tasks that need no `Send`, and the rules of asyncio to the turn: who runs when, what a
//! cancellation does, how a group of tasks ends. Cancellation is something that code can catch, and clean up after with
//! `await`; tasks can be looked into from outside; tests run on virtual time.
//!
//! ```
//! use std::time::Duration;
//!
//! # fn main() {
//! let sum = asyncio::run(async {
//!     let a = asyncio::create_task(async {
//!         asyncio::sleep(Duration::from_millis(2)).await;
//!         1
//!     });
//!     let (b, c) = asyncio::gather((async { 2 }, async { 3 })).await;
//!     a.await + b + c
//! });
//! assert_eq!(sum, 6);
//! # }
//! ```
//!
//! This crate re-exports the crates below it, by topic, and holds nothing of its own.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `net` (default) | streams, servers, transports and protocols, datagrams, sockets, pipes |
//! | `process` (default) | subprocesses, and `net`, which their pipes are made of |
//! | `tls` | TLS, with the cryptography of ring |
//! | `rustls` | TLS, with the cryptography that the program chooses |
//!
//! Without any, there are tasks, time, threads, signals and all primitives.
#![forbid(unsafe_code)]

// Running.
pub use asyncio_event_loop::{
    Deadlock, EventLoop, ExceptionHandler, Instant, RunError, Runner, RunnerBuilder, Sleep, get_running_loop, run,
    sleep, sleep_until, try_get_running_loop,
};
pub use asyncio_executor::{YieldNow, yield_now};
pub use asyncio_macros::{main, test};

// Tasks and futures.
pub use asyncio_combinators::ensure_future;
pub use asyncio_executor::{
    CallbackId, Fault, Future, InvalidStateError, Join, SharedTask, Task, TaskBuilder, TaskError, TaskHandle, TaskId,
    all_tasks, create_task, current_task,
};

// Cancellation.
pub use asyncio_combinators::{Shield, shield};
pub use asyncio_executor::{
    CancelKind, CancelledError, CatchCancelled, Raise, WithCleanup, catch_cancelled, with_cleanup,
};

// Combinators.
pub use asyncio_combinators::{
    ALL_COMPLETED, AsCompleted, AsCompletedTimeout, AsyncGenerator, Emit, ExceptionGroup, FIRST_COMPLETED,
    FIRST_EXCEPTION, Gather, Gathering, GatheringResults, ReturnWhen, RunTimeout, TaskGroup, Timeout, TimeoutError,
    TryGather, TryWaitable, Wait, Waitable, Yielder, as_completed, async_generator, gather, task_group, timeout,
    timeout_at, try_gather, try_task_group, try_wait, wait, wait_for,
};

// Synchronisation.
pub use asyncio_sync::{
    Barrier, BoundedSemaphore, BrokenBarrierError, Condition, Event, GetError, LifoQueue, Lock, LockGuard,
    OwnedLockGuard, OwnedSemaphorePermit, PriorityQueue, PutError, Queue, QueueShutDown, ReleaseError, Semaphore,
    SemaphorePermit, TaskDoneError, ZeroPartiesError,
};

// Pipes, and the standard streams.
#[cfg(all(unix, feature = "net"))]
pub use asyncio_net::{
    OpenReadPipe, OpenWritePipe, connect_read_pipe, connect_write_pipe, open_read_pipe, open_write_pipe, stderr, stdin,
    stdout,
};

// Unix sockets.
#[cfg(all(unix, feature = "net"))]
pub use asyncio_net::{create_unix_connection, create_unix_server, open_unix_connection, start_unix_server};

// Datagrams, sockets and name look-up.
#[cfg(feature = "net")]
pub use asyncio_net::{
    Accept, AddrInfo, AddrInfoFlags, AddrInfoHints, Address, AsSocket, CreateDatagramEndpoint, DatagramProtocol,
    DatagramTransport, LookupError, LoopSockets, NameInfoFlags, Place, Sendfile, SendfileNotAvailableError, Service,
    SockSendfile, Socket, SocketKind, create_datagram_endpoint, getaddrinfo, getnameinfo, resolve, sendfile,
};

// Streams, servers, transports and protocols.
#[cfg(feature = "net")]
pub use asyncio_net::{
    BufferedProtocol, ConnectErrors, CreateConnection, CreateServer, Family, IncompleteReadError, LimitOverrunError,
    Lines, OpenConnection, Protocol, ReadError, Separators, Server, StartServer, StreamFeeder, StreamReader,
    StreamWriter, ToAddrs, Transport, connect_accepted_socket, create_connection, create_server, open_connection,
    start_server,
};

/// The traits whose methods are called on the loop, in one import: `use asyncio::prelude::*;`.
pub mod prelude {
    #[cfg(feature = "net")]
    pub use asyncio_net::LoopSockets;
    #[cfg(all(unix, feature = "process"))]
    pub use asyncio_process::LoopSubprocess;
}

// TLS.
#[cfg(feature = "rustls")]
pub use asyncio_net::{StartTls, StartTlsOnStream, TlsConfig, TlsError, TlsInfo, rustls, start_tls};

// Subprocesses.
#[cfg(all(unix, feature = "process"))]
pub use asyncio_process::{
    Args, Callbacks, CreateSubprocess, DEVNULL, INHERIT, LoopSubprocess, PIPE, Process, STDOUT, Stdio, Streams,
    SubprocessProtocol, SubprocessTransport, create_subprocess_exec, create_subprocess_shell, subprocess_exec,
    subprocess_shell,
};

// Callbacks, threads, signals.
pub use asyncio_event_loop::{
    ConcurrentFuture, Job, LoopClosed, LoopRemote, Pool, RemoteError, ThreadFuture, ThreadPool, TimerHandle,
    run_coroutine_threadsafe, to_thread,
};
pub use asyncio_event_loop::{Signal, signal};
pub use asyncio_executor::Handle;

// Looking inside.
pub use asyncio_context::{Wait as TaskWait, WaitKind};
pub use asyncio_executor::{CallGraph, CallGraphEntry, capture_call_graph, format_call_graph, print_call_graph};

// Context variables.
pub use asyncio_executor::{Context, ContextVar, Token, context_var, copy_context};

// The programs in the documents, as tests.
#[cfg(all(doctest, feature = "process"))]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(all(doctest, feature = "process"))]
#[doc = include_str!("../../../README.md")]
struct ProjectReadme;

#[cfg(all(doctest, feature = "process"))]
#[doc = include_str!("../../../docs/guide.md")]
struct Guide;
