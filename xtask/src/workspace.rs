//! The facts about the workspace: its crates, from `cargo metadata`, and its files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cli::Failure;
use crate::json::{self, Json};
use crate::process;

/// What tools make: folders, and the file that stands for `.git` in a second work tree.
const SKIPPED: &[&str] = &[".git", "target", "__pycache__", ".venv"];

/// A crate of the workspace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Crate {
    pub name: String,
    /// Where its `Cargo.toml` is, relative to the root, with `/` between the parts.
    pub folder: String,
    /// The names of what it depends on, without dev-dependencies.
    pub dependencies: Vec<String>,
    /// Its features, with what each turns on; `default` and the implicit ones of optional dependencies included.
    pub features: Vec<(String, Vec<String>)>,
    /// The oldest Rust that it promises to compile with.
    pub rust_version: Option<String>,
}

impl Crate {
    /// What a feature turns on; nothing if there is no such feature.
    pub fn feature(&self, name: &str) -> &[String] {
        self.features.iter().find(|(known, _)| known == name).map_or(&[], |(_, turned_on)| turned_on)
    }

    /// Whether the feature `default` turns on all the others, directly or through one another.
    pub fn has_all_features_by_default(&self) -> bool {
        let mut on = vec!["default"];
        let mut next = 0;
        while let Some(name) = on.get(next).copied() {
            let new: Vec<_> = self.feature(name).iter().map(String::as_str).filter(|name| !on.contains(name)).collect();
            on.extend(new);
            next += 1;
        }
        self.features.iter().all(|(name, _)| on.contains(&name.as_str()))
    }
}

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// The crates of the workspace, by name.
pub fn crates() -> Result<Vec<Crate>, Failure> {
    let metadata = process::output(process::cargo(&["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata = json::parse(&metadata).map_err(|error| Failure::while_doing("reading cargo metadata", error))?;
    let mut crates: Vec<Crate> = metadata.get("packages").list().iter().map(from_metadata).collect();
    crates.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(crates)
}

fn from_metadata(package: &Json) -> Crate {
    let text = |name| package.get(name).text().unwrap_or_default().to_owned();
    let manifest = PathBuf::from(text("manifest_path"));
    let normal =
        package.get("dependencies").list().iter().filter(|dependency| dependency.get("kind").text() != Some("dev"));
    let feature = |(name, turned_on): &(String, Json)| {
        (name.clone(), turned_on.list().iter().filter_map(Json::text).map(String::from).collect())
    };
    Crate {
        name: text("name"),
        folder: manifest.parent().map(relative).unwrap_or_default(),
        dependencies: normal.filter_map(|dependency| dependency.get("name").text()).map(String::from).collect(),
        features: package.get("features").members().iter().map(feature).collect(),
        rust_version: package.get("rust_version").text().map(String::from),
    }
}

/// A path as findings show it.
pub fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap_or(path);
    path.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// All files below `folder` that a person wrote, sorted.
pub fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if SKIPPED.iter().any(|skipped| entry.file_name() == *skipped) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_file() {
                found.push(entry.path());
            } else if kind.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The crates of the family that have a Rust source of which `matches` is true.
pub fn crates_with(matches: impl Fn(&str) -> bool) -> Result<Vec<Crate>, Failure> {
    let mut found = Vec::new();
    for krate in crates()?.into_iter().filter(|krate| krate.folder.starts_with("crates/")) {
        let what = format!("reading the sources of {}", krate.name);
        if has_source(&krate, &matches).map_err(|error| Failure::while_doing(what, error))? {
            found.push(krate);
        }
    }
    Ok(found)
}

fn has_source(krate: &Crate, matches: &impl Fn(&str) -> bool) -> io::Result<bool> {
    for file in files(&root().join(&krate.folder))? {
        if file.extension().is_some_and(|extension| extension == "rs") && matches(&fs::read_to_string(&file)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_read_from_metadata() {
        let package = format!(
            r#"{{"name": "a", "manifest_path": "{}/crates/a/Cargo.toml", "rust_version": "1.88",
                "dependencies": [{{"name": "b", "kind": null}}, {{"name": "c", "kind": "dev"}}, {{"name": "d", "kind": "build"}}],
                "features": {{"default": ["x"], "x": []}}}}"#,
            root().display()
        );
        let krate = from_metadata(&json::parse(&package).unwrap());
        assert_eq!(krate.folder, "crates/a");
        assert_eq!(krate.dependencies, ["b", "d"]);
        assert_eq!(krate.feature("default"), ["x"]);
        assert_eq!(krate.rust_version.as_deref(), Some("1.88"));
    }

    #[test]
    fn the_default_reaches_features_through_others() {
        let of = |features: &[(&str, &[&str])]| {
            let feature =
                |(name, on): &(&str, &[&str])| (name.to_string(), on.iter().map(ToString::to_string).collect());
            let features = features.iter().map(feature).collect();
            Crate { features, ..Crate::default() }.has_all_features_by_default()
        };
        assert!(of(&[]));
        assert!(of(&[("default", &[])]));
        assert!(of(&[("default", &["x"]), ("x", &["y", "default"]), ("y", &["dep:z"])]));
        assert!(!of(&[("default", &["x"]), ("x", &[]), ("y", &["x"])]));
        assert!(!of(&[("x", &[])]));
    }

    #[test]
    fn this_file_is_found_and_build_output_is_not() {
        let files: Vec<_> = files(root()).unwrap().iter().map(|file| relative(file)).collect();
        assert!(files.iter().any(|file| file == "xtask/src/workspace.rs"));
        assert!(!files.iter().any(|file| file.starts_with("target/")));
    }
}
