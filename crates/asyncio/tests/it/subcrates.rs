//! What the crates below export is reachable through the facade, or is for those who build on these crates.

use std::path::Path;

/// Names items of the facade: each is imported, so that it must be there.
macro_rules! reachable {
    ($list:ident: $($name:ident)*) => {
        const $list: &[&str] = {
            $(#[expect(unused_imports, reason = "it is enough that it can be imported")] use asyncio::$name as _;)*
            &[$(stringify!($name)),*]
        };
    };
    (with_tls $list:ident: $($name:ident)*) => {
        #[cfg(feature = "rustls")]
        reachable! { $list: $($name)* }
        // Without it the crates name them and do not have them.
        #[cfg(not(feature = "rustls"))]
        const $list: &[&str] = &[$(stringify!($name)),*];
    };
    (on_unix $list:ident: $($name:ident)*) => {
        #[cfg(unix)]
        reachable! { $list: $($name)* }
        // Elsewhere the crates name them and do not have them.
        #[cfg(not(unix))]
        const $list: &[&str] = &[$(stringify!($name)),*];
    };
}

reachable! {
    EVERYWHERE:
    // Running.
    Deadlock EventLoop ExceptionHandler Instant RunError Runner RunnerBuilder Sleep YieldNow
    get_running_loop main run sleep sleep_until test try_get_running_loop yield_now
    // Tasks and futures.
    CallbackId Fault Future InvalidStateError Join SharedTask Task TaskBuilder TaskError TaskHandle TaskId
    all_tasks create_task current_task ensure_future
    // Cancellation.
    CancelKind CancelledError CatchCancelled Raise Shield WithCleanup catch_cancelled shield with_cleanup
    // Combinators.
    ALL_COMPLETED AsCompleted AsCompletedTimeout AsyncGenerator Emit ExceptionGroup FIRST_COMPLETED FIRST_EXCEPTION
    Gather Gathering GatheringResults ReturnWhen RunTimeout TaskGroup Timeout TimeoutError TryGather TryWaitable Wait Waitable
    Yielder as_completed async_generator gather task_group timeout timeout_at try_gather try_task_group try_wait wait
    wait_for
    // Synchronisation.
    Barrier BoundedSemaphore BrokenBarrierError Condition Event GetError LifoQueue Lock LockGuard OwnedLockGuard
    OwnedSemaphorePermit PriorityQueue PutError Queue QueueShutDown ReleaseError Semaphore SemaphorePermit
    TaskDoneError ZeroPartiesError
    // Streams, servers, transports and protocols.
    BufferedProtocol ConnectErrors CreateConnection CreateServer Family IncompleteReadError LimitOverrunError Lines
    OpenConnection Protocol ReadError Separators Server StartServer StreamFeeder StreamReader StreamWriter ToAddrs Transport
    connect_accepted_socket create_connection create_server open_connection prelude start_server
    // Callbacks, threads, signals.
    ConcurrentFuture Handle Job LoopClosed LoopRemote Pool RemoteError ThreadFuture ThreadPool TimerHandle
    run_coroutine_threadsafe to_thread
    // Looking inside.
    CallGraph CallGraphEntry TaskWait WaitKind capture_call_graph format_call_graph print_call_graph
    // Context variables.
    Context ContextVar Token context_var copy_context
}

reachable! {
    on_unix ON_UNIX:
    Signal signal
    Accept AddrInfo AddrInfoFlags AddrInfoHints Address AsSocket CreateDatagramEndpoint DatagramProtocol DatagramTransport
    LookupError LoopSockets NameInfoFlags Place Sendfile SendfileNotAvailableError Service SockSendfile Socket
    SocketKind sendfile
    create_datagram_endpoint create_unix_connection create_unix_server getaddrinfo getnameinfo open_unix_connection
    resolve start_unix_server
    OpenReadPipe OpenWritePipe connect_read_pipe connect_write_pipe open_read_pipe open_write_pipe stderr stdin stdout
    Args Callbacks CreateSubprocess DEVNULL INHERIT LoopSubprocess PIPE Process STDOUT Stdio Streams SubprocessProtocol
    SubprocessTransport create_subprocess_exec create_subprocess_shell subprocess_exec subprocess_shell
}

reachable! {
    with_tls WITH_TLS:
    StartTls StartTlsOnStream TlsConfig TlsError TlsInfo start_tls
}

/// A whole crate, which its users need for its configurations.
#[cfg(feature = "rustls")]
const _: fn(asyncio::rustls::Error) = drop;

/// What is for those who build on a crate: they depend on that crate.
const FOR_BUILDERS: &[&str] = &[
    // A crate, not an item.
    "rustls",
    // Executors and those who drive them.
    "Enter",
    "Entry",
    "Executor",
    "ExecutorClosed",
    "ExecutorRemote",
    "Reporter",
    "TaskFactory",
    // Combinators.
    "AwaitLink",
    "Awaitee",
    "Completion",
    "Forward",
    "Observable",
    "Scope",
    "ScopeKey",
    "IoHandler",
    "IoRegistration",
    "Timer",
    "Watcher",
    "call_soon",
    "cancel_awaitee",
    "cancelled_task",
    "catch_raised",
    "next_key",
    "spawn_thread",
    "watch_with_threads",
    "wake_next_turn",
    "with_running",
    "panic_message",
    "raise",
    // What signatures need and nobody names.
    "Connecting",
    "Target",
    "Children",
    "Never",
    "Returns",
    "Shape",
    "TryChildren",
    "TryShape",
    "shape",
    // Futures and guards that are awaited or held where they are made.
    "BarrierWait",
    "BaseQueue",
    "ConditionWait",
    "ConditionWaitFor",
    "ContextSnapshot",
    "EnteredContext",
    "EnteredLazyContext",
    "LazyContext",
    "EventWait",
    "Guard",
    "LockAcquire",
    "LockHandle",
    "Permit",
    "QueueGet",
    "QueueJoin",
    "QueuePut",
    "SemaphoreAcquire",
    "SemaphoreHandle",
    "Storage",
    "WaitFuture",
];

#[test]
fn what_a_crate_below_exports_is_reachable_or_for_builders() {
    let mut unknown = Vec::new();
    for krate in [
        "asyncio-combinators",
        "asyncio-event-loop",
        "asyncio-executor",
        "asyncio-net",
        "asyncio-process",
        "asyncio-sync",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(krate).join("src/lib.rs");
        let source = std::fs::read_to_string(&path).unwrap();
        let exported = exports(&source);
        assert!(exported.len() > 5, "{krate}: {exported:?}");
        unknown.extend(exported.into_iter().filter(|name| !is_known(name)).map(|name| format!("{krate}: {name}")));
    }
    assert!(unknown.is_empty(), "re-export these in the facade, or list them as for builders: {unknown:#?}");
}

fn is_known(name: &str) -> bool {
    EVERYWHERE.contains(&name) || ON_UNIX.contains(&name) || WITH_TLS.contains(&name) || FOR_BUILDERS.contains(&name)
}

/// The names in the `pub use` items of a source.
fn exports(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    for item in source.split("\npub use ").skip(1) {
        let item = item.split(';').next().unwrap_or_default();
        let list = match item.split_once('{') {
            Some((_, list)) => list.trim_end().trim_end_matches('}'),
            None => item.rsplit("::").next().unwrap_or_default(),
        };
        for name in list.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            names.push(name.rsplit(" as ").next().unwrap_or(name).to_owned());
        }
    }
    names
}
