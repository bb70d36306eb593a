//! Subprocesses, as programs write them.

use std::io;

use asyncio::prelude::*;
use asyncio::{DEVNULL, PIPE, STDOUT, SubprocessProtocol, create_subprocess_exec, create_subprocess_shell};

#[asyncio::test]
async fn a_program_is_given_input_and_its_output_is_read() -> io::Result<()> {
    let directory = std::env::temp_dir();
    let mut p =
        create_subprocess_exec("sort", ["-r"]).stdin(PIPE).stdout(PIPE).cwd(&directory).env("LC_ALL", "C").await?;
    assert!(p.pid() > 0);
    let (out, err) = p.communicate(Some(b"a\nb\n")).await?;
    assert_eq!((out.as_slice(), err.as_slice()), (b"b\na\n".as_slice(), b"".as_slice()));
    assert_eq!(p.wait().await?, 0);
    assert_eq!(p.returncode(), Some(0));
    Ok(())
}

#[asyncio::test]
async fn the_ends_of_the_pipes_are_streams() -> io::Result<()> {
    let mut p = create_subprocess_exec("cat", ()).stdin(PIPE).stdout(PIPE).stderr(DEVNULL).await?;
    p.stdin().write(b"line\n");
    p.stdin().drain().await?;
    assert_eq!(p.stdout().readline().await.unwrap(), b"line\n");
    p.terminate()?;
    assert_eq!(p.wait().await?, -libc::SIGTERM);
    assert!(p.send_signal(libc::SIGTERM).is_err(), "it is over");
    Ok(())
}

#[asyncio::test]
async fn the_shell_runs_a_line() -> io::Result<()> {
    let mut p = create_subprocess_shell("echo out; echo err >&2; exit 3").stdout(PIPE).stderr(STDOUT).await?;
    let (out, _) = p.communicate(None).await?;
    assert_eq!((out.as_slice(), p.returncode()), (b"out\nerr\n".as_slice(), Some(3)));
    let p = create_subprocess_shell("exec sleep 1000").await?;
    p.kill()?;
    assert_eq!(p.wait().await?, -libc::SIGKILL);
    Ok(())
}

struct Told(asyncio::Future<()>);

impl SubprocessProtocol for Told {
    fn process_exited(&self) {
        self.0.set_result(()).unwrap();
    }
}

#[asyncio::test]
async fn a_protocol_is_told() -> io::Result<()> {
    let this = asyncio::get_running_loop();
    let (transport, told) = this.subprocess_exec(|| Told(asyncio::Future::new()), "true", ()).await?;
    told.0.clone().await;
    assert_eq!(transport.returncode(), Some(0));
    Ok(())
}
