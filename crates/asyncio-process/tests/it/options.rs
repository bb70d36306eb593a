//! What a child can be started with, and what is said when it cannot.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use asyncio_process::{DEVNULL, PIPE, STDOUT, create_subprocess_exec, create_subprocess_shell};

use crate::support::{Temporary, run, run_without_leak};

async fn output_of(command: asyncio_process::CreateSubprocess) -> String {
    let mut process = command.stdout(PIPE).await.unwrap();
    let (output, _) = process.communicate(None).await.unwrap();
    assert_eq!(process.returncode(), Some(0));
    String::from_utf8(output).unwrap()
}

#[test]
fn the_working_directory_is_that_which_was_set() {
    run(async {
        let directory = Temporary::new("cwd");
        let path = fs::canonicalize(&directory.0).unwrap();
        let shown = output_of(create_subprocess_exec("pwd", ()).cwd(&path).env_remove("PWD")).await;
        assert_eq!(Path::new(shown.trim_end()), path);
    });
}

#[test]
fn a_program_finds_the_name_it_was_given() {
    run(async {
        let shown = output_of(create_subprocess_exec("sh", ["-c", "echo $0"]).arg0("dash")).await;
        assert_eq!(shown, "dash\n");
    });
}

#[test]
fn arguments_add_up() {
    run(async {
        let shown = output_of(create_subprocess_exec("echo", ["a"]).arg("b").args(["c", "d"].iter())).await;
        assert_eq!(shown, "a b c d\n");
    });
}

#[test]
fn a_mask_for_permissions_is_set() {
    run(async {
        let shown = output_of(create_subprocess_shell("umask").umask(0o027)).await;
        assert_eq!(u32::from_str_radix(shown.trim(), 8).unwrap(), 0o027);
    });
}

#[test]
fn groups_and_sessions_are_what_was_asked_for() {
    // After the name: state, parent, group, session.
    let field = |stat: &str, index: usize| -> u32 {
        stat.rsplit_once(')').unwrap().1.split_whitespace().nth(index).unwrap().parse().unwrap()
    };
    run(async {
        let Ok(own) = fs::read_to_string("/proc/self/stat") else { return };
        let stat = |pid: u32| fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let start = || create_subprocess_exec("sleep", ["3600"]);
        for (child, group_is_own, session_is_own) in [
            (start(), false, false),
            (start().process_group(0), true, false),
            (start().start_new_session(true), true, true),
        ] {
            let child = child.await.unwrap();
            let stat = stat(child.pid());
            assert_eq!(field(&stat, 2) == child.pid(), group_is_own);
            assert_eq!(field(&stat, 3) == child.pid(), session_is_own);
            if !session_is_own {
                assert_eq!(field(&stat, 3), field(&own, 3));
            }
            child.kill().unwrap();
            child.wait().await.unwrap();
        }
        let error = start().process_group(0).start_new_session(true).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("leave `process_group` out"), "{error}");
    });
}

#[test]
fn descriptors_are_passed_by_number_and_no_other_is() {
    run_without_leak(async || {
        let (mut read, write) = std::io::pipe().unwrap();
        let (_other_read, other) = std::io::pipe().unwrap();
        let (number, other_number) = (write.as_raw_fd(), other.as_raw_fd());
        let command = format!("echo passed >/dev/fd/{number}; echo not passed >/dev/fd/{other_number}");
        let child = create_subprocess_shell(command).pass_fds([write]).stderr(DEVNULL).await.unwrap();
        assert_ne!(child.wait().await.unwrap(), 0);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "passed\n");
    });
}

#[test]
fn descriptors_that_were_left_to_be_inherited_can_be_closed() {
    use rustix::io::{FdFlags, fcntl_setfd};
    run_without_leak(async || {
        let (mut read, write) = std::io::pipe().unwrap();
        let (kept_read, kept) = std::io::pipe().unwrap();
        fcntl_setfd(&write, FdFlags::empty()).unwrap();
        let command = format!("echo inherited >/dev/fd/{}", write.as_raw_fd());
        let inherited = create_subprocess_shell(&command).await.unwrap();
        assert_eq!(inherited.wait().await.unwrap(), 0);
        let command = format!("{command}; echo kept >/dev/fd/{}", kept.as_raw_fd());
        let closed = create_subprocess_shell(&command).close_fds(true).pass_fds([kept]).stderr(DEVNULL).await.unwrap();
        closed.wait().await.unwrap();
        drop(write);
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "inherited\n");
        assert_eq!(std::io::read_to_string(kept_read).unwrap(), "kept\n");
    });
}

#[test]
fn a_child_may_become_another_user_if_this_process_may() {
    run(async {
        let child = create_subprocess_exec("id", ["-u"]).user(65534).group(65533).stdout(PIPE).await;
        if !rustix::process::geteuid().is_root() {
            let error = child.unwrap_err();
            assert!(error.to_string().starts_with("cannot start \"id\" as user 65534 as group 65533: "), "{error}");
            return;
        }
        assert_eq!(child.unwrap().communicate(None).await.unwrap().0, b"65534\n");
        let start = || create_subprocess_exec("id", ["-G"]).user(65534).group(65533);
        assert_eq!(output_of(start()).await, "65533\n");
        assert_eq!(output_of(start().groups([7, 8])).await, "65533 7 8\n");
    });
}

#[test]
fn a_file_serves_as_a_standard_stream() {
    run_without_leak(async || {
        let directory = Temporary::new("stdio");
        let path = directory.0.join("file");
        fs::write(&path, "from the file").unwrap();
        let input = fs::File::open(&path).unwrap();
        let mut output = fs::File::create(directory.0.join("output")).unwrap();
        output.write_all(b"before ").unwrap();
        let child = create_subprocess_exec("cat", ()).stdin(input).stdout(output).await.unwrap();
        assert_eq!(child.wait().await.unwrap(), 0);
        assert_eq!(fs::read_to_string(directory.0.join("output")).unwrap(), "before from the file");
    });
}

#[test]
fn what_cannot_be_started_is_named_and_leaves_nothing() {
    run_without_leak(async || {
        let missing = create_subprocess_exec("no-such-program", ["x"]).stdin(PIPE).stdout(PIPE).stderr(PIPE);
        let error = missing.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with("cannot start \"no-such-program\": "), "{error}");

        let directory = Temporary::new("errors");
        let path = directory.0.join("program");
        fs::write(&path, "text").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = create_subprocess_exec(&path, ()).stdin(PIPE).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PermissionDenied);
        assert!(error.to_string().starts_with(&format!("cannot start {path:?}: ")), "{error}");

        let gone = directory.0.join("gone");
        let error = create_subprocess_exec("true", ()).cwd(&gone).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        let expected = format!("cannot start \"true\" in {gone:?}: the working directory cannot be entered: ");
        assert!(error.to_string().starts_with(&expected), "{error}");
        let error = create_subprocess_exec("true", ()).cwd(&path).await.unwrap_err();
        assert!(error.to_string().ends_with("the working directory is no directory"), "{error}");

        let error = create_subprocess_exec("echo", ["a\0b"]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().starts_with("cannot start \"echo\": "), "{error}");
    });
}

#[test]
fn only_errors_can_be_sent_to_where_output_goes() {
    run_without_leak(async || {
        for (child, name) in [
            (create_subprocess_exec("true", ()).stdin(STDOUT), "stdin"),
            (create_subprocess_exec("true", ()).stdout(STDOUT), "stdout"),
            (create_subprocess_exec("true", ()).stdout(STDOUT).stderr(STDOUT), "stdout"),
        ] {
            let error = child.await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(
                error.to_string().ends_with(&format!("`STDOUT` is for stderr, and was given as {name}")),
                "{error}"
            );
        }
    });
}

#[test]
#[should_panic(expected = "the limit of a stream must be at least one byte")]
fn a_limit_of_nothing_is_refused() {
    let _ = create_subprocess_exec("true", ()).limit(0);
}
