//! How a child is to be started: what all four ways of starting one have in common.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::create::CreateSubprocess;
use crate::spawn::before_exec::Steps;
use crate::stdio::{INHERIT, PIPE, Stdio};

/// The arguments of a program: `()` for none, an array, a slice or a `Vec` of strings or paths, or a tuple of different
/// ones.
///
/// What an iterator gives goes through [`args`](CreateSubprocess::args).
///
/// # Examples
///
/// ```
/// use asyncio_process::Args;
/// use std::path::Path;
///
/// assert!(().into_args().is_empty());
/// assert_eq!(["-k", "2"].into_args(), ["-k", "2"]);
/// assert_eq!(("-o", Path::new("out"), String::from("in")).into_args(), ["-o", "out", "in"]);
/// ```
pub trait Args {
    /// The arguments, one by one.
    fn into_args(self) -> Vec<OsString>;
}

fn owned<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Vec<OsString> {
    args.into_iter().map(|arg| arg.as_ref().to_owned()).collect()
}

impl<S: AsRef<OsStr>, const N: usize> Args for [S; N] {
    fn into_args(self) -> Vec<OsString> {
        owned(self)
    }
}

impl<S: AsRef<OsStr>, const N: usize> Args for &[S; N] {
    fn into_args(self) -> Vec<OsString> {
        owned(self)
    }
}

impl<S: AsRef<OsStr>> Args for &[S] {
    fn into_args(self) -> Vec<OsString> {
        owned(self)
    }
}

impl<S: AsRef<OsStr>> Args for Vec<S> {
    fn into_args(self) -> Vec<OsString> {
        owned(self)
    }
}

impl<S: AsRef<OsStr>> Args for &Vec<S> {
    fn into_args(self) -> Vec<OsString> {
        owned(self)
    }
}

macro_rules! tuples {
    ($($($name:ident)*;)*) => {
        $(
            impl<$($name: AsRef<OsStr>),*> Args for ($($name,)*) {
                #[expect(non_snake_case, reason = "each value is called as its type is")]
                fn into_args(self) -> Vec<OsString> {
                    let ($($name,)*) = self;
                    vec![$($name.as_ref().to_owned()),*]
                }
            }
        )*
    };
}

tuples! {
    A;
    A B;
    A B C;
    A B C D;
    A B C D E;
    A B C D E F;
    A B C D E F G;
    A B C D E F G H;
}

impl Args for () {
    fn into_args(self) -> Vec<OsString> {
        Vec::new()
    }
}

/// What to start and how.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) command: Command,
    pub(crate) stdin: Stdio,
    pub(crate) stdout: Stdio,
    pub(crate) stderr: Stdio,
    pub(crate) cwd: Option<PathBuf>,
    pub(crate) process_group: Option<i32>,
    pub(crate) steps: Steps,
    /// Stay open until the child has them.
    pub(crate) passed: Vec<OwnedFd>,
}

impl Options {
    pub(crate) fn exec(program: impl AsRef<OsStr>, args: impl Args) -> Self {
        let mut command = Command::new(program);
        command.args(args.into_args());
        Self {
            command,
            stdin: INHERIT,
            stdout: INHERIT,
            stderr: INHERIT,
            cwd: None,
            process_group: None,
            steps: Steps::default(),
            passed: Vec::new(),
        }
    }

    pub(crate) fn shell(command: impl AsRef<OsStr>) -> Self {
        Self::exec("/bin/sh", [OsStr::new("-c"), command.as_ref()])
    }

    pub(crate) fn with_pipes(mut self) -> Self {
        (self.stdin, self.stdout, self.stderr) = (PIPE, PIPE, PIPE);
        self
    }
}

/// Options, whatever the child is to be connected with.
impl<To> CreateSubprocess<To> {
    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.options.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.options.command.args(args);
        self
    }

    /// What the program finds as its name, its argument 0. What is run stays the same.
    ///
    /// # In Python
    ///
    /// The first argument, when `executable` says what is run.
    pub fn arg0(mut self, name: impl AsRef<OsStr>) -> Self {
        self.options.command.arg0(name);
        self
    }

    /// What the child gets as standard input: see [`Stdio`].
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.options.stdin = stdin.into();
        self
    }

    /// What the child gets as standard output: see [`Stdio`].
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.options.stdout = stdout.into();
        self
    }

    /// What the child gets as standard error: see [`Stdio`]. [`STDOUT`](crate::STDOUT) is the same as standard output.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.options.stderr = stderr.into();
        self
    }

    /// The child's working directory. Where a program that is named by a relative path is then looked for depends on the
    /// platform: name it by an absolute one.
    pub fn cwd(mut self, directory: impl AsRef<Path>) -> Self {
        self.options.cwd = Some(directory.as_ref().to_owned());
        self.options.command.current_dir(directory);
        self
    }

    /// Adds to the child's environment, which is else that of this process.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.options.command.env(name, value);
        self
    }

    /// Adds to the child's environment. For an environment that is these only, [`env_clear`](Self::env_clear) comes first.
    pub fn envs<K: AsRef<OsStr>, V: AsRef<OsStr>>(mut self, variables: impl IntoIterator<Item = (K, V)>) -> Self {
        self.options.command.envs(variables);
        self
    }

    /// Takes a variable out of the child's environment.
    pub fn env_remove(mut self, name: impl AsRef<OsStr>) -> Self {
        self.options.command.env_remove(name);
        self
    }

    /// Takes everything out of the child's environment, also what was added before.
    pub fn env_clear(mut self) -> Self {
        self.options.command.env_clear();
        self
    }

    /// Puts the child into a process group: 0 is a new one of its own.
    pub fn process_group(mut self, group: i32) -> Self {
        self.options.process_group = Some(group);
        self
    }

    /// Makes the child the leader of a new session, without a controlling terminal.
    pub fn start_new_session(mut self, start: bool) -> Self {
        self.options.steps.new_session = start;
        self
    }

    /// Hands descriptors over, which the child then has open under the same numbers. They are closed here when it has
    /// started. All others are closed in it, unless somebody opened them to be inherited; see
    /// [`close_fds`](Self::close_fds).
    ///
    /// # Examples
    ///
    /// ```
    /// use asyncio_process::create_subprocess_shell;
    /// use std::io::Read;
    /// use std::os::fd::AsRawFd;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// asyncio::run(async {
    ///     let (mut read, write) = std::io::pipe()?;
    ///     let command = format!("echo hello >/dev/fd/{}", write.as_raw_fd());
    ///     let child = create_subprocess_shell(command).pass_fds([write]).await?;
    ///     assert_eq!(child.wait().await?, 0);
    ///     let mut text = String::new();
    ///     read.read_to_string(&mut text)?;
    ///     assert_eq!(text, "hello\n");
    ///     Ok(())
    /// })
    /// # }
    /// ```
    pub fn pass_fds<T: Into<OwnedFd>>(mut self, descriptors: impl IntoIterator<Item = T>) -> Self {
        self.options.passed.extend(descriptors.into_iter().map(Into::into));
        self
    }

    /// Closes in the child also the descriptors that somebody opened to be inherited, other than the standard streams and
    /// those that are passed. Rust opens none in that way, but libraries in other languages may.
    ///
    /// # In Python
    ///
    /// `close_fds`, which is on unless it is turned off: descriptors of Python were once inherited.
    pub fn close_fds(mut self, close: bool) -> Self {
        self.options.steps.close_fds = close;
        self
    }

    /// Runs the child as this user, given by number. Its supplementary groups are those of [`groups`](Self::groups), and
    /// none if that was not called and this process is privileged.
    ///
    /// # In Python
    ///
    /// `user`, which takes a name as well, and leaves the child the supplementary groups of this process.
    pub fn user(mut self, user: u32) -> Self {
        self.options.steps.user = Some(user);
        self
    }

    /// Runs the child in this group, given by number.
    pub fn group(mut self, group: u32) -> Self {
        self.options.steps.group = Some(group);
        self
    }

    /// The child's supplementary groups, by number.
    ///
    /// # In Python
    ///
    /// `extra_groups`.
    pub fn groups(mut self, groups: impl IntoIterator<Item = u32>) -> Self {
        self.options.steps.groups = Some(groups.into_iter().collect());
        self
    }

    /// The child's mask for the permissions of what it creates, such as `0o077`.
    pub fn umask(mut self, mask: u32) -> Self {
        self.options.steps.umask = Some(mask);
        self
    }

    /// Changes the command of the standard library that is run, for what there is no method for here. The standard streams
    /// are set after this, so setting them on the command has no effect.
    ///
    /// # In Python
    ///
    /// `preexec_fn` is one use: `pre_exec` of [`CommandExt`], which is unsafe.
    pub fn with_command(mut self, change: impl FnOnce(&mut Command)) -> Self {
        change(&mut self.options.command);
        self
    }
}
