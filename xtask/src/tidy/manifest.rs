//! Rules for `Cargo.toml` files: one version, one place for dependencies, each with what it is for.
//!
//! They are read line by line, which is enough for manifests written in the usual way.

use crate::report::Finding;

/// One `key = value` of a manifest.
struct Entry<'a> {
    line: usize,
    section: &'a str,
    key: &'a str,
    value: &'a str,
    /// Whether the line above is a comment.
    explained: bool,
}

fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut found = Vec::new();
    let (mut section, mut explained) = ("", false);
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            section = header;
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with('#')) {
            found.push(Entry { line: index + 1, section, key: key.trim(), value: value.trim(), explained });
        }
        explained = line.starts_with('#');
    }
    found
}

fn value<'a>(entries: &[Entry<'a>], section: &str, key: &str) -> Option<&'a str> {
    let entry = entries.iter().find(|entry| entry.section == section && entry.key == key)?;
    Some(entry.value.trim_matches('"'))
}

/// The version of the workspace, from its root manifest.
pub fn version(root: &str) -> Option<&str> {
    value(&entries(root), "workspace.package", "version")
}

/// Rules for the root: every foreign dependency is explained, our own have the version of the workspace.
pub fn check_root(path: &str, text: &str) -> Vec<Finding> {
    let entries = entries(text);
    let version = value(&entries, "workspace.package", "version").unwrap_or_default();
    let mut findings = Vec::new();
    for entry in entries.iter().filter(|entry| entry.section == "workspace.dependencies") {
        let own = entry.value.contains("path =");
        if !own && !entry.explained {
            let message = format!("nothing says what `{}` is for; add a comment line above it", entry.key);
            findings.push(Finding::error(path, entry.line, message));
        }
        if own && !entry.value.contains(&format!("version = \"{version}\"")) {
            let message = format!("`{}` has another version than the workspace; write {version}", entry.key);
            findings.push(Finding::error(path, entry.line, message));
        }
    }
    findings
}

/// Rules for the other manifests: name of the folder, version and dependencies and lints from the root.
pub fn check_member(path: &str, text: &str) -> Vec<Finding> {
    let entries = entries(text);
    let mut findings = Vec::new();
    let folder = path.rsplit('/').nth(1).unwrap_or_default();
    match value(&entries, "package", "name") {
        Some(name) if name == folder => {}
        name => {
            let name = name.unwrap_or_default();
            let message = format!("the crate `{name}` is in the folder `{folder}`; give both the same name");
            findings.push(Finding::error(path, 1, message));
        }
    }
    let inherited = value(&entries, "package", "version.workspace") == Some("true");
    let unpublished = value(&entries, "package", "publish") == Some("false")
        && value(&entries, "package", "version").is_none_or(|version| version == "0.0.0");
    if !inherited && !unpublished {
        findings.push(Finding::error(path, 1, "has a version of its own; write `version.workspace = true`"));
    }
    if value(&entries, "lints", "workspace") != Some("true") {
        findings.push(Finding::error(
            path,
            1,
            "does not take the lints of the workspace; add `[lints] workspace = true`",
        ));
    }
    for entry in &entries {
        let listed = entry.section.ends_with("dependencies");
        let shared = entry.key.ends_with(".workspace") || entry.value.contains("workspace = true");
        let local = entry.value.contains("path =") && !entry.value.contains("version =");
        let own_version = entry.section.contains("dependencies.") && entry.key == "version";
        if own_version || (listed && !shared && !local) {
            let message = format!(
                "`{}` is not the workspace's; list the dependency in the root Cargo.toml and write `workspace = true`",
                entry.key
            );
            findings.push(Finding::error(path, entry.line, message));
        }
    }
    findings
}

/// Each crate of the family says in its README to whom it is useful.
pub fn check_readme(path: &str, exists: impl Fn(&str) -> bool) -> Option<Finding> {
    let folder = path.strip_suffix("/Cargo.toml").filter(|folder| folder.starts_with("crates/"))?;
    let missing = !exists(&format!("{folder}/README.md"));
    missing.then(|| Finding::error(path, 1, "the crate has no README.md; write one that says to whom it is useful"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "[workspace.package]\nversion = \"1.2.3\"\n\n[workspace.dependencies]\n";
    const MEMBER: &str = "[package]\nname = \"a\"\nversion.workspace = true\n\n[lints]\nworkspace = true\n";

    fn root(dependencies: &str) -> Vec<usize> {
        check_root("Cargo.toml", &format!("{ROOT}{dependencies}")).iter().map(|finding| finding.line).collect()
    }

    fn member(text: &str) -> Vec<String> {
        check_member("crates/a/Cargo.toml", text).into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn every_foreign_dependency_is_explained() {
        assert!(root("# What for.\nb = \"1\"\na = { path = \"crates/a\", version = \"1.2.3\" }\n").is_empty());
        assert_eq!(root("b = \"1\"\n# What for.\nc = \"1\"\nd = \"1\"\n"), [5, 8]);
    }

    #[test]
    fn our_crates_have_the_version_of_the_workspace() {
        assert_eq!(version(ROOT), Some("1.2.3"));
        assert_eq!(root("a = { path = \"crates/a\", version = \"1.2.2\" }\n"), [5]);
        assert_eq!(root("a = { path = \"crates/a\" }\n"), [5]);
    }

    #[test]
    fn a_member_takes_everything_from_the_root() {
        let dependencies = "[dependencies]\nb.workspace = true\nc = { workspace = true, features = [\"d\"] }\n\n\
                            [target.'cfg(unix)'.dev-dependencies]\nstub = { path = \"stub\" }\n";
        assert!(member(&format!("{MEMBER}{dependencies}")).is_empty());
        assert!(member(&format!("{MEMBER}[dependencies]\nb = \"1\"\n"))[0].contains("`b`"));
        assert_eq!(member(&format!("{MEMBER}[dev-dependencies.b]\nversion = \"1\"\n")).len(), 1);
        assert!(member(&MEMBER.replace("version.workspace = true", "version = \"1.2.3\""))[0].contains("version"));
        assert!(member(&MEMBER.replace("[lints]\nworkspace = true\n", ""))[0].contains("lints"));
        assert!(member(&MEMBER.replace("version.workspace = true", "version = \"0.0.0\"\npublish = false")).is_empty());
    }

    #[test]
    fn a_crate_is_named_as_its_folder() {
        assert!(member(&MEMBER.replace("name = \"a\"", "name = \"b\""))[0].contains("folder `a`"));
    }

    #[test]
    fn a_crate_of_the_family_has_a_readme() {
        assert!(check_readme("crates/a/Cargo.toml", |path| path == "crates/a/README.md").is_none());
        assert!(check_readme("crates/a/Cargo.toml", |_| false).is_some());
        assert!(check_readme("xtask/Cargo.toml", |_| false).is_none());
    }
}
