//! What becomes of a child whose handles are dropped, or whose loop ends.

use std::cell::{Cell, RefCell};
use std::io::Read;

use asyncio_process::{
    DEVNULL, PIPE, SubprocessTransport, create_subprocess_exec, create_subprocess_shell, subprocess_exec,
};

use crate::support::{Recorder, children, run, run_without_leak, turns, until};

fn is_child(pid: u32) -> bool {
    children().iter().any(|child| child.starts_with(&format!("{pid} ")))
}

#[test]
fn a_dropped_process_goes_on_and_is_waited_for() {
    run_without_leak(async || {
        let (read, write) = std::io::pipe().unwrap();
        let mut done = asyncio_net_reader(read).await;
        let command = "cat >/dev/null; i=0; while [ $i -lt 30000 ]; do echo $i; i=$((i+1)); done; echo done >&2";
        let child = create_subprocess_shell(command).stdin(PIPE).stdout(PIPE).stderr(write).await.unwrap();
        let pid = child.pid();
        drop(child);
        // Its input ended, its output was taken, and nothing killed it.
        assert_eq!(done.read_to_end().await.unwrap(), b"done\n");
        until(|| !is_child(pid)).await;
        turns().await;
    });
}

async fn asyncio_net_reader(pipe: std::io::PipeReader) -> asyncio::StreamReader {
    asyncio::open_read_pipe(pipe).await.unwrap()
}

#[test]
fn a_dropped_reader_stops_a_child_that_writes_on() {
    run_without_leak(async || {
        let mut yes = create_subprocess_exec("yes", ()).stdout(PIPE).await.unwrap();
        let mut output = yes.take_stdout().unwrap();
        assert_eq!(output.readline().await.unwrap(), b"y\n");
        drop(output);
        assert_eq!(yes.wait().await.unwrap(), -13);
        turns().await;
    });
}

#[test]
fn a_dropped_transport_goes_on() {
    run_without_leak(async || {
        let (transport, protocol) = subprocess_exec(Recorder::default, "echo", ["on"]).await.unwrap();
        drop(transport);
        protocol.lost.clone().await;
        assert_eq!(*protocol.output.borrow(), b"on\n");
        turns().await;
    });
}

#[test]
fn children_that_run_when_the_loop_ends_are_killed_and_waited_for() {
    let pid = Cell::new(0);
    // Open after the loop, so that it is not the end of input that ends the child.
    let open = RefCell::new(None);
    run_without_leak(async || {
        let ignoring = create_subprocess_shell("trap '' TERM HUP INT; echo ready; read line");
        let (read, write) = std::io::pipe().unwrap();
        open.replace(Some(write));
        let mut ignoring = ignoring.stdin(read).stdout(PIPE).stderr(DEVNULL).start_new_session(true).await.unwrap();
        assert_eq!(ignoring.stdout().readline().await.unwrap(), b"ready\n");
        pid.set(ignoring.pid());
        subprocess_exec(Recorder::default, "cat", ()).await.unwrap();
        create_subprocess_exec("true", ()).await.unwrap();
    });
    assert!(!is_child(pid.get()));
}

#[test]
fn the_return_code_is_known_after_the_loop_ended() {
    let killed = run(async { create_subprocess_exec("sleep", ["3600"]).await.unwrap() });
    assert_eq!(killed.returncode(), Some(-9));
    assert_eq!(run(killed.wait()).unwrap(), -9);
    assert_eq!(killed.kill().unwrap_err().kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn a_transport_and_its_protocol_let_go_of_each_other_when_the_loop_ends() {
    let weak = run(async {
        let (transport, protocol) = subprocess_exec(Recorder::default, "sleep", ["3600"]).await.unwrap();
        assert!(protocol.transport.get().is_some());
        drop::<SubprocessTransport>(transport);
        std::rc::Rc::downgrade(&protocol)
    });
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_creation_that_is_dropped_kills_the_child() {
    run_without_leak(async || {
        let (mut read, write) = std::io::pipe().unwrap();
        let creating = create_subprocess_exec("sleep", ["3600"]).stdin(PIPE).stdout(write).into_future();
        {
            let mut creating = std::pin::pin!(creating);
            let first = std::future::poll_fn(|cx| std::task::Poll::Ready(creating.as_mut().poll(cx).is_pending()));
            assert!(first.await);
        }
        until(|| children().is_empty()).await;
        assert_eq!(read.read(&mut [0]).unwrap(), 0);
        turns().await;
    });
}
