//! The section "platforms": every target that `docs/platforms.md` names and whose standard library is here is checked.
//!
//! Nothing is linked or run, so no more is needed than `rustup target add`.

use std::path::Path;

use crate::ci::{Done, Verdict};
use crate::cli::Failure;
use crate::process::{cargo, cargo_of, output, run, rustc, rustc_of};
use crate::workspace;

/// The targets that are supported, other than those whose tests are run.
const TARGETS: &[&str] = &[
    "aarch64-apple-darwin",
    "x86_64-apple-darwin",
    "x86_64-pc-windows-msvc",
    "x86_64-pc-windows-gnu",
    "x86_64-unknown-freebsd",
    "x86_64-unknown-netbsd",
    "x86_64-unknown-illumos",
    "aarch64-linux-android",
    "aarch64-unknown-linux-gnu",
    "i686-unknown-linux-gnu",
    "x86_64-unknown-linux-musl",
];

/// Checks all targets that can be, with this toolchain and with the oldest that the workspace promises.
pub fn platforms() -> Verdict {
    let oldest = workspace::crates()?.iter().find_map(|krate| krate.rust_version.clone());
    let toolchains = std::iter::once(None).chain(oldest.as_deref().map(Some));
    let (mut checked, mut failures) = (0, Vec::new());
    for (toolchain, target) in toolchains.flat_map(|toolchain| TARGETS.iter().map(move |target| (toolchain, *target))) {
        let with = toolchain.map_or(String::new(), |toolchain| format!(" for Rust {toolchain}"));
        if !is_installed(toolchain, target) {
            println!("skipped: the standard library of {target} is not installed{with}");
            continue;
        }
        checked += 1;
        let folder = if toolchain.is_some() { "target/msrv" } else { "target" };
        let arguments = ["check", "--target", target, "--target-dir", folder];
        let command = toolchain.map_or_else(|| cargo(&arguments), |toolchain| cargo_of(toolchain, &arguments));
        if let Err(failure) = run(command) {
            failures.push(failure.to_string());
        }
    }
    match (checked, failures.is_empty()) {
        (0, _) => Ok(Done::Skipped("no standard library but the host's is installed".into())),
        (_, true) => Ok(Done::Passed),
        (_, false) => Err(Failure::Failed(failures.join("\n"))),
    }
}

/// Whether the standard library of a target is there.
fn is_installed(toolchain: Option<&str>, target: &str) -> bool {
    let arguments = ["--print", "target-libdir", "--target", target];
    let command = toolchain.map_or_else(|| rustc(&arguments), |toolchain| rustc_of(toolchain, &arguments));
    output(command).is_ok_and(|folder| has_std(&folder))
}

fn has_std(folder: &str) -> bool {
    let Ok(entries) = Path::new(folder.trim()).read_dir() else { return false };
    entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_installed_and_nonsense_is_not() {
        let host = output(rustc(&["-vV"])).unwrap();
        let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
        assert!(is_installed(None, host));
        assert!(!is_installed(None, "no-such-target"));
    }

    #[test]
    fn what_the_document_promises_to_compile_is_checked() {
        let document = std::fs::read_to_string(workspace::root().join("docs/platforms.md")).unwrap();
        for target in TARGETS {
            assert!(document.contains(&format!("`{target}`")), "docs/platforms.md does not name {target}");
        }
    }
}
