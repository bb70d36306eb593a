//! `cargo xtask deps`: the crates that a plain `asyncio = "…"` compiles.

use std::collections::BTreeSet;

use crate::cli::Outcome;
use crate::{process, workspace};

/// Prints the number of crates that the facade with default features compiles on this platform, and the list.
pub fn run() -> Outcome {
    let tree = ["tree", "--package", "asyncio", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"];
    let tree = process::output(process::cargo(&tree))?;
    let ours: BTreeSet<String> = workspace::crates()?.into_iter().map(|krate| krate.name).collect();
    let (own, foreign): (Vec<_>, Vec<_>) = packages(&tree).into_iter().partition(|package| {
        let name = package.split(' ').next().unwrap_or_default();
        ours.contains(name)
    });
    println!(
        "asyncio compiles {} crates: {} of its own, {} others",
        own.len() + foreign.len(),
        own.len(),
        foreign.len()
    );
    for package in own.iter().chain(&foreign) {
        println!("  {package}");
    }
    Ok(())
}

/// Name and version of each package in the output of `cargo tree`, once.
pub fn packages(tree: &str) -> BTreeSet<String> {
    let name_and_version = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    tree.lines().filter(|line| !line.trim().is_empty()).map(name_and_version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_counts_once_whatever_follows_its_version() {
        let tree = "a v1.0.0 (/x/a)\nb v2.0.0 (proc-macro)\n\nc v1.0.0 (*)\nc v1.0.0\nc v3.0.0\n";
        assert_eq!(packages(tree).into_iter().collect::<Vec<_>>(), ["a v1.0.0", "b v2.0.0", "c v1.0.0", "c v3.0.0"]);
    }
}
