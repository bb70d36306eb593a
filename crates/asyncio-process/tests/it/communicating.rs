//! `communicate`: it never hangs on a pipe that is full, and never fails on one that is broken.

use std::io::ErrorKind;

use asyncio::{create_task, gather};
use asyncio_process::{DEVNULL, PIPE, create_subprocess_exec, create_subprocess_shell};

use crate::support::{run, run_without_leak, turns};

const TEN_MEGABYTES: usize = 10_000_000;

#[test]
fn ten_megabytes_go_both_ways() {
    run_without_leak(async || {
        let data: Vec<u8> = (0..TEN_MEGABYTES as u32 / 4).flat_map(u32::to_le_bytes).collect();
        let mut cat = create_subprocess_exec("cat", ()).stdin(PIPE).stdout(PIPE).await.unwrap();
        let (output, errors) = cat.communicate(Some(&data)).await.unwrap();
        assert!(output == data);
        assert_eq!(errors, b"");
        assert_eq!(cat.returncode(), Some(0));
    });
}

#[test]
fn output_and_errors_are_read_together() {
    run(async {
        let command = "i=0; while [ $i -lt 2000 ]; do echo $i; echo $i$i$i$i$i$i$i$i$i$i >&2; i=$((i+1)); done; cat";
        let mut talking = create_subprocess_shell(command).stdin(PIPE).stdout(PIPE).stderr(PIPE).await.unwrap();
        let (output, errors) = talking.communicate(Some(&vec![b'x'; 1_000_000])).await.unwrap();
        assert_eq!(output.iter().filter(|byte| **byte == b'\n').count(), 2000);
        assert_eq!(output.iter().filter(|byte| **byte == b'x').count(), 1_000_000);
        assert_eq!(errors.iter().filter(|byte| **byte == b'\n').count(), 2000);
    });
}

#[test]
fn without_input_there_is_an_end_of_input() {
    run(async {
        for input in [None, Some(b"".as_slice())] {
            let mut cat = create_subprocess_exec("cat", ()).stdin(PIPE).stdout(PIPE).await.unwrap();
            assert_eq!(cat.communicate(input).await.unwrap().0, b"");
            assert_eq!(cat.returncode(), Some(0));
        }
    });
}

#[test]
fn a_child_that_never_reads_is_no_error() {
    for command in ["exec 0<&-; echo out", "echo out", "exec 0<&- 1<&-; sleep 0.01"] {
        run(async {
            let mut deaf = create_subprocess_shell(command).stdin(PIPE).stdout(PIPE).await.unwrap();
            let (output, _) = deaf.communicate(Some(&vec![0; TEN_MEGABYTES])).await.unwrap();
            assert_eq!(output, if command.contains("echo") { b"out\n".as_slice() } else { b"" });
            assert_eq!(deaf.returncode(), Some(0));
        });
    }
}

#[test]
fn a_child_that_reads_a_little_is_no_error() {
    run(async {
        let mut head = create_subprocess_exec("head", ["-c", "5"]).stdin(PIPE).stdout(PIPE).await.unwrap();
        assert_eq!(head.communicate(Some(&vec![b'x'; TEN_MEGABYTES])).await.unwrap().0, b"xxxxx");
        assert_eq!(head.returncode(), Some(0));
    });
}

#[test]
fn input_for_a_process_without_a_pipe_is_refused() {
    run(async {
        let mut process = create_subprocess_exec("true", ()).stdin(DEVNULL).await.unwrap();
        let error = process.communicate(Some(b"lost")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("start it with `.stdin(PIPE)`"), "{error}");
        process.communicate(None).await.unwrap();
    });
}

#[test]
fn what_was_read_before_a_cancellation_is_there_afterwards() {
    run(async {
        let mut cat = create_subprocess_exec("cat", ()).stdin(PIPE).stdout(PIPE).await.unwrap();
        let stdin = cat.stdin().clone();
        stdin.write("first ");
        let (mut cat, _) = gather((
            create_task(async move {
                let outcome = asyncio::wait_for(cat.stdout().readexactly(100), std::time::Duration::from_millis(20));
                assert!(outcome.await.is_err());
                cat
            }),
            turns(),
        ))
        .await;
        assert_eq!(cat.returncode(), None);
        assert_eq!(cat.communicate(Some(b"second")).await.unwrap().0, b"first second");
    });
}

#[test]
fn a_communicate_that_is_cancelled_goes_on_with_the_next() {
    run(async {
        let data: Vec<u8> = (0..TEN_MEGABYTES as u32 / 4).flat_map(u32::to_le_bytes).collect();
        let mut cat = create_subprocess_exec("cat", ()).stdin(PIPE).stdout(PIPE).await.unwrap();
        let patience = std::time::Duration::from_micros(500);
        assert!(asyncio::wait_for(cat.communicate(Some(&data)), patience).await.is_err());
        assert_eq!(cat.returncode(), None);
        let (output, _) = cat.communicate(None).await.unwrap();
        assert!(output == data);
    });
}

#[test]
fn ten_children_work_side_by_side() {
    run_without_leak(async || {
        let children = (0..10).map(|number| async move {
            let mut child = create_subprocess_shell(format!("cat; echo {number}")).stdin(PIPE).stdout(PIPE).await?;
            child.communicate(Some(b"number ")).await
        });
        for (number, outcome) in gather(children).await.into_iter().enumerate() {
            assert_eq!(outcome.unwrap().0, format!("number {number}\n").as_bytes());
        }
    });
}

#[test]
fn a_second_communicate_finds_nothing_and_the_same_end() {
    run(async {
        let mut echo = create_subprocess_exec("echo", ["once"]).stdout(PIPE).await.unwrap();
        assert_eq!(echo.communicate(None).await.unwrap().0, b"once\n");
        assert_eq!(echo.communicate(None).await.unwrap().0, b"");
        assert_eq!(echo.returncode(), Some(0));
    });
}
