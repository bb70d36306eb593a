//! `cargo xtask layers`: a crate depends only on crates of a lower layer.

use std::fs;

use crate::cli::{Failure, Outcome};
use crate::report::{Finding, conclude};
use crate::workspace::{self, Crate};

/// Where a crate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// May depend on crates of strictly lower layers.
    Layer(u8),
    /// Depends on no crate of ours, and every layer may depend on it.
    Apart,
    /// For development: may depend on everything, and nothing depends on it.
    Dev,
}

const TABLE: &[(&str, Place)] = &[
    ("asyncio-context", Place::Layer(0)),
    ("asyncio-timers", Place::Layer(0)),
    ("asyncio-reactor", Place::Layer(0)),
    ("asyncio-sync", Place::Layer(1)),
    ("asyncio-executor", Place::Layer(1)),
    ("asyncio-event-loop", Place::Layer(2)),
    ("asyncio-combinators", Place::Layer(3)),
    ("asyncio-net", Place::Layer(3)),
    ("asyncio-process", Place::Layer(4)),
    (FACADE, Place::Layer(5)),
    ("asyncio-hyper", Place::Layer(5)),
    ("asyncio-macros", Place::Apart),
    ("conformance", Place::Dev),
    ("benches", Place::Dev),
    ("xtask", Place::Dev),
];

const FACADE: &str = "asyncio";

/// A table of contents is short; past this, something other than re-exports has crept in.
const FACADE_LINES: usize = 150;

/// Checks the table against `cargo metadata`, and the facade.
pub fn run() -> Outcome {
    let crates = workspace::crates()?;
    let mut findings = check(&crates);
    if let Some(facade) = crates.iter().find(|krate| krate.name == FACADE) {
        let path = format!("{}/src/lib.rs", facade.folder);
        let source = fs::read_to_string(workspace::root().join(&path))
            .map_err(|error| Failure::while_doing(format!("reading {path}"), error))?;
        findings.extend(check_facade(&path, &source));
    }
    conclude("layers", &findings)
}

fn place(name: &str) -> Option<Place> {
    TABLE.iter().find(|(known, _)| *known == name).map(|(_, place)| *place)
}

fn check(crates: &[Crate]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for krate in crates {
        let manifest = format!("{}/Cargo.toml", krate.folder);
        let Some(own) = place(&krate.name) else {
            let message = format!(
                "crate `{}` has no layer; give it one in the table of xtask/src/layers.rs and in the architecture",
                krate.name
            );
            findings.push(Finding::error(&manifest, 1, message));
            continue;
        };
        for dependency in krate.dependencies.iter().filter(|name| crates.iter().any(|krate| krate.name == **name)) {
            let Some(theirs) = place(dependency) else { continue };
            if !allowed(own, theirs) {
                let message = format!(
                    "`{}` ({}) depends on `{dependency}` ({}); a crate depends only on lower layers: \
                     turn the dependency round, or move what is shared down",
                    krate.name,
                    describe(own),
                    describe(theirs)
                );
                findings.push(Finding::error(&manifest, 1, message));
            }
        }
    }
    findings
}

fn allowed(own: Place, theirs: Place) -> bool {
    match (own, theirs) {
        (Place::Dev, _) | (Place::Layer(_), Place::Apart) => true,
        (Place::Layer(own), Place::Layer(theirs)) => theirs < own,
        (Place::Apart, _) | (_, Place::Dev) => false,
    }
}

fn describe(place: Place) -> String {
    match place {
        Place::Layer(layer) => format!("layer {layer}"),
        Place::Apart => "apart from the layers".into(),
        Place::Dev => "for development".into(),
    }
}

fn check_facade(path: &str, source: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !source.lines().any(|line| line.trim() == "#![forbid(unsafe_code)]") {
        findings.push(Finding::error(path, 1, "the facade may hold unsafe code; add `#![forbid(unsafe_code)]`"));
    }
    let lines = source.lines().count();
    if lines >= FACADE_LINES {
        let message = format!(
            "the facade has {lines} lines and is a table of contents of less than {FACADE_LINES}; \
             move what is not a re-export into the crate it belongs to"
        );
        findings.push(Finding::error(path, lines, message));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &[&str])]) -> Vec<Crate> {
        let krate = |(name, dependencies): &(&str, &[&str])| Crate {
            name: (*name).into(),
            folder: format!("crates/{name}"),
            dependencies: dependencies.iter().map(|name| (*name).into()).collect(),
            ..Crate::default()
        };
        edges.iter().map(krate).collect()
    }

    /// The number of findings.
    fn wrong(edges: &[(&str, &[&str])]) -> usize {
        check(&graph(edges)).len()
    }

    #[test]
    fn a_lower_layer_may_be_used_and_the_rest_may_not() {
        let down: &[(&str, &[&str])] = &[("asyncio-sync", &["asyncio-context"]), ("asyncio-context", &[])];
        let up: &[(&str, &[&str])] = &[("asyncio-sync", &[]), ("asyncio-context", &["asyncio-sync"])];
        let beside: &[(&str, &[&str])] = &[("asyncio-timers", &["asyncio-context"]), ("asyncio-context", &[])];
        assert_eq!((wrong(down), wrong(up), wrong(beside)), (0, 1, 1));
    }

    #[test]
    fn a_finding_names_both_crates_and_their_layers() {
        let findings = check(&graph(&[("asyncio-net", &["asyncio-process"]), ("asyncio-process", &[])]));
        let shown = findings[0].to_string();
        let start = "crates/asyncio-net/Cargo.toml:1: `asyncio-net` (layer 3) depends on `asyncio-process` (layer 4); ";
        assert!(shown.starts_with(start), "{shown}");
    }

    #[test]
    fn the_macros_stand_apart() {
        let used: &[(&str, &[&str])] = &[("asyncio", &["asyncio-macros"]), ("asyncio-macros", &[])];
        let using: &[(&str, &[&str])] = &[("asyncio-context", &[]), ("asyncio-macros", &["asyncio-context"])];
        assert_eq!((wrong(used), wrong(using)), (0, 1));
    }

    #[test]
    fn development_crates_use_everything_and_are_used_by_nothing() {
        let using: &[(&str, &[&str])] =
            &[("benches", &["asyncio", "asyncio-context"]), ("asyncio", &[]), ("asyncio-context", &[])];
        let used: &[(&str, &[&str])] = &[("asyncio", &["benches"]), ("benches", &[])];
        assert_eq!((wrong(using), wrong(used)), (0, 1));
    }

    #[test]
    fn a_crate_without_a_layer_is_found_and_foreign_ones_are_not_asked() {
        assert_eq!(wrong(&[("asyncio-novelty", &[])]), 1);
        assert_eq!(wrong(&[("asyncio-context", &["somebody-elses"])]), 0);
    }

    #[test]
    fn the_facade_is_short_and_safe() {
        let safe = "//! Facade.\n#![forbid(unsafe_code)]\n";
        assert!(check_facade("lib.rs", safe).is_empty());
        assert_eq!(check_facade("lib.rs", "//! Facade.\n").len(), 1);
        assert_eq!(check_facade("lib.rs", &format!("{safe}{}", "\n".repeat(148))).len(), 1);
        assert!(check_facade("lib.rs", &format!("{safe}{}", "\n".repeat(147))).is_empty());
    }
}
