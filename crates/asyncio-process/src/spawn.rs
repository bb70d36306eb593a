//! From options to a running child and this side's ends of its pipes.

pub(crate) mod before_exec;

use std::fmt::Write;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Stdio as Inherited};

use crate::options::Options;
use crate::stdio::{Kind, Stdio};

/// A child that runs, and this side's ends of its pipes.
pub(crate) struct Spawned {
    pub(crate) child: Child,
    pub(crate) pipes: Pipes,
}

/// This side's ends of the standard streams that are pipes.
#[derive(Default)]
pub(crate) struct Pipes {
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) stdout: Option<OwnedFd>,
    pub(crate) stderr: Option<OwnedFd>,
}

/// What the child gets, and this side's end if it is a pipe.
type Ends = io::Result<(Inherited, Option<OwnedFd>)>;

impl Options {
    /// Starts the child. All that it does not get is close-on-exec.
    pub(crate) fn spawn(mut self) -> io::Result<Spawned> {
        match self.start() {
            Ok(spawned) => Ok(spawned),
            Err(error) => Err(self.explain(&error)),
        }
    }

    fn start(&mut self) -> io::Result<Spawned> {
        if self.process_group.is_some() && self.steps.new_session {
            let message = "a new session has a process group of its own: leave `process_group` out";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let (stdin, input) = ends("stdin", &mut self.stdin, false)?;
        let stderr = match self.stderr.0 {
            Kind::Stdout => Some(self.stdout.same()?),
            _ => None,
        };
        let (stdout, output, stderr, error) = match stderr {
            Some(Same::Given(stderr)) => {
                let (stdout, output) = ends("stdout", &mut self.stdout, true)?;
                (stdout, output, stderr, None)
            }
            Some(Same::Pipe) => {
                let (read, write) = io::pipe()?;
                (write.try_clone()?.into(), Some(read.into()), write.into(), None)
            }
            None => {
                let (stdout, output) = ends("stdout", &mut self.stdout, true)?;
                let (stderr, error) = ends("stderr", &mut self.stderr, true)?;
                (stdout, output, stderr, error)
            }
        };
        self.command.stdin(stdin).stdout(stdout).stderr(stderr);
        if let Some(group) = self.process_group {
            self.command.process_group(group);
        }
        let passed = self.passed.iter().map(AsRawFd::as_raw_fd).collect();
        std::mem::take(&mut self.steps).install(&mut self.command, passed);
        let child = self.command.spawn()?;
        Ok(Spawned { child, pipes: Pipes { stdin: input, stdout: output, stderr: error } })
    }

    /// Says what was to be started, where and as whom.
    fn explain(&self, error: &io::Error) -> io::Error {
        let mut message = format!("cannot start {:?}", self.command.get_program());
        let mut cause = error.to_string();
        if let Some(cwd) = &self.cwd {
            let _ = write!(message, " in {cwd:?}");
            // Which of the two is missing, the system does not say.
            match std::fs::metadata(cwd) {
                Err(error) => cause = format!("the working directory cannot be entered: {error}"),
                Ok(found) if !found.is_dir() => "the working directory is no directory".clone_into(&mut cause),
                Ok(_) => {}
            }
        }
        for (what, id) in [("user", self.steps.user), ("group", self.steps.group)] {
            if let Some(id) = id {
                let _ = write!(message, " as {what} {id}");
            }
        }
        io::Error::new(error.kind(), format!("{message}: {cause}"))
    }
}

fn ends(name: &str, stdio: &mut Stdio, is_output: bool) -> Ends {
    Ok(match std::mem::replace(&mut stdio.0, Kind::Inherit) {
        Kind::Inherit => (Inherited::inherit(), None),
        Kind::Null => (Inherited::null(), None),
        Kind::Descriptor(fd) => (fd.into(), None),
        Kind::Pipe => {
            let (read, write) = io::pipe()?;
            if is_output { (write.into(), Some(read.into())) } else { (read.into(), Some(write.into())) }
        }
        Kind::Stdout => {
            let message = format!("`STDOUT` is for stderr, and was given as {name}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
    })
}

/// The same as another stream.
enum Same {
    Given(Inherited),
    /// Both ends are to be made.
    Pipe,
}

impl Stdio {
    fn same(&self) -> io::Result<Same> {
        Ok(Same::Given(match &self.0 {
            Kind::Inherit => io::stdout().as_fd().try_clone_to_owned()?.into(),
            Kind::Null => Inherited::null(),
            Kind::Descriptor(fd) => fd.try_clone()?.into(),
            Kind::Pipe => return Ok(Same::Pipe),
            // An error of its own, when standard output is looked at.
            Kind::Stdout => Inherited::null(),
        }))
    }
}
