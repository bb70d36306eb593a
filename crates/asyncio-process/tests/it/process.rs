//! A process and its streams: after CPython's `test_subprocess`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use asyncio::{create_task, wait_for};
use asyncio_process::{DEVNULL, PIPE, STDOUT, create_subprocess_exec, create_subprocess_shell};

use crate::support::{run, run_without_leak};

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;
const SIGHUP: i32 = 1;

#[test]
fn data_goes_in_and_out() {
    run_without_leak(async || {
        let mut cat = create_subprocess_exec("cat", ()).stdin(PIPE).stdout(PIPE).await.unwrap();
        cat.stdin().write("some data");
        cat.stdin().drain().await.unwrap();
        cat.stdin().close();
        assert_eq!(cat.stdout().read_to_end().await.unwrap(), b"some data");
        assert_eq!(cat.wait().await.unwrap(), 0);
        assert_eq!(cat.returncode(), Some(0));
    });
}

#[test]
fn the_return_code_is_what_the_shell_exits_with() {
    run(async {
        let shell = create_subprocess_shell("exit 7").stdin(DEVNULL).await.unwrap();
        assert_eq!(shell.returncode(), None);
        assert_eq!(shell.wait().await.unwrap(), 7);
        assert_eq!(shell.returncode(), Some(7));
        assert_eq!(format!("{shell:?}"), format!("<Process pid={} returncode=7>", shell.pid()));
    });
}

#[test]
fn a_new_session_is_waited_for_like_any() {
    run(async {
        let session = create_subprocess_shell("exit 8").start_new_session(true).await.unwrap();
        assert_eq!(session.wait().await.unwrap(), 8);
    });
}

#[test]
fn signals_end_a_process_with_their_negative_number() {
    run(async {
        let sleep = async || create_subprocess_exec("sleep", ["3600"]).await.unwrap();
        let killed = sleep().await;
        killed.kill().unwrap();
        assert_eq!(killed.wait().await.unwrap(), -SIGKILL);
        let terminated = sleep().await;
        terminated.terminate().unwrap();
        assert_eq!(terminated.wait().await.unwrap(), -SIGTERM);
        let hung_up = sleep().await;
        hung_up.send_signal(SIGHUP).unwrap();
        assert_eq!(hung_up.wait().await.unwrap(), -SIGHUP);
    });
}

#[test]
fn a_signal_to_what_has_ended_is_an_error_that_names_it() {
    run(async {
        let ended = create_subprocess_exec("true", ()).await.unwrap();
        ended.wait().await.unwrap();
        for error in [ended.send_signal(SIGHUP), ended.terminate(), ended.kill()].map(Result::unwrap_err) {
            assert_eq!(error.kind(), ErrorKind::NotFound);
            let expected = format!("to process {}: it has ended with return code 0", ended.pid());
            assert!(error.to_string().contains(&expected), "{error}");
        }
    });
}

#[test]
fn what_is_no_signal_is_refused() {
    run(async {
        let sleep = create_subprocess_exec("sleep", ["3600"]).await.unwrap();
        let error = sleep.send_signal(12345).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("cannot send signal 12345 to process"), "{error}");
        sleep.kill().unwrap();
        sleep.wait().await.unwrap();
    });
}

/// CPython's issue 43884.
#[test]
fn a_shell_can_be_killed_while_its_child_holds_its_output() {
    run(async {
        let mut shell = create_subprocess_shell("sleep 0.3 & echo begun; wait").stdout(PIPE).await.unwrap();
        assert_eq!(shell.stdout().readline().await.unwrap(), b"begun\n");
        shell.kill().unwrap();
        assert_eq!(shell.wait().await.unwrap(), -SIGKILL);
    });
}

#[test]
fn wait_does_not_wait_for_a_grandchild_that_holds_the_output() {
    run(async {
        // The grandchild lives until this end is closed.
        let (read, write) = std::io::pipe().unwrap();
        let command = "exec 3<&0; cat <&3 & echo begun";
        let mut shell = create_subprocess_shell(command).stdin(read).stdout(PIPE).await.unwrap();
        assert_eq!(shell.stdout().readline().await.unwrap(), b"begun\n");
        assert_eq!(shell.wait().await.unwrap(), 0);
        drop(write);
        assert_eq!(shell.stdout().read_to_end().await.unwrap(), b"");
    });
}

#[test]
fn a_process_that_stops_reading_breaks_the_pipe() {
    run(async {
        let deaf = create_subprocess_shell("exec 0<&-; exec sleep 3600").stdin(PIPE).await.unwrap();
        let error = loop {
            deaf.stdin().write(vec![b'x'; 100_000]);
            if let Err(error) = deaf.stdin().drain().await {
                break error;
            }
        };
        assert!(matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{error}");
        deaf.kill().unwrap();
        deaf.wait().await.unwrap();
    });
}

#[test]
fn output_beyond_the_limit_waits_and_loses_nothing() {
    run(async {
        let command = "i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done";
        let mut counting = create_subprocess_shell(command).stdout(PIPE).limit(10).await.unwrap();
        let pid = counting.pid();
        for number in 0..2000 {
            assert_eq!(counting.stdout().readline().await.unwrap(), format!("{number}\n").as_bytes(), "{pid}");
        }
        assert!(counting.stdout().readline().await.unwrap().is_empty());
        assert_eq!(counting.wait().await.unwrap(), 0);
    });
}

#[test]
fn the_end_of_input_arrives_although_another_child_was_started() {
    run(async {
        let cat = async || create_subprocess_exec("cat", ()).stdin(PIPE).stdout(DEVNULL).await.unwrap();
        let (first, second) = (cat().await, cat().await);
        first.stdin().close();
        assert_eq!(first.wait().await.unwrap(), 0);
        assert_eq!(second.returncode(), None);
        second.stdin().close();
        assert_eq!(second.wait().await.unwrap(), 0);
    });
}

#[test]
fn the_null_device_stands_in_for_each_stream() {
    run(async {
        let mut silent =
            create_subprocess_shell("cat; echo out; echo err >&2").stdin(DEVNULL).stdout(DEVNULL).stderr(DEVNULL);
        silent = silent.env("UNUSED", "");
        let mut silent = silent.await.unwrap();
        assert!(silent.take_stdin().is_none() && silent.take_stdout().is_none() && silent.take_stderr().is_none());
        assert_eq!(silent.communicate(None).await.unwrap(), (Vec::new(), Vec::new()));
        assert_eq!(silent.returncode(), Some(0));
    });
}

#[test]
fn standard_input_can_be_opened_as_a_device() {
    run(async {
        let mut cat = create_subprocess_exec("cat", ["/dev/stdin"]).stdin(PIPE).stdout(PIPE).await.unwrap();
        assert_eq!(cat.communicate(Some(b"xx")).await.unwrap().0, b"xx");
    });
}

#[test]
fn a_wait_that_is_cancelled_can_be_repeated() {
    run(async {
        let mut cat = create_subprocess_exec("cat", ()).stdin(PIPE).await.unwrap();
        let waiting = create_task(cat.wait());
        asyncio::yield_now().await;
        waiting.cancel();
        assert!(waiting.join().await.unwrap_err().cancelled().is_some());
        assert!(wait_for(cat.wait(), Duration::from_millis(1)).await.is_err());
        drop(cat.take_stdin());
        assert_eq!(cat.wait().await.unwrap(), 0);
    });
}

#[test]
fn many_may_wait_for_one_process() {
    run(async {
        let cat = create_subprocess_shell("cat; exit 5").stdin(PIPE).await.unwrap();
        let waiting: Vec<_> = (0..10).map(|_| create_task(cat.wait())).collect();
        asyncio::yield_now().await;
        cat.stdin().close();
        for waiting in waiting {
            assert_eq!(waiting.await.unwrap(), 5);
        }
        assert_eq!(cat.wait().await.unwrap(), 5);
    });
}

#[test]
fn output_can_be_read_after_the_end_and_slowly() {
    run(async {
        let mut shell = create_subprocess_shell("echo one; echo two; echo three >&2").stdout(PIPE).stderr(PIPE);
        shell = shell.limit(1024);
        let mut shell = shell.await.unwrap();
        shell.wait().await.unwrap();
        assert_eq!(shell.stdout().read(1).await.unwrap(), b"o");
        assert_eq!(shell.stdout().readline().await.unwrap(), b"ne\n");
        assert_eq!(shell.stdout().read_to_end().await.unwrap(), b"two\n");
        assert_eq!(shell.stderr().read_to_end().await.unwrap(), b"three\n");
    });
}

#[test]
fn programs_and_arguments_may_be_paths() {
    run(async {
        let program: &Path = Path::new("/bin/sh");
        let args = (Path::new("-c"), String::from("test \"$0\" = \"$1\""), PathBuf::from("x"), "x");
        assert_eq!(create_subprocess_exec(program, args).await.unwrap().wait().await.unwrap(), 0);
    });
}

#[test]
fn the_environment_is_passed() {
    run(async {
        let mut shell = create_subprocess_shell("echo $FOO:$GONE:${HOME-none}").stdout(PIPE);
        shell = shell.env("GONE", "y").env_clear().env("FOO", "a").envs([("FOO", "bar"), ("GONE", "x")]);
        let mut shell = shell.env_remove("GONE").await.unwrap();
        assert_eq!(shell.communicate(None).await.unwrap().0, b"bar::none\n");
        assert_eq!(shell.wait().await.unwrap(), 0);
    });
}

#[test]
fn errors_go_where_output_goes_if_asked() {
    run_without_leak(async || {
        let command = "echo out; echo err >&2";
        let mut both = create_subprocess_shell(command).stdout(PIPE).stderr(STDOUT).await.unwrap();
        assert_eq!(both.communicate(None).await.unwrap(), (b"out\nerr\n".to_vec(), Vec::new()));
        let mut apart = create_subprocess_shell(command).stdout(PIPE).stderr(PIPE).await.unwrap();
        assert_eq!(apart.communicate(None).await.unwrap(), (b"out\n".to_vec(), b"err\n".to_vec()));
        let nowhere = create_subprocess_shell(command).stdout(DEVNULL).stderr(STDOUT).await.unwrap();
        assert_eq!(nowhere.wait().await.unwrap(), 0);
        let (read, write) = std::io::pipe().unwrap();
        let given = create_subprocess_shell(command).stdout(write).stderr(STDOUT).await.unwrap();
        assert_eq!(given.wait().await.unwrap(), 0);
        assert_eq!(std::io::read_to_string(read).unwrap(), "out\nerr\n");
    });
}

#[test]
#[should_panic(expected = "the stdout of the process is not a pipe here: start it with `.stdout(PIPE)`")]
fn a_stream_that_is_not_there_says_how_to_get_it() {
    run(async {
        let mut process = create_subprocess_exec("true", ()).await.unwrap();
        let _ = process.stdout().readline().await;
    });
}

#[test]
fn a_loop_on_another_thread_has_children_too() {
    std::thread::spawn(|| {
        run(async {
            let mut cat = create_subprocess_exec("cat", ()).stdin(PIPE).stdout(PIPE).await.unwrap();
            assert_eq!(cat.communicate(Some(b"elsewhere")).await.unwrap().0, b"elsewhere");
            assert_eq!(cat.returncode(), Some(0));
        });
    })
    .join()
    .unwrap();
}

#[test]
fn a_child_begins_with_no_signal_blocked_and_none_ignored() {
    run(async {
        let piped = create_subprocess_shell("kill -PIPE $$; exit 3").await.unwrap();
        assert_eq!(piped.wait().await.unwrap(), -13);
        if !Path::new("/proc/self/status").exists() {
            return;
        }
        let mut status = create_subprocess_exec("cat", ["/proc/self/status"]).stdout(PIPE).await.unwrap();
        let status = String::from_utf8(status.communicate(None).await.unwrap().0).unwrap();
        for mask in ["SigBlk", "SigCgt"] {
            let line = status.lines().find(|line| line.starts_with(mask)).unwrap();
            assert_eq!(line.split_whitespace().nth(1).unwrap().trim_start_matches('0'), "", "{line}");
        }
    });
}
