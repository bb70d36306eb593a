//! Children at the level of transports and protocols: after CPython's `test_events`.

use asyncio_process::{INHERIT, LoopSubprocess, PIPE, STDOUT, subprocess_exec, subprocess_shell};

use crate::support::{Recorder, run, run_without_leak, turns, until};

/// Checks that the protocol was told of each thing in its order, whatever came between.
fn check_order(log: &[String]) {
    assert_eq!(log.first().unwrap(), "made", "{log:?}");
    assert_eq!(log.last().unwrap(), "lost", "{log:?}");
    let place = |what: &str| log.iter().rposition(|told| told.starts_with(what));
    for fd in [1, 2] {
        if let Some(data) = place(&format!("data {fd}")) {
            assert!(data < place(&format!("lost {fd}")).unwrap(), "{log:?}");
        }
    }
    assert_eq!(log.iter().filter(|told| told.starts_with("exited")).count(), 1, "{log:?}");
}

#[test]
fn a_child_is_fed_and_read() {
    run_without_leak(async || {
        let (transport, protocol) = subprocess_exec(Recorder::default, "cat", ()).await.unwrap();
        assert_eq!(protocol.log(), ["made"]);
        assert!(transport.protocol().is_some() && !transport.is_closing());
        let stdin = transport.pipe_transport(0).unwrap();
        for part in ["Python ", "The Winner"] {
            let before = protocol.output.borrow().len();
            stdin.write(part);
            until(|| protocol.output.borrow().len() == before + part.len()).await;
        }
        assert_eq!(*protocol.output.borrow(), b"Python The Winner");
        assert_eq!(transport.returncode(), None);
        transport.close();
        transport.close();
        protocol.lost.clone().await;
        // Its end of input came first, or the signal did.
        assert!(matches!(transport.returncode(), Some(-9 | 0)), "{transport:?}");
        check_order(&protocol.log());
        assert!(transport.protocol().is_none());
        turns().await;
    });
}

#[test]
fn a_shell_ends_with_all_its_pipes() {
    run_without_leak(async || {
        let this = asyncio::get_running_loop();
        let (transport, protocol) = this.subprocess_shell(Recorder::default, "echo Python").await.unwrap();
        transport.pipe_transport(0).unwrap().close();
        protocol.lost.clone().await;
        assert_eq!(transport.returncode(), Some(0));
        assert_eq!(*protocol.output.borrow(), b"Python\n");
        assert!(protocol.errors.borrow().is_empty());
        check_order(&protocol.log());
        for lost in ["lost 0", "lost 1", "lost 2"] {
            assert!(protocol.log().iter().any(|told| told == lost), "{:?}", protocol.log());
        }
        turns().await;
    });
}

#[test]
fn the_return_code_comes_without_pipes() {
    run_without_leak(async || {
        let child = subprocess_shell(Recorder::default, "exit 7").stdin(INHERIT).stdout(INHERIT).stderr(INHERIT);
        let (transport, protocol) = child.start_new_session(true).await.unwrap();
        protocol.exited.clone().await;
        assert_eq!(transport.returncode(), Some(7));
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "exited 7", "lost"]);
        for fd in [-1, 0, 1, 2, 3] {
            assert!(transport.pipe_transport(fd).is_none());
        }
        transport.close();
        turns().await;
        assert_eq!(transport.returncode(), Some(7));
    });
}

#[test]
fn signals_end_a_child_with_their_negative_number() {
    for (signal, expected) in [(9, -9), (15, -15), (1, -1)] {
        run(async {
            let (transport, protocol) = subprocess_exec(Recorder::default, "sleep", ["3600"]).await.unwrap();
            match signal {
                9 => transport.kill().unwrap(),
                15 => transport.terminate().unwrap(),
                _ => transport.send_signal(signal).unwrap(),
            }
            protocol.lost.clone().await;
            assert_eq!(transport.returncode(), Some(expected));
            let error = transport.send_signal(signal).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
            check_order(&protocol.log());
        });
    }
}

#[test]
fn errors_come_apart_or_with_the_output() {
    run(async {
        let command = "read line; echo OUT:$line; echo ERR:$line >&2";
        let (transport, protocol) = subprocess_shell(Recorder::default, command).await.unwrap();
        transport.pipe_transport(0).unwrap().write("test\n");
        protocol.lost.clone().await;
        assert_eq!(*protocol.output.borrow(), b"OUT:test\n");
        assert_eq!(*protocol.errors.borrow(), b"ERR:test\n");

        let (transport, protocol) = subprocess_shell(Recorder::default, command).stderr(STDOUT).await.unwrap();
        assert!(transport.pipe_transport(2).is_none());
        transport.pipe_transport(0).unwrap().write("test\n");
        protocol.lost.clone().await;
        assert_eq!(*protocol.output.borrow(), b"OUT:test\nERR:test\n");
        assert!(protocol.errors.borrow().is_empty());
        assert_eq!(transport.returncode(), Some(0));
    });
}

#[test]
fn closing_this_end_of_its_output_breaks_the_pipe_of_a_child() {
    run(async {
        // Again and again: a child of another test has a copy of this end, from its `fork` to its `exec`.
        let command = "trap '' PIPE; read line; while echo $line; do :; done; echo broken >&2";
        let (transport, protocol) = subprocess_shell(Recorder::default, command).await.unwrap();
        transport.pipe_transport(1).unwrap().close();
        until(|| protocol.log().iter().any(|told| told == "lost 1")).await;
        transport.pipe_transport(0).unwrap().write("xxx\n");
        protocol.lost.clone().await;
        let errors = String::from_utf8(protocol.errors.borrow().clone()).unwrap();
        assert!(errors.ends_with("broken\n"), "{errors}");
        assert!(protocol.output.borrow().is_empty());
        check_order(&protocol.log());
    });
}

#[test]
fn closing_kills_a_child_that_runs_and_not_one_that_has_ended() {
    run_without_leak(async || {
        let (transport, protocol) = subprocess_exec(Recorder::default, "sleep", ["3600"]).await.unwrap();
        transport.close();
        assert!(transport.is_closing());
        protocol.lost.clone().await;
        assert_eq!(transport.returncode(), Some(-9));

        let (transport, protocol) = subprocess_exec(Recorder::default, "true", ()).await.unwrap();
        protocol.exited.clone().await;
        transport.close();
        protocol.lost.clone().await;
        assert_eq!(transport.returncode(), Some(0));
        turns().await;
    });
}

#[test]
fn connection_lost_waits_for_pipes_that_a_grandchild_holds() {
    run(async {
        let (read, write) = std::io::pipe().unwrap();
        let command = "exec 3<&0; cat <&3 & exit 4";
        let child = subprocess_shell(Recorder::default, command).stdin(read).stdout(PIPE).stderr(INHERIT);
        let (transport, protocol) = child.await.unwrap();
        protocol.exited.clone().await;
        turns().await;
        assert_eq!(transport.returncode(), Some(4));
        assert_eq!(protocol.log(), ["made", "exited 4"]);
        drop(write);
        protocol.lost.clone().await;
        assert_eq!(protocol.log(), ["made", "exited 4", "lost 1", "lost"]);
    });
}

#[test]
fn too_much_input_pauses_the_protocol() {
    run(async {
        let command = "sleep 0.01; cat >/dev/null";
        let (transport, protocol) = subprocess_shell(Recorder::default, command).await.unwrap();
        let stdin = transport.pipe_transport(0).unwrap();
        stdin.write(vec![b'x'; 1_000_000]);
        assert_eq!(protocol.log(), ["made", "pause"]);
        stdin.write_eof();
        protocol.lost.clone().await;
        assert_eq!(protocol.log().iter().filter(|told| *told == "resume").count(), 1);
        assert_eq!(transport.returncode(), Some(0));
    });
}

#[test]
fn another_protocol_is_told_what_happens_next() {
    run(async {
        let (transport, first) = subprocess_exec(Recorder::default, "cat", ()).await.unwrap();
        let second = std::rc::Rc::new(Recorder::default());
        second.transport.set(transport.clone()).unwrap();
        transport.set_protocol(second.clone());
        transport.pipe_transport(0).unwrap().write("to the second");
        until(|| second.output.borrow().len() == 13).await;
        transport.pipe_transport(0).unwrap().close();
        second.lost.clone().await;
        assert_eq!(first.log(), ["made"]);
    });
}

#[test]
fn the_debug_output_shows_the_child_and_its_pipes() {
    run(async {
        let (transport, protocol) = subprocess_exec(Recorder::default, "cat", ()).stderr(INHERIT).await.unwrap();
        let shown = format!("{transport:?}");
        let expected = format!("<SubprocessTransport pid={} running stdin=<Transport open ", transport.pid());
        assert!(shown.starts_with(&expected) && shown.contains(" stdout=<") && !shown.contains("stderr"), "{shown}");
        transport.close();
        protocol.lost.clone().await;
        assert!(format!("{transport:?}").starts_with("<SubprocessTransport closed pid="));
    });
}
