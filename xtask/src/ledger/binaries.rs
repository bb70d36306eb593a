//! Which tests there are: what the test binaries of the workspace list.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::cli::Failure;
use crate::json::{self, Json};
use crate::process::{cargo, output};
use crate::workspace;

/// The tests of all binaries, as `crate/target::path`.
#[derive(Debug, Default)]
pub struct Tests {
    pub all: BTreeSet<String>,
    pub ignored: BTreeSet<String>,
}

/// Asks each test binary; builds them if they are not built. Crates with features that are off by default are asked with
/// all of them on as well, as that is how `cargo xtask ci` tests them.
pub fn tests() -> Result<Tests, Failure> {
    let mut tests = Tests::default();
    collect(&["--workspace", "--lib", "--bins", "--tests"], &mut tests)?;
    for krate in workspace::crates()?.iter().filter(|krate| !krate.has_all_features_by_default()) {
        collect(&["--package", &krate.name, "--all-features", "--lib", "--bins", "--tests"], &mut tests)?;
    }
    Ok(tests)
}

fn collect(selection: &[&str], tests: &mut Tests) -> Result<(), Failure> {
    let mut build = cargo(&["test", "--no-run", "--quiet", "--message-format", "json"]);
    build.args(selection);
    for line in output(build)?.lines() {
        let message = json::parse(line).map_err(|error| Failure::while_doing("reading what cargo built", error))?;
        let Some(binary) = Binary::from_message(&message) else { continue };
        tests.all.extend(binary.list(&[])?);
        tests.ignored.extend(binary.list(&["--ignored"])?);
    }
    Ok(())
}

/// A test binary.
#[derive(Debug, PartialEq, Eq)]
struct Binary {
    /// `crate/target`.
    name: String,
    path: String,
}

impl Binary {
    /// From one message of cargo; none if it is about something else.
    fn from_message(message: &Json) -> Option<Self> {
        let path = message.get("executable").text()?;
        if *message.get("profile").get("test") != Json::Bool(true) {
            return None;
        }
        let folder = Path::new(message.get("manifest_path").text()?).parent()?;
        let target = message.get("target");
        let of_library = |kind: &Json| matches!(kind.text(), Some("lib" | "proc-macro"));
        let name = if target.get("kind").list().iter().any(of_library) { "lib" } else { target.get("name").text()? };
        let krate = folder.file_name()?.to_str()?;
        Some(Self { name: format!("{krate}/{name}"), path: path.to_owned() })
    }

    fn list(&self, options: &[&str]) -> Result<impl Iterator<Item = String>, Failure> {
        let mut command = Command::new(&self.path);
        command.args(["--list", "--format", "terse"]).args(options);
        let listed: Vec<String> = output(command)?.lines().filter_map(path_of).map(String::from).collect();
        Ok(listed.into_iter().map(|path| format!("{}::{path}", self.name)))
    }
}

/// The test in a line `path::of::a_test: test`.
fn path_of(line: &str) -> Option<&str> {
    line.strip_suffix(": test")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(kind: &str, name: &str, test: bool) -> Option<Binary> {
        let message = format!(
            r#"{{"reason": "compiler-artifact", "manifest_path": "/w/crates/a-b/Cargo.toml", "executable": "/w/it-1",
                "target": {{"kind": ["{kind}"], "name": "{name}"}}, "profile": {{"test": {test}}}}}"#
        );
        Binary::from_message(&json::parse(&message).unwrap())
    }

    #[test]
    fn a_binary_is_named_for_its_crate_and_target() {
        assert_eq!(binary("test", "it", true).unwrap().name, "a-b/it");
        assert_eq!(binary("lib", "a_b", true).unwrap().name, "a-b/lib");
        assert_eq!(binary("bin", "tool", false), None);
        assert_eq!(Binary::from_message(&json::parse(r#"{"reason": "build-finished"}"#).unwrap()), None);
    }

    #[test]
    fn only_tests_are_listed() {
        assert_eq!(path_of("a::b: test"), Some("a::b"));
        assert_eq!(path_of("a::b: benchmark"), None);
    }
}
